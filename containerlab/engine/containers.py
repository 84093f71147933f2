"""The verbs of containers. Each method is a command too; the words that call it stand above it."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Unpack, cast

from containerlab.backends import base, optional
from containerlab.backends.base import Change, ContainerInfo, ExitStatus, ImageInfo, Session, Sink
from containerlab.commands.table import Args, Argument, ContainerName, ImageName, Instead, command
from containerlab.engine import attach, filters, prepare
from containerlab.engine.container import Container
from containerlab.engine.logs import Logs, require_kept
from containerlab.engine.result import RunResult
from containerlab.engine.running import Ending, Program, supervise
from containerlab.errors import Conflict, InvalidInput, NotFound, TimedOut, Unsupported
from containerlab.options import verbs
from containerlab.options.container import CreateOptions, ExecOptions, RunOptions, UpdateOptions
from containerlab.options.flag import normalise

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine
    from containerlab.engine.inspection import Inspection
    from containerlab.metrics.sample import Sample
    from containerlab.views.table import Table

__all__ = ["Containers", "Given", "OnSession", "words_of"]

Given = bytes | str | io.BufferedIOBase | attach.Keyboard | None
"""What a program can read as its standard input."""
OnSession = Callable[[Session], None]
"""Is told the session when the program runs, to send it signals or the size of a terminal."""
ImageTarget = Annotated[str, Argument("NAME[:TAG]", "image")]
PsOptions = Annotated[Sequence[str], Argument("PS OPTIONS", "rest")]
Port = Annotated[str, Argument("PORT[/PROTOCOL]")]
CopyPath = Annotated[str, Argument("CONTAINER:PATH|PATH|-", "container")]
_Extra = TypeVar("_Extra")

_STOP_TIMEOUT_S = 10.0
_DETACH = Instead("-d --detach", "start", "Run in the background, show the id")
_DRY_RUN = Instead("--dry-run", "plan", "Show the numbered steps with their system calls; do nothing")
_EXEC_DETACH = Instead("-d --detach", "exec_detached", "Run in the background")
_ATTACHED = Instead("-a --attach", "resume_attached", "Show its output and wait for its end")


class Containers:
    """The containers of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def _backend(self) -> base.Backend:
        return self._engine.backend

    def _extra(self, protocol: type[_Extra], feature: str) -> _Extra:
        if not isinstance(self._backend, protocol):
            raise Unsupported(f"the {self._backend.name} backend cannot {feature}")
        return self._backend

    # making and running

    @command("container run", "run", instead={"detach": _DETACH, "dry_run": _DRY_RUN})
    def run(
        self,
        image: ImageName,
        command: Args = (),
        *,
        input: Given = None,
        sink: Sink | None = None,
        on_session: OnSession | None = None,
        **options: Unpack[RunOptions],
    ) -> RunResult:
        """Create and start a container, wait for it, return what it did.

        Output is handed on while it runs (in Python: to `sink`) and kept in the result. The container
        stays unless --rm is given; one that could not be started is removed. An interrupt stops it in
        order: its stop signal, then KILL.
        """
        started = time.monotonic()
        self._engine.warm_up()
        container, own = prepare.prepare(options)
        sink = attach.chosen(sink, own.get("attach", ()))
        if input is not None:
            container["interactive"] = True
        steps = self._announced(image, command, container, sink) if own.get("explain") else ()

        def finish(status: ExitStatus) -> RunResult:
            return program.result(status, steps=steps, **_facts(program.session.info, container))

        with self._made(image, command, container, own, ephemeral=True) as id_:
            session = self._backend.start_attached(id_)
            program = Program(session, sink, attach.source_of(input), started)
            if on_session:
                on_session(session)
        result = supervise(program, _ending(session.info, {**container, **own}), finish)
        return result.check() if own.get("check") else result

    @command("container create", "create")
    def create(self, image: ImageName, command: Args = (), **options: Unpack[CreateOptions]) -> Container:
        """Create a container without starting it."""
        container, own = prepare.prepare(options)
        with self._made(image, command, container, own) as id_:
            return self.get(id_)

    def start(self, image: ImageName, command: Args = (), **options: Unpack[RunOptions]) -> Container:
        """Create a container and start it in the background; one that cannot be started is removed."""
        self._engine.warm_up()
        container, own = prepare.prepare(options)
        with self._made(image, command, container, own, ephemeral=True) as id_:
            before = self._backend.inspect(id_) if container.get("rm") else None
            self._backend.start(id_)
            try:
                return Container(self, self._backend.inspect(id_))
            except NotFound:
                if before is None:
                    raise
                return Container(self, before)  # a quick program is gone with its container already

    def plan(
        self, image: ImageName, command: Args = (), **options: Unpack[RunOptions]
    ) -> Table[base.StepInfo]:
        """Return the steps that `run` would take; nothing is done."""
        container, _ = prepare.prepare(options)
        explaining = self._extra(optional.Explaining, "explain")  # type: ignore[type-abstract]  # a protocol
        steps = explaining.explain(image, words_of(command), container)
        return _table(steps, "STEPS", "ID stands for the container's id, HOME for the engine's home")

    def _announced(
        self, image: str, command: Sequence[str], options: RunOptions, sink: Sink | None
    ) -> tuple[base.StepInfo, ...]:
        steps = self.plan(image, command, **options)
        if sink is not None:
            sink("stderr", (steps.to_text() + "\n").encode())
        return steps.rows

    @contextmanager
    def _made(
        self,
        image: str,
        command: Sequence[str],
        options: RunOptions,
        own: dict[str, Any],
        *,
        ephemeral: bool = False,
    ) -> Iterator[str]:
        """Create a container and give its id; remove it when what is done with it fails or is interrupted."""
        id_ = ""

        def create() -> None:
            nonlocal id_
            with self._engine.showing(f"unpack {image}"):
                id_ = self._backend.create(image, words_of(command), options, ephemeral=ephemeral)

        platform = options.get("platform")
        try:
            with prepare.new_file(own.get("cidfile")) as file:
                if own.get("pull") in ("always", "newer"):
                    self._engine.images.renew(image, own, platform)
                try:
                    create()
                except NotFound as missing:
                    self._engine.images.provide(image, missing, own, platform)
                    create()
                file.write(id_)
            yield id_
        except BaseException:
            with suppress(NotFound):  # with --rm its monitor may be faster
                if id_:
                    self._backend.remove(id_, force=True, volumes=True)
            raise

    @command("container start", "start", each=True, instead={"attach": _ATTACHED})
    def resume(self, name: ContainerName, **options: Unpack[verbs.ResumeOptions]) -> str:
        """Start a container that was created or has ended."""
        self._backend.start(name)
        return name

    def resume_attached(
        self,
        name: ContainerName,
        *,
        input: Given = None,
        sink: Sink | None = None,
        on_session: OnSession | None = None,
        **options: Unpack[verbs.ResumeOptions],
    ) -> RunResult:
        """Start a container that was created or has ended, wait for it, return what it did."""
        return self._attached(self._backend.start_attached(name), name, input, sink, on_session)

    @command("container attach", "attach")
    def attach(
        self,
        name: ContainerName,
        *,
        input: Given = None,
        sink: Sink | None = None,
        on_session: OnSession | None = None,
        **options: Unpack[verbs.AttachOptions],
    ) -> RunResult:
        """Show what a running container prints, hand it input, and wait for its end.

        An interrupt lets go of it; it goes on.
        """
        return self._attached(self._backend.attach(name), name, input, sink, on_session)

    def _attached(
        self, session: Session, name: str, input: Given, sink: Sink | None, on_session: OnSession | None
    ) -> RunResult:
        program = Program(session, sink, attach.source_of(input), time.monotonic())
        if on_session:
            on_session(session)
        try:
            status = program.follow()
        except KeyboardInterrupt:
            session.detach()
            raise
        return program.result(status, name=name)

    @command("container exec", "exec", instead={"detach": _EXEC_DETACH})
    def exec(
        self,
        name: ContainerName,
        command: Args,
        *,
        input: Given = None,
        sink: Sink | None = None,
        on_session: OnSession | None = None,
        **options: Unpack[ExecOptions],
    ) -> RunResult:
        """Run another program in a running container, wait for it, return what it did."""
        started = time.monotonic()
        given = _exec_options(options)
        if input is not None:
            given["interactive"] = True
        words = words_of(command)
        session = self._backend.exec(name, words, given)
        program = Program(session, sink, attach.source_of(input), started)
        if on_session:
            on_session(session)

        def finish(status: ExitStatus) -> RunResult:
            return program.result(status, name=name, command=tuple(words))

        ending = Ending(given, signal.SIGTERM, "its container goes on")
        result = supervise(program, ending, finish)
        return result.check() if given.get("check") else result

    def exec_detached(self, name: ContainerName, command: Args, **options: Unpack[ExecOptions]) -> None:
        """Run another program in a running container and do not wait for it."""
        self._backend.exec(name, words_of(command), _exec_options(options)).detach()

    # looking

    @command("container ls", "container list", "container ps", "ps")
    def list(self, **options: Unpack[verbs.ListOptions]) -> Table[Container]:
        """List running containers, newest first; all with --all."""
        given = normalise(verbs.ListOptions, options)
        infos = filters.containers(self._backend.list(), given, self._layers)
        if not given.get("size"):
            return _table([Container(self, info) for info in infos], "CONTAINERS")
        sizing = self._extra(optional.Sizing, "measure containers")  # type: ignore[type-abstract]  # a protocol
        sizes = sizing.sizes([info.id for info in infos])
        return _table([Container(self, info, sizes.get(info.id)) for info in infos], "SIZED_CONTAINERS")

    def _layers(self, image: str) -> tuple[str, ...]:
        with suppress(NotFound, InvalidInput):
            return self._backend.image(image).layers
        return ()

    def get(self, name: ContainerName) -> Container:
        """Return a container by its name, id or the beginning of its id."""
        return Container(self, self.info(name))

    def info(self, name: str) -> ContainerInfo:
        """Return a container as it is now."""
        return self._backend.inspect(name)

    @command("container inspect")
    def inspect(
        self, name: ContainerName, *names: ContainerName, **options: Unpack[verbs.InspectOptions]
    ) -> Inspection:
        """Return all that is known about containers, laid out as Docker does."""
        from containerlab.engine import documents
        from containerlab.engine.inspection import Inspection

        sized = bool(normalise(verbs.InspectOptions, options).get("size"))
        return Inspection([documents.read_container(self._backend, each, sized) for each in (name, *names)])

    @command("container logs", "logs")
    def logs(self, name: ContainerName, **options: Unpack[verbs.LogOptions]) -> Logs:
        """Show what a container printed."""
        given = normalise(verbs.LogOptions, options)
        with_times = given.pop("timestamps", False)
        require_kept(self._backend.inspect(name))
        follows = given.get("follow", False)
        return Logs(lambda: self._backend.logs(name, **given), with_times=with_times, follows=follows)

    @command("container top", "top")
    def top(self, name: ContainerName, options: PsOptions = ()) -> Table[Any]:
        """List the processes of a container, or what the host's ps says about them: top web -o pid,comm."""
        found = self._backend.processes(name)
        if options:
            from containerlab.engine.top import by_ps

            return by_ps({process.pid for process in found}, words_of(options))
        return _table(found, "PROCESSES")

    @command("container stats", "stats")
    def stats(self, *names: ContainerName, **options: Unpack[verbs.StatsOptions]) -> Table[Any]:
        """Measure containers, over half a second: all that run if none is named."""
        from containerlab.engine import stats

        chosen = stats.choose(self._backend, names, normalise(verbs.StatsOptions, options))
        return stats.table(stats.measure(chosen, self.sample))

    def sample(self, name: str) -> Sample:
        """Measure a container once."""
        measuring = self._extra(optional.Measuring, "measure containers")  # type: ignore[type-abstract]  # a protocol
        return cast("Sample", measuring.sample(name))

    @command("container diff", "diff")
    def diff(self, name: ContainerName) -> Table[Change]:
        """List the paths that a container added (A), changed (C) or deleted (D)."""
        return _table(self._files().changes(name), "CHANGES")

    @command("container port", "port")
    def port(self, name: ContainerName, port: Port = "") -> Table[Any]:
        """List the ports that are published, or where one of them is: 80, 53/udp."""
        published = self._backend.inspect(name).detail.get("ports", ())
        if port:
            wanted = port if "/" in port else f"{port}/tcp"
            published = [each for each in published if each["container"] == wanted]
            if not published:
                raise NotFound(f"port {wanted} of {name} is not published", "see `port` without a number")
        return _table(list(published), "PORTS")

    # ending and changing

    @command("container wait", "wait", each=True)
    def wait(self, name: ContainerName, **options: Unpack[verbs.WaitOptions]) -> int:
        """Wait for a container's end and return its exit code."""
        return self.wait_status(name, **options).exit_code

    def wait_status(self, name: ContainerName, **options: Unpack[verbs.WaitOptions]) -> ExitStatus:
        """Wait for a container's end and return how it ended."""
        return self._backend.wait(name, normalise(verbs.WaitOptions, options).get("timeout"))

    @command("container stop", "stop", each=True)
    def stop(self, name: ContainerName, **options: Unpack[verbs.StopOptions]) -> str:
        """Ask a container to end: its stop signal, then KILL after the timeout."""
        given = normalise(verbs.StopOptions, options)
        info = self._backend.inspect(name)
        if info.status not in ("running", "paused", "restarting"):
            return name
        number = given.get("signal") or info.detail.get("stop_signal")
        timeout_s = given.get("timeout", info.detail.get("stop_timeout_s", _STOP_TIMEOUT_S))
        self._end(info, number or signal.SIGTERM, timeout_s)
        return name

    def _end(self, info: ContainerInfo, number: int, timeout_s: float) -> None:
        if info.status == "paused":
            self.unpause(info.id)
        with suppress(NotFound, Conflict):  # it has ended by itself, and with --rm it is gone then
            self._backend.signal(info.id, number)
            try:
                self._backend.wait(info.id, timeout_s if timeout_s >= 0 else None)
            except TimedOut:
                self._backend.signal(info.id, signal.SIGKILL)
                self._backend.wait(info.id)

    @command("container kill", "kill", each=True)
    def kill(self, name: ContainerName, **options: Unpack[verbs.KillOptions]) -> str:
        """Send a container's first process a signal, KILL if not said."""
        self._backend.signal(name, normalise(verbs.KillOptions, options).get("signal", signal.SIGKILL))
        return name

    @command("container restart", "restart", each=True)
    def restart(self, name: ContainerName, **options: Unpack[verbs.StopOptions]) -> str:
        """Stop a container and start it again."""
        self.stop(name, **options)
        self._backend.start(name)
        return name

    @command("container pause", "pause", each=True)
    def pause(self, name: ContainerName) -> str:
        """Hold all processes of a container."""
        self._extra(optional.Pausable, "pause").pause(name)  # type: ignore[type-abstract]  # a protocol
        return name

    @command("container unpause", "unpause", each=True)
    def unpause(self, name: ContainerName) -> str:
        """Let the processes of a container go on."""
        self._extra(optional.Pausable, "pause").unpause(name)  # type: ignore[type-abstract]  # a protocol
        return name

    @command("container rename", "rename")
    def rename(self, name: ContainerName, new_name: str) -> None:
        """Give a container another name."""
        self._extra(optional.Updatable, "rename").rename(name, new_name)  # type: ignore[type-abstract]  # a protocol

    @command("container update", "update", each=True)
    def update(self, name: ContainerName, **options: Unpack[UpdateOptions]) -> str:
        """Change the limits of a container, running or not."""
        given = cast(RunOptions, normalise(UpdateOptions, options))
        self._extra(optional.Updatable, "update").update(name, given)  # type: ignore[type-abstract]  # a protocol
        return name

    @command("container rm", "container remove", "rm", each=True)
    def remove(self, name: ContainerName, **options: Unpack[verbs.RemoveOptions]) -> str:
        """Remove a container; it must have ended unless --force is given."""
        self._backend.remove(name, **normalise(verbs.RemoveOptions, options))
        return name

    @command("container prune")
    def prune(self, **options: Unpack[verbs.ContainerPruneOptions]) -> base.Pruned:
        """Remove all containers that do not run."""
        from containerlab.engine import pruning

        return pruning.containers(self._backend, normalise(verbs.ContainerPruneOptions, options))

    # files

    def _files(self) -> optional.FileAccess:
        return self._extra(optional.FileAccess, "reach into containers")  # type: ignore[type-abstract]  # a protocol

    @command("container cp", "cp")
    def copy(self, source: CopyPath, target: CopyPath, **options: Unpack[verbs.CopyOptions]) -> None:
        """Copy files out of a container or into it; `-` is a tar stream on standard input or output."""
        from containerlab.engine import copying

        copying.copy(self._files(), source, target, normalise(verbs.CopyOptions, options))

    @command("container export", "export")
    def export(self, name: ContainerName, **options: Unpack[verbs.ExportOptions]) -> None:
        """Write the file system of a container as a tar archive."""
        from containerlab.store import output_file

        with output_file.output(normalise(verbs.ExportOptions, options).get("output")) as file:
            self._files().get_archive(name, "/.", file, alone=True)

    @command("container commit", "commit")
    def commit(
        self, name: ContainerName, target: ImageTarget = "", **options: Unpack[verbs.CommitOptions]
    ) -> ImageInfo:
        """Make an image of what a container changed."""
        given = normalise(verbs.CommitOptions, options)
        from containerlab.engine import changes

        config = changes.config(given.get("change", ()))
        extra = {key: value for key, value in given.items() if key != "change"}
        return self._files().commit(name, target, {**config, **extra})


