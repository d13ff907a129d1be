"""A job's files: its code, inputs and environment before it runs, its outputs and log after."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from local.catalog.assets import Assets
from local.catalog.locations import Locator
from local.errors import LocalError
from local.storage.blobs import Blobs, safe_name
from local.training import command as command_line
from local.training import web
from local.training.folders import Folders
from local.training.jobs import LOG_NAME, Jobs
from local.training.tracking import Tracking
from local.wire import durations
from local.wire.call import Json
from local.wire.place import Place, run_folder

# What a job may know of the environment that the server was started in.
_KEEP = ("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "SSL_CERT_FILE", "LD_LIBRARY_PATH")


class Staging:
    """Lays out what a job needs, and stores what it made."""

    def __init__(
        self,
        folder: Path,
        folders: Folders,
        place: Place,
        jobs: Jobs,
        blobs: Blobs,
        locator: Locator,
        assets: Assets,
        tracking: Tracking,
    ) -> None:
        self.place = place
        self.jobs = jobs
        self.blobs = blobs
        self.locator = locator
        self.assets = assets
        self.tracking = tracking
        self.folders = folders
        self._bundle = str(folder / "tls" / "ca-bundle.pem")

    def prepare(self, name: str, stopped: Callable[[], bool]) -> tuple[str, dict[str, str], float]:
        """Return the command line, the environment and the time limit in seconds (0 for none).

        Once `stopped` returns true, slow parts break off half done, for the job will not run.
        """
        self.jobs.set_status(name, "Preparing")
        properties = self.jobs.get(name).body["properties"]
        folder = self.folders.begin(name)
        work = folder / "work"
        log = folder / "std_log.txt"
        nodes = int((properties.get("resources") or {}).get("instanceCount") or 1)
        alone = nodes > 1 or properties.get("distribution")
        log.write_text(
            "The local workspace runs this job as one process on one node, without ranks.\n" if alone else ""
        )
        prefix = run_folder(name)
        self.blobs.commit(
            self.place.artifact_container, f"{prefix}/{LOG_NAME}", log, live=True, content_type="text/plain"
        )
        if properties.get("codeId"):
            self.blobs.materialise(*self.assets.code_location(properties["codeId"]), work)
        inputs = {
            key: self._input(key, value or {}, folder, stopped)
            for key, value in (properties.get("inputs") or {}).items()
        }
        outputs = {
            key: self._output(key, value or {}, folder) for key, value in (properties.get("outputs") or {}).items()
        }
        for each in ("outputs", "logs"):
            (work / each).mkdir(exist_ok=True)
        line = command_line.fill(properties["command"], inputs, outputs)
        limit = (properties.get("limits") or {}).get("timeout")
        seconds = durations.seconds(limit) if limit else 0.0
        return line, self._environment(name, properties, work, inputs, outputs), seconds

    def _input(self, key: str, declared: Json, folder: Path, stopped: Callable[[], bool]) -> str | None:
        if declared.get("jobInputType") == "literal":
            return str(declared.get("value"))
        uri = declared.get("uri")
        if not uri:
            return None
        kind = "models" if "model" in str(declared.get("jobInputType")) else "data"
        if declared.get("mode") == "Direct":
            return self.locator.direct_uri(uri, kind)
        address = self.locator.web_address(uri)
        if address is not None:
            leaf = safe_name(unquote(urlsplit(address).path).rstrip("/").split("/")[-1] or "data").name
            target = folder / "inputs" / safe_name(key) / leaf
            web.fetch(address, target, stopped)
            return str(target)
        location = self.locator.resolve(uri, kind)
        leaf = safe_name(location.path.split("/")[-1] or "data").name
        target = folder / "inputs" / safe_name(key) / leaf
        if self.blobs.materialise(location.container, location.path, target) == 0:
            raise LocalError(f"Input {key}: there is nothing at {uri}")
        return str(target)

    def _output(self, name: str, declared: Json, folder: Path) -> str:
        target = folder / "outputs" / safe_name(name)
        is_file = declared.get("jobOutputType") == "uri_file"
        (target.parent if is_file else target).mkdir(parents=True, exist_ok=True)
        return str(target)

    def _environment(
        self,
        name: str,
        properties: Json,
        work: Path,
        inputs: dict[str, str | None],
        outputs: dict[str, str],
    ) -> dict[str, str]:
        """Return what a job finds in its environment: what Azure sets, and nothing of the workspace's own."""
        bin_folder = Path(sys.executable).parent
        environment = {key: os.environ[key] for key in _KEEP if key in os.environ}
        environment |= {
            "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
            "AZUREML_RUN_ID": name,
            "AZUREML_RUN_TOKEN_EXPIRY": "0",
            "AZUREML_EXPERIMENT_NAME": str(properties.get("experimentName", "Default")),
            "AZUREML_ARM_SUBSCRIPTION": self.place.subscription_id,
            "AZUREML_ARM_RESOURCEGROUP": self.place.resource_group,
            "AZUREML_ARM_WORKSPACE_NAME": self.place.workspace_name,
            "AZUREML_ARM_PROJECT_NAME": str(properties.get("experimentName", "Default")),
            "AZUREML_WORKSPACE_ID": self.place.guid,
            "AZ_BATCHAI_JOB_WORK_DIR": str(work),
        }
        environment |= self.tracking.environment(name, self._bundle)
        environment |= {f"AZURE_ML_INPUT_{key}": value for key, value in inputs.items() if value is not None}
        environment |= {f"AZURE_ML_OUTPUT_{key}": value for key, value in outputs.items()}
        given = properties.get("environmentVariables") or {}
        return environment | {str(key): str(value) for key, value in given.items()}

    def collect(self, name: str) -> None:
        """Store the outputs, the log and the folders that Azure keeps of every run."""
        folder = self.folders.of(name)
        properties = self.jobs.get(name).body["properties"]
        for key in properties.get("outputs") or {}:
            path = folder / "outputs" / safe_name(key)
            if path.exists():
                location = self.locator.resolve(f"azureml://jobs/{name}/outputs/{key}")
                self.blobs.collect(path, location.container, location.path)
                self._register(name, key, properties["outputs"][key] or {})
        prefix = run_folder(name)
        for each in ("outputs", "logs"):
            with contextlib.suppress(FileNotFoundError):
                self.blobs.collect(folder / "work" / each, self.place.artifact_container, f"{prefix}/{each}")
        log = self.place.artifact_container, f"{prefix}/{LOG_NAME}"
        self.blobs.commit(*log, folder / "std_log.txt", content_type="text/plain")

    def _register(self, job: str, output: str, declared: Json) -> None:
        """Make an asset of an output that the job gives a name."""
        asset = declared.get("assetName")
        if not asset:
            return
        uri, kind = f"azureml://jobs/{job}/outputs/{output}", str(declared.get("jobOutputType", "uri_folder"))
        if "model" in kind:
            group, properties = "models", {"modelUri": uri, "modelType": kind}
        else:
            group, properties = "data", {"dataUri": uri, "dataType": kind}
        if declared.get("assetVersion"):
            self.assets.put(group, asset, str(declared["assetVersion"]), properties)
        else:
            self.assets.create_next(group, asset, properties)
