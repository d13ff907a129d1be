"""An endpoint while one run holds it: every write renews the lease, and looks first whether it is still ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ops import endpoints, lineage, traffic, wait
from ops.errors import Moved, OpsError, Paused, Refused, Timeout
from ops.rollout import lease, moves
from ops.rollout.position import Position

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineEndpoint

# Azure may answer a read with what was so before the last write: what is wrong must still be wrong after this.
_SETTLE_SECONDS = 3.0
_SETTLE_POLL_SECONDS = 0.5
_GIVE_BACK_SECONDS = 30.0
_FORCED_TRIES = 3


class Hold:
    """The lease of one run on one endpoint, and what that run knows of its traffic."""

    def __init__(self, client: MLClient, endpoint: str, *, lease_seconds: float, deadline_seconds: float) -> None:
        """Hold nothing yet; each write may take `deadline_seconds`."""
        self._client = client
        self._endpoint = endpoint
        self._lease_seconds = lease_seconds
        self._deadline = deadline_seconds
        self._lease = lease.mine(lease_seconds)
        self._splits: tuple[traffic.Split, ...] = ()  # as this run found or set it last, and as it is setting it
        self._written = 0.0
        self._held = False

    def take(self, found: OnlineEndpoint, tags: Mapping[str, str], *, force: bool) -> None:
        """Take the lease, seen on `found`, and write the tags with it.

        Refused while another operator may still be at work, unless forced.
        """
        lease.check(lease.read(lineage.tags_of(found).get(lineage.LEASE)), self._lease, force=force)
        for left in reversed(range(_FORCED_TRIES if force else 1)):
            # From here on: interrupted in the midst of the write, the lease may be there.
            self._held = True
            split = traffic.tag(self._client, self._endpoint, self._with_lease(tags), deadline_seconds=self._deadline)
            try:
                self.check()
                self._splits = (split,)
                return
            except Refused:
                # The other operator may have read before this write, and written after it.
                if not left:
                    raise

    def check(self) -> None:
        """See that nobody else has taken the endpoint (Refused), or moved its traffic by hand (Paused)."""
        self._see(self._trouble)

    def _see(self, trouble_with: Callable[[OnlineEndpoint], OpsError | None]) -> None:
        found: list[OpsError | None] = []

        def ours() -> bool:
            found.append(trouble_with(self._look()))
            return found[-1] is None

        try:
            wait.until(ours, bool, what="lease", deadline_seconds=_SETTLE_SECONDS, poll_seconds=_SETTLE_POLL_SECONDS)
        except Timeout:
            # Another operator may have come, and ended, within that time: the traffic it set was set by no hand.
            trouble = next((each for each in found if isinstance(each, Refused)), found[-1])
            assert trouble is not None
            self._held = self._held and not isinstance(trouble, Refused)
            raise trouble from None

    def _look(self) -> OnlineEndpoint:
        return wait.retrying(
            lambda: endpoints.get(self._client, self._endpoint),
            what=f"endpoint {self._endpoint}",
            deadline_seconds=self._deadline,
        )

    def _taken(self, endpoint: OnlineEndpoint) -> OpsError | None:
        """Return who else has, or has had, an endpoint as read."""
        found = lease.read(lineage.tags_of(endpoint).get(lineage.LEASE))
        try:
            lease.check(found, self._lease)
        except Refused as taken:
            return taken
        if self._held and (found is None or found.holder != self._lease.holder):
            # Whoever had it is done and gave it back: what this run observed is of before that.
            return Refused("another operator has had this endpoint since this run looked: run inv rollout again")
        return None

    def _trouble(self, endpoint: OnlineEndpoint) -> OpsError | None:
        """Return why an endpoint, as read, is no longer this run's to write on."""
        return self._taken(endpoint) or self._moved(endpoint)

    def _moved(self, endpoint: OnlineEndpoint) -> OpsError | None:
        split = traffic.split_of(endpoint)
        if self._splits and split not in self._splits:
            return Paused(f"the traffic was set to {split} by hand, not to {self._splits[-1]}: the rollout ends here")
        return None

    def write(
        self, live: Mapping[str, int], tags: Mapping[str, str], mirror: Mapping[str, int] | None = None
    ) -> traffic.Split:
        """Set the split and the tags in one write, and return the split as read back; gives way as `check` does."""
        self.check()
        self._splits = (*self._splits, traffic.Split.of(live, mirror))
        split = self._giving_way(
            lambda: traffic.write(
                self._client,
                self._endpoint,
                live,
                mirror,
                tags=self._with_lease(tags),
                guard=self._guard,
                deadline_seconds=self._deadline,
            )
        )
        self._splits = (split,)
        self._written = wait.clock()
        return split

    def checkpoint(self, tags: Mapping[str, str], *, every_seconds: float) -> None:
        """Write the tags when the last write is so long ago.

        It does not wait for its end, as nobody would look meanwhile: one that is lost is made up for by the next.
        """
        if wait.clock() - self._written >= every_seconds:
            self.check()
            self._tag(self._with_lease(tags), waits=False)
            self._written = wait.clock()

    def _tag(self, tags: Mapping[str, str], *, waits: bool = True) -> None:
        self._giving_way(
            lambda: traffic.tag(
                self._client,
                self._endpoint,
                tags,
                guard=self._guard,
                waits=waits,
                deadline_seconds=self._deadline,
            )
        )

    def _guard(self, endpoint: OnlineEndpoint) -> None:
        trouble = self._trouble(endpoint)
        if trouble is not None:
            raise Moved(str(trouble))

    def _giving_way(self, write: Callable[[], traffic.Split]) -> traffic.Split:
        """Write while the endpoint is ours; raises as `check` does when somebody else has taken or changed it."""
        start = wait.clock()
        while True:
            try:
                return write()
            except Moved:
                # A read may also have been stale; then this passes, and the write is tried again.
                self.check()
                if wait.clock() - start >= self._deadline:
                    raise

    def _with_lease(self, tags: Mapping[str, str]) -> dict[str, str]:
        self._lease = self._lease.renewed(self._lease_seconds)
        return {**tags, lineage.LEASE: str(self._lease)}

    def release(self, tags: Mapping[str, str]) -> None:
        """Write the last tags and give the lease back, in one write."""
        self._tag(_without_lease(tags))
        self._held = False

    def roll_back(self, position: Position, reason: str, tags: Mapping[str, str]) -> None:
        """Put all traffic on the old deployment, and give the lease back, in one write.

        Refused when another operator has the endpoint; who moved its traffic does not matter.
        """
        self._see(self._taken)
        moves.restore(
            self._client,
            self._endpoint,
            position,
            reason,
            tags=_without_lease(tags),
            deadline_seconds=self._deadline,
            say=lambda line: None,
        )
        self._held = False

    def abandon(self, tags: Mapping[str, str]) -> None:
        """Give back what is still held, after a fault: as far as the workspace lets it, and never a fault of its own.

        A lease that stays expires by itself; why the run ended matters more.
        """
        from azure.core.exceptions import AzureError

        if not self._held:
            return
        try:
            endpoint = endpoints.get(self._client, self._endpoint)
            found = lease.read(lineage.tags_of(endpoint).get(lineage.LEASE))
            if found is not None and found.holder == self._lease.holder:
                traffic.tag(self._client, self._endpoint, _without_lease(tags), deadline_seconds=_GIVE_BACK_SECONDS)
        except (AzureError, OpsError):
            return
        finally:
            self._held = False


def _without_lease(tags: Mapping[str, str]) -> dict[str, str]:
    return {**tags, lineage.LEASE: ""}
