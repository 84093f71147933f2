#include "input.h"

#include <linux/mman.h>

#include "kernel.h"

enum { FIRST_SIZE = 1 << 16 };

/* The memory grows as long as a host sends that disregards the window of wire.py; true unless there is none. */
static bool make_room(struct input *input, size_t length)
{
	size_t size = input->size ? input->size : FIRST_SIZE;
	long memory;

	if (input->first) {
		__builtin_memmove(input->bytes, input->bytes + input->first, input->end - input->first);
		input->end -= input->first;
		input->first = 0;
	}
	while (size < input->end + length)
		size *= 2;
	if (size == input->size)
		return true;
	memory = input->size ? mremap(input->bytes, input->size, size, MREMAP_MAYMOVE)
			     : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory < 0 && memory > -4096)
		return false;
	input->bytes = (char *)memory;
	input->size = size;
	return true;
}

void drop(struct input *input)
{
	if (input->fd >= 0)
		close(input->fd);
	if (input->size)
		munmap(input->bytes, input->size);
	*input = (struct input){.fd = -1};
}

size_t go_on(struct input *input)
{
	size_t written = 0;

	while (input->first < input->end) {
		long count = write(input->fd, input->bytes + input->first, input->end - input->first);

		if (count == -EAGAIN)
			return written;
		if (count < 0) { /* nobody reads any more: as good as taken */
			written += input->end - input->first;
			drop(input);
			return written;
		}
		input->first += (size_t)count;
		written += (size_t)count;
	}
	input->first = input->end = 0;
	if (input->ends)
		drop(input);
	return written;
}

size_t give(struct input *input, const char *bytes, size_t length)
{
	if (input->fd < 0 || input->ends)
		return length;
	if (!make_room(input, length)) {
		drop(input);
		return length;
	}
	__builtin_memcpy(input->bytes + input->end, bytes, length);
	input->end += length;
	return go_on(input);
}
