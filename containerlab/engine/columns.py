"""The columns of the tables that the engine returns."""

from __future__ import annotations

from containerlab import units
from containerlab.backends.base import ContainerInfo, DiskSize
from containerlab.views.table import Column

__all__ = [
    "BUILD_CACHE",
    "CAPABILITIES",
    "CHANGES",
    "CONTAINERS",
    "EVENTS",
    "FACILITIES",
    "FINDINGS",
    "HISTORY",
    "IMAGES",
    "LIMITS",
    "PACKAGES",
    "PORTS",
    "PROCESSES",
    "REPAIRS",
    "SIZED_CONTAINERS",
    "STEPS",
    "VOLUMES",
    "state_words",
]


def state_words(info: ContainerInfo) -> str:
    """Say in words what something that runs is, and since when."""
    match info.status:
        case "running" | "paused":
            note = " (Paused)" if info.status == "paused" else _health(info)
            return f"Up {units.format_age(info.started_at).removesuffix(' ago')}{note}"
        case "restarting":
            return f"Restarting ({info.exit_code}) {units.format_age(info.finished_at)}"
        case "exited":
            return f"Exited ({info.exit_code}) {units.format_age(info.finished_at)}"
    return info.status.capitalize()


def _health(info: ContainerInfo) -> str:
    return f" ({'health: ' if info.health == 'starting' else ''}{info.health})" if info.health else ""


def _mounts(info: ContainerInfo) -> list[str]:
    return [mount["source"] or mount["target"] for mount in info.detail.get("mounts", ())]


def _volumes(info: ContainerInfo) -> int:
    return sum(mount["kind"] == "volume" for mount in info.detail.get("mounts", ()))


def _network(info: ContainerInfo) -> str:
    return str(info.detail.get("options", {}).get("network") or "none")


def _sized(size: DiskSize) -> str:
    return f"{units.format_size(size.written_bytes)} (virtual {units.format_size(size.all_bytes)})"


def _short(licence: str) -> str:
    return licence if len(licence) <= _LICENCE_LENGTH else licence[: _LICENCE_LENGTH - 1] + "…"


_LICENCE_LENGTH = 30


