"""Files that a job logs through MLflow, by MLflow's own artifact protocol; they lie among the job's other files.

PUT and GET of {tracking address}/api/2.0/mlflow-artifacts/artifacts/RUN/PATH, and GET of .../artifacts?path=RUN/PATH
for a list. On Azure a run's artifacts are in the same place: ExperimentRun/dcid.RUN of the artifact store.
"""

from __future__ import annotations

from asyncio import to_thread

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from local.control.uploads import receive
from local.errors import Forbidden, Invalid, Unsupported
from local.storage.blobs import Blobs, safe_name
from local.training.tracking import Tracking
from local.wire.call import Json
from local.wire.guard import bearer
from local.wire.place import run_folder

PATH = "/api/2.0/mlflow-artifacts/artifacts"


class ArtifactApi:
    """Answers calls below the artifact path; the caller's token is the workspace's, or the job's for its own run."""

    def __init__(self, blobs: Blobs, tracking: Tracking) -> None:
        self.blobs = blobs
        self.tracking = tracking
        self.container = tracking.place.artifact_container

    async def __call__(self, request: Request) -> Response:
        caller = await to_thread(self.tracking.caller, bearer(request.headers))
        asked = request.path_params.get("path") or request.query_params.get("path", "")
        run, _, rest = str(asked).strip("/").partition("/")
        if caller and caller != run:
            raise Forbidden(f"The tracking token is for run {caller} only")
        await to_thread(self.tracking.jobs.get, run)
        if request.method == "GET" and not request.path_params.get("path"):
            return JSONResponse({"files": await to_thread(self._list, run, rest)})
        if not rest:
            raise Invalid("An artifact needs a path")
        name = f"{run_folder(run)}/{safe_name(rest)}"
        if request.method == "PUT":
            with self.blobs.arriving() as path:
                digest = await receive(request, path)
                await to_thread(lambda: self.blobs.commit(self.container, name, path, md5=digest))
            return JSONResponse({})
        if request.method == "GET":
            return FileResponse((await to_thread(self.blobs.whole, self.container, name)).path)
        raise Unsupported(f"{request.method} of an artifact")

    def _list(self, run: str, below: str) -> list[Json]:
        """Return the files and folders directly below a path, with their names relative to it."""
        found: dict[str, Json] = {}
        for path, blob in self.blobs.tree(self.container, f"{run_folder(run)}/{below}"):
            if path.parts:
                head, is_dir = path.parts[0], len(path.parts) > 1
                found[head] = {"path": head, "is_dir": is_dir} | ({} if is_dir else {"file_size": blob.size})
        return list(found.values())
