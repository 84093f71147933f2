#include "root.h"

#include <linux/mount.h>

#include "files.h"
#include "kernel.h"
#include "machine.h"
#include "words.h"

enum { DEVICE_WAIT_USEC = 5000000, DEVICE_POLL_USEC = 500 };

static const char *const kernel_views[] = {"/proc", "/sys", "/dev"};

void mount_at(const char *type, const char *target, unsigned long flags, const char *data)
{
	long result;

	mkdirat(AT_FDCWD, target, 0755);
	result = mount(type, target, type, flags, data);
	if (result < 0 && result != -EBUSY) /* devtmpfs may be there already: CONFIG_DEVTMPFS_MOUNT */
		complain("mounting", target, result);
}

void mount_kernel_views(void)
{
	mount_at("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_at("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_at("devtmpfs", "/dev", MS_NOSUID, "mode=755");
}

static void wait_for_device(const char *path)
{
	unsigned long begin = uptime_usec();

	while (!exists(path) && uptime_usec() - begin < DEVICE_WAIT_USEC)
		sleep_usec(DEVICE_POLL_USEC);
}

/* The source is a disk's device, or a share's tag. */
static void mount_source(const char *source, const char *type, const char *target, unsigned long flags)
{
	long result;

	mkdirat(AT_FDCWD, target, 0755);
	if (*source == '/')
		wait_for_device(source);
	result = mount(source, target, type, flags, NULL);
	if (result < 0)
		give_up("mounting the root", source, result);
}

/* overlayfs: upper and work directory must be of one file system. */
static void mount_overlay(void)
{
	long result;

	mount_at("tmpfs", "/upper", 0, "mode=755,size=100%");
	mkdirat(AT_FDCWD, "/upper/files", 0755);
	mkdirat(AT_FDCWD, "/upper/work", 0755);
	mkdirat(AT_FDCWD, "/root", 0755);
	result = mount("overlay", "/root", "overlay", 0,
		       "lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work");
	if (result < 0)
		give_up("mounting", "overlay", result);
}

/* Leaves the first root directory, which pivot_root(2) cannot: the new one is moved over it, as
 * Documentation/filesystems/ramfs-rootfs-initramfs.rst says. */
static void switch_to(const char *root)
{
	for (size_t i = 0; i < sizeof kernel_views / sizeof *kernel_views; i++) {
		TEXT(target, 64);

		add(&target, root);
		add(&target, kernel_views[i]);
		mkdirat(AT_FDCWD, ended(&target), 0755);
		mount(kernel_views[i], target.bytes, NULL, MS_MOVE, NULL);
	}
	chdir(root);
	mount(".", "/", NULL, MS_MOVE, NULL);
	chroot(".");
	chdir("/");
}

void enter_root(void)
{
	TEXT(source, 256);
	TEXT(type, 64);
	TEXT(nothing, 64);

	unlinkat(AT_FDCWD, "/init", 0);
	if (!has_kernel_word("conlab.root", &source)) {
		/* A bind mount, since only mounts can be moved. */
		if (mount("/image", "/image", NULL, MS_BIND, NULL) == 0)
			switch_to("/image");
		return;
	}
	if (!has_kernel_word("conlab.fs", &type))
		add(&type, "ext4");
	if (has_kernel_word("conlab.overlay", &nothing)) {
		mount_source(source.bytes, ended(&type), "/lower", MS_RDONLY);
		mount_overlay();
	} else {
		mount_source(source.bytes, ended(&type), "/root", 0);
	}
	switch_to("/root");
}

void mount_for_programs(void)
{
	mount_at("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666");
	mount_at("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_at("mqueue", "/dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_at("cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, "nsdelegate");
	symlinkat("/proc/self/fd", AT_FDCWD, "/dev/fd");
	symlinkat("/proc/self/fd/0", AT_FDCWD, "/dev/stdin");
	symlinkat("/proc/self/fd/1", AT_FDCWD, "/dev/stdout");
	symlinkat("/proc/self/fd/2", AT_FDCWD, "/dev/stderr");
	mkdirat(AT_FDCWD, "/tmp", 01777);
}
