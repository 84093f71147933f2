"""The steps that build a container's file system, performed by the child before it enters it.

Every path inside the root is resolved by `openat2` in that root and mounted upon by descriptor, so that
a link in an image or a path swapped by another container cannot lead outside.
Source: runc's security advisories of 2019 to 2026 (most are path races); openat2(2); open_tree(2).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Mapping, Sequence

from containerlab.linux import mounts, roots, syscalls
from containerlab.linux.files import write_all
from containerlab.linux.mounts import Mount
from containerlab.linux.syscalls import AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE

__all__ = ["OPERATIONS", "Scene", "mounts_any_proc", "new_filesystem", "refuse_in_proc"]

_IN_ROOT = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_ONTO = syscalls.MOVE_MOUNT_F_EMPTY_PATH | syscalls.MOVE_MOUNT_T_EMPTY_PATH
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV, ATTR_NOEXEC = 1, 2, 4, 8
ATTR_NOATIME, ATTR_STRICTATIME, ATTR_NODIRATIME, ATTR_NOSYMFOLLOW = 0x10, 0x20, 0x80, 0x200000
MAY_COVER_IN_PROC = tuple(
    f"/proc/{name}"
    for name in ("cpuinfo", "diskstats", "loadavg", "meminfo", "slabinfo", "stat", "swaps", "uptime")
)
"""What shows numbers and is written to by nobody; the same that runc allows."""
_PROC_SUPER_MAGIC_DIRECTORIES = ("proc", "sysfs")


class Scene:
    """What the child holds on to between steps: descriptors, all close-on-exec."""

    def __init__(self, channel: int, descriptors: Sequence[int], attach: Sequence[int]) -> None:
        self.channel = channel
        self.descriptors = list(descriptors)
        self.attach = list(attach)
        self.root = -1
        self.pid_namespace = -1
        """The one that a process set up from outside will live in."""
        self.others: dict[int, int] = {}
        """Pidfds of processes whose mounts may be shown, by pid."""
        self.is_inside = False
        """Whether the container's root has been entered; no program is executed before."""
        self.proc = -1
        self.terminal = -1
        self.program = b""
        self.variables: dict[bytes, bytes] = {}
        """Secret ones, for the program's environment."""

    def open(self, path: str, flags: int = os.O_PATH) -> int:
        """Open a path in the container's root, or raise the kernel's error."""
        return syscalls.openat2(self.root, path, flags, 0, _IN_ROOT)

    def make(self, path: str, *, directory: bool) -> int:
        """Open a path in the root, with what is missing of it made, where links to nothing point, too."""
        try:
            return self.open(path)
        except FileNotFoundError:
            *above, name = (part for part in path.split("/") if part not in ("", "."))
        parent = self.make("/".join(above) or "/", directory=True)
        try:
            _make_one(parent, name, directory=directory)
        except FileExistsError:
            target = os.readlink(name, dir_fd=parent)
            return self.make(os.path.join("/", *above, target), directory=directory)
        finally:
            os.close(parent)
        return self.open(path)


def _make_one(parent: int, name: str, *, directory: bool) -> None:
    if directory:
        os.mkdir(name, 0o755, dir_fd=parent)
    else:
        os.close(
            os.open(
                name,
                os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC,
                0o644,
                dir_fd=parent,
            )
        )


def set_propagation(scene: Scene, flags: int) -> None:
    """Cut the new mount namespace's events off from the host's."""
    roots.set_propagation(flags)


def mount_root(scene: Scene, root: str, sources: Sequence[tuple[str, str, str, tuple[str, ...]]]) -> None:
    """Mount the snapshot at its place in the store, or the bundle's root on itself, and hold it open."""
    for source, target, fstype, options in sources:
        if fstype == "fuse-overlayfs":
            _run_fuse(source, options, target or root)
            continue
        mounts.mount_at(Mount(source, target, fstype, tuple(options)), target or root)
    if not sources:
        syscalls.mount(root, root, "", mounts.MS_BIND | mounts.MS_REC)
    scene.root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _run_fuse(program: str, options: Sequence[str], root: str) -> None:
    """Have fuse-overlayfs serve the root; it lives in the container's PID namespace and ends with it."""
    pid = os.posix_spawn(program, [program, "-o", ",".join(options), root], {})
    status = os.waitpid(pid, 0)[1]
    if status:
        raise OSError(5, f"fuse-overlayfs ended with status {os.waitstatus_to_exitcode(status)}")


