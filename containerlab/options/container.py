"""The options of `run`, `create`, `exec` and `update`: one line each, in groups.

Names are Docker's long flags with underscores. A field's type is what Python callers may give; after
`normalise` the values are those of the readers: bytes as int, durations as float seconds, repeatable options
as tuples (or dicts, for labels and the like), mounts as MountRequest, signals as numbers.
"""
# ruff: noqa: E501 - a table: one option, one line

from collections.abc import Iterable, Mapping
from typing import Annotated, TypedDict

from containerlab import units
from containerlab.options import mounts
from containerlab.options import values as v
from containerlab.options.flag import Flag
from containerlab.options.huge_pages import huge_pages
from containerlab.options.ports import exposed_port

__all__ = [
    "Common",
    "CreateOptions",
    "ExecOptions",
    "Foreground",
    "Identity",
    "ProgramOptions",
    "Restarting",
    "RunOptions",
    "StartOptions",
    "UpdateOptions",
    "Volumes",
]

Size = int | str
Duration = float | str
Words = str | Iterable[str]
Pairs = Words | Mapping[str, object]


def _memory_swap(value: Size) -> int:
    return -1 if str(value) == "-1" else units.size(value)


def _variables(items: Iterable[str]) -> tuple[str, ...]:
    """Keep what has a value: a variable that this process does not have is not handed on."""
    return tuple(item for item in items if "=" in item)


# fmt: off
class Restarting(TypedDict, total=False):
    """Whether it is started again."""

    restart: Annotated[str, Flag("--restart", v.restart_policy, "Start again: no, on-failure[:N], always, unless-stopped", "POLICY", "HostConfig.RestartPolicy", completes="no on-failure always unless-stopped")]


class Volumes(TypedDict, total=False):
    """What of the host it has."""

    volume: Annotated[Pairs, Flag("-v --volume", mounts.volume, "Mount a path or a volume: /srv:/data:ro, cache:/var/cache", "SOURCE:TARGET[:OPTIONS]", "HostConfig.Binds", tuple, ":", "file")]


class Common(TypedDict, total=False):
    """What a container and a virtual machine have alike: name, image, program, end."""

    name: Annotated[str, Flag("--name", v.name, "Its name", "NAME")]
    hostname: Annotated[str, Flag("-h --hostname", v.hostname, "Host name inside", "NAME", "Config.Hostname")]
    entrypoint: Annotated[Words, Flag("--entrypoint", v.command_words, "Program to run instead of the image's entry point", "PROGRAM", "Config.Entrypoint")]
    rm: Annotated[bool, Flag("--rm", units.switch, "Remove it when it has ended", "", "HostConfig.AutoRemove")]
    stop_signal: Annotated[str | int, Flag("--stop-signal", units.signal_number, "Signal that asks it to end", "SIGNAL", "Config.StopSignal", completes="signal")]
    stop_timeout: Annotated[Duration, Flag("--stop-timeout", v.patience, "Time between that signal and the kill (10s); -1: never", "DURATION", "Config.StopTimeout")]
    timeout: Annotated[Duration, Flag("--timeout", units.seconds, "Stop it when it takes longer", "DURATION")]
    label: Annotated[Pairs, Flag("-l --label", v.pair, "Set a label", "KEY=VALUE", "Config.Labels", dict)]
    pull: Annotated[str, Flag("--pull", v.choice("always", "missing", "never", "newer"), "Pull the image: always, missing (the default), never, newer", "WHEN", completes="always missing never newer")]
    platform: Annotated[str, Flag("--platform", v.text, "Choose from an image for several: linux/arm64", "PLATFORM", completes="linux/amd64 linux/arm64")]
    quiet: Annotated[bool, Flag("-q --quiet", units.switch, "Do not show the progress of a pull")]
    log_opt: Annotated[Pairs, Flag("--log-opt", v.pair, "Log option: max-size=10m, max-file=3", "KEY=VALUE", "HostConfig.LogConfig.Config", dict, completes="max-size= max-file=")]