def _short_digest(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


CONTAINERS = (
    Column("id", "CONTAINER ID", lambda row: row.info.id, "id", "ID"),
    Column("image", "IMAGE", lambda row: row.info.image, "name", "Image"),
    Column("command", "COMMAND", lambda row: row.info.command, "command", "Command"),
    Column("created", "CREATED", lambda row: row.info.created, "age", "RunningFor"),
    Column("status", "STATUS", lambda row: state_words(row.info), "state", "Status"),
    Column("name", "NAMES", lambda row: row.info.name, "name", "Names"),
    Column("state", "STATE", lambda row: row.info.status, "state", "State", is_visible=False),
    Column("created_at", "CREATED AT", lambda row: row.info.created, "time", "CreatedAt", is_visible=False),
    Column("health", "HEALTH", lambda row: row.info.health, "state", "Health", is_visible=False),
    Column("exit_code", "EXIT CODE", lambda row: row.info.exit_code, "number", "ExitCode", is_visible=False),
    Column("pid", "PID", lambda row: row.info.pid, "number", "Pid", is_visible=False),
    Column("labels", "LABELS", lambda row: row.info.labels, "text", "Labels", is_visible=False),
    Column("ports", "PORTS", lambda row: row.info.detail.get("ports", ""), "text", "Ports", is_visible=False),
    Column("mounts", "MOUNTS", lambda row: _mounts(row.info), "list", "Mounts", is_visible=False),
    Column("volumes", "LOCAL VOLUMES", lambda row: _volumes(row.info), "number", is_visible=False),
    Column("network", "NETWORKS", lambda row: _network(row.info), "text", "Networks", is_visible=False),
)
SIZED_CONTAINERS = (
    *CONTAINERS,
    Column("size", "SIZE", lambda row: row.size, "text", "Size", text=_sized),
)
"""Only where sizes are asked for: somebody has to walk the files."""


IMAGES = (
    Column("repository", "REPOSITORY", lambda row: row.repository, "name", "Repository"),
    Column("tag", "TAG", lambda row: row.tag, "text", "Tag"),
    Column("id", "IMAGE ID", lambda row: row.info.id, "id", "ID"),
    Column("created", "CREATED", lambda row: row.info.created, "age", "CreatedSince"),
    Column("size_bytes", "SIZE", lambda row: row.info.size_bytes, "size", "Size"),
    Column("digest", "DIGEST", lambda row: row.info.digest, "text", "Digest", is_visible=False),
    Column("platform", "PLATFORM", lambda row: row.info.platform, "text", "Platform", is_visible=False),
    Column("name", "NAME", lambda row: row.name, "name", "Name", is_visible=False),
    Column("created_at", "CREATED AT", lambda row: row.info.created, "time", "CreatedAt", is_visible=False),
)

BUILD_CACHE = (
    Column("id", "ID", lambda row: row.id, "id", "ID"),
    Column("kind", "KIND", lambda row: row.kind, "text", "CacheType"),
    Column("size_bytes", "SIZE", lambda row: row.size_bytes, "size", "Size"),
    Column("created", "CREATED", lambda row: row.created, "age", "CreatedSince", is_visible=False),
    Column("used", "LAST USED", lambda row: row.used, "age", "LastUsedSince"),
    Column("is_shared", "IN IMAGE", lambda row: "yes" if row.is_shared else "", "text", "Shared"),
    Column("text", "WHAT", lambda row: [row.text], "command", "Description"),
)

HISTORY = (
    Column("layer", "LAYER", lambda row: row.layer or "<none>", "id", "ID"),
    Column("created", "CREATED", lambda row: row.created, "age", "CreatedSince"),
    Column("created_by", "CREATED BY", lambda row: [row.created_by], "command", "CreatedBy"),
    Column("size_bytes", "SIZE", lambda row: row.size_bytes, "size", "Size"),
    Column("comment", "COMMENT", lambda row: row.comment, "text", "Comment"),
    Column("created_at", "CREATED AT", lambda row: row.created, "time", "CreatedAt", is_visible=False),
)

FINDINGS = (
    Column("severity", "SEVERITY", lambda row: row.severity, "text", "Severity"),
    Column("kind", "KIND", lambda row: row.kind, "text", "Kind"),
    Column("layer", "LAYER", lambda row: row.layer or None, "number", "Layer"),
    Column("value", "VALUE", lambda row: row.value, "text", "Value"),
    Column("place", "WHERE", lambda row: f"{row.path}:{row.line}" if row.line else row.path, "code"),
    Column("path", "PATH", lambda row: row.path, "path", "Path", is_visible=False),
    Column("line", "LINE", lambda row: row.line or None, "number", "Line", is_visible=False),
    Column("note", "NOTE", lambda row: row.note, "below", "Note"),
    Column("instruction", "BY", lambda row: row.instruction, "remark", "Instruction"),
)

PROCESSES = (
    Column("uid", "UID", lambda row: row.uid, "number", "UID"),
    Column("pid", "PID", lambda row: row.pid, "number", "PID"),
    Column("ppid", "PPID", lambda row: row.ppid, "number", "PPID"),
    Column("started_at", "STARTED", lambda row: row.started_at, "age", "Started"),
    Column("cpu_s", "CPU", lambda row: row.cpu_s, "seconds", "CPU"),
    Column("rss_bytes", "RSS", lambda row: row.rss_bytes, "size", "RSS"),
    Column("command", "COMMAND", lambda row: [row.command], "command", "Command"),
)

CHANGES = (
    Column("kind", "KIND", lambda row: row.kind, "text", "Kind"),
    Column("path", "PATH", lambda row: row.path, "path", "Path"),
)

EVENTS = (
    Column("time", "TIME", lambda row: row.time, "time", "Time"),
    Column("kind", "TYPE", lambda row: row.kind, "text", "Type"),
    Column("action", "ACTION", lambda row: row.action, "text", "Action"),
    Column("id", "ID", lambda row: row.id, "id", "ID"),
    Column("attributes", "ATTRIBUTES", lambda row: row.attributes, "text", "Attributes"),
)

STEPS = (
    Column("number", "STEP", lambda row: row.number, "number", "Step"),
    Column("who", "WHO", lambda row: row.who, "text", "Who"),
    Column("call", "CALL", lambda row: row.call, "call", "Call"),
    Column("why", "WHY", lambda row: row.why, "below", "Why"),
)

FACILITIES = (
    Column("name", "FACILITY", lambda row: row.name, "name", "Name"),
    Column("available", "HERE", lambda row: "yes" if row.available else "no", "verdict", "Available"),
    Column("reason", "REASON", lambda row: row.reason, "prose", "Reason"),
    Column("costs", "WITHOUT IT", lambda row: "" if row.available else row.costs, "remark", "Costs"),
    Column("how", "HOW TO GET IT", lambda row: "" if row.available else row.how, "remark", "How"),
)

VOLUMES = (
    Column("driver", "DRIVER", lambda row: "local", "text", "Driver"),
    Column("name", "VOLUME NAME", lambda row: row.name, "name", "Name"),
    Column("path", "MOUNTPOINT", lambda row: row.path, "path", "Mountpoint"),
    Column("created", "CREATED", lambda row: row.created, "age", "CreatedAt", is_visible=False),
    Column("labels", "LABELS", lambda row: row.labels, "text", "Labels", is_visible=False),
    Column("size_bytes", "SIZE", lambda row: row.size_bytes, "size", "Size", is_visible=False),
)

PORTS = (
    Column("container", "CONTAINER PORT", lambda row: row["container"], "text", "ContainerPort"),
    Column("host", "HOST", lambda row: row["host"], "text", "Host"),
)

REPAIRS = (
    Column("what", "WHAT", lambda row: row[0], "text", "What"),
    Column("done", "DONE", lambda row: row[1], "text", "Done"),
)


def _yes(value: bool) -> str:
    return "yes" if value else "-"


CAPABILITIES = (
    Column("name", "CAPABILITY", lambda row: row.name, "name", "Name"),
    Column("effective", "EFFECTIVE", lambda row: _yes(row.effective), "text", "Effective"),
    Column("permitted", "PERMITTED", lambda row: _yes(row.permitted), "text", "Permitted"),
    Column("bounding", "BOUNDING", lambda row: _yes(row.bounding), "text", "Bounding"),
    Column("is_dockers", "DOCKER'S DEFAULT", lambda row: _yes(row.is_dockers), "text", "Docker"),
)

LIMITS = (
    Column("directory", "DIRECTORY", lambda row: row.directory, "group", "Directory"),
    Column("file", "FILE", lambda row: row.file, "path", "File"),
    Column("value", "VALUE", lambda row: row.value, "prose", "Value"),
    Column("means", "MEANS", lambda row: row.means, "text", "Means"),
)

PACKAGES = (
    Column("name", "PACKAGE", lambda row: row.full_name, "name", "Name"),
    Column("version", "VERSION", lambda row: row.version, "text", "Version"),
    Column("kind", "KIND", lambda row: row.kind, "text", "Kind"),
    Column("licence", "LICENCE", lambda row: row.licence or None, "text", "Licence", text=_short),
    Column("layer", "LAYER", lambda row: row.layer, "digest", "Layer", text=_short_digest),
    Column("architecture", "ARCHITECTURE", lambda row: row.architecture, "text", is_visible=False),
    Column("purl", "PURL", lambda row: row.purl, "text", is_visible=False),
    Column("source", "SOURCE", lambda row: row.source, "text", is_visible=False),
    Column("supplier", "SUPPLIER", lambda row: row.supplier, "text", is_visible=False),
    Column("path", "PATH", lambda row: row.path, "text", is_visible=False),
)
