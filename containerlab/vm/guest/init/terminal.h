/* Pseudo-terminals: pts(4). */
#pragma once

/* Gives the two ends of a new one, close-on-exec: ours and the program's; -errno when that fails. */
long open_terminal(int *ours, int *theirs);
void set_size(int terminal, unsigned short rows, unsigned short columns);
