#include "text.h"

size_t length_of(const char *string)
{
	size_t length = 0;

	while (string[length])
		length++;
	return length;
}

bool is_same(const char *one, const char *other)
{
	while (*one && *one == *other)
		one++, other++;
	return *one == *other;
}

bool is_before(const char *one, const char *other)
{
	while (*one && *one == *other)
		one++, other++;
	return (unsigned char)*one < (unsigned char)*other;
}

bool begins(const char *string, const char *beginning)
{
	while (*beginning && *string == *beginning)
		string++, beginning++;
	return !*beginning;
}

const char *find(const char *string, char byte)
{
	for (; *string; string++)
		if (*string == byte)
			return string;
	return NULL;
}

unsigned long number(const char **string)
{
	unsigned long value = 0;

	while (**string >= '0' && **string <= '9')
		value = value * 10 + (unsigned long)(*(*string)++ - '0');
	return value;
}

unsigned long number_of(const char *string)
{
	return number(&string);
}

bool is_number(const char *string)
{
	const char *end = string;

	number(&end);
	return end > string && !*end;
}

void add_bytes(struct text *text, const void *bytes, size_t count)
{
	size_t room = text->limit - text->length;

	if (count > room)
		count = room;
	__builtin_memcpy(text->bytes + text->length, bytes, count);
	text->length += count;
}

void add(struct text *text, const char *string)
{
	add_bytes(text, string, length_of(string));
}

void add_number(struct text *text, unsigned long value)
{
	char digits[20];
	size_t first = sizeof digits;

	do {
		digits[--first] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	add_bytes(text, digits + first, sizeof digits - first);
}

char *ended(struct text *text)
{
	if (text->length == text->limit)
		text->length--;
	text->bytes[text->length] = '\0';
	return text->bytes;
}
