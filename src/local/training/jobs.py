"""Command jobs: what was asked, and what became of it."""

from __future__ import annotations

from asyncio import to_thread
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from local.catalog.assets import Assets
from local.catalog.computes import Computes
from local.errors import Conflict, Invalid, NotFound, Unsupported
from local.storage.store import Document, Store, now
from local.training import command as command_line
from local.training.resource import resource
from local.wire import durations, names
from local.wire.call import Call, Json, Reply, archived_filter, page
from local.wire.clock import SteadyClock
from local.wire.filters import Filter
from local.wire.place import Place

if TYPE_CHECKING:
    from local.training.folders import Folders
    from local.training.runner import Runner

LOG_NAME = "user_logs/std_log.txt"
TERMINAL = frozenset({"Completed", "Failed", "Canceled"})


class Jobs:
    """The jobs in the store."""

    def __init__(self, place: Place, store: Store, assets: Assets, computes: Computes, folders: Folders) -> None:
        self.place = place
        self.store = store
        self.assets = assets
        self.locator = assets.locator
        self.computes = computes
        self.folders = folders
        self._clock = SteadyClock()
        self._began: dict[str, float] = {}

    def get(self, name: str) -> Document:
        document = self.store.get("jobs", name)
        if document is None:
            raise NotFound("Job", f"Job with name: {name} not found.")
        return document

    def put(self, name: str, properties: Json) -> tuple[Document, bool]:
        """Accept a job, or change the description and the tags of one. Returns it and whether it is new."""
        with self.store.transaction():
            old = self.store.get("jobs", name)
            if old is not None:
                return self._amend(old, properties), False
            names.check("Job", name)
            self._check(properties)
            if self.folders.holds(name):
                raise Conflict(f"Assets are made of the files of a deleted job {name}: take another name.")
            kept = {key: value for key, value in properties.items() if value is not None}
            body = {
                "properties": kept | self._placed_outputs(name, kept.get("outputs") or {}),
                "status": "Queued",
                "submitted": now(),
            }
            return self.store.put("jobs", name, body, mark="Queued", archived=bool(properties.get("isArchived"))), True

    def amend(self, name: str, **changes: Any) -> Document:
        """Change some of what a job's document says."""
        with self.store.transaction():
            old = self.get(name)
            body = old.body | changes
            archived = bool(body["properties"].get("isArchived"))
            return self.store.put("jobs", name, body, mark=body["status"], archived=archived)

    def set_status(self, name: str, status: str, **more: Any) -> None:
        """Move a job on; what has ended stays ended, and a job being canceled says so."""
        with self.store.transaction():
            old = self.get(name).body
            if old["status"] in TERMINAL:
                return
            if old.get("cancel") and status not in TERMINAL:
                status = "CancelRequested"
            if status == "Running":
                more["started"] = max(now(), old["submitted"])
                self._began[name] = self._clock()
            if status in TERMINAL:
                more["ended"] = self._end(name, old)
            self.amend(name, status=status, **more)

    def request_cancel(self, name: str) -> None:
        """Note that a job is to end."""
        with self.store.transaction():
            status = self.get(name).body["status"]
            if status in TERMINAL:
                raise Invalid(f"Job {name} cannot be canceled: it is {status}.")
            self.amend(name, status="CancelRequested", cancel=True)

    def finish(self, name: str, status: str, *, code: str = "", message: str = "") -> None:
        error = {"code": code, "message": message} if message else None
        self.set_status(name, status, error=error)

    def _end(self, name: str, body: Json) -> str:
        """Return the end of a job that ends now: its start plus its time, whatever was done to the system clock."""
        began, started = self._began.pop(name, None), body.get("started")
        if began is None or started is None:
            return max(now(), str(started or body["submitted"]))
        return (datetime.fromisoformat(started) + timedelta(seconds=self._clock() - began)).isoformat()

    def recover(self) -> list[str]:
        """Fail the jobs that died with the last server; return the queued ones, oldest first."""
        for status in ("Preparing", "Running", "Finalizing", "CancelRequested"):
            for document in self.store.find("jobs", mark=status, limit=100_000):
                if document.body.get("cancel"):
                    self.finish(document.name, "Canceled")
                else:
                    message = "The local workspace stopped while the job was running; its process was ended."
                    self.finish(document.name, "Failed", code="SystemError", message=message)
        self.folders.sweep()
        return [each.name for each in self.store.find("jobs", mark="Queued", newest_first=False, limit=100_000)]

    def delete(self, name: str) -> None:
        """Remove a job that has ended, its files and what it logged."""
        status = self.get(name).body["status"]
        if status not in TERMINAL:
            raise Conflict(f"Job {name} is {status}: cancel it first.")
        # The job goes last: what a crash leaves of it can be deleted again, and no other one takes its name before.
        self.folders.forget(name)
        with self.store.transaction():
            for kind in ("runs", "jobs"):
                self.store.delete(kind, name)

    def render(self, document: Document) -> Json:
        return resource(self.place, document)

    def _amend(self, old: Document, properties: Json) -> Document:
        for key in ("command", "codeId", "environmentId", "inputs"):
            given = properties.get(key)
            if given and given != old.body["properties"].get(key):
                raise Conflict(f"Job {old.name} exists, and its {key} cannot be changed.")
        kept = dict(old.body["properties"])
        for key in ("tags", "description", "displayName", "isArchived", "properties"):
            if properties.get(key) is not None:
                kept[key] = properties[key]
        return self.amend(old.name, properties=kept)

    def _check(self, properties: Json) -> None:
        """Refuse, before it is queued, what cannot run."""
        kind = properties.get("jobType")
        if kind != "Command":
            raise Unsupported(f"jobs of type {kind}")
        if not str(properties.get("command") or "").strip():
            raise Invalid("The job has no command")
        self.computes.check(properties.get("computeId"))
        names.check_variables(properties.get("environmentVariables") or ())
        if properties.get("codeId"):
            self.assets.resolve("codes", properties["codeId"])
        if properties.get("environmentId"):
            self.assets.check_environment(properties["environmentId"])
        limit = (properties.get("limits") or {}).get("timeout")
        if limit:
            durations.seconds(limit)
        for group in ("inputs", "outputs"):
            for name in properties.get(group) or {}:
                if not name.replace("_", "").isalnum() or not name.isascii():
                    raise Invalid(f"{name!r} is not a name for one of the job's {group}: letters, digits and _")
        for name, value in (properties.get("inputs") or {}).items():
            if value and value.get("uri"):
                self._check_input(name, str(value["uri"]), str(value.get("jobInputType")), value.get("mode"))
        for group, name in command_line.referenced(properties["command"]):
            if name not in (properties.get(group) or {}):
                raise Invalid(f"The command speaks of {group}.{name}, which the job does not declare")

    def _check_input(self, name: str, uri: str, kind: str, mode: object) -> None:
        if mode == "Direct":
            self.locator.direct_uri(uri, "models" if "model" in kind else "data")
        elif self.locator.web_address(uri) is None:
            self.locator.resolve(uri, "models" if "model" in kind else "data")
        elif kind != "uri_file":
            raise Invalid(f"Input {name}: a web address names one file, so its type is uri_file, not {kind}")

    def _placed_outputs(self, job: str, declared: Json) -> Json:
        """Return the outputs with their places in full; refuse now what could not be kept when the job has run."""
        placed: Json = {}
        for key, value in declared.items():
            placed[key] = dict(value or {})
            if placed[key].get("mode") == "Direct":
                raise Unsupported(f"outputs of mode direct, such as {key}: a job writes into a folder here")
            if uri := placed[key].get("uri"):
                placed[key]["uri"] = self.locator.output_uri(str(uri), job, key)
            asset, version = placed[key].get("assetName"), placed[key].get("assetVersion")
            if not asset:
                continue
            names.check(f"Asset of output {key}", asset)
            kind = "models" if "model" in str(placed[key].get("jobOutputType")) else "data"
            if version:
                names.check(f"Version of asset {asset}", str(version))
                if not uri and self.store.get(kind, asset, str(version)):
                    raise Conflict(f"Output {key}: {asset}:{version} exists, and is not written again")
        return {"outputs": placed} if placed else {}


