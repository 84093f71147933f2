/* What the host tells once: name, clock, seed, network, mounts. */
#pragma once

#include "pairs.h"

/* Does it, and answers READY; or FAILED on stream 0 with what could not be done. */
void set_up(struct pairs pairs);
