"""What each instruction does to a stage: to its configuration, its history, its file system.

Source: Dockerfile reference; what it leaves open is decided as BuildKit does.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from containerlab import errors, units
from containerlab.build import platforms
from containerlab.build.contexts import remote
from containerlab.build.files import image_paths
from containerlab.build.files.selection import Selection, Source
from containerlab.build.language import (
    expand,
    exposed,
    go_format,
    heredocs,
    instructions,
    located,
    run_mounts,
)
from containerlab.build.language.instructions import Instruction
from containerlab.build.language.run_mounts import RunMount
from containerlab.build.ops import Copy, Fetch, MakeDirectory, Mounted, Op, Origin, Run, Vertex, height
from containerlab.build.secrecy.redaction import redact, shown_value
from containerlab.build.secrecy.secret_names import looks_secret
from containerlab.build.stage import Stage, describe, with_shell
from containerlab.oci.image import Healthcheck
from containerlab.store.snapshots import MOST_LAYERS

__all__ = ["Around", "dispatch", "needs_vertex"]

_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
_NOT_IN_ENVIRONMENT = ("BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE")
_PIPES = "/dev/pipes"


FindOrigin = Callable[[str, Instruction], Origin]
"""Finds what --from names, for an instruction: a stage, a named context or an image."""


class Around(NamedTuple):
    """What instructions depend on beside their stage.

    global_arguments: of ARGs before the first FROM and of the platform. given: --build-arg.
    context: the files of the build. find: what --from means. options: of each RUN's container.
    allowed: what a RUN may ask for. project: see `graph.Wanted`.
    shown_platform: put before the names of steps when there are several.
    """

    dockerfile: instructions.Dockerfile
    global_arguments: Mapping[str, str]
    given: Mapping[str, str]
    context: Source
    find: FindOrigin
    network: str = "default"
    options: tuple[tuple[str, object], ...] = ()
    allowed: tuple[str, ...] = ()
    cache_namespace: str = ""
    project: str = ""
    shown_platform: str = ""


def needs_vertex(instruction: Instruction) -> bool:
    """Tell whether an instruction is a step of its own in the display."""
    return isinstance(instruction, instructions.Run | instructions.Copy | instructions.Workdir)


def dispatch(stage: Stage, instruction: Instruction, around: Around) -> None:
    """Evaluate one instruction.

    Raises: DockerfileError at its line.
    """
    with located.within(around.dockerfile, instruction):
        _ACTIONS[type(instruction)](stage, instruction, around)


class _Words:
    """Expands the words of one instruction, all with the variables as they were before it."""

    def __init__(self, stage: Stage, around: Around) -> None:
        self._variables = dict(stage.variables)
        self._escape = around.dockerfile.escape

    def one(self, text: str) -> str:
        return expand.expand(text, self._variables, self._escape)

    def document(self, text: str) -> str:
        return expand.expand_document(text, self._variables)

    def several(self, text: str) -> list[str]:
        return expand.expand_words(text, self._variables, self._escape)


# --- configuration only ------------------------------------------------------------------------------


def _env(stage: Stage, it: instructions.Env, around: Around) -> None:
    words = _Words(stage, around)
    pairs = [(words.one(name), words.one(value)) for name, value in it.pairs]
    stage.set_variables(pairs)
    stage.note("ENV " + " ".join(f"{name}={value}" for name, value in pairs))


def _label(stage: Stage, it: instructions.Label, around: Around) -> None:
    words = _Words(stage, around)
    pairs = [(words.one(name), words.one(value)) for name, value in it.pairs]
    stage.change(labels={**stage.config.labels, **dict(pairs)})
    stage.note("LABEL " + " ".join(f"{name}={value}" for name, value in pairs))


def _arg(stage: Stage, it: instructions.Arg, around: Around) -> None:
    told = []
    for name, default in it.pairs:
        value: str | None
        if name in around.given:
            value = around.given[name]
        elif default is not None:
            value = _Words(stage, around).one(default)
        else:
            value = around.global_arguments.get(name)
        if value is not None and name not in _NOT_IN_ENVIRONMENT:
            stage.variables[name] = value
        stage.arguments[name] = value
        told.append(name if value is None else f"{name}={shown_value(name, value)}")
    stage.note("ARG " + " ".join(told))


def _user(stage: Stage, it: instructions.User, around: Around) -> None:
    user = _Words(stage, around).one(it.user)
    stage.change(user=user)
    stage.note(f"USER {user}")


def _expose(stage: Stage, it: instructions.Expose, around: Around) -> None:
    words = _Words(stage, around)
    ports = [port for text in it.ports for each in words.several(text) for port in exposed.ports(each)]
    stage.change(exposed_ports={**stage.config.exposed_ports, **{port: {} for port in ports}})
    stage.note(f"EXPOSE {go_format.plain_list(ports)}")


def _volume(stage: Stage, it: instructions.Volume, around: Around) -> None:
    words = _Words(stage, around)
    paths = [words.one(path) for path in it.paths]
    if not all(paths):
        raise errors.InvalidInput("VOLUME names an empty path", "leave it out, or check the variable in it")
    stage.change(volumes={**stage.config.volumes, **{path: {} for path in paths}})
    stage.note(f"VOLUME {go_format.plain_list(paths)}")


def _cmd(stage: Stage, it: instructions.Cmd, around: Around) -> None:
    words = with_shell(stage.config, it.command)
    stage.change(cmd=words, args_escaped=True)
    stage.has_command = True
    stage.note(f"CMD {go_format.quoted_list(words)}")


def _entrypoint(stage: Stage, it: instructions.Entrypoint, around: Around) -> None:
    words = with_shell(stage.config, it.command)
    stage.change(entrypoint=words, **({} if stage.has_command else {"cmd": ()}))
    stage.note(f"ENTRYPOINT {go_format.quoted_list(words)}")


def _healthcheck(stage: Stage, it: instructions.Healthcheck, around: Around) -> None:
    test = it.test
    if test is None:
        check = Healthcheck(test=("NONE",))
    else:
        kind = "CMD-SHELL" if test.command.is_shell else "CMD"
        check = Healthcheck(
            test=(kind, *test.command.words),
            interval=test.interval,
            timeout=test.timeout,
            start_period=test.start_period,
            start_interval=test.start_interval,
            retries=test.retries,
        )
    stage.change(healthcheck=check)
    stage.note(f"HEALTHCHECK {go_format.healthcheck(check)}")


def _stop_signal(stage: Stage, it: instructions.StopSignal, around: Around) -> None:
    name = _Words(stage, around).one(it.signal)
    units.signal_number(name)
    stage.change(stop_signal=name)
    stage.note(f"STOPSIGNAL {name}")


def _shell(stage: Stage, it: instructions.Shell, around: Around) -> None:
    stage.change(shell=it.words)
    stage.note(f"SHELL {go_format.plain_list(it.words)}")


def _onbuild(stage: Stage, it: instructions.Onbuild, around: Around) -> None:
    stage.change(on_build=(*stage.config.on_build, it.trigger))


def _maintainer(stage: Stage, it: instructions.Maintainer, around: Around) -> None:
    stage.author = it.name
    stage.note(f"MAINTAINER {it.name}")


# --- steps -------------------------------------------------------------------------------------------


def _workdir(stage: Stage, it: instructions.Workdir, around: Around) -> None:
    path = _Words(stage, around).one(it.path)
    directory = image_paths.absolute(path, stage.config.working_dir)
    stage.change(working_dir=directory)
    text = f"WORKDIR {directory}"
    if directory == "/":
        stage.note(text)
        return
    stage.grow(_step(stage, it, around, MakeDirectory(directory, stage.config.user), text), text)


def _copy(stage: Stage, it: instructions.Copy, around: Around) -> None:
    words = _Words(stage, around)
    chown, chmod = words.one(it.chown), words.one(it.chmod)
    sources = [words.one(source) for source in it.sources]
    written = words.one(it.destination)
    destination = image_paths.destination(written, stage.config.working_dir)
    arrive = Selection(
        (),
        destination,
        chmod=chmod,
        keeps_parents=it.keeps_parents,
        excludes=tuple(map(words.one, it.excludes)),
    )
    origin = around.find(it.from_, it) if it.from_ else around.context
    if len(sources) + len(it.heredocs) > 1 and not destination.endswith("/"):
        raise errors.InvalidInput(
            f"{it.keyword.upper()} has several sources, but {written!r} is no directory",
            "let the destination end in /",
        )
    parts = [*_parts(stage, it, sources, arrive, origin), *_documents(it, words, arrive)]
    text = _copy_text(it, chown, chmod, sources, written)
    op = Copy(tuple(parts), chown, it.is_link)
    stage.grow(_step(stage, it, around, op, _shown_text(stage, it)), f"{text} # buildkit")


def _parts(
    stage: Stage, it: instructions.Copy, sources: list[str], arrive: Selection, origin: Origin
) -> Iterator[tuple[Origin, Selection]]:
    """Give the sources that lie together as one part, each remote one as a part of its own."""
    elsewhere = [source for source in sources if remote.is_remote(source)]
    if not isinstance(it, instructions.Add):
        if elsewhere and not it.from_:
            raise errors.InvalidInput(f"COPY cannot fetch {elsewhere[0]}", "use ADD")
        if sources:
            yield origin, arrive._replace(paths=tuple(sources))
        return
    if it.checksum and (len(sources) != 1 or not elsewhere):
        raise errors.InvalidInput("--checksum is for one remote source", "ADD each source by itself")
    if local := tuple(source for source in sources if source not in elsewhere):
        yield origin, arrive._replace(paths=local, unpacks=it.unpacks is not False)
    for source in elsewhere:
        fetch = Fetch(source, it.checksum, bool(it.keeps_git_dir))
        vertex = Vertex(fetch, None, f"fetch {source}", stage.name, f"{stage.name}/{source}", it.place)
        yield vertex, arrive._replace(paths=(remote.selected(source),), unpacks=bool(it.unpacks))


def _documents(it: instructions.Copy, words: _Words, arrive: Selection) -> Iterator[tuple[Origin, Selection]]:
    if not it.heredocs:
        return
    files = tuple(
        (document.name, (words.document(document.content) if document.expands else document.content).encode())
        for document in it.heredocs
    )
    yield Source(inline=files), arrive._replace(paths=tuple(name for name, _ in files), keeps_parents=False)


def _copy_text(it: instructions.Copy, chown: str, chmod: str, sources: list[str], destination: str) -> str:
    flags = ["--parents"] if it.keeps_parents else []
    flags += [f"--chown={chown}"] if chown else []
    flags += [f"--chmod={chmod}"] if chmod else []
    documents = [f"<<{document.name}" for document in it.heredocs]
    keyword = "ADD" if isinstance(it, instructions.Add) else "COPY"
    return " ".join([keyword, *flags, *sources, *documents, destination])


def _run(stage: Stage, it: instructions.Run, around: Around) -> None:
    _check_run(stage, it, around)
    arguments = {
        name: value for name, value in stage.argument_values().items() if name not in _NOT_IN_ENVIRONMENT
    }
    command, files = _command(it.command)
    executed = with_shell(stage.config, command)
    open_ones, hidden = _environment(stage, arguments)
    op = Run(
        words=executed,
        environment=open_ones,
        directory=stage.config.working_dir or "/",
        user=stage.config.user,
        network=around.network if it.network == "default" else it.network,
        is_insecure=it.security == "insecure",
        mounts=_mounts(stage, it, around, files),
        secret_arguments=hidden,
        proxies=_proxies(stage, around),
        options=around.options,
    )
    text = redact(f"RUN {describe(arguments)}{' '.join(executed)} # buildkit", arguments)
    stage.grow(_step(stage, it, around, op, _shown_text(stage, it)), text)


def _refuse_devices(it: instructions.Run) -> None:
    """Refuse what a RUN cannot do without; other devices it does not get, as on a host that has none."""
    for text in it.devices:
        if run_mounts.device(text).is_required:
            raise errors.Unsupported(
                f"--device={text}: no devices are given to builds", "leave the flag out, or `required` in it"
            )


def _check_run(stage: Stage, it: instructions.Run, around: Around) -> None:
    """Refuse what could not be run. Raises: Unsupported, NotPermitted."""
    platforms.check_runs_here(stage.platform)
    if it.security == "insecure" and "security.insecure" not in around.allowed:
        raise errors.NotPermitted(
            "RUN --security=insecure is not allowed", "build with --allow security.insecure"
        )
    if (below := height(stage.vertex)) > MOST_LAYERS:
        raise errors.Unsupported(
            f"RUN stands on {below} layers, and no more than {MOST_LAYERS} can be mounted",
            "put several instructions into one, or COPY from a stage",
        )
    _refuse_devices(it)


def _environment(stage: Stage, arguments: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the variables of a RUN, and apart from them the build arguments that look like secrets."""
    hidden = tuple(
        f"{name}={value}"
        for name, value in arguments.items()
        if value and looks_secret(name) and not _is_configured(stage, name)
    )
    variables = (f"{name}={value}" for name, value in stage.variables.items())
    return tuple(variable for variable in variables if variable not in hidden), hidden


