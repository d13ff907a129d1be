"""Requests of one deployment, counted: how many, and how many of them were bad."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """`n` requests, `bad` of them bad. ValueError unless 0 <= bad <= n."""

    n: int = 0
    bad: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.bad <= self.n:
            raise ValueError(f"{self.bad} bad of {self.n} requests: give 0 <= bad <= n")

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.n + other.n, self.bad + other.bad)

    def __str__(self) -> str:
        return f"{self.bad:,} of {self.n:,} ({100 * self.bad / self.n:.2f} %)" if self.n else "0 of 0"
