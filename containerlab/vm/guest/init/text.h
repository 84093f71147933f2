/* Strings that end in NUL, and text that is put together in a buffer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What does not fit is left out, and `length` never passes `limit`. */
struct text {
	char *bytes;
	size_t length, limit;
};

#define TEXT(name, size)         \
	char name##_bytes[size]; \
	struct text name = {name##_bytes, 0, size}

size_t length_of(const char *string);
bool is_same(const char *one, const char *other);
bool is_before(const char *one, const char *other);
bool begins(const char *string, const char *beginning);
/* The first place of `byte`, or NULL. */
const char *find(const char *string, char byte);

/* Reads decimal digits and leaves `*string` behind them; `*string` unmoved when there are none. */
unsigned long number(const char **string);
unsigned long number_of(const char *string);
bool is_number(const char *string);

void add_bytes(struct text *text, const void *bytes, size_t count);
void add(struct text *text, const char *string);
void add_number(struct text *text, unsigned long value);
/* Ends it in NUL, which `length` does not count, and gives its bytes. */
char *ended(struct text *text);
