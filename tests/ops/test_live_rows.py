"""Live rows: typed as the sample request is, drawn evenly, the same again for the same seed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ops import live_rows
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
    rows = live_rows.read(place, place / "sample.json", limit=1000)
    assert rows[0] == [30, 9.5, "basic", True]
    assert rows[1] == [None, 7, "plus", False]
    assert rows[2] == [20, 1, "p0", True]
    assert len(rows) == 202


def test_rows_are_drawn_from_all_files_and_again(place: Path) -> None:
    """A sample of the later file's rows too, the same for the same seed, another for another."""
    first = live_rows.read(place, place / "sample.json", limit=20)
    assert first == live_rows.read(place, place / "sample.json", limit=20)
    assert first != live_rows.read(place, place / "sample.json", limit=20, seed=1)
    later = {row[2] for row in first} & {f"p{n}" for n in range(100, 200)}
    assert later


def test_a_column_that_is_not_there_is_named(place: Path) -> None:
    """With the file that lacks it."""
    (place / "c.csv").write_text("age,fee,plan\n1,2,x\n")
    with pytest.raises(UsageError, match=r"c\.csv has no column member"):
        live_rows.read(place, place / "sample.json", limit=5)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"input_data": []}', '{"input_data": {"columns": ["a"], "data": [[1, 2]]}}']
)
def test_a_sample_that_is_none_is_refused(place: Path, text: str) -> None:
    """Wrong usage, with the file's name."""
    (place / "sample.json").write_text(text)
    with pytest.raises(UsageError, match=r"sample\.json: not a sample request"):
        live_rows.read(place, place / "sample.json", limit=5)
