/* The child's side of EXEC: from fork to execve. */
#pragma once

#include "ends.h"

/* Ours, and the most that a program can give itself; it begins with fewer, since some close all of them. */
enum { MOST_DESCRIPTORS = 524288, FIRST_DESCRIPTORS = 1024 };

/* What a child writes when it cannot become the program; silence means that execve succeeded. */
struct report {
	long error;
	char step[16], text[256];
};

/* Becomes the program. `makes_directory`: its working directory is made when it is missing. */
__attribute__((noreturn)) void become_program(struct pairs pairs, const struct ends *ends, bool makes_directory);
