/* The kernel's command line. */
#pragma once

#include "text.h"

/* Gives the value of a word, "" for a word without one; false when it is not there. */
bool has_kernel_word(const char *name, struct text *value);
