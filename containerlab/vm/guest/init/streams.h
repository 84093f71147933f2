/* The processes that the host asked for, each with its stream. */
#pragma once

#include <stdbool.h>

#include "port.h"

/* Registers with the main loop's epolls: outputs are watched by one that is heard only when the port is idle. */
void watch_streams_with(int inputs_epoll, int outputs_epoll);

/* What a descriptor is to its stream: the low byte of an event's data, its place in the table above it. */
enum role { REPORT_ROLE, OUTPUT_ROLE, ERRORS_ROLE, INPUT_ROLE, PORT_ROLE, SIGNALS_ROLE, OUTPUTS_ROLE };

void start_stream(const struct frame *exec);
/* Serves STDIN, CLOSE_STDIN, RESIZE and SIGNAL. */
void tell_stream(const struct frame *frame);
/* Passes on what one of the descriptors of a stream has. The port must be idle. */
void serve_output(unsigned long data);
void serve_input(unsigned long data);
/* Reaps all children that have ended, ours and those whose parents have ended before them. */
void reap(void);
/* Sends the replies that waited for room or for the last output; tells whether some still wait for room. */
bool settle(void);
