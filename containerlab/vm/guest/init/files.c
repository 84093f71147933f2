#include "files.h"

#include "kernel.h"

enum { MOST_ENTRIES = 256, PATH_BYTES = 4096 };

long read_file(const char *path, char *buffer, size_t size)
{
	long fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0), count;
	size_t length = 0;

	if (fd < 0)
		return fd;
	while ((count = read((int)fd, buffer + length, size - 1 - length)) > 0)
		length += (size_t)count;
	buffer[length] = '\0';
	close((int)fd);
	return count < 0 ? count : (long)length;
}

long replace_file(const char *path, const struct text *content)
{
	long fd, result;

	unlinkat(AT_FDCWD, path, 0);
	fd = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return fd;
	result = write((int)fd, content->bytes, content->length);
	close((int)fd);
	return result < 0 ? result : 0;
}

long make_directories(const char *path)
{
	TEXT(parent, PATH_BYTES);
	long result = 0;

	for (const char *slash = path; *slash;) {
		const char *next = find(slash + 1, '/');

		parent.length = 0;
		add_bytes(&parent, path, next ? (size_t)(next - path) : length_of(path));
		result = mkdirat(AT_FDCWD, ended(&parent), 0755);
		slash = next ? next : "";
	}
	return result == -EEXIST ? 0 : result;
}

bool exists(const char *path)
{
	return faccessat(AT_FDCWD, path, 0) == 0;
}

static void sort(const char **names, int count)
{
	for (int i = 1; i < count; i++)
		for (int j = i; j && is_before(names[j], names[j - 1]); j--) {
			const char *name = names[j];

			names[j] = names[j - 1];
			names[j - 1] = name;
		}
}

static int entries(int fd, char *buffer, size_t size, const char **names)
{
	int count = 0;
	long length = getdents64(fd, buffer, size);

	for (long at = 0; at < length && count < MOST_ENTRIES;) {
		struct dirent64 *entry = (void *)(buffer + at);

		if (entry->name[0] != '.')
			names[count++] = entry->name;
		at += entry->length;
	}
	return count;
}

void for_each_entry(const char *directory, void (*each)(const char *path, const char *name))
{
	static char buffer[16384] __attribute__((aligned(8)));
	static const char *names[MOST_ENTRIES];
	long fd = openat(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	int count;

	if (fd < 0)
		return;
	count = entries((int)fd, buffer, sizeof buffer, names);
	close((int)fd);
	sort(names, count);
	for (int i = 0; i < count; i++) {
		TEXT(path, PATH_BYTES);

		add(&path, directory);
		add(&path, "/");
		add(&path, names[i]);
		each(ended(&path), names[i]);
	}
}

void sleep_usec(long usec)
{
	struct __kernel_timespec duration = {usec / 1000000, usec % 1000000 * 1000};

	nanosleep(&duration, NULL);
}
