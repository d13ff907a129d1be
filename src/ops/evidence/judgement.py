"""Is green good, bad, or not yet known? The evidence of a rollout, metric by metric (row 22).

Each metric counts the requests of both deployments and the bad ones among them, and holds two tests (wealth.py): harm,
whose E of 1/alpha or more means bad, and safety, whose E of 1/beta or more means good. Alpha is split over the metrics,
since one that cries is enough for a rollback; beta is not, since all must agree before going on, and the chance that
all do so wrongly is at most the chance that one does. The times of pairs have a harm test of their own (pace.py). All
may be looked at as often as one likes.

Nothing here reads a clock or draws a number: the same counts in the same order give the same verdict, on any machine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ops.evidence.counts import Counts
from ops.evidence.nulls import Harm, Null, Safety
from ops.evidence.pace import NAME, Pace, Slower, Times
from ops.evidence.verdict import Answer, Finding, Verdict
from ops.evidence.wealth import Blue, Wealth, hundredths, shares

_VERSION = 1
_EMPTY = Counts()
# Requests of one arm that wait for the other: older ones say too little of the hour in which the other's come.
HELD = 10_000


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that can be bad about a request, how much worse green may be, and its weight in the split of alpha.

    Without `safety` the metric can stop a rollout and is not asked before going on. `shown` metrics are counted only.
    """

    name: str
    harm: Harm = field(default_factory=Harm)
    safety: Safety | None = field(default_factory=Safety)
    weight: float = 1.0
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """The metrics; the chance of ever rolling back a tolerable green, and that of passing one worse by the margin."""

    metrics: tuple[Metric, ...] = (Metric("error"),)
    alpha: float = 0.01
    beta: float = 0.05
    slower: Slower | None = None

    def __post_init__(self) -> None:
        names = self.names
        if not names or len(set(names)) < len(names):
            raise ValueError(f"metrics {names}: give one or more, each once")
        if not 0 < self.alpha < 1 or not 0 < self.beta < 1:
            raise ValueError(f"alpha {self.alpha}, beta {self.beta}: give chances between 0 and 1")
        if any(metric.weight <= 0 for metric in self.metrics):
            raise ValueError("a metric's weight must be more than 0; set shown=True for one that is not judged")

    @property
    def names(self) -> list[str]:
        """The names of all that evidence is kept of."""
        return [metric.name for metric in self.metrics] + ([] if self.slower is None else [NAME])

    def harm_needs(self, metric: Metric | Slower) -> float:
        """Return the E that means bad: 1/alpha, times what the other judged metrics take of alpha."""
        total = sum(each.weight for each in self.metrics if not each.shown)
        total += 0 if self.slower is None else self.slower.weight
        return total / (metric.weight * self.alpha)


