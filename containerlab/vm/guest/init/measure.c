#include "measure.h"

#include "files.h"
#include "kernel.h"
#include "pairs.h"

/* proc(5): /proc/stat counts in USER_HZ, which is 100 on both of our architectures. */
enum { USEC_PER_TICK = 10000 };

static char buffer[16384];

/* Gives what stands behind `name` at the beginning of a line. */
static const char *field(const char *lines, const char *name)
{
	while (lines && *lines) {
		if (begins(lines, name)) {
			for (lines += length_of(name); *lines == ' ' || *lines == ':'; lines++)
				;
			return lines;
		}
		lines = find(lines, '\n');
		lines = lines ? lines + 1 : NULL;
	}
	return "";
}

static void measure_memory(struct text *payload)
{
	read_file("/proc/meminfo", buffer, sizeof buffer);
	add_number_pair(payload, "memory_total_bytes", number_of(field(buffer, "MemTotal")) * 1024);
	add_number_pair(payload, "memory_available_bytes", number_of(field(buffer, "MemAvailable")) * 1024);
}

/* user nice system idle iowait irq softirq steal */
static void measure_cpu(struct text *payload)
{
	unsigned long busy = 0, idle = 0;
	const char *values;

	read_file("/proc/stat", buffer, sizeof buffer);
	values = field(buffer, "cpu");
	for (int i = 0; i < 8; i++) {
		unsigned long ticks = number(&values);

		*(i == 3 || i == 4 ? &idle : &busy) += ticks;
		if (*values == ' ')
			values++;
	}
	add_number_pair(payload, "cpu_usec", busy * USEC_PER_TICK);
	add_number_pair(payload, "idle_usec", idle * USEC_PER_TICK);
}

/* Kernel threads are number 2 and its children. */
static bool is_program(const char *pid)
{
	char line[512];
	const char *after_name = NULL;
	TEXT(path, 64);

	if (!is_number(pid) || is_same(pid, "1") || is_same(pid, "2"))
		return false;
	add(&path, "/proc/");
	add(&path, pid);
	add(&path, "/stat");
	if (read_file(ended(&path), line, sizeof line) < 0)
		return false;
	for (const char *at = line; (at = find(at, ')')); at++)
		after_name = at; /* a name may have brackets and spaces itself */
	return after_name && number_of(after_name + 4) != 2;
}

static unsigned long count_programs(void)
{
	static char listing[32768] __attribute__((aligned(8)));
	long fd = openat(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), length;
	unsigned long count = 0;

	while ((length = getdents64((int)fd, listing, sizeof listing)) > 0)
		for (long at = 0; at < length; at += ((struct dirent64 *)(listing + at))->length)
			count += is_program(((struct dirent64 *)(listing + at))->name);
	close((int)fd);
	return count;
}

void measure(struct text *payload)
{
	measure_memory(payload);
	measure_cpu(payload);
	add_number_pair(payload, "processes", count_programs());
}

unsigned long oom_kills(void)
{
	read_file("/proc/vmstat", buffer, sizeof buffer);
	return number_of(field(buffer, "oom_kill"));
}
