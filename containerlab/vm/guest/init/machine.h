/* The machine as a whole: its console, its clock, its random generator, its end. */
#pragma once

#include "text.h"

/* Says on the console that something failed; error is -errno. */
void complain(const char *what, const char *on, long error);
/* Ends the machine, or only us where the machine has an init of its own. */
__attribute__((noreturn)) void power_off(void);
/* Complains, and powers off. */
__attribute__((noreturn)) void give_up(const char *what, const char *on, long error);
unsigned long uptime_usec(void);
void set_clock(unsigned long usec);
/* Mixes bytes, given as hexadecimal digits, into the random generator, and counts them as random. */
void add_seed(const char *hexadecimal);
