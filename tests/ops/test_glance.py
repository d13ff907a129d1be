"""One glance: what stands there, in which words, and that it fits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from ops import glance

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
SEEN: dict[str, Any] = {
    "workspace": "local",
    "endpoint": {"name": "flights", "state": "Succeeded", "scoring_uri": "http://127.0.0.1:1/flights/score"},
    "model": {"name": "flights", "latest": "2", "registered": "2026-01-02T11:00:00+00:00"},
    "slots": [
        {"slot": "blue", "traffic": 25, "mirror": 0, "state": "Succeeded", "model": "flights:2",
         "deployed_at": "2026-01-02T11:59:00.000+00:00", "rolled_back": False},
        {"slot": "green", "traffic": 75, "mirror": 10, "state": "Failed", "model": "flights:1",
         "deployed_at": "2025-12-20T11:59:00.000+00:00", "rolled_back": False},
    ],
    "rollout": {"slot": "blue", "step": 25, "status": "running", "held_by": "a:1",
                "begun": "2026-01-02T11:59:30+00:00"},
    "last_rollout": {"ended": "2026-01-02T113000Z", "model": "flights:2", "how": "blue, 5 s: rolled back at 10 %"},
    "jobs": [{"name": "calm_plum", "stage": "dev", "status": "Completed", "created": "2026-01-02T11:50:00+00:00"}],
    "drift": {"temp": 0.9, "dewp": 0.15, "dest": 0.01},
    "drift_fault": None,
    "reports": ["outputs/rollouts/flights.html"],
    "next": "inv rollout to go on, or inv rollback",
}  # fmt: skip


def lines(seen: dict[str, Any], width: int = 100) -> list[str]:
    console = Console(width=width, color_system=None, highlight=False, markup=False)
    with console.capture() as text:
        console.print(glance.drawn(seen, NOW, width))
    return [line.rstrip() for line in text.get().splitlines()]


def test_everything_is_on_one_screen() -> None:
    """Endpoint, both colours with their bars, model, rollout, jobs, drift, reports and what to do next."""
    seen = lines(SEEN)
    assert seen[0].startswith("flights on local: up")
    assert seen[2].split() == ["blue", "█████···············", "25", "%", "flights:2", "up", "60", "s", "ago"]
    assert "Failed" in seen[3]
    assert seen[3].endswith("13 days ago  and 10 % of copies")
    told = {line.split("  ")[1].strip(): line for line in seen[5:]}
    assert told["rollout"].endswith("blue at 25 %, begun 30 s ago: running by a:1")
    assert "rolled back at 10 %" in told["last rollout"]
    assert "temp 0.90: retrain; dewp 0.15: worth a look" in told["drift"]
    assert told["next"].endswith("inv rollout to go on, or inv rollback")
    assert len(seen) <= 24


def test_on_a_narrow_terminal_a_colour_keeps_its_share_and_its_state() -> None:
    """The bar and the age go first."""
    blue, green = (line.split() for line in lines(SEEN, width=48) if line.startswith(("  blue", "  green")))
    assert blue == ["blue", "25", "%", "flights:2", "up"]
    assert {"green", "75", "Failed"} <= set(green)


def test_before_anything_is_there() -> None:
    """No endpoint, no model: it says so, and what to do."""
    empty = {**SEEN, "endpoint": {"name": "flights", "state": "not created", "scoring_uri": None}, "slots": [],
             "jobs": [], "drift": {}, "drift_fault": None, "reports": [], "rollout": None, "last_rollout": None,
             "model": {"name": "flights", "latest": None, "registered": None}, "next": "inv train-dev"}  # fmt: skip
    seen = "\n".join(lines(empty))
    assert "not created" in seen
    assert "none registered" in seen
    assert "drift" not in seen


@pytest.mark.parametrize(("status", "said"), [("running", "stopped, nobody is at it"), ("paused", "paused")])
def test_a_rollout_that_nobody_holds_is_not_said_to_run(status: str, said: str) -> None:
    """Whose process died, or that was stopped at a step."""
    seen = "\n".join(lines({**SEEN, "rollout": {**SEEN["rollout"], "status": status, "held_by": None}}))
    assert f"begun 30 s ago: {said}" in seen


def test_what_others_wrote_is_no_markup() -> None:
    """A tag such as [red] is shown as it stands."""
    seen = lines({**SEEN, "next": "[red]x[/red]"})
    assert seen[-1].endswith("[red]x[/red]")


@pytest.mark.parametrize(
    ("moment", "said"),
    [("2026-01-02T11:59:58+00:00", "2 s ago"), ("2026-01-02T11:40:30+00:00", "19 min ago"),
     ("2026-01-02T09:00:00+00:00", "3 h ago"), ("2026-01-02T13:00:00+00:00", "0 s ago"), ("", ""), (None, ""),
     ("2026-01-02T11:00:00", "")],
)  # fmt: skip
def test_ages_are_said_in_one_unit(moment: str | None, said: str) -> None:
    """A clock that is ahead, a tag that holds no time, and a time without a zone do no harm."""
    assert glance.ago(moment, NOW) == said


def test_drift_that_cannot_be_measured_says_why() -> None:
    """In the place where the drift would stand."""
    seen = lines({**SEEN, "drift": {}, "drift_fault": "there is no job brave_one"})
    assert ["drift", "cannot be measured: there is no job brave_one"] in [line.split(maxsplit=1) for line in seen]