class Limits(Restarting, total=False):
    """Limits that `update` can change too."""

    memory: Annotated[Size, Flag("-m --memory", units.size, "Most memory: 64m, 1.5g", "SIZE", "HostConfig.Memory")]
    memory_swap: Annotated[Size, Flag("--memory-swap", _memory_swap, "Most memory and swap together; -1: swap without limit", "SIZE", "HostConfig.MemorySwap")]
    memory_reservation: Annotated[Size, Flag("--memory-reservation", units.size, "Memory that is kept when the host runs short", "SIZE", "HostConfig.MemoryReservation")]
    cpus: Annotated[float | str, Flag("--cpus", units.cores, "Most processor cores: 0.5", "NUMBER", "HostConfig.NanoCpus")]
    cpu_shares: Annotated[int | str, Flag("-c --cpu-shares", v.whole(0, 262144), "Weight among busy containers (1024 is usual)", "NUMBER", "HostConfig.CpuShares")]
    cpu_period: Annotated[int | str, Flag("--cpu-period", v.whole(0, 1000000), "Length of a CPU period in µs", "MICROSECONDS", "HostConfig.CpuPeriod")]
    cpu_quota: Annotated[int | str, Flag("--cpu-quota", v.whole(-1, 2**53), "CPU time in each period in µs", "MICROSECONDS", "HostConfig.CpuQuota")]
    cpu_rt_period: Annotated[int | str, Flag("--cpu-rt-period", v.whole(0, 2**53), "Length of a real-time period in µs", "MICROSECONDS", "HostConfig.CpuRealtimePeriod")]
    cpu_rt_runtime: Annotated[int | str, Flag("--cpu-rt-runtime", v.whole(0, 2**53), "Real-time CPU time in each period in µs", "MICROSECONDS", "HostConfig.CpuRealtimeRuntime")]
    cpuset_cpus: Annotated[str, Flag("--cpuset-cpus", v.cpu_list, "Processors to run on: 0-2 or 0,1", "LIST", "HostConfig.CpusetCpus")]
    cpuset_mems: Annotated[str, Flag("--cpuset-mems", v.cpu_list, "Memory nodes to take memory from", "LIST", "HostConfig.CpusetMems")]
    pids_limit: Annotated[int | str, Flag("--pids-limit", v.whole(-1, 2**31), "Most processes and threads at once; -1: no limit", "NUMBER", "HostConfig.PidsLimit")]
    blkio_weight: Annotated[int | str, Flag("--blkio-weight", v.whole(0, 1000), "Weight of disk traffic, 10 to 1000; 0: the default", "NUMBER", "HostConfig.BlkioWeight")]
    hugetlb: Annotated[Words, Flag("--hugetlb", huge_pages, "Most memory in huge pages of a size: 2MB=64m", "PAGE=SIZE", collect=tuple)]


class MoreLimits(TypedDict, total=False):
    """Limits that hold from the start to the end."""

    memory_swappiness: Annotated[int | str, Flag("--memory-swappiness", v.whole(-1, 100), "Readiness to swap, 0 to 100; -1: the host's", "NUMBER", "HostConfig.MemorySwappiness")]
    oom_kill_disable: Annotated[bool, Flag("--oom-kill-disable", units.switch, "Wait for memory instead of being killed (cgroup v1)", "", "HostConfig.OomKillDisable")]
    oom_score_adj: Annotated[int | str, Flag("--oom-score-adj", v.whole(-1000, 1000), "Who is killed first when the host runs short, -1000 to 1000", "NUMBER", "HostConfig.OomScoreAdj")]
    blkio_weight_device: Annotated[Words, Flag("--blkio-weight-device", v.device_weight, "Weight for one device: /dev/sda:500", "DEVICE:WEIGHT", "HostConfig.BlkioWeightDevice", tuple)]
    device_read_bps: Annotated[Words, Flag("--device-read-bps", v.device_rate(units.size), "Most bytes read per second: /dev/sda:1m", "DEVICE:SIZE", "HostConfig.BlkioDeviceReadBps", tuple)]
    device_write_bps: Annotated[Words, Flag("--device-write-bps", v.device_rate(units.size), "Most bytes written per second", "DEVICE:SIZE", "HostConfig.BlkioDeviceWriteBps", tuple)]
    device_read_iops: Annotated[Words, Flag("--device-read-iops", v.device_rate(units.count), "Most reads per second", "DEVICE:NUMBER", "HostConfig.BlkioDeviceReadIOps", tuple)]
    device_write_iops: Annotated[Words, Flag("--device-write-iops", v.device_rate(units.count), "Most writes per second", "DEVICE:NUMBER", "HostConfig.BlkioDeviceWriteIOps", tuple)]
    ulimit: Annotated[Words, Flag("--ulimit", v.ulimit, "Resource limit: nofile=1024:4096", "NAME=SOFT[:HARD]", "HostConfig.Ulimits", tuple)]
    shm_size: Annotated[Size, Flag("--shm-size", units.size, "Size of /dev/shm (64m if not said)", "SIZE", "HostConfig.ShmSize")]
    storage_opt: Annotated[Pairs, Flag("--storage-opt", v.pair, "Storage option: size=1g", "KEY=VALUE", "HostConfig.StorageOpt", dict)]
    cgroup_parent: Annotated[str, Flag("--cgroup-parent", v.text, "Cgroup to make the container's own in", "PATH", "HostConfig.CgroupParent")]
    gpus: Annotated[str, Flag("--gpus", v.text, "GPUs to add: all, or a number", "GPUS", "HostConfig.DeviceRequests")]


