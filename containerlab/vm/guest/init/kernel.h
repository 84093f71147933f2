/* The system calls that we use: one function each, of the same name and with the same order of arguments as in
 * section 2 of the manual. A negative result is -errno. */
#pragma once

#include <linux/types.h>

#include <asm/signal.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/resource.h>
#include <linux/time_types.h>
#include <linux/utsname.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __x86_64__
#include "syscall_x86_64.h"
#else
#include "syscall_aarch64.h"
#endif

#define SYSCALL(name, a, b, c, d, e, f) \
	call(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* getdents64(2): the headers leave it to the libraries. */
struct dirent64 {
	__u64 inode, offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

struct iovec {
	const void *base;
	size_t length;
};

/* Files. */

static inline long openat(int directory, const char *path, int flags, int mode)
{
	return SYSCALL(openat, directory, path, flags, mode, 0, 0);
}

static inline long close(int fd)
{
	return SYSCALL(close, fd, 0, 0, 0, 0, 0);
}

static inline long read(int fd, void *buffer, size_t count)
{
	return SYSCALL(read, fd, buffer, count, 0, 0, 0);
}

static inline long write(int fd, const void *buffer, size_t count)
{
	return SYSCALL(write, fd, buffer, count, 0, 0, 0);
}

static inline long dup3(int fd, int target, int flags)
{
	return SYSCALL(dup3, fd, target, flags, 0, 0, 0);
}

static inline long pipe2(int fds[2], int flags)
{
	return SYSCALL(pipe2, fds, flags, 0, 0, 0, 0);
}

static inline long ioctl(int fd, unsigned long request, long argument)
{
	return SYSCALL(ioctl, fd, request, argument, 0, 0, 0);
}

static inline long fcntl(int fd, int operation, long argument)
{
	return SYSCALL(fcntl, fd, operation, argument, 0, 0, 0);
}

static inline long getdents64(int fd, void *buffer, size_t count)
{
	return SYSCALL(getdents64, fd, buffer, count, 0, 0, 0);
}

static inline long mkdirat(int directory, const char *path, int mode)
{
	return SYSCALL(mkdirat, directory, path, mode, 0, 0, 0);
}

static inline long unlinkat(int directory, const char *path, int flags)
{
	return SYSCALL(unlinkat, directory, path, flags, 0, 0, 0);
}

static inline long symlinkat(const char *target, int directory, const char *path)
{
	return SYSCALL(symlinkat, target, directory, path, 0, 0, 0);
}

static inline long faccessat(int directory, const char *path, int mode)
{
	return SYSCALL(faccessat, directory, path, mode, 0, 0, 0);
}

static inline long chdir(const char *path)
{
	return SYSCALL(chdir, path, 0, 0, 0, 0, 0);
}

static inline long chroot(const char *path)
{
	return SYSCALL(chroot, path, 0, 0, 0, 0, 0);
}

static inline long umask(int mask)
{
	return SYSCALL(umask, mask, 0, 0, 0, 0, 0);
}

static inline long sync(void)
{
	return SYSCALL(sync, 0, 0, 0, 0, 0, 0);
}

static inline long mount(const char *source, const char *target, const char *type, unsigned long flags,
			 const char *data)
{
	return SYSCALL(mount, source, target, type, flags, data, 0);
}

static inline long finit_module(int fd, const char *parameters, int flags)
{
	return SYSCALL(finit_module, fd, parameters, flags, 0, 0, 0);
}

/* Waiting for several things. */

static inline long epoll_create1(int flags)
{
	return SYSCALL(epoll_create1, flags, 0, 0, 0, 0, 0);
}

static inline long epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	return SYSCALL(epoll_ctl, epoll, operation, fd, event, 0, 0);
}

static inline long epoll_pwait(int epoll, struct epoll_event *events, int most, int timeout_ms)
{
	return SYSCALL(epoll_pwait, epoll, events, most, timeout_ms, NULL, 0);
}

static inline long signalfd4(int fd, const __u64 *mask, size_t size, int flags)
{
	return SYSCALL(signalfd4, fd, mask, size, flags, 0, 0);
}

static inline long nanosleep(const struct __kernel_timespec *duration, struct __kernel_timespec *left)
{
	return SYSCALL(nanosleep, duration, left, 0, 0, 0, 0);
}

/* Processes. */

static inline long getpid(void)
{
	return SYSCALL(getpid, 0, 0, 0, 0, 0, 0);
}

static inline long fork(void)
{
	return SYSCALL(clone, SIGCHLD, 0, 0, 0, 0, 0);
}

static inline long execve(const char *path, char *const *arguments, char *const *environment)
{
	return SYSCALL(execve, path, arguments, environment, 0, 0, 0);
}

static inline long wait4(int pid, int *status, int options, struct rusage *usage)
{
	return SYSCALL(wait4, pid, status, options, usage, 0, 0);
}

static inline __attribute__((noreturn)) void exit_group(int status)
{
	SYSCALL(exit_group, status, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

static inline long kill(int pid, int signal)
{
	return SYSCALL(kill, pid, signal, 0, 0, 0, 0);
}

static inline long rt_sigprocmask(int how, const __u64 *set, __u64 *old, size_t size)
{
	return SYSCALL(rt_sigprocmask, how, set, old, size, 0, 0);
}

static inline long setsid(void)
{
	return SYSCALL(setsid, 0, 0, 0, 0, 0, 0);
}

static inline long setgroups(size_t count, const unsigned *groups)
{
	return SYSCALL(setgroups, count, groups, 0, 0, 0, 0);
}

static inline long setgid(unsigned gid)
{
	return SYSCALL(setgid, gid, 0, 0, 0, 0, 0);
}

static inline long setuid(unsigned uid)
{
	return SYSCALL(setuid, uid, 0, 0, 0, 0, 0);
}

static inline long setpriority(int which, int who, int nice)
{
	return SYSCALL(setpriority, which, who, nice, 0, 0, 0);
}

static inline long prlimit64(int pid, int resource, const struct rlimit64 *limit, struct rlimit64 *old)
{
	return SYSCALL(prlimit64, pid, resource, limit, old, 0, 0);
}

/* Memory. */

static inline long mmap(void *address, size_t length, int protection, int flags, int fd, long offset)
{
	return SYSCALL(mmap, address, length, protection, flags, fd, offset);
}

static inline long mremap(void *address, size_t length, size_t new_length, int flags)
{
	return SYSCALL(mremap, address, length, new_length, flags, 0, 0);
}

static inline long munmap(void *address, size_t length)
{
	return SYSCALL(munmap, address, length, 0, 0, 0, 0);
}

/* The machine. */

static inline long uname(struct new_utsname *name)
{
	return SYSCALL(uname, name, 0, 0, 0, 0, 0);
}

static inline long sethostname(const char *name, size_t length)
{
	return SYSCALL(sethostname, name, length, 0, 0, 0, 0);
}

static inline long clock_gettime(int clock, struct __kernel_timespec *time)
{
	return SYSCALL(clock_gettime, clock, time, 0, 0, 0, 0);
}

static inline long clock_settime(int clock, const struct __kernel_timespec *time)
{
	return SYSCALL(clock_settime, clock, time, 0, 0, 0, 0);
}

static inline long reboot(unsigned magic, unsigned magic2, unsigned command, void *argument)
{
	return SYSCALL(reboot, magic, magic2, command, argument, 0, 0);
}

/* Sockets. */

static inline long socket(int domain, int type, int protocol)
{
	return SYSCALL(socket, domain, type, protocol, 0, 0, 0);
}

static inline long sendto(int fd, const void *buffer, size_t length, int flags)
{
	return SYSCALL(sendto, fd, buffer, length, flags, NULL, 0);
}

static inline long recvfrom(int fd, void *buffer, size_t length, int flags)
{
	return SYSCALL(recvfrom, fd, buffer, length, flags, NULL, NULL);
}
