"""The user's own data: another folder of CSV with another target goes through the whole flow by settings alone."""

from __future__ import annotations

import json
import subprocess

import own_data
import pytest
from house import House

pytestmark = pytest.mark.slow


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_members_of_a_club_instead_of_flights(fresh_house: House) -> None:
    """Texts as labels, booleans, missing cells, an identifier to drop, no time: two versions, a rollout, a trace."""
    house = fresh_house
    own_data.write(house.root / "club")
    (house.root / "club/request.json").write_text(json.dumps(own_data.sample()))
    house.set(
        data={"dev": "club/dev", "prod": "club/prod", "live": "club/live", "sample": "club/request.json"},
        names={"experiment": "club", "model": "leavers", "endpoint": "club-leavers"},
        train=own_data.SETTINGS,
    )
    ok(house.inv("train-dev"))
    ok(house.inv("train-prod", "--yes"))
    assert "blue: passed all" in ok(house.inv("deploy"))
    ok(house.inv("train-prod", "--yes"))
    assert "green: passed all" in ok(house.inv("deploy"))
    assert "rollout complete: green has all the traffic" in ok(house.inv("rollout"))
    answer = json.loads(ok(house.inv("score")))
    assert set(answer["predictions"]) <= {"yes", "no"}
    assert answer["model"] == {"name": "leavers", "version": "2"}
    found = json.loads(ok(house.inv("trace", "--json")))
    assert found["deployment"]["endpoint"] == "club-leavers"
    assert float(found["metrics"]["auc"]) > 0.6


def test_a_boosted_model_goes_through_too(fresh_house: House) -> None:
    """model: boosted in the settings; what serves it is said, and it answers."""
    house = fresh_house
    house.set(train={"model": "boosted"})
    ok(house.inv("train-dev"))
    assert "boosted" in ok(house.inv("train-prod", "--yes"))
    ok(house.inv("deploy"))
    assert len(json.loads(ok(house.inv("score")))["probabilities"]) == 3
