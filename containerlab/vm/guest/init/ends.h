/* What a process reads and writes: each of pipes and terminals has an end of ours and one of the process. */
#pragma once

#include "pairs.h"

/* -1 for what there is not; all close-on-exec. */
struct ends {
	int stdin, stdout, stderr;
	int report; /* of program.h */
	bool is_terminal;
};

/* Opens what EXEC's pairs ask for: a terminal, or pipes, without one for input that is not kept. Ours do not
 * block. Of a terminal we have one end for input and one for output. -errno when it fails. */
long open_ends(struct pairs pairs, struct ends *ours, struct ends *theirs);
void close_ends(const struct ends *ends);