@dataclass(frozen=True, slots=True)
class Track:
    """One metric's totals, its two tests, what is known of blue, and requests that wait for the other arm."""

    harm: Wealth
    safety: Wealth | None
    known: Blue
    blue: Counts = _EMPTY
    green: Counts = _EMPTY
    held: tuple[Counts, Counts] = (_EMPTY, _EMPTY)

    @staticmethod
    def start(metric: Metric, history: Counts) -> Track:
        """Return a track without evidence; `history` is blue's past, and moves the bets alone."""
        safety = None if metric.safety is None else Wealth.start(metric.safety)
        return Track(Wealth.start(metric.harm), safety, Blue().seen(history))

    def seen(self, blue: Counts, green: Counts) -> Track:
        """Return the track after these requests, which count as one block with those that waited.

        A block needs both arms. One that comes alone waits, up to HELD requests; whether it is let go depends on how
        many there are, never on how they went, so nothing is chosen.
        """
        if not blue.n and not green.n:
            return self
        block_blue, block_green = self.held[0] + blue, self.held[1] + green
        new = replace(self, blue=self.blue + blue, green=self.green + green)
        if not block_blue.n or not block_green.n:
            held = (block_blue, block_green) if block_blue.n + block_green.n <= HELD else (_EMPTY, _EMPTY)
            return replace(new, held=held, known=self.known if held[0].n or held[1].n else self.known.seen(block_blue))
        return replace(
            new,
            harm=self.harm.after(block_blue, block_green, self.known),
            safety=None if self.safety is None else self.safety.after(block_blue, block_green, self.known),
            known=self.known.seen(block_blue),
            held=(_EMPTY, _EMPTY),
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """All metrics of one rollout. Never changed: `update` returns the next."""

    policy: Policy
    tracks: tuple[Track, ...]
    pace: Pace | None = None

    @staticmethod
    def start(policy: Policy, history: Mapping[str, Counts] | None = None) -> Evidence:
        """Return evidence of nothing; `history` by metric: what blue did before, which saves time and risks nothing."""
        past = history or {}
        tracks = tuple(Track.start(each, past.get(each.name, _EMPTY)) for each in policy.metrics)
        return Evidence(policy, tracks, None if policy.slower is None else Pace.start(policy.slower))

    def update(self, seen: Mapping[str, tuple[Counts, Counts]] | Times) -> Evidence:
        """Return the evidence with these requests added, (blue, green) by metric; or with the times of one pair.

        KeyError for an unknown metric; times are left aside when the policy does not judge them. The requests of one
        call are of one time: a live minute, a probe of both. Several calls are better than one with their sum. What is
        in a call must not depend on how its requests went.
        """
        if isinstance(seen, Times):
            return replace(self, pace=None if self.pace is None else self.pace.after(seen))
        unknown = set(seen) - {metric.name for metric in self.policy.metrics}
        if unknown:
            raise KeyError(f"no metric {sorted(unknown)}: there are {[m.name for m in self.policy.metrics]}")
        pairs = zip(self.policy.metrics, self.tracks, strict=True)
        return replace(self, tracks=tuple(t.seen(*seen[m.name]) if m.name in seen else t for m, t in pairs))

    def verdict(self) -> Verdict:
        """Judge. Harm once shown stays shown; safety must be shown by what is known now."""
        pairs = zip(self.policy.metrics, self.tracks, strict=True)
        findings = tuple(self._finding(metric, track) for metric, track in pairs if not metric.shown)
        if self.pace is not None:
            findings += (self._pace_finding(self.pace),)
        if any(finding.answer == "bad" for finding in findings):
            return Verdict("bad", findings)
        asked = [finding for finding in findings if finding.safety is not None]
        good = bool(asked) and all(finding.answer == "good" for finding in asked)
        return Verdict("good" if good else "unknown", findings)

    def _finding(self, metric: Metric, track: Track) -> Finding:
        harm_needs, safety_needs = self.policy.harm_needs(metric), 1 / self.policy.beta
        safety = None if track.safety is None else track.safety.log_e
        answer: Answer = "unknown"
        if track.harm.peak >= math.log(harm_needs):
            answer = "bad"
        elif safety is not None and safety >= math.log(safety_needs):
            answer = "good"
        return Finding(
            metric.name,
            answer,
            track.blue,
            track.green,
            track.harm.log_e,
            track.harm.peak,
            harm_needs,
            safety,
            safety_needs,
        )

    def _pace_finding(self, pace: Pace) -> Finding:
        needs = self.policy.harm_needs(pace.null)
        answer: Answer = "bad" if pace.peak >= math.log(needs) else "unknown"
        return Finding(NAME, answer, pace.blue, pace.green, pace.log_e, pace.peak, needs, None, 1 / self.policy.beta)

    def state(self) -> dict[str, str]:
        """Return the evidence by metric, each a text of at most 256 characters: a tag's value on Azure."""
        pairs = zip(self.policy.metrics, self.tracks, strict=True)
        kept = {metric.name: _packed(track) for metric, track in pairs}
        return kept if self.pace is None else {**kept, NAME: self.pace.packed()}

    @staticmethod
    def restore(policy: Policy, state: Mapping[str, str]) -> Evidence:
        """Return the evidence that `state` was made of, under the same policy; a metric that is missing starts anew.

        ValueError when it was made by another version, or with another kind of test.
        """
        tracks = (
            _unpacked(metric, state[metric.name]) if metric.name in state else Track.start(metric, _EMPTY)
            for metric in policy.metrics
        )
        new = Evidence.start(policy)
        pace = Pace.unpacked(policy.slower, state[NAME]) if policy.slower is not None and NAME in state else new.pace
        return replace(new, tracks=tuple(tracks), pace=pace)


def _packed(track: Track) -> str:
    """Return the track in hundredths of a nat, rounded down, so that a restart never adds evidence."""
    held_blue, held_green = track.held
    numbers: list[object] = [
        _VERSION,
        [track.blue.n, track.blue.bad, track.green.n, track.green.bad],
        [held_blue.n, held_blue.bad, held_green.n, held_green.bad],
        [round(track.known.n), float(f"{track.known.bad:.4g}")],
    ]
    tests = [track.harm] if track.safety is None else [track.harm, track.safety]
    numbers += [[test.n_green, *map(hundredths, (test.peak, *test.bets))] for test in tests]
    return json.dumps(numbers, separators=(",", ":"))


def _unpacked(metric: Metric, text: str) -> Track:
    try:
        version, totals, held, known, *tests = json.loads(text)
        nulls: list[Null] = [metric.harm] if metric.safety is None else [metric.harm, metric.safety]
        if version != _VERSION or [len(test) - 2 for test in tests] != [len(shares(null)) for null in nulls]:
            raise ValueError("made by another version or with other tests")
        wealths = [
            Wealth(null, tuple(bet / 100 for bet in bets), int(n_green), peak / 100)
            for null, (n_green, peak, *bets) in zip(nulls, tests, strict=True)
        ]
        return Track(
            wealths[0],
            wealths[1] if len(wealths) > 1 else None,
            Blue(float(known[0]), float(known[1])),
            Counts(*totals[:2]),
            Counts(*totals[2:]),
            (Counts(*held[:2]), Counts(*held[2:])),
        )
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(f"the kept evidence of {metric.name} cannot be read: {error}") from error
