/* The virtio-serial port to the host, and the frames that go through it (wire.py). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

enum {
	STDIN = 0,
	STDOUT = 1,
	STDERR = 2,
	STARTED = 3,
	EXITED = 4,
	FAILED = 5,
	HELLO = 6,
	PONG = 7,
	MEASURED = 8,
	READY = 9,
	CLOSE_STDIN = 10,
	RESIZE = 11,
	TAKEN = 12,
	EXEC = 13,
	SIGNAL = 14,
	PING = 15,
	SETUP = 16,
	POWEROFF = 17,
	MEASURE = 18,
};

enum { MOST_REPLY_BYTES = 4096, CHUNK_BYTES = 65536 };

struct frame {
	int kind;
	unsigned stream;
	const char *payload; /* until the next call of next_frame */
	size_t length;
};

/* Opens the port, waiting for it, and returns its descriptor; powers off when there is none. */
int open_port(void);
/* Reads what has arrived, without waiting. Powers off when the host has hung up. */
void receive(void);
/* Gives the next frame that is complete. A frame that is too long powers off: the stream makes no sense then. */
bool next_frame(struct frame *frame);

/* Whether one more reply has room. */
bool has_room(void);
/* Whether everything has been handed to the host: only then is output of programs read. */
bool is_idle(void);
void send(int kind, unsigned stream, const struct text *payload);
/* Where CHUNK_BYTES of output can be read to when the port is idle, and how they are sent from there. */
char *chunk(void);
void send_chunk(int kind, unsigned stream, size_t length);
/* Hands the host what it takes without waiting. */
void flush(void);
