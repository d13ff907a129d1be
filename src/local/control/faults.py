"""Faults on request: calls that are late, fail, are lost, or read stale, through one documented route.

PUT /local/faults {"control": [...], "scoring": [...]} adds faults, GET lists them, DELETE ends them. A control
fault: "method" and "path" (regular expressions for the whole method and for a part of the path), "times" (how
many calls it strikes, 1 unless said), "delay_ms", and at most one of "status" (answer that, with "retry_after"
seconds if given), "stale" (answer a GET as the last one like it was answered), "stuck" (answer a GET as if
the work that it asks about went on), "ends" (answer a GET of an operation as if it had failed, with this code), "lost"
(do it, then break the connection before the answer), "refused" (break the connection at once) and "takes_ms" (answer a
PUT of an endpoint at once, and have it take effect so much later, as on Azure). A scoring fault: "endpoint",
"deployment", "share" (0 to 1), "status" and "delay_ms".
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from local.control.late import LateUpdates
from local.errors import Invalid, LocalError
from local.routing.router import Router
from local.wire.call import Call, Json, Reply
from local.wire.operations import POLL_HEADERS

_REMEMBERED = 500
_MAX_FAULTS = 100
_MAX_DELAY_MS = 600_000


class Severed(LocalError):
    """The connection is to be broken without an answer."""


@dataclass
class ControlFault:
    """One fault of the control plane; `times` counts down."""

    method: str = ".*"
    path: str = ".*"
    times: int = 1
    delay_ms: float = 0
    status: int | None = None
    retry_after: int | None = None
    stale: bool = False
    stuck: bool = False
    ends: str = ""
    lost: bool = False
    refused: bool = False
    takes_ms: float = 0

    def strikes(self, call: Call) -> bool:
        return bool(
            self.times > 0
            and re.fullmatch(self.method, call.method, re.I)
            and re.search(self.path, call.path, re.I)
            and (call.method == "GET" or not (self.stale or self.stuck or self.ends))
            and (call.method == "PUT" or not self.takes_ms)
        )


class Faults:
    """The faults that are set, and the last answers to reads."""

    def __init__(self, router: Router, control: str) -> None:
        """`control` is the address of the control plane."""
        self._router = router
        self._address = control
        self._control: list[ControlFault] = []
        self._scoring: dict[tuple[str, str], Json] = {}
        self._read: OrderedDict[tuple[object, ...], Reply] = OrderedDict()
        self._late = LateUpdates(control)

    async def around(self, call: Call, answer: Callable[[Call], Awaitable[Reply]]) -> Reply:
        """Answer a call, or let the fault that it meets strike.

        Raises:
            Severed: the connection is to be broken.
        """
        if (told := self._late.told(call)) is not None:
            return told
        fault = next((each for each in self._control if each.strikes(call)), None)
        if fault is None:
            return self._remember(call, await answer(call))
        fault.times -= 1
        self._control = [each for each in self._control if each.times > 0]
        await asyncio.sleep(fault.delay_ms / 1000)
        if fault.refused:
            raise Severed("refused on request")
        if fault.status is not None:
            return _failure(fault.status, fault.retry_after)
        if fault.stale and (asked := _asked(call)) in self._read:
            return self._read[asked]
        if fault.takes_ms:
            return await self._late.begin(call, answer, fault.takes_ms / 1000)
        reply = self._remember(call, await answer(call))
        if fault.stuck:
            return self._under_way(call, reply)
        if fault.ends:
            return _given_up(call, reply, fault.ends)
        if fault.lost:
            raise Severed("lost on request")
        return reply

    def _under_way(self, call: Call, reply: Reply) -> Reply:
        """Return a reply about an operation, a job or a resource as if its work went on."""
        if reply.status != 200 or not isinstance(reply.body, dict):
            return reply
        if "operationresults/" in call.path.lower():
            return Reply(202, None, {"Location": f"{self._address}{call.path}"} | POLL_HEADERS)
        body = {key: value for key, value in reply.body.items() if key not in ("endTime", "error")}
        if "percentComplete" in body:
            return replace(reply, body=body | {"status": "Updating", "percentComplete": 0.0})
        properties = dict(body.get("properties") or {})
        for key, word in (("provisioningState", "Updating"), ("status", "Running")):
            if key in properties:
                properties[key] = word
        return replace(reply, body=body | {"properties": properties})

    def _remember(self, call: Call, reply: Reply) -> Reply:
        if call.method == "GET" and reply.status == 200:
            self._read[_asked(call)] = reply
            self._read.move_to_end(_asked(call))
            if len(self._read) > _REMEMBERED:
                self._read.popitem(last=False)
        return reply

    def add(self, given: Json) -> None:
        control = [_control_fault(each) for each in given.get("control") or []]
        scoring = [_scoring_fault(each) for each in given.get("scoring") or []]
        if max(len(self._control) + len(control), len(self._scoring) + len(scoring)) > _MAX_FAULTS:
            raise Invalid(f"At most {_MAX_FAULTS} faults can be set at a time")
        self._control += control
        for fault in scoring:
            self._scoring[fault["endpoint"], fault["deployment"]] = fault
            self._router.set_fault(**fault)

    def clear(self) -> None:
        self._control.clear()
        self._scoring.clear()
        self._router.clear_faults()

    def to_json(self) -> Json:
        return {"control": [asdict(each) for each in self._control], "scoring": list(self._scoring.values())}


def _asked(call: Call) -> tuple[object, ...]:
    """Return what identifies a read: the path, and the query too, since it tells one page of a list from the next."""
    return call.path, *sorted(pair for pair in call.query.items() if pair[0] != "api-version")


def _control_fault(given: Any) -> ControlFault:
    try:
        fault = ControlFault(**given)
        re.compile(fault.method)
        re.compile(fault.path)
        usable = 0 <= fault.delay_ms <= _MAX_DELAY_MS and fault.times >= 1 and 0 <= fault.takes_ms <= _MAX_DELAY_MS
        usable = usable and (fault.status is None or 400 <= fault.status <= 599)
        alone = (fault.stale, fault.stuck, fault.ends, fault.lost, fault.refused, fault.takes_ms)
        kinds = (fault.status is not None, *map(bool, alone))
    except (TypeError, re.error) as error:
        raise Invalid(f"{given!r} is not a fault: {error}") from error
    if not usable:
        raise Invalid(f"{given!r} is not a fault: times, delay_ms or status is out of bounds")
    if sum(kinds) > 1:
        raise Invalid(f"{given!r} is not a fault: it is of more than one kind")
    return fault


def _scoring_fault(given: Any) -> Json:
    try:
        fault = {
            "endpoint": str(given["endpoint"]),
            "deployment": str(given["deployment"]),
            "share": float(given.get("share", 1)),
            "status": given.get("status"),
            "delay_ms": float(given.get("delay_ms", 0)),
        }
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise Invalid(f"{given!r} is not a scoring fault: {error!r}") from error
    status_fits = fault["status"] is None or (isinstance(fault["status"], int) and 400 <= fault["status"] <= 599)
    if not (0 <= fault["share"] <= 1 and 0 <= fault["delay_ms"] <= _MAX_DELAY_MS and status_fits):
        raise Invalid(f"{given!r} is not a scoring fault: share, delay_ms or status is out of bounds")
    return fault


def _given_up(call: Call, reply: Reply, code: str) -> Reply:
    """Return a reply about an operation as if that had failed with this code."""
    if "operationsstatus/" not in call.path.lower() or not isinstance(reply.body, dict):
        return reply
    error = {"code": code, "message": "A fault set on purpose.", "details": [], "additionalInfo": []}
    return replace(reply, body=reply.body | {"status": "Failed", "error": error})


def _failure(status: int, retry_after: int | None) -> Reply:
    body = Invalid(f"A fault set on purpose: {status}.", code={429: "TooManyRequests"}.get(status, "FaultInjected"))
    headers = {"x-ms-response-type": "error"} | ({"Retry-After": str(retry_after)} if retry_after else {})
    return Reply(status, body.to_json(), headers)


async def put_faults(faults: Faults, call: Call) -> Reply:
    faults.add(call.document())
    return Reply(body=faults.to_json())


async def get_faults(faults: Faults, call: Call) -> Reply:
    return Reply(body=faults.to_json())


async def delete_faults(faults: Faults, call: Call) -> Reply:
    faults.clear()
    return Reply(200, {})
