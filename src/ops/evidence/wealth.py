"""One anytime-valid test of a null about two rates: the wealth of a gambler who bets against it.

A block of n_i requests with k_i bad in arm i (old, new) multiplies a bet on the rates t by the likelihood ratio
prod (t_i/s_i)^k_i ((1-t_i)/(1-s_i))^(n_i-k_i), where s is the point of the null nearest to t (Turner, Ly and Gruenwald,
"Generic E-variables for exact sequential k-sample tests that allow for optional stopping").

Validity. Let the requests of a block be independent given all before it, each of arm i bad with its own chance p_im.
The ratio expects prod (1 + x_im), x_im = (p_im - s_i)(t_i - s_i)/(s_i (1 - s_i)), at most exp(sum x_im), which is
exp(sum n_i x_i) with x_i taken at the mean p_i of the arm's chances in the block; and sum n_i x_i is at most 0 for all
p in a convex null, because s is its nearest point (first-order condition). So no bet gains on average while the block's
mean rates lie in the null; rates may drift from block to block and inside a block, and an outage of both arms is no
evidence. Sums of bets with weights that add up to 1 at most, money moved between bets by a rule that looks at the past
only, and t chosen from the past only, keep that. So by Ville's inequality the wealth ever reaches 1/alpha with a chance
of at most alpha, however often one looks. Wealth is rounded down wherever it is rounded.

Speed. What is unknown is how bad the new deployment is. Bets on all of `HARMFUL` run side by side, the new rate at
fractions of the way, in logarithms, from the boundary to always failing, so that one ladder fits every old rate; each
bet multiplies within itself, so what is lost to the best of them is at most its share at the start, and a failure makes
all of them rise. They were weighted by simulation (bench/parts/detection.py) for the least time to a wealth of 100, not
for the best growth: what matters is to be there soon, and the few failures that are needed leave no time to learn. The
old rate is learned from earlier blocks and from `history`, which moves the bets and never the evidence, so it cannot do
wrong, only help. A block that is large beside what is known about the old rate is met by bets spread over what it may
be: the order inside a block is not known and nothing needs it, since bets stay put within a block.

A part of the wealth is kept back and fed to the bets bit by bit. Without it a new deployment that turns bad after
100,000 good requests would have to win back what the bets had lost until then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ops.evidence.counts import Counts
from ops.evidence.nulls import Harm, Null, Safety, boundary, nearest

# (fraction of the way from the boundary to WORST, share): see Speed above.
HARMFUL = ((0.06, 0.02), (0.14, 0.125), (0.24, 0.075), (0.36, 0.19), (0.50, 0.255), (0.61, 0.075), (0.97, 0.26))
WORST = 0.98
# (fraction of the way from the old rate to the boundary, share): the new one is mostly an equal, or a little worse.
HARMLESS = ((0.0, 0.55), (0.2, 0.25), (0.5, 0.20))
RESERVE = 0.06
FEED = -0.25
# What is thought of the old one before anything was seen: half a failure in a hundred requests.
PRIOR_N, PRIOR_BAD = 100.0, 0.5
# Older blocks count less for the old rate once this many requests are known: it may drift.
MEMORY = 100_000.0
# The old rate is rounded to this many steps an e-fold of its odds, so that tables can be kept.
STEPS = 16
HIGHEST = 6 * STEPS  # odds of 400 to 1
LOWEST = -16 * STEPS  # a failure in nine millions
_NODES = 64
# No bet grows beyond this many nats: it is won long before, and kept evidence stays short.
MOST = 1000.0

Row = tuple[float, float, float, float]


def rate_of(level: int) -> float:
    """Return the old rate at a level of the ladder of odds."""
    return 1 / (1 + math.exp(-level / STEPS))


def level_of(n: float, bad: float) -> int:
    """Return the level nearest to `bad` of `n`, within the ladder."""
    odds = bad / max(n - bad, 1e-9)
    return min(max(round(STEPS * math.log(max(odds, 1e-9))), LOWEST), HIGHEST)


def shares(null: Null) -> tuple[float, ...]:
    """Return each bet's share of the wealth that is not kept back."""
    return tuple(share for _, share in (HARMFUL if isinstance(null, Harm) else HARMLESS))


def aims(null: Null, old: float) -> list[float]:
    """Return the new rates that the bets are on, beside this old rate."""
    edge = boundary(null, old)
    if isinstance(null, Safety):
        return [old + part * (edge - old) for part, _ in HARMLESS]
    return [edge * (WORST / edge) ** part if edge < WORST else edge for part, _ in HARMFUL]


@lru_cache(maxsize=8192)
def table(null: Null, n_old: int, n_new: int, level: int) -> tuple[Row, ...]:
    """Return what one request adds to the logarithm of each bet: old good, old bad, new good, new bad.

    Zeros for a bet whose aim lies in the null. Depends on the ratio of the counts only: divide them by their gcd.
    """
    old = rate_of(level)
    rows: list[Row] = []
    for new in aims(null, old):
        point = nearest(null, old, new, n_old, n_new) if 0 < new < 1 else None
        if point is None:
            rows.append((0.0, 0.0, 0.0, 0.0))
            continue
        s_old, s_new = point
        rows.append(
            (
                math.log1p((s_old - old) / (1 - s_old)),
                math.log(old / s_old),
                math.log1p((s_new - new) / (1 - s_new)),
                math.log(new / s_new),
            )
        )
    return tuple(rows)


