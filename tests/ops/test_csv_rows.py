"""Live rows: typed as the sample request is, drawn evenly, the same again for the same seed."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest
from pandas._libs.parsers import STR_NA_VALUES

from folder import read_folder
from ops import csv_rows
from ops.errors import UsageError


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with two files of rows and a sample request."""
    (tmp_path / "a.csv").write_text("id,age,fee,plan,member\n1,30,9.5,basic,True\n2,,7,plus,False\n")
    with gzip.open(tmp_path / "b.csv.gz", "wt") as lines:
        lines.write("plan,id,fee,age,member\n" + "".join(f"p{n},{n},1,20,True\n" for n in range(200)))
    request = {
        "input_data": [
            {"age": None, "fee": 9.5, "plan": "x", "member": True},
            {"age": 3, "fee": 1, "plan": "y", "member": False},
        ]
    }
    (tmp_path / "sample.json").write_text(json.dumps(request))
    return tmp_path


def test_cells_have_the_types_of_the_sample(place: Path) -> None:
    """Numbers, booleans and texts; an empty cell is missing; columns that the sample lacks are left out."""
    rows = csv_rows.read(place, place / "sample.json", limit=1000)
    assert rows[0] == [30, 9.5, "basic", True]
    assert rows[1] == [None, 7, "plus", False]
    assert rows[2] == [20, 1, "p0", True]
    assert len(rows) == 202


def test_the_files_of_a_folder_are_those_that_training_reads(place: Path) -> None:
    """No hidden file, no copy by another name, no folder; none in a folder that is not there."""
    for other in (".a.csv", "a.csv.bak", "notes.txt"):
        (place / other).write_text("x\n1\n")
    (place / "old.csv").mkdir()
    (place / "b.csv.gz").unlink()
    (place / "b.csv").write_text((place / "a.csv").read_text())
    assert [file.name for file in csv_rows.csv_files(place)] == ["a.csv", "b.csv"] == list(read_folder(place).files)
    assert csv_rows.csv_files(place / "nowhere") == []


def test_rows_are_drawn_from_all_files_and_again(place: Path) -> None:
    """A sample of the later file's rows too, the same for the same seed, another for another."""
    first = csv_rows.read(place, place / "sample.json", limit=20)
    assert first == csv_rows.read(place, place / "sample.json", limit=20)
    assert first != csv_rows.read(place, place / "sample.json", limit=20, seed=1)
    later = {row[2] for row in first} & {f"p{n}" for n in range(100, 200)}
    assert later


def test_missing_is_what_training_takes_for_it() -> None:
    """The words are those of pandas, by which training reads."""
    assert set(STR_NA_VALUES) == csv_rows.MISSING


def test_cells_are_those_that_training_reads(tmp_path: Path) -> None:
    """Each word for a missing cell, the mark of Excel's UTF-8, a row that ends early, infinity, which no JSON holds."""
    words = sorted(csv_rows.MISSING)
    lines = [[f"{n}.5", f"p{n}"] for n in range(3)] + [[word, word] for word in words] + [["inf", "Na"], ["7"]]
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([["age", "plan"], *lines])
    (tmp_path / "sample.json").write_text(json.dumps({"input_data": [{"age": 3.5, "plan": "y"}]}))
    rows = csv_rows.read(tmp_path, tmp_path / "sample.json", limit=1000)
    trained = read_folder(tmp_path).frame.astype(object)
    trained = trained.replace(float("inf"), None).where(trained.notna(), None)
    assert rows == trained.to_numpy().tolist()
    assert rows[3:] == [[None, None]] * len(words) + [[None, "Na"], [7, None]]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"age,fee,plan,member\nold,1,x,True\n",
            "column age of the live rows holds 'old', the sample request a number",
        ),
        (b"age,fee,plan,member\n1,1,\xe9t\xe9,True\n", "c.csv cannot be read: 'utf-8' codec"),
    ],
)
def test_a_cell_that_cannot_be_read_is_wrong_usage(place: Path, content: bytes, said: str) -> None:
    """Its column or its file is named."""
    (place / "c.csv").write_bytes(content)
    with pytest.raises(UsageError, match=said):
        csv_rows.read(place, place / "sample.json", limit=1000)


def test_a_broken_archive_is_wrong_usage(place: Path) -> None:
    """One that is cut off, as a download may be."""
    whole = (place / "b.csv.gz").read_bytes()
    (place / "b.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match=r"b\.csv\.gz cannot be read"):
        csv_rows.read(place, place / "sample.json", limit=1000)


def test_a_column_that_the_sample_does_not_show_is_named(place: Path) -> None:
    """null in every row: it might be a number or a text, and sent as the wrong one every request would be refused."""
    rows = [{"age": None, "fee": 9.5, "plan": None}, {"age": None, "fee": 1, "plan": "y"}]
    (place / "sample.json").write_text(json.dumps({"input_data": rows}))
    with pytest.raises(UsageError, match=r"sample\.json: age is null in every row"):
        csv_rows.read(place, place / "sample.json", limit=5)


def test_a_column_that_is_not_there_is_named(place: Path) -> None:
    """With the file that lacks it."""
    (place / "c.csv").write_text("age,fee,plan\n1,2,x\n")
    with pytest.raises(UsageError, match=r"c\.csv has no column member"):
        csv_rows.read(place, place / "sample.json", limit=5)


def test_a_sample_must_have_the_columns_that_the_model_learns(tmp_path: Path) -> None:
    """All but the target, the time and what is dropped: said before a job is submitted."""
    sample = tmp_path / "sample.json"
    (tmp_path / "a.csv").write_text("id,age,fee,left\n1,2,3,0\n")
    for columns, said in (
        (["fee", "age"], ""),
        (["age"], "it lacks fee"),
        (["age", "fee", "left"], "it has left"),
        (["age", "plan"], "it lacks fee, has plan"),
    ):
        sample.write_text(json.dumps({"input_data": {"columns": columns, "data": [[1] * len(columns)]}}))
        if said:
            with pytest.raises(UsageError, match=rf"the columns learned from a\.csv: {said}$"):
                csv_rows.check_sample(sample, tmp_path, {"id", "left"})
        else:
            csv_rows.check_sample(sample, tmp_path, {"id", "left"})
    csv_rows.check_sample(sample, tmp_path, {"id", "gone"})  # which the training says


def test_a_cell_may_be_longer_than_csv_takes_by_itself(tmp_path: Path) -> None:
    """Training reads it too."""
    (tmp_path / "sample.json").write_text('{"input_data": [{"note": "x"}]}')
    (tmp_path / "a.csv").write_text("note\n" + "x" * 200_000 + "\n")
    assert csv_rows.read(tmp_path, tmp_path / "sample.json", limit=5) == [["x" * 200_000]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"input_data": []}',
        '{"input_data": [{"a": 1}, 5]}',
        '{"input_data": {"columns": ["a"], "data": [[1, 2]]}}',
    ],
)
def test_a_sample_that_is_none_is_refused(place: Path, text: str) -> None:
    """Wrong usage, with the file's name."""
    (place / "sample.json").write_text(text)
    with pytest.raises(UsageError, match=r"sample\.json: not a sample request"):
        csv_rows.read(place, place / "sample.json", limit=5)
