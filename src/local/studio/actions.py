"""What a person does on the page: shift, roll back, cancel; first described, and done once confirmed.

To plan an action checks it, changes nothing, and gives a secret for exactly that plan. The secret, which works once and
expires soon, has it done through the operations that the SDK calls, so that their rules hold here too.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from asyncio import to_thread
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from local.errors import Conflict, Invalid, Refusal
from local.routing import traffic
from local.storage.store import Document
from local.studio import rollout
from local.training.jobs import TERMINAL
from local.wire.call import Call, Json, Reply

if TYPE_CHECKING:
    from local.control.state import State

PLAN_SECONDS = 120.0
MOST_PLANS = 50
REASON = "by hand, in the studio"
# As the command line has them: what Azure takes as a tag's value, with room, and how much history a model keeps.
_TAG_CHARACTERS = 256
_OUTCOMES = 10
_OUTCOME = "rollout."
# An operation that is under way ends soon; a rollout that read before a person's move may write after it, but once.
_BUSY_SECONDS = 10.0
_STAYS_SECONDS = 1.0
_LOOK_SECONDS = 0.1

Arm = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True)
class PlannedAction:
    """What would be done, in words, provided that the traffic is still as `seen`; `live` is the traffic afterwards.

    `outcome` is what becomes of the `model` (a reference) by it, "" for nothing.
    """

    kind: str
    says: str
    target: str
    until: float
    seen: Json
    live: Mapping[str, int]
    tags: Mapping[str, str]
    model: str = ""
    outcome: str = ""


class Actions:
    """Plans that wait for their confirmation, and the doing of them."""

    def __init__(self, state: State, arm: Arm, clock: Callable[[], float] = time.monotonic) -> None:
        """Do what is confirmed through `arm`, which answers calls as the control plane does."""
        self._state = state
        self._arm = arm
        self._clock = clock
        self._plans: dict[str, PlannedAction] = {}

    def plan(self, given: Json) -> Json:
        """Check an action and say what it will do; Refusal when it cannot be done."""
        kinds = {"shift": self._shift, "rollback": self._rollback, "cancel": self._cancel}
        kind = kinds.get(str(given.get("do")))
        if kind is None:
            raise Invalid(f"{given.get('do')!r} is not an action: there are {', '.join(kinds)}")
        plan = kind(given)
        secret = secrets.token_urlsafe(24)
        self._plans[secret] = plan
        while len(self._plans) > MOST_PLANS:
            del self._plans[next(iter(self._plans))]
        return {"confirm": secret, "says": plan.says, "before": plan.seen, "after": dict(plan.live)}

    async def confirm(self, secret: str) -> Json:
        """Do what was planned; Conflict when it is not the same any more, or was done already."""
        plan = self._plans.pop(secret, None)
        if plan is None or plan.until < self._clock():
            raise Conflict("This confirmation was used, or has expired: nothing was changed. Ask again.")
        if plan.kind == "cancel":
            await self._arm(Call("POST", f"{self._state.place.id}/jobs/{plan.target}/cancel"))
            return {"done": f"{plan.target} is being cancelled"}
        done = await self._move(plan)
        if plan.outcome:
            await self._remember(plan)
        return done

    def _shift(self, given: Json) -> PlannedAction:
        document, found = self._endpoint(given)
        slot, percent = str(given.get("slot")), given.get("percent")
        if isinstance(percent, bool) or not isinstance(percent, int):
            raise Invalid("percent must be a whole number from 0 to 100")
        others = [each.body["name"] for each in found[-2:] if each.body["name"] != slot]
        live = {slot: percent} | ({others[-1]: 100 - percent} if others else {})
        traffic.check_traffic(live, {}, {each.body["name"] for each in found})
        return self._planned("shift", document, live, {})

    def _rollback(self, given: Json) -> PlannedAction:
        document, found = self._endpoint(given)
        if len(found) < 2:
            raise Invalid(f"{document.name} has no second deployment to roll back to")
        old, new = found[-2], found[-1]
        reason = f"{rollout.identity(new)}: {REASON}"[:_TAG_CHARACTERS]
        plan = self._planned("rollback", document, {old.body["name"]: 100}, {"rolled_back": reason})
        name = new.body["name"]
        share = plan.seen["traffic"].get(name, 0)
        model = str(new.body["properties"].get("model") or "")
        return replace(plan, model=model, outcome=f"{name}: rolled back at {share} %: {REASON}")

    def _cancel(self, given: Json) -> PlannedAction:
        job = self._state.jobs.get(str(given.get("job")))
        if job.body["status"] in TERMINAL:
            raise Invalid(f"Job {job.name} cannot be cancelled: it is {job.body['status']}.")
        says = f"Cancel job {job.name}, which is {job.body['status']}."
        return PlannedAction("cancel", says, job.name, self._clock() + PLAN_SECONDS, {}, {}, {})

    def _endpoint(self, given: Json) -> tuple[Document, list[Document]]:
        document = self._state.endpoints.get(str(given.get("endpoint")))
        return document, rollout.by_age(self._state.endpoints.deployments(document.name))

    def _planned(
        self, kind: str, document: Document, live: Mapping[str, int], tags: Mapping[str, str]
    ) -> PlannedAction:
        seen = _split(document)
        says = f"{document.name} goes from {_in_words(seen['traffic'])} to {_in_words(live)}."
        if any(seen["mirror"].values()):
            says += f" The mirror ({_in_words(seen['mirror'])}) ends."
        lease = document.body["tags"].get("lease")
        if lease:
            says += " A rollout holds this endpoint: it gives way and ends."
        return PlannedAction(kind, says, document.name, self._clock() + PLAN_SECONDS, seen, live, tags)

    async def _move(self, plan: PlannedAction) -> Json:
        """Write the split until it has stayed for a while: a rollout that read before us may write after us.

        Raises:
            Conflict: the traffic has changed since, the endpoint is busy, or another split is set again and again.
        """
        if _split(await to_thread(self._state.endpoints.get, plan.target)) != plan.seen:
            raise Conflict("The traffic has changed since you were asked: nothing was changed. Look, and ask again.")
        start = since = self._clock()
        await self._put(plan, start)
        while self._clock() - since < _STAYS_SECONDS:
            await asyncio.sleep(_LOOK_SECONDS)
            found = _split(await to_thread(self._state.endpoints.get, plan.target))["traffic"]
            if _shares(found) != _shares(plan.live):
                if self._clock() - start > _BUSY_SECONDS:
                    raise Conflict(
                        f"Something else sets the traffic of {plan.target} again and again: "
                        f"it is now {_in_words(found)}. Stop that, then ask again."
                    )
                await self._put(plan, start)
                since = self._clock()
        return {"done": f"traffic: {_in_words(plan.live)}"}

    async def _put(self, plan: PlannedAction, start: float) -> None:
        path = self._state.place.endpoint_id(plan.target)
        while True:
            body = (await to_thread(self._state.endpoints.get, plan.target)).body
            properties = body["properties"] | {"traffic": dict(_shares(plan.live)), "mirrorTraffic": {}}
            kept = {key: body[key] for key in ("identity", "kind")}
            tags = body["tags"] | plan.tags
            given = kept | {"location": self._state.place.location, "tags": tags, "properties": properties}
            try:
                await self._arm(Call("PUT", path, body=given))
            except Conflict:
                if self._clock() - start > _BUSY_SECONDS:
                    raise
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                return

    async def _remember(self, plan: PlannedAction) -> None:
        """Tag the model with what became of it, as inv rollback does; the newest ten are kept.

        A model that is gone has no history.
        """
        try:
            model = await to_thread(self._state.assets.resolve, "models", plan.model)
        except Refusal:
            return
        properties = model.body["properties"]
        outcome = {f"{_OUTCOME}{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}": plan.outcome[:_TAG_CHARACTERS]}
        tags = {**(properties.get("tags") or {}), **outcome}
        for forgotten in sorted(key for key in tags if key.startswith(_OUTCOME))[:-_OUTCOMES]:
            del tags[forgotten]
        path = f"{self._state.place.id}/models/{model.name}/versions/{model.version}"
        await self._arm(Call("PUT", path, body={"properties": {**properties, "tags": tags}}))


def _split(document: Document) -> Json:
    properties = document.body["properties"]
    return {"traffic": dict(properties["traffic"]), "mirror": dict(properties["mirrorTraffic"])}


def _shares(live: Mapping[str, int]) -> dict[str, int]:
    return {name: share for name, share in live.items() if share}


def _in_words(live: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {share} %" for name, share in sorted(live.items()) if share) or "no traffic"
