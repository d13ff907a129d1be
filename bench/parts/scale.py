"""Past one endpoint: `PYTHONPATH=src python -m bench --only scale`, whose table stands in docs/scale.md.

Ten regions, each with an endpoint of its own that answers 100 requests a second, 10 % of them by the new deployment,
judged by the minute's counts as a rollout judges them. Three ways to roll out: all regions at once, each judged alone;
all at once, one evidence of all their counts; and in waves of one, three and six regions, with one evidence of all and
one of each. A wave begins when the evidence so far says good and the one before is ten minutes old; the first harm
stops all. With two kinds of evidence each has half of alpha, and a region's own a tenth of that half.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from bench.figures import Figure, at_most, unaimed
from bench.tools.timing import middle, series

from ops.evidence import Counts, Evidence, Policy
from ops.evidence.wealth import table

REGIONS = 10
WAVES = (1, 3, 6)
BAKE = 10
LIMIT = 120
NEW_REQUESTS = 600  # a minute and region: 10 % of 100 requests a second
OLD_RATE = 0.005
HISTORY = Counts(20_000, 100)
ALPHA = 0.01
SEED = 20130101
SHARE = 0.1
SECONDS = 200
# What is wrong with the new deployment: its rate in each region.
RELEASES: Mapping[str, Sequence[float]] = {
    "equal": [OLD_RATE] * REGIONS,
    "1 % bad everywhere": [0.01] * REGIONS,
    "5 % bad everywhere": [0.05] * REGIONS,
    "all bad everywhere": [1.0] * REGIONS,
    "5 % bad in the last region": [OLD_RATE] * (REGIONS - 1) + [0.05],
}


@dataclass
class Outcome:
    """What many rollouts of one kind came to."""

    stopped: int = 0
    minutes: list[int] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)
    reached: list[int] = field(default_factory=list)


def evidence(alpha: float) -> Evidence:
    """Return evidence of nothing yet, with the old one's past."""
    return Evidence.start(Policy(alpha=alpha), {"error": HISTORY})


def rollout(rates: Sequence[float], way: str, chance: np.random.Generator) -> tuple[bool, int, int, int]:
    """Follow one rollout; return whether it was stopped, its minutes, the release's bad requests, regions reached."""
    pooled = evidence({"alone": ALPHA, "pooled": ALPHA, "waves": ALPHA / 2}[way])
    own_alpha = ALPHA / REGIONS if way == "alone" else ALPHA / 2 / REGIONS
    own = [evidence(own_alpha) for _ in range(REGIONS)]
    active = WAVES[0] if way == "waves" else REGIONS
    age = bad = 0
    wave = 1
    for minute in range(1, LIMIT + 1):
        age += 1
        old = chance.binomial(9 * NEW_REQUESTS, OLD_RATE, active)
        new = chance.binomial(NEW_REQUESTS, rates[:active])
        bad += int(new.sum())
        for region in range(active):
            counts = {"error": (Counts(9 * NEW_REQUESTS, int(old[region])), Counts(NEW_REQUESTS, int(new[region])))}
            if way != "alone":
                pooled = pooled.after(counts)
            if way != "pooled":
                own[region] = own[region].after(counts)
        judged = [] if way == "alone" else [pooled.verdict().answer]
        judged += [] if way == "pooled" else [each.verdict().answer for each in own[:active]]
        if "bad" in judged:
            return True, minute, bad, active
        good = all(answer == "good" for answer in judged) if way == "alone" else judged[0] == "good"
        if good and age >= BAKE:
            if active == REGIONS:
                return False, minute, bad, active
            active += WAVES[wave]
            wave, age = wave + 1, 0
    return False, LIMIT, bad, active


def waves(runs: int) -> list[Figure]:
    """Print the table of docs/scale.md, and return its figures."""
    print(f"\n| release | way | stopped of {runs} | minutes | bad requests of the release | regions reached |")
    print("|---|---|---:|---:|---:|---:|")
    served: dict[tuple[str, str], float] = {}
    stopped: dict[tuple[str, str], float] = {}
    for release, rates in RELEASES.items():
        for way, shown in (("alone", "at once, each alone"), ("pooled", "at once, pooled"), ("waves", "waves, both")):
            chance = np.random.default_rng(SEED)
            outcome = Outcome()
            for _ in range(runs):
                ended, minutes, bad, reached = rollout(rates, way, chance)
                outcome.stopped += ended
                outcome.minutes.append(minutes)
                outcome.bad.append(bad)
                outcome.reached.append(reached)
            served[release, way] = float(np.mean(outcome.bad))
            stopped[release, way] = outcome.stopped / runs
            print(
                f"| {release} | {shown} | {outcome.stopped} | {np.mean(outcome.minutes):.1f} | "
                f"{np.mean(outcome.bad):,.0f} | {np.mean(outcome.reached):.1f} |",
                flush=True,
            )
    figures = [
        at_most(
            f"evidence of ten regions, {release}: bad requests served in waves, beside all at once and each alone",
            served[release, "waves"],
            served[release, "alone"],
            0.5,
        )
        for release in list(RELEASES)[1:4]
    ]
    share = stopped["equal", "waves"]
    most = 0.01 + 3 * (0.01 / runs) ** 0.5
    name = "evidence of ten regions, equal: share of rollouts stopped"
    figures.append(Figure(name, share, ALPHA, share / ALPHA, "at most 1 %, and chance", share <= most))
    missed = 1 - stopped["5 % bad in the last region", "waves"]
    name = "evidence of ten regions, 5 % bad in the last region: share not stopped"
    figures.append(Figure(name, missed, 0.05, missed / 0.05, "at most beta, 5 %", missed <= 0.05))
    return figures


def cost(quick: bool) -> list[Figure]:
    """Measure what an update and a verdict cost at 10 and at 100,000 requests a second, by counts of one second."""
    chance = np.random.default_rng(SEED)

    def blocks(rate: int) -> list[dict[str, tuple[Counts, Counts]]]:
        new = chance.binomial(rate, SHARE, SECONDS)
        old = rate - new
        drawn = zip(old, chance.binomial(old, OLD_RATE), new, chance.binomial(new, OLD_RATE), strict=True)
        return [
            {"error": (Counts(int(of_old), int(bad)), Counts(int(of_new), int(worse)))}
            for of_old, bad, of_new, worse in drawn
        ]

    def follow(seen: list[dict[str, tuple[Counts, Counts]]]) -> None:
        # A rollout begins with nothing worked out, and no second of it has the counts of another.
        table.cache_clear()
        now = evidence(ALPHA)
        for each in seen:
            now = now.after(each)
            now.verdict()

    few, many = blocks(10), blocks(100_000)
    found = series(
        {"few": lambda: follow(few), "many": lambda: follow(many)}, 3 if quick else 7, clock=time.process_time
    )
    many_ms, few_ms = (seconds / SECONDS * 1000 for seconds in middle(found["many"], found["few"]))
    name = "evidence, ms of one second's counts at 100,000 requests/s: beside"
    return [
        # More, by a bound that does not grow: a block larger than what is known before it is met by up to 64 bets.
        unaimed(f"{name} 10 requests/s", many_ms, few_ms, "its cost"),
        at_most(f"{name} the second", many_ms, 1000.0, 0.01),
    ]


def measure(folder: Path, quick: bool) -> list[Figure]:
    """Measure both."""
    del folder
    return [*cost(quick), *waves(10 if quick else 60)]
