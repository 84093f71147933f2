"""What the demo shows: each scene runs containers and returns what was seen as a value."""

from __future__ import annotations

import os
import shlex
import statistics
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from containerlab import units
from containerlab.demo.watch import Watched, watch
from containerlab.errors import LabError
from containerlab.views import html

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine
    from containerlab.experiments.comparison import Comparison
    from containerlab.metrics.series import Series
    from containerlab.views.picture import Picture

__all__ = ["IMAGE", "SCENES", "Scene"]

IMAGE = "lab/base"
RUNS = 30


class Scene(NamedTuple):
    """Something that happened.

    number: what it comes to, in two or three words, with `unit` saying of what.
    short: the same as a line for a terminal.
    command: as it would be typed.
    resource: which picture of the series shows it, or nothing.
    picture: drawn already, instead of a series.
    table: HTML.
    """

    title: str
    story: str
    number: str
    unit: str
    short: str
    command: str = ""
    output: str = ""
    series: Series | None = None
    resource: str = ""
    picture: Picture | None = None
    table: str = ""
    notices: tuple[str, ...] = ()


# --- a container sees another machine ----------------------------------------------------------------

_QUESTIONS = {
    "What is the host's name?": "hostname",
    "Which process am I?": "echo $$",
    "Which user am I?": "id -u",
    "How many processes are there?": "ls -d /proc/[0-9]* | wc -l",
    "Which network interfaces are there?": "ls /sys/class/net | tr '\\n' ' '",
    "What lies in the root directory?": "ls / | tr '\\n' ' '",
}


def alone(engine: Engine) -> Scene:
    """Ask the same questions outside and inside, and compare the namespaces."""
    script = "; ".join(f'echo "$({question})"' for question in _QUESTIONS.values())
    inside = engine.containers.run(
        IMAGE, ["sh", "-c", script], hostname="inside", rm=True
    ).stdout.splitlines()
    with engine.containers.start(IMAGE, ["sleep", "60"]) as container:
        namespaces = engine.see.ns(container.name)
        rows = zip(_QUESTIONS, _outside(script), inside, strict=True)
        private = sum(len(set(row.ids.values())) == len(row.ids) for row in namespaces)
        notices = container.info.notices
    asked = html.table(
        (html.Heading(""), html.Heading("the host says"), html.Heading("the container says")),
        [[html.text(question), *map(html.text, map(_shortened, answers))] for question, *answers in rows],
    )
    return Scene(
        "The same kernel, another world",
        "A container is a process like any other. Only its namespaces differ: each decides what it sees of "
        "one kind of thing. Equal numbers below are one namespace, different numbers are two.",
        f"{private} of {len(namespaces.rows)}",
        "namespaces of its own",
        f"process {inside[1]} on host {inside[0]!r}, {private} namespaces of its own",
        f"conlab run -d --name {container.name} {IMAGE} sleep 60; conlab ns {container.name}",
        table=asked + namespaces.to_html(),
        notices=notices,
    )


def _outside(script: str) -> list[str]:
    import subprocess

    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def _shortened(text: str) -> str:
    return text if len(text) <= 32 else text[:31] + "…"


# --- limits ------------------------------------------------------------------------------------------

CORES = 0.5
_BUSY = ["timeout", "1.5", "sh", "-c", "while :; do :; done"]


def throttled(engine: Engine) -> Scene:
    """Let a loop that never rests have half a core."""
    seen = watch(engine, IMAGE, _BUSY, cpus=CORES)
    got_cores = seen.status.usage.cpu_s / max(seen.status.finished_at - seen.status.started_at, 1e-9)
    last = seen.series.last
    periods = (last and last.throttled_periods) or 0
    held = f"held back in {periods} periods of 0.1 s" if periods else f"not held back: {_why_not_held(seen)}"
    return Scene(
        "Held back: half a core",
        "The loop wants a whole core. In each tenth of a second the kernel lets it run for 50 ms; then it "
        "waits for the next one. The shade shows when it waited."
        + ("" if periods else f" This time it was not held back: {_why_not_held(seen)}."),
        f"{got_cores:.2f} cores",
        f"used, {CORES:g} allowed" if seen.was_counted else "used; nothing limited it",
        f"used {got_cores:.2f} of {CORES:g} cores, {held}",
        _typed(_BUSY, cpus=CORES),
        series=seen.series,
        resource="cpu",
        notices=seen.notices,
    )


def _why_not_held(seen: Watched) -> str:
    if seen.was_counted:
        return "others kept the processors busy, and it got less than its limit"
    return "there was no limit"


MEMORY = "64m"
_GREEDY = """
import time
held = []
for mib in range(4, 100, 4):
    held.append(b"x" * (4 << 20))
    print(f"I hold {mib} MiB", flush=True)
    time.sleep(0.06)
"""


def out_of_memory(engine: Engine) -> Scene:
    """Let a program take 4 MiB again and again, up to its limit of 64 MiB and beyond."""
    command = ["python3", "-c", _GREEDY]
    seen = watch(engine, IMAGE, command, memory=MEMORY, memory_swap=MEMORY)
    peak = units.format_size(seen.status.usage.peak_memory_bytes or 0)
    code = seen.status.exit_code
    killed = f"killed by the kernel at {peak} (exit code {code})"
    return Scene(
        "Out of memory: 64 MiB and no more",
        "The program takes 4 MiB again and again. When its cgroup is full and nothing can be given back, the "
        "kernel kills it: exit code 137 is 128 + 9, the number of SIGKILL. The host never noticed."
        + _unless_counted(seen),
        peak,
        "most, 64 MiB allowed" if seen.was_counted else "most; nothing limited it",
        killed if seen.status.oom_killed else f"took {peak} and was not killed: there was no limit",
        _typed(["python3", "-c", "…"], memory=MEMORY, memory_swap=MEMORY),
        output=_tail(seen),
        series=seen.series,
        resource="memory",
        notices=seen.notices,
    )


