"""Which system calls a container may make: the values of a profile, and the default one.

The values mirror `linux.seccomp` of the OCI runtime specification, resolved for one container: what
depends on capabilities, kernel or machine has been decided.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Arg", "Rule", "Seccomp", "default"]


class Arg(NamedTuple):
    """A condition on the `argument` of that index (0–5).

    op: SCMP_CMP_ NE, LT, LE, EQ, GE, GT, or MASKED_EQ: argument & value == value_two.
    """

    argument: int
    value: int
    op: str
    value_two: int = 0


class Rule(NamedTuple):
    """What happens on the system calls `names` when all `args` hold.

    action: SCMP_ACT_ ALLOW, ERRNO, KILL_PROCESS, KILL_THREAD (KILL), TRAP, TRACE, LOG.
    errno: for ERRNO the error, for TRACE the message to the tracer; without it EPERM.
    """

    names: tuple[str, ...]
    action: str
    errno: int | None = None
    args: tuple[Arg, ...] = ()


class Seccomp(NamedTuple):
    """A resolved profile; of the rules that fit a call the first one counts, or else the default action.

    architectures: SCMP_ARCH_X86_64 and so on, beside that of the machine itself.
    flags: SECCOMP_FILTER_FLAG_ LOG, SPEC_ALLOW, TSYNC.
    has_listener: whether somebody answers calls with the action SCMP_ACT_NOTIFY.
    """

    default_action: str
    default_errno: int | None = None
    architectures: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    has_listener: bool = False


# --- the default profile ------------------------------------------------------------------------

_ALLOW, _ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
_EPERM, _ENOSYS = 1, 38

_ARCHITECTURES = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}

_ALWAYS = """
    access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat
    faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32
    fchownat fcntl fcntl64 fdatasync flock fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate
    ftruncate64 futimesat getcwd getdents getdents64 ioctl lchown lchown32 link linkat listmount _llseek
    lseek lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2
    pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv
    rename renameat renameat2 rmdir sendfile sendfile64 splice stat stat64 statfs statfs64 statmount
    statx symlink symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat
    utime utimensat utimensat_time64 utimes vmsplice write writev

    fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat
    llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat

    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
    epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1
    inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup
    io_submit _newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 select

    brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2
    mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free
    pkey_mprotect remap_file_pages

    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg
    recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair

    ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
    mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop
    semtimedop_time64 shmat shmctl shmdt shmget

    execve execveat exit exit_group fork getpgid getpgrp getpid getppid getrusage getsid gettid
    get_thread_area pidfd_open prctl process_mrelease restart_syscall rseq setpgid setsid
    set_thread_area set_tid_address vfork wait4 waitid waitpid

    futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list set_robust_list

    kill pause pidfd_send_signal rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
    rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack signalfd
    signalfd4 sigprocmask sigreturn tgkill tkill uretprobe

    adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
    clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer
    time timer_create timer_delete timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
    timerfd_settime64 timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64
    times

    capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid
    getresgid32 getresuid getresuid32 getuid getuid32 landlock_add_rule landlock_create_ruleset
    landlock_restrict_self seccomp setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups
    setgroups32 setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32
    setuid setuid32

    getcpu getpriority getrandom getrlimit ioprio_get ioprio_set prlimit64 sched_getaffinity
    sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler
    sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
    sched_setscheduler sched_yield setpriority setrlimit sysinfo ugetrlimit uname
"""
"""Files; attributes; waiting; memory; sockets; System V and POSIX messages; processes; locks; signals;
time; identity; scheduling and limits."""

_PROCESS_MEMORY = "process_vm_readv process_vm_writev ptrace"
"""Allowed to all since Linux 4.8: before, ptrace(2) could get around seccomp filters."""

_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
"""PER_LINUX, PER_LINUX32, each with UNAME26, and the question which one it is."""

_AF_ALG, _AF_NFC, _AF_VSOCK = 38, 39, 40

_NAMESPACE_FLAGS = 0x7E020000
"""CLONE_NEW NS, CGROUP, UTS, IPC, USER, PID and NET; clone3 hides them in memory, so it "does not exist"."""

_BY_MACHINE = {
    "x86_64": "arch_prctl modify_ldt",
    "aarch64": "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
}

_BY_CAPABILITY = {
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_SYS_ADMIN": """
        bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
        lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open
        quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare
    """,
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module init_module finit_module",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
    "CAP_SYS_RAWIO": "iopl ioperm",
    "CAP_SYS_TIME": "settimeofday stime clock_settime clock_settime64",
    "CAP_SYS_TTY_CONFIG": "vhangup",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYSLOG": "syslog",
    "CAP_BPF": "bpf",
    "CAP_PERFMON": "perf_event_open",
}


def default(capabilities: frozenset[str], kernel: tuple[int, int], machine: str) -> Seccomp:
    """Return what Docker's default profile means for a container with these capabilities in its bounding set.

    kernel: (6, 18); machine: "x86_64" or "aarch64", as uname(2) says it.
    Source: moby/profiles, seccomp/default.json, June 2026.

    >>> default(frozenset(), (6, 18), "x86_64").default_action
    'SCMP_ACT_ERRNO'
    """
    allowed = [_ALWAYS, _BY_MACHINE[machine]]
    if kernel >= (4, 8):
        allowed.append(_PROCESS_MEMORY)
    allowed += [names for capability, names in _BY_CAPABILITY.items() if capability in capabilities]
    return Seccomp(
        default_action=_ERRNO,
        default_errno=_EPERM,
        architectures=_ARCHITECTURES[machine],
        rules=(
            Rule(tuple(dict.fromkeys(" ".join(allowed).split())), _ALLOW),
            *_CONDITIONAL,
            *(() if "CAP_SYS_ADMIN" in capabilities else _WITHOUT_SYS_ADMIN),
        ),
    )


def _when(name: str, op: str, value: int, value_two: int = 0) -> Rule:
    return Rule((name,), _ALLOW, args=(Arg(0, value, f"SCMP_CMP_{op}", value_two),))


_CONDITIONAL = (
    # AF_ALG and AF_VSOCK are left out: both reach the host (the first by CVE-2026-31431).
    _when("socket", "LT", _AF_ALG),
    _when("socket", "EQ", _AF_NFC),
    _when("socket", "GT", _AF_VSOCK),
    *(_when("personality", "EQ", value) for value in _PERSONALITIES),
)
_WITHOUT_SYS_ADMIN = (
    _when("clone", "MASKED_EQ", _NAMESPACE_FLAGS, 0),
    Rule(("clone3",), _ERRNO, _ENOSYS),
)
