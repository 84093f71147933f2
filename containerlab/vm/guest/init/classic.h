/* Machines with an init of their own, systemd: we hand over to it, and it starts us again as a service. */
#pragma once

#include <stdbool.h>

/* Executes the init that the kernel's command line names, and leaves a copy of us at /run/conlab/init. Comes
 * back when it names none. */
void hand_over(void);
/* Moves into ROOT, where the image's files are, and shows it the kernel's views. False unless the arguments are
 * `--service ROOT`. */
bool enter_service(char *const *arguments);
