#include "machine.h"

#include <asm/ioctl.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <linux/time.h>

#include "kernel.h"

enum { FIRST = 1, MOST_SEED_BYTES = 64 };

void complain(const char *what, const char *on, long error)
{
	TEXT(line, 512);

	add(&line, "conlab: ");
	add(&line, what);
	add(&line, " ");
	add(&line, on);
	add(&line, " failed: errno ");
	add_number(&line, (unsigned long)-error);
	add(&line, "\n");
	write(2, line.bytes, line.length);
}

void power_off(void)
{
	if (getpid() != FIRST) /* systemd powers off when its unit has ended, as conlab.service says */
		exit_group(0);
	kill(-1, SIGKILL);
	sync();
	/* QEMU runs with -no-reboot, so a restart ends it; with reboot=t that takes less than ACPI's power off. */
	reboot(LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART, NULL);
	exit_group(1); /* which is a panic, and ends QEMU too */
}

void give_up(const char *what, const char *on, long error)
{
	complain(what, on, error);
	power_off();
}

unsigned long uptime_usec(void)
{
	struct __kernel_timespec time = {0, 0};

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (unsigned long)time.tv_sec * 1000000 + (unsigned long)time.tv_nsec / 1000;
}

void set_clock(unsigned long usec)
{
	struct __kernel_timespec time = {(long)(usec / 1000000), (long)(usec % 1000000 * 1000)};

	clock_settime(CLOCK_REALTIME, &time);
}

static int digit(char character)
{
	return character <= '9' ? character - '0' : (character | 0x20) - 'a' + 10;
}

/* random(4). Without RNDRESEEDCRNG copies of one snapshot would go on with the same numbers for a while. */
void add_seed(const char *hexadecimal)
{
	struct {
		int entropy_count, buf_size; /* of struct rand_pool_info */
		char bytes[MOST_SEED_BYTES];
	} pool = {0, 0, {0}};
	long fd = openat(AT_FDCWD, "/dev/urandom", O_WRONLY | O_CLOEXEC, 0);

	for (; hexadecimal[0] && hexadecimal[1] && pool.buf_size < MOST_SEED_BYTES; hexadecimal += 2)
		pool.bytes[pool.buf_size++] = (char)(digit(hexadecimal[0]) << 4 | digit(hexadecimal[1]));
	pool.entropy_count = pool.buf_size * 8;
	ioctl((int)fd, RNDADDENTROPY, (long)&pool);
	ioctl((int)fd, RNDRESEEDCRNG, 0);
	close((int)fd);
}