def mount_filesystem(
    scene: Scene, target: str, fstype: str, source: str, attributes: int, options: Sequence[str]
) -> None:
    """Mount a new file system of the kernel (proc, tmpfs, devpts, mqueue, sysfs, cgroup2)."""
    ends = {"pidns": scene.pid_namespace} if fstype == "proc" and scene.pid_namespace >= 0 else {}
    if fstype == "overlay" and source.startswith("/"):
        mounted = _new_overlay(source, attributes, options)
    else:
        mounted = new_filesystem(fstype, source, attributes, options, ends)
    place = _place(scene, target, fstype)
    refuse_in_proc(scene, place, target)
    syscalls.move_mount(mounted, "", place, "", _ONTO)
    os.close(place)
    if fstype == "proc":
        scene.proc = mounted
    else:
        os.close(mounted)


def new_filesystem(
    fstype: str, source: str, attributes: int, options: Sequence[str], descriptors: Mapping[str, int] = {}
) -> int:
    """Make a file system that is mounted nowhere yet and return a descriptor of it."""
    context = syscalls.fsopen(fstype)
    try:
        if source:
            syscalls.fsconfig(context, syscalls.FSCONFIG_SET_STRING, "source", source)
        for option in options:
            key, equals, value = option.partition("=")
            command = syscalls.FSCONFIG_SET_STRING if equals else syscalls.FSCONFIG_SET_FLAG
            syscalls.fsconfig(context, command, key, value)
        for key, fd in descriptors.items():
            syscalls.fsconfig(context, syscalls.FSCONFIG_SET_FD, key, aux=fd)
        syscalls.fsconfig(context, syscalls.FSCONFIG_CMD_CREATE)
        return syscalls.fsmount(context, attributes)
    finally:
        os.close(context)


def _new_overlay(directory: str, attributes: int, options: Sequence[str]) -> int:
    """Make an overlay whose paths are relative to a directory, and return a descriptor of it.

    fsconfig(2) takes options of at most 256 bytes, mount(2) a page. It needs a place for a moment: that
    directory, which nobody else sees covered.
    """
    mounts.mount_at(Mount(directory, directory, "overlay", tuple(options)), directory)
    tree = syscalls.open_tree(AT_FDCWD, directory, syscalls.OPEN_TREE_CLONE)
    syscalls.umount2(directory, mounts.MNT_DETACH)
    syscalls.mount_setattr(tree, "", AT_EMPTY_PATH, set=attributes)
    return tree


def refuse_in_proc(scene: Scene, place: int, target: str) -> None:
    """Let nothing be mounted in /proc where a link has led: later steps trust it (CVE-2019-19921)."""
    of_proc = os.fstat(scene.proc) if scene.proc >= 0 else os.stat("/proc")
    is_allowed = os.path.normpath("/" + target.lstrip("/")) in MAY_COVER_IN_PROC
    if os.fstat(place).st_dev == of_proc.st_dev and not is_allowed:
        raise PermissionError(errno.EPERM, f"{target} leads into /proc")


def mounts_any_proc() -> bool:
    """Say whether the kernel can mount /proc for a PID namespace that the caller is not in (Linux 6.17)."""
    release = os.uname().release.split(".")
    return (int(release[0]), int(release[1])) >= (6, 17)


def _place(scene: Scene, target: str, fstype: str) -> int:
    place = scene.make(target, directory=True)
    if fstype in _PROC_SUPER_MAGIC_DIRECTORIES:
        # A /proc that is a link would make every later write to it go elsewhere (CVE-2019-19921).
        direct = syscalls.openat2(scene.root, target.lstrip("/"), os.O_PATH, 0, syscalls.RESOLVE_NO_SYMLINKS)
        os.close(direct)
    return place


def bind(scene: Scene, source: str, target: str, recursive: bool, attributes: int, propagation: int) -> None:
    """Mount a file or directory of the host in the container."""
    flags = syscalls.OPEN_TREE_CLONE | (AT_RECURSIVE if recursive else 0)
    tree = syscalls.open_tree(AT_FDCWD, source, flags)
    _attach(scene, tree, target, attributes, AT_RECURSIVE if recursive else 0, propagation)


