"""Is the new deployment good, bad, or not yet known? The evidence of a rollout, metric by metric (row 22).

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
from ops.evidence.wealth import OldRate, Wealth, hundredths, shares

_VERSION = 1
_EMPTY = Counts()
# Requests of one arm that wait for the other: older ones say too little of the hour in which the other's come.
MOST_WAITING = 10_000


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that can be bad about a request, how much worse it may get, and its weight in the split of alpha.

    Without `safety` the metric can stop a rollout and is not asked before going on. One not `judged` is counted only.
    """

    name: str
    harm: Harm = field(default_factory=Harm)
    safety: Safety | None = field(default_factory=Safety)
    weight: float = 1.0
    judged: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """The metrics; the chance of ever rolling back a tolerable deployment, and of passing one worse by the margin."""

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
            raise ValueError("a metric's weight must be more than 0; set judged=False for one that is only counted")

    @property
    def names(self) -> list[str]:
        """The names of all that evidence is kept of."""
        return [metric.name for metric in self.metrics] + ([] if self.slower is None else [NAME])

    def harm_threshold(self, metric: Metric | Slower) -> float:
        """Return the E that means bad: 1/alpha, times what the other judged metrics take of alpha."""
        total = sum(each.weight for each in self.metrics if each.judged)
        total += 0 if self.slower is None else self.slower.weight
        return total / (metric.weight * self.alpha)


@dataclass(frozen=True, slots=True)
class Track:
    """One metric's totals, its two tests, what is known of the old rate, and requests that wait for the other arm."""

    harm: Wealth
    safety: Wealth | None
    known: OldRate
    old: Counts = _EMPTY
    new: Counts = _EMPTY
    waiting: tuple[Counts, Counts] = (_EMPTY, _EMPTY)

    @staticmethod
    def start(metric: Metric, history: Counts) -> Track:
        """Return a track without evidence; `history` is the old one's past, and moves the bets alone."""
        safety = None if metric.safety is None else Wealth.start(metric.safety)
        return Track(Wealth.start(metric.harm), safety, OldRate().after(history))

    def after(self, old: Counts, new: Counts) -> Track:
        """Return the track after these requests, which count as one block with those that waited.

        A block needs both arms. One that comes alone waits, up to MOST_WAITING requests; whether it is let go depends
        on how many there are, never on how they went, so nothing is chosen.
        """
        if not old.n and not new.n:
            return self
        block_old, block_new = self.waiting[0] + old, self.waiting[1] + new
        counted = replace(self, old=self.old + old, new=self.new + new)
        if not block_old.n or not block_new.n:
            if block_old.n + block_new.n <= MOST_WAITING:
                return replace(counted, waiting=(block_old, block_new))
            return replace(counted, waiting=(_EMPTY, _EMPTY), known=self.known.after(block_old))
        return replace(
            counted,
            harm=self.harm.after(block_old, block_new, self.known),
            safety=None if self.safety is None else self.safety.after(block_old, block_new, self.known),
            known=self.known.after(block_old),
            waiting=(_EMPTY, _EMPTY),
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """All metrics of one rollout. Never changed: `after` returns the next."""

    policy: Policy
    tracks: tuple[Track, ...]
    pace: Pace | None = None

    @staticmethod
    def start(policy: Policy, history: Mapping[str, Counts] | None = None) -> Evidence:
        """Return evidence of nothing; `history` by metric: the old one's past, which saves time and risks nothing."""
        past = history or {}
        tracks = tuple(Track.start(each, past.get(each.name, _EMPTY)) for each in policy.metrics)
        return Evidence(policy, tracks, None if policy.slower is None else Pace.start(policy.slower))

    def after(self, seen: Mapping[str, tuple[Counts, Counts]] | Times) -> Evidence:
        """Return the evidence with these requests added, (old, new) by metric; or with the times of one pair.

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
        return replace(self, tracks=tuple(t.after(*seen[m.name]) if m.name in seen else t for m, t in pairs))

    def verdict(self) -> Verdict:
        """Judge. Harm once shown stays shown; safety must be shown by what is known now."""
        pairs = zip(self.policy.metrics, self.tracks, strict=True)
        findings = tuple(self._finding(metric, track) for metric, track in pairs if metric.judged)
        if self.pace is not None:
            findings += (self._pace_finding(self.pace),)
        if any(finding.answer == "bad" for finding in findings):
            return Verdict("bad", findings)
        asked = [finding for finding in findings if finding.safety is not None]
        good = bool(asked) and all(finding.answer == "good" for finding in asked)
        return Verdict("good" if good else "unknown", findings)

    def _finding(self, metric: Metric, track: Track) -> Finding:
        harm_threshold, safety_threshold = self.policy.harm_threshold(metric), 1 / self.policy.beta
        safety = None if track.safety is None else track.safety.log_e
        answer: Answer = "unknown"
        if track.harm.peak >= math.log(harm_threshold):
            answer = "bad"
        elif safety is not None and safety >= math.log(safety_threshold):
            answer = "good"
        return Finding(
            metric.name,
            answer,
            track.old,
            track.new,
            track.harm.log_e,
            track.harm.peak,
            harm_threshold,
            safety,
            safety_threshold,
        )

    def _pace_finding(self, pace: Pace) -> Finding:
        threshold = self.policy.harm_threshold(pace.null)
        answer: Answer = "bad" if pace.peak >= math.log(threshold) else "unknown"
        return Finding(NAME, answer, pace.old, pace.new, pace.log_e, pace.peak, threshold, None, 1 / self.policy.beta)

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
        fresh = Evidence.start(policy)
        pace = Pace.unpacked(policy.slower, state[NAME]) if policy.slower is not None and NAME in state else fresh.pace
        return replace(fresh, tracks=tuple(tracks), pace=pace)


def _packed(track: Track) -> str:
    """Return the track in hundredths of a nat, rounded down, so that a restart never adds evidence."""
    waiting_old, waiting_new = track.waiting
    numbers: list[object] = [
        _VERSION,
        [track.old.n, track.old.bad, track.new.n, track.new.bad],
        [waiting_old.n, waiting_old.bad, waiting_new.n, waiting_new.bad],
        [round(track.known.n), float(f"{track.known.bad:.4g}")],
    ]
    tests = [track.harm] if track.safety is None else [track.harm, track.safety]
    numbers += [[test.n_new, *map(hundredths, (test.peak, *test.bets))] for test in tests]
    return json.dumps(numbers, separators=(",", ":"))


def _unpacked(metric: Metric, text: str) -> Track:
    try:
        version, totals, waiting, known, *tests = json.loads(text)
        nulls: list[Null] = [metric.harm] if metric.safety is None else [metric.harm, metric.safety]
        if version != _VERSION or [len(test) - 2 for test in tests] != [len(shares(null)) for null in nulls]:
            raise ValueError("made by another version or with other tests")
        wealths = [
            Wealth(null, tuple(bet / 100 for bet in bets), int(n_new), peak / 100)
            for null, (n_new, peak, *bets) in zip(nulls, tests, strict=True)
        ]
        return Track(
            wealths[0],
            wealths[1] if len(wealths) > 1 else None,
            OldRate(float(known[0]), float(known[1])),
            Counts(*totals[:2]),
            Counts(*totals[2:]),
            (Counts(*waiting[:2]), Counts(*waiting[2:])),
        )
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(f"the kept evidence of {metric.name} cannot be read: {error}") from error
