"""What the studio tells its page: everything that changes, as it changes, and a rollout as the tags tell it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.ai.ml.entities import Model

from local.control.state import State
from local.routing.telemetry import Telemetry
from local.studio import live_stats, rollout, stream, views
from local.studio.live_stats import LiveStats

HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture
def events(browser: Any) -> Iterator[Iterator[tuple[str, Any]]]:
    """What the studio says, event by event, from now on."""
    answer = browser.call("GET", "api/events", stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")

    def read() -> Iterator[tuple[str, Any]]:
        name = ""
        for line in answer.iter_lines(chunk_size=1):
            if line.startswith(b"event: "):
                name = line[7:].decode()
            elif line.startswith(b"data: "):
                yield name, json.loads(line[6:])

    yield read()
    answer.close()


def test_the_stream_begins_with_all_there_is_and_goes_on_with_what_changes(events: Any, ml_client: Any) -> None:
    """A model that is registered while the page is open comes by itself, whatever it is called."""
    names = [next(events)[0] for _ in range(4)]
    assert names == ["all", "past", "health", "answers"]
    ml_client.models.create_or_update(Model(name="watched", path=__file__, tags={"note": HOSTILE}))
    for name, data in events:
        if name == "all" and (found := [model for model in data["models"] if model["name"] == "watched"]):
            assert found[0]["tags"]["note"] == HOSTILE
            break


def test_a_heart_beats(events: Any) -> None:
    """Once a second, for each endpoint, also while nothing happens."""
    assert "beat" in {next(events)[0] for _ in range(7)}


def test_an_endpoint_is_shown_with_its_split_and_its_memory(state: State) -> None:
    """Both colours, the newer one last; a rollout that its tags tell of is told, a part that is no curve is not."""
    tags = {"rollout": json.dumps(["green of X", "p", 25, "2026-11-23T07:32:58+00:00", 3.5, "running", 10])}
    tags |= {"trail": "0:10 14.5:25 :50 :100", "trail.error": "125 20 0,0,0 3.5,-12,31", "trail.odd": "not a curve"}
    state.endpoints.change("end", tags=tags)
    (endpoint,) = views.everything(state)["endpoints"]
    assert (endpoint["traffic"], endpoint["old"], endpoint["new"]) == ({"blue": 100}, "blue", "green")
    told = endpoint["rollout"]
    assert (told["new"], told["step"], told["status"]) == ("green", 25, "running")
    assert (told["steps"], told["ahead"]) == ([[0, 10], [14.5, 25]], [50, 100])
    assert told["curves"]["error"]["points"] == [[0, 0, 0], [3.5, -1.2, 3.1]]
    assert list(told["curves"]) == ["error"]


GARBLED = ["", "no json", "[]", "[1]", "{}", "null", '["a","b","c","d","e","f","g"]', None]
GARBLED += [
    f'["a","b",{step},"d",{watched},"f","g"]' for step, watched in (("1e999", "1"), ("1", "1e999"), ("1", "NaN"))
]


@pytest.mark.parametrize("text", GARBLED)
def test_a_memory_that_is_not_understood_shows_nothing(text: str) -> None:
    """Whoever wrote it, the page is shown."""
    assert rollout.read({"rollout": text}) is None  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "text", [None, "", "nan", "125 20 0,nan,0", "inf 20 0,0,0", "nan:10 1:25", "[[1],[1e999,2,3,4]]"]
)
def test_no_tag_keeps_the_rest_from_being_told(text: str | None) -> None:
    """Not even null, or a number that JSON has no word for: the page goes by the rest."""
    whole = json.dumps(["green of X", "p", 25, "2026-11-23T07:32:58+00:00", 3.5, "running", 10])
    found = rollout.read({"rollout": whole, "trail": text, "trail.error": text, "evidence.error": text})  # type: ignore[dict-item]
    assert found is not None
    assert json.loads(json.dumps(found, allow_nan=False))["step"] == 25


def test_a_look_that_fails_is_not_the_last(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever went wrong in it: the page would go on saying that it is live."""
    faults = iter([KeyError("gone"), ValueError("nan")])
    looked = views.health

    def health(state: State) -> Any:
        if (fault := next(faults, None)) is not None:
            raise fault
        return looked(state)

    monkeypatch.setattr(stream, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(views, "health", health)

    async def beats() -> None:
        looking, queue = stream.Stream(state), asyncio.Queue[bytes | None](100)
        looking._queues.add(queue)
        looking.start()
        async with asyncio.timeout(10):
            while not (await queue.get() or b"").startswith(b"event: beat"):
                pass
        await looking.close()

    asyncio.run(beats())


def test_answers_are_counted_by_status() -> None:
    """That of the client and that of the model behind it, each deployment's, of the last quarter of an hour."""
    now = [60.0]
    telemetry = Telemetry(lambda: now[0])
    own = LiveStats(telemetry, lambda: now[0])
    for deployment, status, model in (("blue", 424, 400), ("blue", 200, 200), ("green", 200, 200), ("", 404, None)):
        telemetry.record("end", deployment, status, model, 0.010)
    assert own.answers(["end"]) == {
        "end": [
            {"status": 200, "model": 200, "of": {"blue": 1, "green": 1}},
            {"status": 424, "model": 400, "of": {"blue": 1}},
        ]
    }
    now[0] += live_stats.HISTORY_SECONDS + 60
    assert own.answers(["end"]) == {"end": []}


def test_a_long_log_is_told_from_its_end(state: State, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From a line's beginning, with word that there was more; what comes after is told whole."""
    said = tmp_path / "log"
    said.write_text("".join(f"line {number}\n" for number in range(100_000)))
    found = SimpleNamespace(path=said, size=said.stat().st_size)
    monkeypatch.setattr(state.jobs, "get", lambda name: None)
    monkeypatch.setattr(state.blobs, "get", lambda container, name: found)
    told = views.job_log(state, "job", 0)
    lines = told["text"].splitlines()
    assert (told["skipped"], lines[-1], lines[0].startswith("line ")) == (True, "line 99999", True)
    assert len(told["text"]) <= views.LOG_BYTES
    with said.open("a") as file:
        file.write("more\n")
    found.size = said.stat().st_size
    assert views.job_log(state, "job", told["next"]) == {"text": "more\n", "next": found.size, "skipped": False}


def test_a_beat_is_what_came_since_the_last() -> None:
    """Counts of one second, also over the turn of a minute; a second without a request has no latency."""
    now = [59.0]
    telemetry = Telemetry(lambda: now[0])
    telemetry.record("end", "blue", 200, 200, 0.010)
    own = LiveStats(telemetry, lambda: now[0])
    telemetry.record("end", "blue", 200, 200, 0.020)
    now[0] = 60.0
    telemetry.record("end", "blue", 424, 500, 0.040)
    beat = own.sample()[1]["end", "blue"]
    assert (beat.rate, beat.faults) == (2, 1)
    assert beat.p50 == pytest.approx(20, rel=0.02)
    assert beat.p99 == pytest.approx(40, rel=0.02)
    now[0] = 61.0
    assert own.sample()[1] == {}
    assert [set(each["of"]) for each in live_stats.history(own, "end")] == [{"blue"}, set()]
