/* What the machine as a whole uses. */
#pragma once

#include "text.h"

/* Adds the pairs of MEASURED. */
void measure(struct text *payload);
/* How often the kernel has killed a process for want of memory. */
unsigned long oom_kills(void);
