"""Servers that are asked the same in turn: first whether their answers are the same, then how many they give."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping

import numpy as np
from bench.tools.load import Address, Load, drive
from bench.tools.processes import ServerFailed
from bench.tools.timing import rotated

HANG = 30.0


def answered(address: Address, request: bytes) -> list[float]:
    """Return the probabilities in a server's answer, whichever form it gives them."""
    head, _, body = request.partition(b"\r\n\r\n")
    link = http.client.HTTPConnection(*address, timeout=HANG)
    link.request("POST", head.split(b" ")[1].decode(), body, {"Content-Type": "application/json"})
    answer = json.load(link.getresponse())
    link.close()
    if "outputs" in answer:
        answer = {"probabilities": answer["outputs"][0]["data"]}
    found: list[float] = answer["probabilities" if "probabilities" in answer else "predictions"]
    return found


def agree(count: int, ours: tuple[Address, bytes], theirs: tuple[Address, bytes]) -> None:
    """Raise ServerFailed unless both give the same probabilities for `count` rows."""
    expected = answered(*ours)
    if len(expected) != count or not np.allclose(expected, answered(*theirs), atol=1e-5):
        raise ServerFailed("its answers are not those of the graph")


def driven(asked: Mapping[str, tuple[Address, bytes]], clients: int, seconds: float, turn: int) -> dict[str, Load]:
    """Let so many clients call each server for so long, in the order of this turn.

    Raise ServerFailed when an answer is not a 200: what fails may be quick, and is not counted as speed.
    """
    loads = {}
    for name in rotated(asked, turn):
        loads[name] = drive(*asked[name], clients, seconds)
        if loads[name].failed:
            raise ServerFailed(f"{loads[name].failed} requests of {clients} clients to {name} failed")
    return loads