class NamespaceOptions(TypedDict, total=False):
    """What the container sees as its own."""

    pid: Annotated[str, Flag("--pid", v.namespace("private", "host"), "Process ids: host, container:NAME", "MODE", "HostConfig.PidMode", completes="host private container:")]
    ipc: Annotated[str, Flag("--ipc", v.namespace("none", "private", "shareable", "host"), "Shared memory: none, private, shareable, host, container:NAME", "MODE", "HostConfig.IpcMode", completes="none private shareable host container:")]
    uts: Annotated[str, Flag("--uts", v.namespace("private", "host"), "Host name: host, container:NAME", "MODE", "HostConfig.UTSMode", completes="host private container:")]
    userns: Annotated[str, Flag("--userns", v.namespace("private", "host", "keep-id", "auto", "nomap"), "User ids: host, private, keep-id, container:NAME", "MODE", "HostConfig.UsernsMode", completes="host private keep-id")]
    cgroupns: Annotated[str, Flag("--cgroupns", v.namespace("private", "host"), "Cgroups: host or private", "MODE", "HostConfig.CgroupnsMode", completes="host private")]
    time: Annotated[str, Flag("--time", v.namespace("private", "host"), "Clocks since boot: host or private", "MODE", completes="host private")]
    domainname: Annotated[str, Flag("--domainname", v.text, "NIS domain name inside", "NAME", "Config.Domainname")]


class Security(TypedDict, total=False):
    """What its processes may do."""

    cap_add: Annotated[Words, Flag("--cap-add", v.text, "Add a capability: NET_ADMIN, ALL", "NAME", "HostConfig.CapAdd", tuple, completes="capability")]
    cap_drop: Annotated[Words, Flag("--cap-drop", v.text, "Drop a capability: CHOWN, ALL", "NAME", "HostConfig.CapDrop", tuple, completes="capability")]
    privileged: Annotated[bool, Flag("--privileged", units.switch, "All capabilities and devices, no filters, nothing masked", "", "HostConfig.Privileged")]
    security_opt: Annotated[Words, Flag("--security-opt", v.text, "no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined", "OPTION", "HostConfig.SecurityOpt", tuple, completes="no-new-privileges seccomp=unconfined systempaths=unconfined apparmor=unconfined")]
    read_only: Annotated[bool, Flag("--read-only", units.switch, "Mount the root file system read-only", "", "HostConfig.ReadonlyRootfs")]
    device: Annotated[Words, Flag("--device", v.device, "Add a device of the host: /dev/fuse[:PATH[:rwm]]", "DEVICE", "HostConfig.Devices", tuple, ":", "file")]
    device_cgroup_rule: Annotated[Words, Flag("--device-cgroup-rule", v.text, "Allow devices: 'c 10:229 rwm'", "RULE", "HostConfig.DeviceCgroupRules", tuple)]
    sysctl: Annotated[Pairs, Flag("--sysctl", v.pair, "Kernel parameter of its namespaces", "KEY=VALUE", "HostConfig.Sysctls", dict)]