def _proxies(stage: Stage, around: Around) -> tuple[str, ...]:
    """Return the proxies that were given as build arguments, in both ways that programs look for them."""
    found: dict[str, str] = {}
    for name, value in around.given.items():
        if name.lower() in _PROXIES:
            found |= {each: value for each in (name.upper(), name.lower()) if each not in stage.variables}
    return tuple(f"{name}={value}" for name, value in found.items())


def _is_configured(stage: Stage, name: str) -> bool:
    """Tell whether a variable is in the image anyway, so that there is nothing to hide."""
    return f"{name}={stage.variables.get(name, '')}" in stage.config.env


def _command(command: instructions.Command) -> tuple[instructions.Command, tuple[tuple[str, bytes], ...]]:
    """Turn heredocs into what the shell reads, or into a script that is mounted."""
    if not command.heredocs:
        return command, ()
    if document := heredocs.script(command):
        words, scripts = (f"{_PIPES}/{document.name}",), ((document.name, document.content.encode()),)
        return instructions.Command(words=words, is_shell=True), scripts
    return instructions.Command(words=(heredocs.shell_text(command),), is_shell=True), ()


def _mounts(
    stage: Stage, it: instructions.Run, around: Around, scripts: tuple[tuple[str, bytes], ...]
) -> tuple[Mounted, ...]:
    words = _Words(stage, around)
    found = [_mounted(run_mounts.parse(text, words.one), stage, it, around) for text in it.mounts]
    if scripts:
        tree = _tree(
            Source(inline=scripts), Selection(tuple(name for name, _ in scripts), "/", chmod="0755"), it
        )
        found.append(Mounted(RunMount(target=_PIPES, source="/"), tree))
    return tuple(found)