PIDS = 16
_FERTILE = """
import os, time
refused = 0
for number in range(40):
    try:
        if os.fork() == 0:
            time.sleep(60)
    except BlockingIOError:
        refused += 1
    time.sleep(0.03)
print(f"{40 - refused} children started, {refused} refused", flush=True)
"""


def too_many(engine: Engine) -> Scene:
    """Let a program start 40 processes where 16 are allowed."""
    seen = watch(engine, IMAGE, ["python3", "-c", _FERTILE], pids_limit=PIDS)
    most = max((sample.pids or 0 for sample in seen.series), default=0)
    return Scene(
        "A fork bomb that fizzles out",
        "The program tries to start 40 processes. From the sixteenth on the kernel says no, and to this "
        "program only. When the first process of a container ends, all others end with it."
        + _unless_counted(seen),
        str(most),
        f"processes at once, {PIDS} allowed"
        if seen.was_counted
        else "processes at once; nothing limited them",
        seen.output.strip() or f"ended with exit code {seen.status.exit_code}",
        _typed(["python3", "-c", "…"], pids_limit=PIDS),
        output=_tail(seen),
        series=seen.series,
        resource="pids",
        notices=seen.notices,
    )


def _unless_counted(seen: Watched) -> str:
    return "" if seen.was_counted else " This time there was no limit, and it went on."


def _tail(seen: Watched, lines: int = 4) -> str:
    return "\n".join(seen.output.strip().splitlines()[-lines:])


def _typed(command: list[str], **options: Any) -> str:
    flags = [f"--{name.replace('_', '-')} {value}" for name, value in options.items()]
    return " ".join(["conlab run", *flags, IMAGE, shlex.join(command)])


# --- speed -------------------------------------------------------------------------------------------


def quick(engine: Engine) -> Scene:
    """Run a container again and again, each time a new one."""
    runs = [engine.containers.run(IMAGE, ["true"], rm=True, network="none") for _ in range(RUNS + 1)]
    times_ms = [result.wall_s * 1000 for result in runs[1:]]
    median_ms = statistics.median(times_ms)
    return Scene(
        "Quick enough not to think about it",
        f"{RUNS} containers one after the other, each with namespaces, cgroup, root file system, filter and "
        f"log of its own, made, run and removed: from {min(times_ms):.1f} to {max(times_ms):.1f} ms each, on "
        f"{os.cpu_count()} processors.",
        f"{median_ms:.1f} ms",
        "from the call to the exit code",
        f"{RUNS} containers, {median_ms:.1f} ms each (median)",
        f"conlab run --rm --network none {IMAGE} true",
    )


# --- a machine of its own ----------------------------------------------------------------------------


def beside_machines(engine: Engine) -> Scene:
    """Start the image as a process, a container and a machine; without one show another host's run."""
    from containerlab.experiments.comparing import Compare
    from containerlab.experiments.comparison import Comparison

    lacking = _lacks_machines(engine)
    subjects = ("bare", "containerlab") if lacking else ("bare", "containerlab", "vm")
    here = Compare(engine).compare(IMAGE, claim=["start"], subject=subjects, tier=_TIERS, quick=True)
    lacking = lacking or _why_none(here)
    shown = Comparison.recorded() if lacking else here
    where = f" The picture was measured elsewhere: {shown.machine}." if lacking else ""
    container = units.format_seconds(_starts(here).get("containerlab", 0.0))
    return Scene(
        "The same image, a machine of its own",
        "A container has the kernel that is there; a virtual machine boots one of its own. Both run the same "
        f"program from the same files, in turns, and are ready when it has written its first byte.{where}",
        container,
        "until a container's program speaks",
        f"a container speaks after {container}, {lacking or _told(_starts(here))}",
        f"conlab compare --quick --claim start {IMAGE}",
        picture=shown.plot("start"),
        notices=(lacking,) if lacking else (),
    )


_TIERS = ("resume", "microvm")


def _lacks_machines(engine: Engine) -> str:
    """Say what a virtual machine would need; a demo does not download 34 MB unasked."""
    try:
        there = len(engine.machines.kernels())
    except LabError as error:
        return str(error)
    return "" if there else "no virtual machine: no kernel for one is here (conlab vm kernel pull gets it)"


def _why_none(comparison: Comparison) -> str:
    """Return why no machine was measured; nothing if one was."""
    if any(row.kind == "vm" and row.value is not None for row in comparison.rows):
        return ""
    notes = [row.note for row in comparison.rows if row.kind == "vm" and row.note]
    return f"no virtual machine: {notes[0] if notes else 'none could be started'}"


def _starts(comparison: Comparison) -> dict[str, float]:
    from containerlab.experiments.pictures.summaries import of_metric, summaries

    summed = summaries(row for row in comparison.rows if row.claim == "start")
    return {each.subject: each.median for each in of_metric(summed, "ready_s")}


def _told(starts: Mapping[str, float]) -> str:
    return ", ".join(
        f"{name} {units.format_seconds(s)}" for name, s in starts.items() if name.startswith("vm ")
    )


SCENES: tuple[Callable[[Engine], Scene], ...] = (
    alone,
    throttled,
    out_of_memory,
    too_many,
    quick,
    beside_machines,
)