class Mounts(Volumes, total=False):
    """What is mounted where."""

    mount: Annotated[Words, Flag("--mount", mounts.mount, "Mount: type=bind|volume|tmpfs,source=…,target=…[,readonly]", "KEYS", "HostConfig.Mounts", tuple)]
    tmpfs: Annotated[Pairs, Flag("--tmpfs", mounts.tmpfs, "Mount memory as a file system: /run:size=64m", "TARGET[:OPTIONS]", "HostConfig.Tmpfs", tuple, ":")]
    volumes_from: Annotated[Words, Flag("--volumes-from", mounts.volumes_from, "Mount what another container has", "CONTAINER[:ro]", "HostConfig.VolumesFrom", tuple, completes="container")]
    volume_driver: Annotated[str, Flag("--volume-driver", v.text, "Driver of new volumes: local", "NAME", "HostConfig.VolumeDriver")]


class Identity(TypedDict, total=False):
    """As whom and where a process runs; `exec` has these too."""

    user: Annotated[str | int, Flag("-u --user", v.text, "Run as: NAME, UID, UID:GID", "USER", "Config.User")]
    workdir: Annotated[str, Flag("-w --workdir", v.text, "Directory to start in", "PATH", "Config.WorkingDir")]
    env: Annotated[Pairs, Flag("-e --env", v.environment, "Set a variable: NAME=value, or NAME to hand on the host's", "NAME=VALUE", "Config.Env", _variables)]
    env_file: Annotated[Words, Flag("--env-file", v.file_path, "Read variables from a file", "FILE", collect=tuple, completes="file")]
    interactive: Annotated[bool, Flag("-i --interactive", units.switch, "Hand standard input to it", "", "Config.OpenStdin")]
    tty: Annotated[bool, Flag("-t --tty", units.switch, "Give it a terminal", "", "Config.Tty")]
    detach_keys: Annotated[str, Flag("--detach-keys", v.text, "Keys that let go of it (ctrl-p,ctrl-q)", "KEYS")]


class ProcessOptions(TypedDict, total=False):
    """What runs and how it is attached."""

    group_add: Annotated[Words, Flag("--group-add", v.text, "Add a group", "GROUP", "HostConfig.GroupAdd", tuple)]
    init: Annotated[bool, Flag("--init", units.switch, "Run a first process that hands on signals and reaps", "", "HostConfig.Init")]
    attach: Annotated[Words, Flag("-a --attach", v.choice("stdin", "stdout", "stderr"), "Attach only to stdin, stdout or stderr", "STREAM", collect=tuple, completes="stdin stdout stderr")]
    sig_proxy: Annotated[bool, Flag("--sig-proxy", units.switch, "Hand the signals that this command gets on to it (the default)")]


class Lifecycle(TypedDict, total=False):
    """Start and health."""

    health_cmd: Annotated[Words, Flag("--health-cmd", v.health_test, "Command that tells by exit code 0 that it is well", "COMMAND", "Config.Healthcheck.Test")]
    health_interval: Annotated[Duration, Flag("--health-interval", units.seconds, "Time between checks (30s)", "DURATION", "Config.Healthcheck.Interval")]
    health_retries: Annotated[int | str, Flag("--health-retries", units.count, "Failures in a row that make it unhealthy (3)", "NUMBER", "Config.Healthcheck.Retries")]
    health_start_interval: Annotated[Duration, Flag("--health-start-interval", units.seconds, "Time between checks in the start period (5s)", "DURATION", "Config.Healthcheck.StartInterval")]
    health_start_period: Annotated[Duration, Flag("--health-start-period", units.seconds, "Time from its start in which failures do not count (0s)", "DURATION", "Config.Healthcheck.StartPeriod")]
    health_timeout: Annotated[Duration, Flag("--health-timeout", units.seconds, "Most time for one check (30s)", "DURATION", "Config.Healthcheck.Timeout")]
    no_healthcheck: Annotated[bool, Flag("--no-healthcheck", units.switch, "Do without the image's health check")]
    runtime: Annotated[str, Flag("--runtime", v.text, "What makes the processes: containerlab, crun, runc", "NAME", "HostConfig.Runtime", completes="containerlab crun runc")]
    cidfile: Annotated[str, Flag("--cidfile", v.file_path, "Write the container's id to this new file", "FILE", completes="file")]
    disable_content_trust: Annotated[bool, Flag("--disable-content-trust", units.switch, "Accepted for Docker's sake")]


