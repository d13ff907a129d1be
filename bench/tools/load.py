"""Clients that each keep one request on its way, over raw sockets: as little of the client as can be is measured.

One thread and one selector, whatever the number of clients. A connection is kept as long as the server keeps it; the
inference server closes its own after each answer.
"""

from __future__ import annotations

import selectors
import socket
import statistics
import time
from dataclasses import dataclass, field

Address = tuple[str, int]
HANG = 30.0


@dataclass
class Load:
    """What so many clients saw: seconds from a request to the whole of its answer, and how many were not a 200."""

    seconds: list[float] = field(default_factory=list)
    lasted: float = 0.0
    failed: int = 0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.seconds) / self.lasted

    @property
    def middle(self) -> float:
        """The median latency in milliseconds."""
        return statistics.median(self.seconds) * 1000


class Client:
    """One client: a connection, the request that it sends again and again, and the answer so far."""

    def __init__(self, address: Address, request: bytes, selector: selectors.BaseSelector) -> None:
        self.address, self.request, self.selector = address, request, selector
        self.socket: socket.socket | None = None
        self.answer = b""
        self.since = 0.0

    def send(self) -> None:
        """Send the request, on a new connection if there is none."""
        self.answer = b""
        self.since = time.perf_counter()
        if self.socket is None:
            self.socket = socket.create_connection(self.address, HANG)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(self.socket, selectors.EVENT_READ, self)
        self.socket.sendall(self.request)

    def receive(self) -> int | None:
        """Read on; return the status when the answer is whole (0: the connection broke), else None."""
        assert self.socket is not None
        try:
            data = self.socket.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            self.close()
            return 0
        self.answer += data
        end = self.answer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self.answer[:end].lower()
        at = head.find(b"content-length:")
        if at >= 0:
            whole = len(self.answer) >= end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])
        else:
            whole = self.answer.endswith(b"0\r\n\r\n")
        if not whole:
            return None
        if b"connection: close" in head or head.startswith(b"http/1.0"):
            self.close()
        return int(head[9:12])

    def close(self) -> None:
        """Let go of the connection."""
        if self.socket is not None:
            self.selector.unregister(self.socket)
            self.socket.close()
            self.socket = None


def drive(address: Address, request: bytes, clients: int, seconds: float) -> Load:
    """Let so many clients call for so long. Raise TimeoutError if nothing comes for half a minute."""
    load = Load()
    with selectors.DefaultSelector() as selector:
        callers = [Client(address, request, selector) for _ in range(clients)]
        started = time.perf_counter()
        for caller in callers:
            caller.send()
        until = started + seconds
        while (now := time.perf_counter()) < until:
            ready = selector.select(HANG)
            if not ready:
                raise TimeoutError(f"{address} has not answered for {HANG:.0f} s")
            for key, _ in ready:
                caller = key.data
                status = caller.receive()
                if status is not None:
                    if status == 200:
                        load.seconds.append(time.perf_counter() - caller.since)
                    else:
                        load.failed += 1
                    caller.send()
        load.lasted = now - started
        for caller in callers:
            caller.close()
    return load