def bind_of(
    scene: Scene, pid: int, path: str, target: str, recursive: bool, attributes: int, propagation: int
) -> None:
    """Mount what another process has at a path of its root, in the mount namespace where it is mounted."""
    pidfd = scene.others[pid]
    root = roots.open_of(pidfd)
    resolve = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS
    place = syscalls.openat2(root, path.lstrip("/"), os.O_PATH, 0, resolve)
    flags = syscalls.OPEN_TREE_CLONE | AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    with roots.visiting(pidfd):
        tree = syscalls.open_tree(place, "", flags)
    os.close(place)
    os.close(root)
    _attach(scene, tree, target, attributes, AT_RECURSIVE if recursive else 0, propagation)


def bind_descriptor(scene: Scene, index: int, target: str, attributes: int) -> None:
    """Mount what a descriptor that was handed over refers to."""
    tree = syscalls.open_tree(scene.descriptors[index], "", syscalls.OPEN_TREE_CLONE | AT_EMPTY_PATH)
    _attach(scene, tree, target, attributes, 0, 0)


def _attach(scene: Scene, tree: int, target: str, attributes: int, recursive: int, propagation: int) -> None:
    if attributes or propagation:
        syscalls.mount_setattr(tree, "", AT_EMPTY_PATH | recursive, set=attributes, propagation=propagation)
    place = scene.make(target, directory=stat.S_ISDIR(os.fstat(tree).st_mode))
    refuse_in_proc(scene, place, target)
    syscalls.move_mount(tree, "", place, "", _ONTO)
    os.close(place)
    os.close(tree)


def show_secrets(scene: Scene, files: Sequence[tuple[str, bytes, int, int, int]]) -> None:
    """Show files (target, content, mode, uid, gid) that are in memory, each by itself and read-only.

    The file system that they are in is mounted only as long as its files are picked out of it: before
    Linux 6.15 what is mounted nowhere cannot be cloned from.
    """
    memory = _memory_without_swap()
    names = [_write_secret(memory, str(number), *file[1:]) for number, file in enumerate(files)]
    syscalls.move_mount(memory, "", scene.root, "", _ONTO)
    trees = [syscalls.open_tree(memory, name, syscalls.OPEN_TREE_CLONE) for name in names]
    os.fchdir(memory)
    syscalls.umount2(".", mounts.MNT_DETACH)
    os.chdir("/")
    os.close(memory)
    for (target, *_), tree in zip(files, trees, strict=True):
        _attach(scene, tree, target, ATTR_RDONLY, 0, 0)


def _memory_without_swap() -> int:
    """Make a file system in memory; a user namespace, and Linux before 6.4, cannot keep it from the swap."""
    attributes = ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC
    try:
        return new_filesystem("tmpfs", "secrets", attributes, ("mode=0700", "noswap"))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EPERM):
            raise
        return new_filesystem("tmpfs", "secrets", attributes, ("mode=0700",))


def _write_secret(memory: int, name: str, content: bytes, mode: int, uid: int, gid: int) -> str:
    fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0, dir_fd=memory)
    try:
        write_all(fd, content)
        with contextlib.suppress(OSError):  # an id that is not mapped: it stays the one of this process
            os.fchown(fd, uid, gid)
        os.fchmod(fd, mode)
    finally:
        os.close(fd)
    return name


def make_working_directory(scene: Scene, path: str) -> None:
    """Make the working directory where there is none; `change_directory` says if it failed."""
    with contextlib.suppress(OSError):
        os.close(scene.make(path, directory=True))


def make_devices(scene: Scene, devices: Sequence[tuple[str, int, int, int, int, int]]) -> None:
    """Make device nodes (path, mode with type, major, minor, uid, gid)."""
    mask = os.umask(0)
    for path, mode, major, minor, uid, gid in devices:
        try:
            _make_device(scene, path, mode, os.makedev(major, minor), (uid, gid))
        except OSError as error:
            raise OSError(error.errno, f"device {path}: {os.strerror(error.errno or 0)}") from error
    os.umask(mask)


def _make_device(scene: Scene, path: str, mode: int, number: int, owner: tuple[int, int]) -> None:
    parent, name = _open_parent(scene, path)
    try:
        os.mknod(name, mode, number, dir_fd=parent)
    except FileExistsError:
        os.unlink(name, dir_fd=parent)
        os.mknod(name, mode, number, dir_fd=parent)
    if owner != (0, 0):
        os.chown(name, *owner, dir_fd=parent, follow_symlinks=False)
    os.close(parent)


def _open_parent(scene: Scene, path: str) -> tuple[int, str]:
    directory, _, name = path.rpartition("/")
    return scene.make(directory or "/", directory=True), name


