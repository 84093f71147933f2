/* Small files and directories. */
#pragma once

#include "text.h"

/* Reads what fits, ends it in NUL; returns its length, or -errno. */
long read_file(const char *path, char *buffer, size_t size);
/* Writes a new file in place of what was there, which may have been a link to anywhere. */
long replace_file(const char *path, const struct text *content);
/* Makes a directory and those above it. It is no error that one exists. */
long make_directories(const char *path);
bool exists(const char *path);
/* Calls `each` with the path of every entry, in the order of their names, at most 256 of them. */
void for_each_entry(const char *directory, void (*each)(const char *path, const char *name));
void sleep_usec(long usec);
