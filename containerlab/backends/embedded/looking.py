"""The verbs that look at one container."""

from __future__ import annotations

from collections.abc import Iterator

from containerlab.backends.base import ContainerInfo, Event, LogLine, Process
from containerlab.backends.embedded import repair
from containerlab.backends.embedded.describing import describe, describe_damaged
from containerlab.backends.embedded.ground import Ground
from containerlab.errors import Conflict, CorruptContent
from containerlab.store.records import State

__all__ = ["LookingVerbs"]


class LookingVerbs(Ground):
    """Implements the verbs of `base.Backend` that change nothing but what they repair."""

    def inspect(self, name: str) -> ContainerInfo:
        """Return a container as it is now."""
        container_id = self.records.find(name)
        repair.repair(self.records, container_id)
        return self._describe(container_id)

    def _describe(self, container_id: str) -> ContainerInfo:
        decided = repair.decision_of(self.records, container_id)
        directory = self.records.directory(container_id)
        return describe(
            self.records.record(container_id), self.records.state(container_id), decided, directory
        )

    def _listed(self, container_id: str) -> ContainerInfo:
        """Describe a container; of one that is damaged what can be read."""
        try:
            return self._describe(container_id)
        except CorruptContent as error:
            directory = self.records.directory(container_id)
            return describe_damaged(self.records.remnant(container_id), directory, error.message)

    def logs(
        self, name: str, *, follow: bool = False, since: float = 0.0, until: float = 0.0, tail: int = -1
    ) -> Iterator[LogLine]:
        """Yield what a container printed."""
        from containerlab.backends.embedded import output

        container_id = self.records.find(name)
        return output.read_log(
            self.records.directory(container_id),
            lambda: self.records.is_supervised(container_id),
            follow=follow,
            since=since,
            until=until,
            tail=tail,
        )

    def processes(self, name: str) -> list[Process]:
        """Return the processes of a running container."""
        from containerlab.backends.embedded import processes

        return processes.of_container(self._running(name)[1].pid)

    def events(self, *, since: float = 0.0, until: float = 0.0, follow: bool = False) -> Iterator[Event]:
        """Yield what happened."""
        from containerlab.backends.embedded import output

        return output.read_events(f"{self.home.root}/events.log", since=since, until=until, follow=follow)

    def _running(self, name: str, *others: str) -> tuple[str, State]:
        container_id = self.records.find(name)
        state = self.records.state(container_id)
        if not self.records.is_supervised(container_id):
            repair.repair(self.records, container_id)
            state = self.records.state(container_id)
        if state.status not in ("running", *others):
            raise Conflict(
                f"container {name} does not run", f"it is {state.status}; start it: conlab start {name}"
            )
        return container_id, state
