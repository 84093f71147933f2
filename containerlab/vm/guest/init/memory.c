/* The four functions that GCC calls by itself even in freestanding code (GCC manual, «Language Standards»).
 * They go by words where they can: a loop costs an emulated machine the same for a byte and for a word. */
#include <stddef.h>

typedef unsigned long __attribute__((may_alias, aligned(1))) word;

void *memcpy(void *restrict target, const void *restrict source, size_t count)
{
	char *to = target;
	const char *from = source;

	for (; count >= sizeof(word); count -= sizeof(word), to += sizeof(word), from += sizeof(word))
		*(word *)to = *(const word *)from;
	while (count--)
		*to++ = *from++;
	return target;
}

void *memmove(void *target, const void *source, size_t count)
{
	char *to = target;
	const char *from = source;

	if (to <= from) /* by words from the front each word is read before it can be overwritten */
		return memcpy(target, source, count);
	while (count--)
		to[count] = from[count];
	return target;
}

void *memset(void *target, int byte, size_t count)
{
	char *to = target;

	while (count--)
		*to++ = byte;
	return target;
}

int memcmp(const void *one, const void *other, size_t count)
{
	const unsigned char *a = one, *b = other;

	for (; count--; a++, b++)
		if (*a != *b)
			return *a - *b;
	return 0;
}
