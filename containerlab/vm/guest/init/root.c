#include "root.h"

#include <linux/mount.h>

#include "files.h"
#include "kernel.h"
#include "machine.h"

enum { DEVICE_WAIT_USEC = 5000000, DEVICE_POLL_USEC = 500 };

static const char *const kernel_views[] = {"/proc", "/sys", "/dev"};

static void mount_at(const char *type, const char *target, unsigned long flags, const char *data)
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

/* Gives the value of a word of the kernel's command line, "" for a word without one; false when it is not there. */
static bool has_word(const char *line, const char *name, struct text *value)
{
	size_t length = length_of(name);

	for (const char *word = line; *word;) {
		const char *end = word;

		while (*end && *end != ' ' && *end != '\n')
			end++;
		if (begins(word, name) && (word + length == end || word[length] == '=')) {
			if (word + length < end)
				add_bytes(value, word + length + 1, (size_t)(end - word) - length - 1);
			ended(value);
			return true;
		}
		word = *end ? end + 1 : end;
	}
	return false;
}

static void wait_for_device(const char *path)
{
	unsigned long begin = uptime_usec();

	while (!exists(path) && uptime_usec() - begin < DEVICE_WAIT_USEC)
		sleep_usec(DEVICE_POLL_USEC);
}

static __attribute__((noreturn)) void give_up(const char *what, const char *on, long error)
{
	complain(what, on, error);
	power_off();
}

static void mount_disk(const char *device, const char *type, const char *target, unsigned long flags)
{
	long result;

	mkdirat(AT_FDCWD, target, 0755);
	wait_for_device(device);
	result = mount(device, target, type, flags, NULL);
	if (result < 0)
		give_up("mounting the disk", device, result);
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

/* What the kernel shows is there, and whoever is told to take over finds us at /run/conlab/init. */
static void keep_ourselves(void)
{
	static char piece[1 << 16];
	long from = openat(AT_FDCWD, "/proc/self/exe", O_RDONLY | O_CLOEXEC, 0), to, length;

	mount_at("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
	mkdirat(AT_FDCWD, "/run/conlab", 0755);
	to = openat(AT_FDCWD, "/run/conlab/init", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	while ((length = read((int)from, piece, sizeof piece)) > 0)
		write((int)to, piece, (size_t)length);
	close((int)from);
	close((int)to);
}

/* A system with a first process of its own goes on; it starts us again, as a service. */
static void hand_over(const char *program)
{
	char *const arguments[] = {(char *)program, NULL};
	char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=linux", NULL};

	keep_ourselves();
	give_up("starting", program, execve(program, arguments, environment));
}

void enter_image(void)
{
	for (size_t i = 0; i < sizeof kernel_views / sizeof *kernel_views; i++) {
		TEXT(target, 64);

		add(&target, "/srv/image");
		add(&target, kernel_views[i]);
		mkdirat(AT_FDCWD, ended(&target), 0755);
		mount(kernel_views[i], target.bytes, NULL, MS_BIND | MS_REC, NULL);
	}
	chdir("/srv/image");
	chroot(".");
	mkdirat(AT_FDCWD, "/tmp", 01777);
}

void enter_root(void)
{
	char line[4096];
	TEXT(device, 256);
	TEXT(type, 64);
	TEXT(nothing, 64);
	TEXT(successor, 256);

	if (read_file("/proc/cmdline", line, sizeof line) < 0)
		line[0] = '\0';
	unlinkat(AT_FDCWD, "/init", 0);
	if (!has_word(line, "conlab.root", &device)) {
		/* A bind mount, since only mounts can be moved. */
		if (mount("/image", "/image", NULL, MS_BIND, NULL) == 0)
			switch_to("/image");
		return;
	}
	if (!has_word(line, "conlab.fs", &type))
		add(&type, "ext4");
	if (has_word(line, "conlab.overlay", &nothing)) {
		mount_disk(device.bytes, ended(&type), "/lower", MS_RDONLY);
		mount_overlay();
	} else {
		mount_disk(device.bytes, ended(&type), "/root", 0);
	}
	switch_to("/root");
	if (has_word(line, "conlab.init", &successor))
		hand_over(ended(&successor));
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