def get_job(jobs: Jobs, call: Call) -> Reply:
    return Reply(body=jobs.render(jobs.get(call["name"])))


def list_jobs(jobs: Jobs, call: Call) -> Reply:
    if call.query.get("scheduleId") or call.query.get("scheduled", "").lower() == "true":
        # There are no schedules here, so none of the jobs is of one.
        return Reply(body={"value": []})

    def fetch(after: int | None, limit: int) -> list[Document]:
        return jobs.store.find("jobs", archived=archived_filter(call), after=after, limit=limit)

    wanted = Filter(call, tags="tag", fields=("jobType",))
    return page(call, jobs.place.control, wanted(fetch), jobs.render)


async def put_job(jobs: Jobs, runner: Runner, call: Call) -> Reply:
    document, new = await to_thread(jobs.put, call["name"], call.properties())
    if new:
        runner.submit(document.name)
    return Reply(201 if new else 200, jobs.render(document), {"Location": f"{jobs.place.control}{call.path}"})


async def cancel_job(jobs: Jobs, runner: Runner, call: Call) -> Reply:
    name = call["name"]
    await to_thread(jobs.request_cancel, name)
    await runner.cancel(name)
    location = f"{jobs.place.control}{jobs.place.id}/jobs/{name}/operationResults/cancel"
    return Reply(202, None, {"Location": location, "x-ms-retry-after-ms": "100"})


def cancel_result(jobs: Jobs, call: Call) -> Reply:
    """Answer 200 when the job that was asked to end has ended, 202 until then."""
    document = jobs.get(call["name"])
    if document.body["status"] in TERMINAL:
        return Reply(200, {})
    return Reply(202, None, {"Location": f"{jobs.place.control}{call.path}", "x-ms-retry-after-ms": "100"})


def delete_job(jobs: Jobs, call: Call) -> Reply:
    jobs.delete(call["name"])
    return Reply(200)