def make_links(scene: Scene, links: Sequence[tuple[str, str]]) -> None:
    """Make symbolic links (target, path) where nothing is."""
    for target, path in links:
        parent, name = _open_parent(scene, path)
        with contextlib.suppress(FileExistsError):
            os.symlink(target, name, dir_fd=parent)
        os.close(parent)


def mask(scene: Scene, paths: Sequence[str]) -> None:
    """Hide files behind /dev/null and directories behind one empty read-only tmpfs; skip what is not there.

    The null device is the host's and checked, not the container's (CVE-2025-31133).
    """
    files = [_host_null()]
    directories: list[int] = []
    for path in paths:
        try:
            place = scene.open(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        covers = directories if stat.S_ISDIR(os.fstat(place).st_mode) else files
        covers.append(_cover(covers))
        syscalls.move_mount(covers[-1], "", place, "", _ONTO)
        os.close(place)
    for fd in (*files, *directories):
        os.close(fd)


def _cover(earlier: Sequence[int]) -> int:
    """Clone the first of the earlier mounts, or make the empty file system.

    That is mounted before it is cloned: before Linux 6.15 a mount that is nowhere yet could not be.
    """
    if earlier:
        return syscalls.open_tree(earlier[0], "", syscalls.OPEN_TREE_CLONE | AT_EMPTY_PATH)
    return new_filesystem("tmpfs", "tmpfs", ATTR_RDONLY, ("size=0", "nr_inodes=1"))


def _host_null() -> int:
    fd = os.open("/dev/null", os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
    if os.fstat(fd).st_rdev != os.makedev(1, 3):
        raise PermissionError(1, "the host's /dev/null is not the null device")
    return fd


def make_readonly(scene: Scene, paths: Sequence[str]) -> None:
    """Bind paths on themselves, read-only; skip what is not there."""
    for path in paths:
        try:
            place = scene.open(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        tree = syscalls.open_tree(place, "", syscalls.OPEN_TREE_CLONE | AT_EMPTY_PATH | AT_RECURSIVE)
        syscalls.mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, set=ATTR_RDONLY)
        syscalls.move_mount(tree, "", place, "", _ONTO)
        os.close(tree)
        os.close(place)


def set_attributes(scene: Scene, target: str, attributes: int) -> None:
    """Add attributes to what is mounted at a place, now that it is filled."""
    place = scene.open(target)
    syscalls.mount_setattr(place, "", AT_EMPTY_PATH, set=attributes)
    os.close(place)


def make_root_readonly(scene: Scene) -> None:
    """Make the root file system itself read-only; what is mounted in it keeps its own state."""
    syscalls.mount_setattr(scene.root, "", AT_EMPTY_PATH, set=ATTR_RDONLY)


def write_sysctls(scene: Scene, values: Sequence[tuple[str, str]]) -> None:
    """Write kernel parameters of the container's namespaces (path below /proc/sys, value)."""
    resolve = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS
    for path, value in values:
        try:
            fd = syscalls.openat2(
                scene.proc, f"sys/{path}", os.O_WRONLY, 0, resolve | syscalls.RESOLVE_NO_XDEV
            )
            with os.fdopen(fd, "wb", buffering=0) as file:
                file.write(value.encode())
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise OSError(error.errno, f"sysctl {path.replace('/', '.')} = {value}: {reason}") from error


def pivot(scene: Scene) -> None:
    """Make the container's root the root, and let go of the host's tree. Source: pivot_root(2), NOTES.

    Not of what a chroot shows of it: what lies above would stay within reach of `..`.
    """
    roots.go_to_namespace()
    os.fchdir(scene.root)
    syscalls.pivot_root(".", ".")
    syscalls.umount2(".", mounts.MNT_DETACH)
    os.chdir("/")
    scene.is_inside = True


def move_and_chroot(scene: Scene) -> None:
    """Enter the root where pivot_root is refused (a seccomp filter of the host, a root on initramfs)."""
    roots.go_to_namespace()
    os.fchdir(scene.root)
    syscalls.mount(".", "/", "", mounts.MS_MOVE)
    roots.enter(scene.root)
    scene.is_inside = True


OPERATIONS = {
    operation.__name__: operation
    for operation in (
        set_propagation,
        mount_root,
        mount_filesystem,
        bind,
        bind_of,
        bind_descriptor,
        show_secrets,
        make_working_directory,
        make_devices,
        make_links,
        mask,
        make_readonly,
        set_attributes,
        make_root_readonly,
        write_sysctls,
        pivot,
        move_and_chroot,
    )
}
