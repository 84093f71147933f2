/* Payloads of pairs: key NUL value NUL, again and again (wire.py). */
#pragma once

#include "text.h"

struct pair {
	const char *key, *value;
};

struct pairs {
	const char *next, *end;
};

struct pairs pairs_of(const char *payload, size_t length);
/* Gives the next pair, or false at the end and at bytes that are none. */
bool next_pair(struct pairs *pairs, struct pair *pair);
/* The first value of a key, or NULL. */
const char *value_of(struct pairs pairs, const char *key);

void add_pair(struct text *text, const char *key, const char *value);
void add_number_pair(struct text *text, const char *key, unsigned long value);
