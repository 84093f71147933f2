#include "pairs.h"

struct pairs pairs_of(const char *payload, size_t length)
{
	while (length && payload[length - 1]) /* so that no string runs past the end */
		length--;
	return (struct pairs){payload, payload + length};
}

bool next_pair(struct pairs *pairs, struct pair *pair)
{
	if (pairs->next >= pairs->end)
		return false;
	pair->key = pairs->next;
	pair->value = pair->key + length_of(pair->key) + 1;
	if (pair->value >= pairs->end)
		return false;
	pairs->next = pair->value + length_of(pair->value) + 1;
	return true;
}

const char *value_of(struct pairs pairs, const char *key)
{
	struct pair pair;

	while (next_pair(&pairs, &pair))
		if (is_same(pair.key, key))
			return pair.value;
	return NULL;
}

void add_pair(struct text *text, const char *key, const char *value)
{
	add_bytes(text, key, length_of(key) + 1);
	add_bytes(text, value, length_of(value) + 1);
}

void add_number_pair(struct text *text, const char *key, unsigned long value)
{
	TEXT(digits, 24);

	add_number(&digits, value);
	add_pair(text, key, ended(&digits));
}