def _table(rows: Sequence[Any], columns: str, title: str = "") -> Table[Any]:
    """Lay rows out in `columns.COLUMNS`; a verb without a table does not load what tables need."""
    from containerlab.engine import columns as known
    from containerlab.views.table import Table

    return Table(rows, getattr(known, columns), title)


def words_of(command: Sequence[str] | str) -> list[str]:
    """Take words as they are; one text is split as a shell would."""
    if isinstance(command, str):
        import shlex

        return shlex.split(command)
    return [os.fspath(word) for word in command]


def _exec_options(given: ExecOptions) -> ExecOptions:
    options = normalise(ExecOptions, given)
    if "env_file" in options:
        options["env"] = (*prepare.variables(options.pop("env_file")), *options.get("env", ()))
    return cast(ExecOptions, options)


def _ending(info: ContainerInfo, options: dict[str, Any]) -> Ending:
    number = info.detail.get("stop_signal") or signal.SIGTERM
    kept = f"the container is kept: `logs {info.name}` shows what it printed"
    return Ending(options, number, "the container was removed" if options.get("rm") else kept)


def _facts(info: ContainerInfo, options: RunOptions) -> dict[str, Any]:
    return {
        "id": info.id,
        "name": info.name,
        "image": info.image,
        "command": info.command,
        "notices": info.notices,
        "memory_limit_bytes": options.get("memory"),
    }
