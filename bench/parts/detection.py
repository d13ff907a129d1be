"""How soon is a bad release rolled back, and how often a good one? `PYTHONPATH=src python -m bench --only detection`.

Ours beside the oracle (the same test, told both true rates), on the same requests, at 10 % of the traffic and alpha
1 %; then ours beside Flagger's rule and Kayenta's judge on the same minutes. Everything is drawn from fixed seeds.
With `--quick` a tenth of it.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
from bench.evidence.paces import slower
from bench.evidence.rival_judges import flagger, kayenta
from bench.evidence.streams import OLD_PER_NEW, Oracle, Ours, follow, past
from bench.figures import Figure

from ops.evidence.counts import Counts
from ops.evidence.judgement import Evidence, Policy
from ops.evidence.nulls import Harm

OLD_RATES = (0.001, 0.005, 0.01)
NEW_RATES = (0.02, 0.05, 0.1, 0.5, 1.0)
HISTORY = 2000
MINUTES = 60
SEED = 20130101


def speed(harm: Harm, history: int, runs: int) -> list[Figure]:
    """Print the table of requests until rollback, ours over the oracle's, and return its figures."""
    print(
        f"\nnew requests until rollback, ours / oracle; tolerance {harm.tolerance:g}, history of {history:,} requests"
    )
    print("old \\ new    " + "".join(f"{new:>22.0%}" for new in NEW_RATES))
    ratios: list[float] = []
    failing: list[float] = []
    for old in OLD_RATES:
        cells = []
        for new in NEW_RATES:
            few = max(runs // 3, 100) if new <= 0.02 else runs
            theirs = follow(Oracle(harm, old, new, few), (old, new), few, 10**6, SEED).at.mean().item()
            test = Ours(harm, past(old, history, few, SEED + 1), history)
            mine = follow(test, (old, new), few, 10**6, SEED).at.mean().item()
            ratios.append(mine / theirs)
            cells.append(f"{mine:8.1f} /{theirs:7.1f} {mine / theirs:5.2f}")
            if new == 1:
                failing.append(mine)
        print(f"{old:12.1%} " + "".join(cells))
    mean, worst, bad = math.exp(float(np.log(ratios).mean())), max(ratios), max(failing)
    print(f"geometric mean {mean:.3f} (aim 1.25), worst {worst:.3f} (aim 1.5); all failing: {bad:.2f} bad (aim 3)")
    name = f"rollback, tolerance {harm.tolerance:g}, {'with' if history else 'without'} history"
    return [
        Figure(f"{name}: geometric mean", mean, 1.0, mean, "at most 1.25 times the oracle", mean <= 1.25),
        Figure(f"{name}: worst cell", worst, 1.0, worst, "at most 1.5 times the oracle", worst <= 1.5),
        Figure(f"{name}: bad requests of a failing deployment", bad, 2.0, bad / 2, "at most 3 on average", bad <= 3),
    ]


def false_rollbacks(harm: Harm, old: float, new: float, history: int, runs: int, requests: int) -> Figure:
    """Follow one that is just tolerable for many requests, and return how many were rolled back."""
    test = Ours(harm, past(old, history, runs, SEED + 2), history)
    share = float(follow(test, (old, new), runs, requests, SEED + 3).ended.mean())
    print(f"  old {old:.1%}, new {new:.1%}, tolerance {harm.tolerance:g}, history {history:5,}: {share:.2%}")
    name = f"false rollbacks, old {old:.1%}, new {new:.1%}, tolerance {harm.tolerance:g}, history {history}"
    return Figure(name, share, 0.01, share / 0.01, f"at most 1 % in {requests:,} requests", share <= 0.01)


def turns_bad(after: int, runs: int) -> Figure:
    """Return how soon one is rolled back that was good for long: 0.5 %, then 5 %."""
    harm = Harm()
    limit = after + 20_000
    test = Ours(harm, past(0.005, HISTORY, runs, SEED), HISTORY)
    stops = follow(test, (0.005, 0.05), runs, limit, SEED, turns_bad_after=after)
    late = stops.at[stops.at > after] - after
    theirs = follow(Oracle(harm, 0.005, 0.05, 1000), (0.005, 0.05), 1000, 10**6, SEED).at.mean().item()
    mine = float(late.mean())
    print(f"  good for {after:,} requests, then 5 % bad: {mine:.0f} requests more (oracle from the start {theirs:.0f})")
    return Figure(
        f"turns bad after {after:,}", mine, theirs, mine / theirs, "at most 6 times the oracle", mine <= 6 * theirs
    )


@dataclass
class Judge:
    """What one way of judging did with many rollouts."""

    minutes: list[int]
    bad: list[int]
    missed: int = 0

    def seen(self, minute: int | None, new_bad: Sequence[int]) -> None:
        """Count a rollout of which each minute's bad requests are given, rolled back at the end of `minute`."""
        self.missed += minute is None
        self.minutes.append(minute or MINUTES)
        self.bad.append(int(sum(new_bad[: minute or MINUTES])))

    def __str__(self) -> str:
        caught = f"{1 - self.missed / len(self.minutes):5.0%}"
        return f"{caught} {np.mean(self.minutes):6.1f} {np.mean(self.bad):9.0f}"


def ours_by_minutes(history: Counts, n: int, old_bad: Sequence[int], new_bad: Sequence[int]) -> tuple[int | None, bool]:
    """Return the minute of the rollback, and whether the new one was shown to be safe before, from counts by minute."""
    evidence = Evidence.start(Policy(), {"error": history})
    safe = False
    for minute, (bad, worse) in enumerate(zip(old_bad, new_bad, strict=True), start=1):
        evidence = evidence.after({"error": (Counts(OLD_PER_NEW * n, int(bad)), Counts(n, int(worse)))})
        answer = evidence.verdict().answer
        if answer == "bad":
            return minute, safe
        safe = safe or answer == "good"
    return None, safe


def rivals(rate: int, runs: int) -> list[Figure]:
    """Print ours beside Flagger and Kayenta at `rate` requests a second, 10 % for the new one; return the figures."""
    n = rate * 60 // 10
    chance = np.random.default_rng(SEED + rate)
    print(f"\n{rate:,} requests/s, {MINUTES} minutes at 10 %: rolled back, after how many minutes and bad requests")
    print(f"{'old':>6} {'new':>6} {'ours':>22} {'Flagger':>22} {'Kayenta':>22}")
    figures = []
    served = {"ours": 0.0, "Flagger": 0.0, "Kayenta": 0.0}
    wrong = {"ours": 0, "Flagger": 0, "Kayenta": 0}
    held = {"ours": 0, "Flagger": 0}
    healthy = 0
    for old in OLD_RATES:
        for new in (old, *NEW_RATES):
            judges = {name: Judge([], []) for name in served}
            for _ in range(runs):
                old_bad, new_bad = chance.binomial(OLD_PER_NEW * n, old, MINUTES), chance.binomial(n, new, MINUTES)
                history = Counts(HISTORY, int(chance.binomial(HISTORY, old)))
                mine, safe = ours_by_minutes(history, n, old_bad.tolist(), new_bad.tolist())
                strikes, halted = flagger(new_bad / n)
                judges["ours"].seen(mine, new_bad.tolist())
                judges["Flagger"].seen(strikes, new_bad.tolist())
                judges["Kayenta"].seen(kayenta(old_bad / (OLD_PER_NEW * n), new_bad / n), new_bad.tolist())
                if new == old:
                    held["ours"] += mine is None and not safe
                    held["Flagger"] += strikes is None and halted
            line = "".join(f"{judge!s:>23}" for judge in judges.values())
            print(f"{old:6.1%} {new:6.1%} {line}" + ("   (healthy)" if new == old else ""), flush=True)
            if new == old:
                healthy += runs
                for name, judge in judges.items():
                    wrong[name] += runs - judge.missed
            else:
                for name, judge in judges.items():
                    served[name] += float(np.mean(judge.bad)) / (len(OLD_RATES) * len(NEW_RATES))
    print(
        f"healthy deployments rolled back: ours {wrong['ours'] / healthy:.0%}, "
        f"Flagger {wrong['Flagger'] / healthy:.0%}, Kayenta {wrong['Kayenta'] / healthy:.0%}; "
        f"held but not rolled back: ours (not shown safe in an hour) {held['ours'] / healthy:.0%}, "
        f"Flagger (a failed check) {held['Flagger'] / healthy:.0%}"
    )
    for name in ("Flagger", "Kayenta"):
        ratio = served["ours"] / served[name]
        figures.append(
            Figure(
                f"bad requests served at {rate:,}/s, beside {name}",
                served["ours"],
                served[name],
                ratio,
                "fewer than theirs",
                ratio < 1,
            )
        )
        share, theirs = wrong["ours"] / healthy, wrong[name] / healthy
        figures.append(
            Figure(
                f"healthy deployments rolled back at {rate:,}/s, beside {name}",
                share,
                theirs,
                share / theirs if theirs else float(share > 0),
                "at most 1 %, and chance",
                share <= 0.01 + 3 * math.sqrt(0.01 / healthy),
            )
        )
    return figures


Table = Callable[[], "Figure | list[Figure]"]


def tables(less: int) -> Iterator[tuple[str, list[Table]]]:
    """Yield each heading with the tables below it, which draw 1/`less` of what a whole run draws."""
    yield (
        "requests until a bad release is rolled back",
        [
            partial(speed, Harm(tolerance), history, 6000 // less)
            for tolerance in (0.0, 0.001)
            for history in (HISTORY, 0)
        ],
    )
    yield (
        f"rolled back though tolerable, {100_000 // less:,} requests, {2000 // less:,} rollouts (aim: at most 1 %)",
        [
            partial(false_rollbacks, Harm(tolerance), old, old + tolerance, history, 2000 // less, 100_000 // less)
            for tolerance, old in ((0.0, 0.001), (0.0, 0.01), (0.001, 0.001))
            for history in (HISTORY, 0)
        ],
    )
    late = [partial(turns_bad, after // less, 1000 // less) for after in (1000, 100_000)]
    yield "a release that turns bad late", late
    yield "a release that is slower, judged by pairs of times", [partial(slower, 600 // less, 10_000 // less, SEED)]
    hour = [partial(rivals, rate, 50 // (5 if less > 1 else 1)) for rate in (10, 100, 1000)]
    yield "beside the rules of Flagger and Kayenta", hour


def captured(table: Table) -> tuple[str, list[Figure]]:
    """Draw a table in a process of its own; return what it prints, and its figures."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        found = table()
    return printed.getvalue(), found if isinstance(found, list) else [found]


def measure(less: int) -> list[Figure]:
    """Print every table and return the figures. Nothing here is timed, so that every core may draw."""
    figures: list[Figure] = []
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        drawn = [(heading, [pool.submit(captured, table) for table in below]) for heading, below in tables(less)]
        for heading, below in drawn:
            print(f"\n{heading}", flush=True)
            for table in below:
                printed, found = table.result()
                print(printed, end="", flush=True)
                figures += found
    return figures
