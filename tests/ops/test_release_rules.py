"""The rules of release and traffic that need no workspace: which slot, which split."""

from __future__ import annotations

import doctest
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops import console, deployments, lineage, release
from ops.errors import Refused, UsageError
from ops.traffic import Split, check


@dataclass
class Deployed:
    """As much of the SDK's deployment as the rules look at."""

    tags: dict[str, str] = field(default_factory=dict)
    provisioning_state: str = "Succeeded"
    model: str = ""


def deployed(at: str, model: str = "m:1", code: str = "c1", state: str = "Succeeded") -> Deployed:
    return Deployed({lineage.DEPLOYED: at, lineage.MODEL: model, lineage.CODE: code}, state)


CONTENT = {lineage.MODEL: "m:2", lineage.CODE: "c1"}


def decide(
    there: dict[str, Deployed], live: dict[str, int], slot: str | None = None, force: bool = False
) -> release.Decision:
    return release.decide(there, Split(live, {}), CONTENT, slot, force)  # type: ignore[arg-type]


def test_row_14_a_new_endpoint_starts_with_blue() -> None:
    """Nothing deployed: blue."""
    assert decide({}, {}).slot == "blue"


def test_a_new_endpoint_starts_with_the_slot_that_was_asked_for() -> None:
    """Also when that is not blue."""
    assert decide({}, {}, slot="green").slot == "green"


@pytest.mark.parametrize(("live", "idle"), [("blue", "green"), ("green", "blue")])
def test_row_27_the_next_version_goes_to_the_colour_that_is_not_live(live: str, idle: str) -> None:
    """Colours alternate, whichever is live."""
    assert decide({live: deployed("1")}, {live: 100}).slot == idle


def test_row_19_nothing_newer_changes_nothing() -> None:
    """The live deployment holds this model and this code: no slot is chosen."""
    decision = decide({"green": deployed("1", model="m:2")}, {"green": 100})
    assert decision.slot is None
    assert "nothing newer" in decision.reason


def test_new_scoring_code_is_something_newer() -> None:
    """The same model with other code is deployed."""
    assert decide({"green": deployed("1", model="m:2", code="c0")}, {"green": 100}).slot == "blue"


def test_a_deploy_that_was_interrupted_is_taken_up() -> None:
    """The idle slot holds this content already: it is tested again, not made again."""
    decision = decide({"blue": deployed("1"), "green": deployed("2", model="m:2")}, {"blue": 100})
    assert (decision.slot, decision.create) == ("green", False)


def test_a_first_deploy_that_was_interrupted_is_taken_up_in_its_slot() -> None:
    """Nothing is live yet: the slot that holds this content already is the one, also when it is not blue."""
    decision = decide({"green": deployed("1", model="m:2")}, {})
    assert (decision.slot, decision.create) == ("green", False)


def test_a_failed_deployment_is_made_again() -> None:
    """The same content in state Failed does not count as being there."""
    there = {"blue": deployed("1"), "green": deployed("2", model="m:2", state="Failed")}
    decision = decide(there, {"blue": 100})
    assert (decision.slot, decision.create) == ("green", True)


def test_the_live_slot_is_never_deployed_to() -> None:
    """Asking for it is wrong usage, with the right slot in the message."""
    with pytest.raises(UsageError, match="blue is live: a new version goes to green"):
        decide({"blue": deployed("1")}, {"blue": 100}, slot="blue")


def test_a_slot_that_is_no_colour_is_refused() -> None:
    """There are two."""
    with pytest.raises(UsageError, match="blue and green"):
        decide({}, {}, slot="red")


def test_no_deploy_in_the_midst_of_a_rollout() -> None:
    """Both colours serve: neither is idle."""
    with pytest.raises(Refused, match="a rollout is under way"):
        decide({"blue": deployed("1"), "green": deployed("2")}, {"blue": 75, "green": 25})


SHARES = st.dictionaries(st.sampled_from(["blue", "green", "red"]), st.integers(-10, 130), max_size=3)


@given(SHARES, SHARES)
def test_a_split_that_azure_would_refuse_is_refused_here(live: dict[str, int], mirror: dict[str, int]) -> None:
    """Sums to 0 or 100, shares in range, one mirror of at most 50 %, never both on one deployment."""
    whole = all(0 <= share <= 100 for share in [*live.values(), *mirror.values()])
    copies = [share for share in mirror.values() if share]
    fine = (
        whole
        and sum(live.values()) in (0, 100)
        and len(copies) <= 1
        and all(share <= 50 for share in copies)
        and not any(share and live.get(slot) for slot, share in mirror.items())
    )
    if fine:
        check(live, mirror)
    else:
        with pytest.raises(UsageError):
            check(live, mirror)


@pytest.mark.parametrize(
    ("live", "mirror", "message"),
    [
        ({"blue": -10, "green": 110}, {}, "blue: -10 is not a percentage"),
        ({"green": 110, "blue": -10}, {}, "green: 110 is not a percentage"),
        ({"blue": -10, "green": 110}, {"blue": 0, "green": 0}, "blue: -10 is not a percentage"),
        ({"blue": 100}, {"green": -1}, "green: -1 is not a percentage"),
        ({"blue": 90}, {}, "traffic sums to 90 %"),
        ({"blue": 100, "green": 20}, {}, "traffic sums to 120 %"),
        ({"blue": 100}, {"green": 51}, "green: mirrors at most 50 %, not 51 %"),
        ({"blue": 100}, {"blue": 10}, "blue has live traffic"),
        ({"blue": 100}, {"green": 10, "red": 10}, "only one deployment can mirror"),
    ],
)
def test_a_split_that_cannot_be_is_refused_with_its_fault(
    live: dict[str, int], mirror: dict[str, int], message: str
) -> None:
    """Also where the sum is right."""
    with pytest.raises(UsageError, match=message):
        check(live, mirror)


@pytest.mark.parametrize(
    ("live", "mirror"),
    [
        ({"blue": 100}, {"green": 50}),
        ({"blue": 100, "green": 0}, {"green": 10, "blue": 0}),
        ({"blue": 0}, {}),
        ({}, {}),
    ],
)
def test_a_split_at_its_limits_is_accepted(live: dict[str, int], mirror: dict[str, int]) -> None:
    """Half of the requests mirrored; a share of 0 beside a mirror; no traffic at all."""
    check(live, mirror)


def test_other_is_its_own_inverse() -> None:
    """Two colours."""
    assert [deployments.other(deployments.other(slot)) for slot in deployments.SLOTS] == list(deployments.SLOTS)


@pytest.mark.parametrize("module", [console, deployments])
def test_examples_in_docstrings_hold(module: object) -> None:
    """What the docstrings show is what happens."""
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