def log_sum(values: Sequence[float]) -> float:
    """Return log(sum(exp(v))) of one finite value or more."""
    top = max(values)
    return top + math.log(sum([math.exp(value - top) for value in values]))


def hundredths(value: float) -> int:
    """Return a wealth as it is kept: in hundredths, rounded down; one that was kept before stays what it is."""
    near = round(value * 100)
    return near if near / 100 <= value else near - 1


def reserve(n_new: int) -> float:
    """Return the part of the first wealth still kept back after so many requests of the new one."""
    return float(RESERVE * (1 + n_new / 100) ** FEED)


@dataclass(frozen=True, slots=True)
class OldRate:
    """What is known of the old rate, for the bets only: requests and bad ones, older ones fading."""

    n: float = PRIOR_N
    bad: float = PRIOR_BAD

    def after(self, counts: Counts) -> OldRate:
        """Return what is known after these requests too."""
        n, bad = self.n + counts.n, self.bad + counts.bad
        fade = min(1.0, MEMORY / n)
        return OldRate(n * fade, bad * fade)

    def spread(self, coming: int) -> list[tuple[int, float]]:
        """Return levels to bet on in a block of `coming` requests, with the logarithms of their shares.

        One level, unless the block is more than a quarter of what is known: then the rate may be learned too late, and
        the levels cover a Beta distribution with the known counts, to four standard deviations of its odds.
        """
        if coming * 4 <= self.n:
            return [(level_of(self.n, self.bad), 0.0)]
        good = self.n - self.bad
        middle = level_of(self.n, self.bad)
        deviation = math.sqrt(1 / max(self.bad, PRIOR_BAD) + 1 / max(good, PRIOR_BAD))
        reach = math.ceil(4 * deviation * STEPS)
        stride = max(1, 2 * reach // _NODES)
        levels = sorted({min(max(middle + i, LOWEST), HIGHEST) for i in range(-reach, reach + 1, stride)})
        density = [self.bad * math.log(rate_of(at)) + good * math.log1p(-rate_of(at)) for at in levels]
        total = log_sum(density)
        return [(at, d - total) for at, d in zip(levels, density, strict=True)]


@dataclass(frozen=True, slots=True)
class Wealth:
    """The bets against one null, as logarithms; `n_new`, the new one's requests so far; `peak`, the highest log E."""

    null: Null
    bets: tuple[float, ...]
    n_new: int = 0
    peak: float = 0.0

    @staticmethod
    def start(null: Null) -> Wealth:
        """Return the wealth of 1, spread over the bets."""
        return Wealth(null, tuple(math.log((1 - RESERVE) * share) for share in shares(null)))

    @property
    def log_e(self) -> float:
        """The logarithm of the wealth."""
        return log_sum((*self.bets, math.log(reserve(self.n_new))))

    def after(self, old: Counts, new: Counts, known: OldRate) -> Wealth:
        """Return the wealth after a block, both arms with a request or more; `known` from before the block."""
        common = math.gcd(old.n, new.n)
        ratio = old.n // common, new.n // common
        tally = (old.n - old.bad, old.bad, new.n - new.bad, new.bad)
        levels = known.spread(old.n)
        if len(levels) == 1:
            gains = _gains(table(self.null, *ratio, levels[0][0]), tally)
        else:
            each = [(share, _gains(table(self.null, *ratio, level), tally)) for level, share in levels]
            gains = [log_sum([share + gain[i] for share, gain in each]) for i in range(len(self.bets))]
        n_new = self.n_new + new.n
        fed = math.log(reserve(self.n_new)) + math.log(-math.expm1(FEED * math.log1p(new.n / (100 + self.n_new))))
        fresh = zip(self.bets, gains, _log_shares(self.null), strict=True)
        bets = tuple([min(_add(bet + gain, fed + share), MOST) for bet, gain, share in fresh])
        return Wealth(self.null, bets, n_new, max(self.peak, log_sum((*bets, math.log(reserve(n_new))))))


@lru_cache(maxsize=64)
def _log_shares(null: Null) -> tuple[float, ...]:
    return tuple(math.log(share) for share in shares(null))


def _gains(rows: Sequence[Row], tally: tuple[int, int, int, int]) -> list[float]:
    old_good, old_bad, new_good, new_bad = tally
    return [old_good * a + old_bad * b + new_good * c + new_bad * d for a, b, c, d in rows]


def _add(a: float, b: float) -> float:
    """Return log(exp(a) + exp(b))."""
    high, low = (a, b) if a > b else (b, a)
    return high if high - low > 37 else high + math.log1p(math.exp(low - high))
