"""Reading a folder of CSV: what is refused, and how kinds are found."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import DataError
from folder import listed, read_folder


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def test_files_are_read_in_order_of_name(tmp_path: Path) -> None:
    """The rows of b.csv come after those of a.csv, gzipped or not."""
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"x\n1\n"))
    write(tmp_path, b="x\n2\n")
    rows = read_folder(tmp_path)
    assert rows.frame["x"].tolist() == [1, 2]
    assert rows.files == ("a.csv.gz", "b.csv")


def test_other_files_and_hidden_ones_are_left_alone(tmp_path: Path) -> None:
    """A README or a file of the operating system is no data."""
    write(tmp_path, a="x\n1\n")
    (tmp_path / "README.md").write_text("not data")
    (tmp_path / "._a.csv").write_bytes(b"\x00\x05\x16\x07")
    assert read_folder(tmp_path).files == ("a.csv",)


def test_a_column_of_texts_stays_as_it_is_written(tmp_path: Path) -> None:
    """Known as text from another folder, its digits are not taken for numbers."""
    rows = read_folder(write(tmp_path, a="x,y\n007,1\n,2\n12,3\n"), ["x", "absent"])
    assert rows.frame["x"].fillna("").tolist() == ["007", "", "12"]
    assert rows.kinds == {"x": "text", "y": "number"}


def test_a_header_without_rows_changes_no_type(tmp_path: Path) -> None:
    """The numbers of the other files stay numbers."""
    frame = read_folder(write(tmp_path, a="x,y\n", b="x,y\n1,2.5\n")).frame
    assert [str(each) for each in frame.dtypes] == ["int64", "float64"]
    assert read_folder(write(tmp_path, a="x,y\n", b="x,y\n")).frame.empty


def test_names_that_mislead_are_in_quotes() -> None:
    """A blank before a name, and a comma in it, are seen."""
    assert listed(["a", " b", "c, d", 7]) == "a, ' b', 'c, d', 7"


def test_the_fingerprint_is_of_the_rows_not_of_the_packing(tmp_path: Path) -> None:
    """The same text gzipped has the same fingerprint, another text another."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "packed").mkdir()
    (tmp_path / "other").mkdir()
    write(tmp_path / "plain", a="x\n1\n")
    (tmp_path / "packed" / "a.csv.gz").write_bytes(gzip.compress(b"x\n1\n"))
    write(tmp_path / "other", a="x\n3\n")
    prints = [read_folder(tmp_path / name).fingerprint for name in ("plain", "packed", "other")]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no .csv"),
        ({"a": ""}, "a.csv: is not a CSV file"),
        ({"a": "x,y\n1,2\n3,4,5\n"}, "a.csv: is not a CSV file"),
        ({"a": "x,y\n1,2,3\n3,4,5\n"}, "a.csv: is not a CSV file"),
        ({"a": 'x\n"1\n'}, "a.csv: is not a CSV file"),
        ({"a": "x,x\n1,2\n"}, "column 'x' occurs twice"),
        ({"a": "x,\n1,2\n"}, "column 2 has no name"),
        ({"a": "x;y\n1;2\n"}, "a.csv: has one column, 'x;y': its cells must have commas between them"),
        ({"a": "x,y\n1,2\n", "b": "x\n1\n"}, "b.csv: its columns differ from those of a.csv: it lacks y"),
        ({"a": "x\n1\n", "b": "x,z\n1,1\n"}, "it has z too"),
    ],
)
def test_a_folder_that_cannot_be_read_names_the_file_and_the_fault(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    """Every fault of a file is a DataError, never an exception of pandas."""
    with pytest.raises(DataError, match=message.replace("(", r"\(")):
        read_folder(write(tmp_path, **files))


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    """A folder that is not there is not an empty one."""
    with pytest.raises(DataError, match="no such folder"):
        read_folder(tmp_path / "nowhere")


def test_a_text_of_another_encoding_is_named(tmp_path: Path) -> None:
    """As a spreadsheet may save it: the file, and what it should be."""
    (tmp_path / "a.csv").write_bytes("x,y\nM\u00fcnchen,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"a\.csv: is not UTF-8 text"):
        read_folder(tmp_path)


def test_a_broken_archive_is_named(tmp_path: Path) -> None:
    """A truncated gzip file is a DataError."""
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"x\n" + b"1\n" * 1000)[:-20])
    with pytest.raises(DataError, match=r"a\.csv\.gz: cannot be read"):
        read_folder(tmp_path)


def test_a_column_that_is_text_in_one_file_is_text_as_written_in_all(tmp_path: Path) -> None:
    """A code such as 007 keeps its zeros when another file shows that it is text."""
    rows = read_folder(write(tmp_path, a="x\n007\n", b="x\nA1\n"))
    assert rows.kinds["x"] == "text"
    assert rows.frame["x"].tolist() == ["007", "A1"]


def test_a_column_missing_in_one_file_takes_its_kind_from_the_others(tmp_path: Path) -> None:
    """Missing cells say nothing about a kind."""
    rows = read_folder(write(tmp_path, a="x,y,z\n,1,\n", b="x,y,z\nTrue,2,\n"))
    assert rows.kinds == {"x": "boolean", "y": "number", "z": "missing"}


def test_files_may_order_their_columns_differently(tmp_path: Path) -> None:
    """Columns meet by name."""
    frame = read_folder(write(tmp_path, a="x,y\n1,2\n", b="y,x\n4,3\n")).frame
    assert frame["x"].tolist() == [1, 3]


@given(st.lists(st.text(max_size=5), max_size=30))
def test_a_list_of_names_stays_short(names: list[str]) -> None:
    """A message shows eight names at most and counts the rest."""
    shown = listed(names)
    assert (f"and {len(names) - 8} more" in shown) == (len(names) > 8)