def _mounted(mount: RunMount, stage: Stage, it: instructions.Run, around: Around) -> Mounted:
    if mount.target:
        target = image_paths.absolute(mount.target, stage.config.working_dir)
        if target == "/":
            raise errors.InvalidInput("a mount cannot cover the root directory", "choose another target")
        mount = msgspec.structs.replace(mount, target=target)
    elif mount.type in ("bind", "cache", "tmpfs"):
        raise errors.InvalidInput(f"a {mount.type} mount needs a target", "add target=PATH")
    if mount.type == "cache":
        name = posixpath.normpath(mount.id or mount.target)
        name = f"{around.cache_namespace}/{name}" if around.cache_namespace else name
        mount = msgspec.structs.replace(mount, id=name)
    if mount.type not in ("bind", "cache") or (mount.type == "cache" and not mount.from_):
        return Mounted(mount)
    return _bound(mount, it, around)


def _bound(mount: RunMount, it: instructions.Run, around: Around) -> Mounted:
    """Find what a bind shows; of a tree outside of the store the part that is asked for is copied into it."""
    source = image_paths.absolute(mount.source)
    mount = msgspec.structs.replace(mount, source=source)
    origin = around.find(mount.from_, it) if mount.from_ else around.context
    if isinstance(origin, Vertex):
        return Mounted(mount, origin)
    wanted = Selection((source,), "/", keeps_parents=source != "/")
    return Mounted(mount, _tree(origin, wanted, it))


