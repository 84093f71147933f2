#include "words.h"

#include "files.h"

enum { MOST_BYTES = 4096 };

static bool has_word(const char *line, const char *name, struct text *value)
{
	size_t length = length_of(name);

	for (const char *word = line; *word;) {
		const char *end = word;

		while (*end && *end != ' ' && *end != '\n')
			end++;
		if (begins(word, name) && (word + length == end || word[length] == '=')) {
			if (word + length < end)
				add_bytes(value, word + length + 1, (size_t)(end - word) - length - 1);
			ended(value);
			return true;
		}
		word = *end ? end + 1 : end;
	}
	return false;
}

bool has_kernel_word(const char *name, struct text *value)
{
	char line[MOST_BYTES];

	return read_file("/proc/cmdline", line, sizeof line) > 0 && has_word(line, name, value);
}
