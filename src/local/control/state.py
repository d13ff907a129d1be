"""Everything that one running workspace is made of, put together once."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from local.catalog.assets import Assets
from local.catalog.computes import Computes
from local.catalog.datastores import Datastores
from local.catalog.locations import Locator
from local.control.faults import Faults
from local.folder import STORE_FILE
from local.routing.router import Router
from local.serving.asset_cache import AssetCache
from local.serving.deployer import Deployer
from local.serving.deployments import Deployments
from local.serving.endpoints import Endpoints
from local.serving.supervisor import Supervisor, reap
from local.storage.blobs import Blobs
from local.storage.store import Store
from local.training.folders import Folders
from local.training.jobs import Jobs
from local.training.runner import Runner
from local.training.staging import Staging
from local.training.tracking import Tracking
from local.wire.guard import Guard
from local.wire.operations import Operations
from local.wire.place import Place, hosts
from local.wire.sessions import Sessions

# How long a start waits for the deployments of last time to serve again before it says that it is ready.
RESUME_SECONDS = 15.0


@dataclass(frozen=True)
class State:
    """The parts, and where they keep what they know."""

    folder: Path
    instance: str
    place: Place
    guard: Guard
    store: Store
    blobs: Blobs
    locator: Locator
    assets: Assets
    datastores: Datastores
    operations: Operations
    jobs: Jobs
    runner: Runner
    router: Router
    supervisor: Supervisor
    endpoints: Endpoints
    deployments: Deployments
    deployer: Deployer
    faults: Faults
    tracking: Tracking
    sessions: Sessions

    async def start(self) -> None:
        """Take up what the last server left: fail what died with it, go on with what waits."""
        self.blobs.sweep()
        for name in self.jobs.recover():
            self.runner.submit(name)
        await self.deployer.recover()
        await self.deployer.settle(RESUME_SECONDS)

    async def close(self) -> None:
        """Stop the work and close the store."""
        await self.deployer.close()
        await self.runner.close()
        await self.supervisor.close()
        await self.router.close()
        self.store.close()


def assemble(folder: Path, instance: str, token: str, place: Place) -> State:
    """Put the parts of a workspace together around its state folder."""
    store = Store(folder / STORE_FILE)
    blobs = Blobs(folder, store)
    locator = Locator(place, store)
    assets = Assets(place, store, locator, blobs)
    folders = Folders(folder / "jobs", locator, blobs)
    jobs = Jobs(place, store, assets, Computes(place, store), folders)
    guard = Guard(token, hosts(place.control, place.scoring))
    operations = Operations(place, store)
    tracking = Tracking(place, store, jobs, guard)
    staging = Staging(folder, folders, place, jobs, blobs, locator, assets, tracking)
    router = Router()
    reap(folder / "serving")
    supervisor = Supervisor(folder / "serving", router, sys.executable)
    endpoints = Endpoints(place, store, operations, router, guard)
    cache = AssetCache(folder, assets, blobs, locator)
    deployments = Deployments(endpoints, operations, cache)
    return State(
        folder=folder,
        instance=instance,
        place=place,
        guard=guard,
        store=store,
        blobs=blobs,
        locator=locator,
        assets=assets,
        datastores=Datastores(place, store, guard),
        operations=operations,
        jobs=jobs,
        runner=Runner(folders, jobs, staging),
        router=router,
        supervisor=supervisor,
        endpoints=endpoints,
        deployments=deployments,
        deployer=Deployer(deployments, supervisor),
        faults=Faults(router, place.control),
        tracking=tracking,
        sessions=Sessions(store),
    )