def _tree(origin: Source, wanted: Selection, it: Instruction) -> Vertex:
    name = f"[internal] load {' '.join(wanted.paths)}"
    return Vertex(Copy(((origin, wanted),), is_link=True), None, name, "", name, it.place, is_internal=True)


# --- names -------------------------------------------------------------------------------------------


def _step(stage: Stage, it: Instruction, around: Around, op: Op, text: str) -> Vertex:
    """Make the next vertex of a stage, named as BuildKit names it."""
    stage.done += 1
    width = len(str(stage.total))
    prefix = f"{around.shown_platform}{stage.name} " if stage.name else around.shown_platform
    name = f"[{prefix}{stage.done:{width}}/{stage.total}] {text}"
    slot = f"{around.project}/{around.dockerfile.name}/{prefix}/{stage.done}"
    return Vertex(op, stage.vertex, name, stage.name, slot, it.place, stage.is_uncached)


def _shown_text(stage: Stage, it: Instruction) -> str:
    """Return an instruction on one line, as it is shown: known variables replaced, but no secret ones."""
    open_ones = {name: value for name, value in stage.variables.items() if not looks_secret(name)}
    first, *rest = expand.expand_shown(it.text, open_ones).split("\n")
    keyword, _, words = first.partition(" ")
    return f"{keyword.upper()} {words}{'…' if rest else ''}"


_ACTIONS: dict[type, Callable[..., None]] = {
    instructions.Add: _copy,
    instructions.Arg: _arg,
    instructions.Cmd: _cmd,
    instructions.Copy: _copy,
    instructions.Entrypoint: _entrypoint,
    instructions.Env: _env,
    instructions.Expose: _expose,
    instructions.Healthcheck: _healthcheck,
    instructions.Label: _label,
    instructions.Maintainer: _maintainer,
    instructions.Onbuild: _onbuild,
    instructions.Run: _run,
    instructions.Shell: _shell,
    instructions.StopSignal: _stop_signal,
    instructions.User: _user,
    instructions.Volume: _volume,
    instructions.Workdir: _workdir,
}
