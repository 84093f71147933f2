/* What a program is to read: bytes on their way into its standard input, kept as long as it does not read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct input {
	int fd; /* non-blocking; -1 when closed */
	bool ends; /* nothing more comes: close it when all is written */
	bool is_watched;
	char *bytes;
	size_t first, end, size;
};

/* Writes what it can at once, and keeps the rest. Returns how much was written. */
size_t give(struct input *input, const char *bytes, size_t length);
/* Goes on writing. */
size_t go_on(struct input *input);
void drop(struct input *input);