class Metadata(TypedDict, total=False):
    """Log and labels."""

    log_driver: Annotated[str, Flag("--log-driver", v.choice("json-file", "local", "none"), "How its output is kept: json-file, local, none", "NAME", "HostConfig.LogConfig.Type", completes="json-file local none")]
    label_file: Annotated[Words, Flag("--label-file", v.file_path, "Read labels from a file", "FILE", collect=tuple, completes="file")]
    annotation: Annotated[Pairs, Flag("--annotation", v.pair, "Set an annotation of the OCI bundle", "KEY=VALUE", "HostConfig.Annotations", dict)]


class Networking(TypedDict, total=False):
    """How it reaches others."""

    network: Annotated[str, Flag("--network --net", v.text, "Network: none, host, container:NAME", "NETWORK", "HostConfig.NetworkMode", completes="none host container:")]
    network_alias: Annotated[Words, Flag("--network-alias", v.text, "Another name in its network", "NAME", collect=tuple)]
    publish: Annotated[Words, Flag("-p --publish", v.text, "Publish a port: 8080:80", "HOST:CONTAINER", "HostConfig.PortBindings", tuple)]
    publish_all: Annotated[bool, Flag("-P --publish-all", units.switch, "Publish all ports that the image exposes", "", "HostConfig.PublishAllPorts")]
    expose: Annotated[Words, Flag("--expose", exposed_port, "Name a port that it listens on", "PORT", "Config.ExposedPorts", tuple)]
    add_host: Annotated[Pairs, Flag("--add-host", v.extra_host, "Add a line to /etc/hosts: name:address", "NAME:ADDRESS", "HostConfig.ExtraHosts", tuple, ":")]
    dns: Annotated[Words, Flag("--dns", v.text, "Name server", "ADDRESS", "HostConfig.Dns", tuple)]
    dns_option: Annotated[Words, Flag("--dns-option", v.text, "Option of the resolver", "OPTION", "HostConfig.DnsOptions", tuple)]
    dns_search: Annotated[Words, Flag("--dns-search", v.text, "Domain to search names in", "DOMAIN", "HostConfig.DnsSearch", tuple)]
    ip: Annotated[str, Flag("--ip", v.text, "IPv4 address", "ADDRESS")]
    ip6: Annotated[str, Flag("--ip6", v.text, "IPv6 address", "ADDRESS")]
    link: Annotated[Words, Flag("--link", v.text, "Link to another container", "CONTAINER", "HostConfig.Links", tuple)]
    link_local_ip: Annotated[Words, Flag("--link-local-ip", v.text, "Link-local address", "ADDRESS", collect=tuple)]
    mac_address: Annotated[str, Flag("--mac-address", v.text, "Ethernet address", "ADDRESS", "Config.MacAddress")]


class Foreground(TypedDict, total=False):
    """What `run` does around the container."""

    check: Annotated[bool, Flag("--check", units.switch, "Fail when the exit code is not 0 (the default in notebooks)")]
    explain: Annotated[bool, Flag("--explain", units.switch, "Show the numbered steps with their system calls, then run")]
# fmt: on


class CreateOptions(
    Limits,
    MoreLimits,
    NamespaceOptions,
    Security,
    Mounts,
    Identity,
    Common,
    ProcessOptions,
    Lifecycle,
    Metadata,
    Networking,
    total=False,
):
    """Everything a container can be made with."""


class RunOptions(CreateOptions, Foreground, total=False):
    """The options of `run`."""


StartOptions = CreateOptions


class ProgramOptions(Identity, total=False):
    """How another program runs in it."""

    timeout: Annotated[Duration, Flag("--timeout", units.seconds, "End it when it takes longer", "DURATION")]
    check: Annotated[bool, Flag("--check", units.switch, "Fail when the exit code is not 0")]


class ExecOptions(ProgramOptions, total=False):
    """The options of `exec`."""

    privileged: Annotated[bool, Flag("--privileged", units.switch, "Give the process all capabilities")]


class UpdateOptions(Limits, total=False):
    """The options of `update`."""
