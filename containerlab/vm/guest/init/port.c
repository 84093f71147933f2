#include "port.h"

#include <linux/poll.h>

#include "files.h"
#include "kernel.h"
#include "machine.h"

enum {
	HEADER_BYTES = 8,
	MOST_BYTES = 1 << 20,
	REPLIES_BYTES = 1 << 16,
	PORT_WAIT_USEC = 20000000,
	PORT_POLL_USEC = 200,
};

static int port = -1;
static char in[HEADER_BYTES + MOST_BYTES];
static size_t in_first, in_end;
static char out[HEADER_BYTES + CHUNK_BYTES + REPLIES_BYTES];
static size_t out_first, out_end;

static void open_if_ours(const char *path, const char *name)
{
	char label[64];
	TEXT(device, 300);

	add_bytes(&device, path, length_of(path));
	add(&device, "/name");
	if (read_file(ended(&device), label, sizeof label) < 0 || !is_same(label, "conlab.agent\n"))
		return;
	device.length = 0;
	add(&device, "/dev/");
	add(&device, name);
	port = (int)openat(AT_FDCWD, ended(&device), O_RDWR | O_NONBLOCK | O_CLOEXEC, 0);
}

/* The host tells a port's number first and its name a little later; nothing can be waited for. */
int open_port(void)
{
	unsigned long begin = uptime_usec();

	for_each_entry("/sys/class/virtio-ports", open_if_ours);
	while (port < 0 && uptime_usec() - begin < PORT_WAIT_USEC) {
		sleep_usec(PORT_POLL_USEC);
		for_each_entry("/sys/class/virtio-ports", open_if_ours);
	}
	if (port < 0) {
		complain("waiting for the port", "conlab.agent", -ENOENT);
		power_off();
	}
	return port;
}

void receive(void)
{
	long count;

	if (in_first) {
		__builtin_memmove(in, in + in_first, in_end - in_first);
		in_end -= in_first;
		in_first = 0;
	}
	if (in_end == sizeof in)
		return;
	count = read(port, in + in_end, sizeof in - in_end);
	if (count == 0)
		power_off(); /* nobody wants this machine any more */
	if (count > 0)
		in_end += (size_t)count;
}

static unsigned big_endian(const char *bytes, int count)
{
	unsigned value = 0;

	while (count--)
		value = value << 8 | (unsigned char)*bytes++;
	return value;
}

bool next_frame(struct frame *frame)
{
	const char *header = in + in_first;

	if (in_end - in_first < HEADER_BYTES)
		return false;
	*frame = (struct frame){header[0], big_endian(header + 1, 3), header + HEADER_BYTES,
				big_endian(header + 4, 4)};
	if (frame->length > MOST_BYTES) {
		complain("reading a frame", "of the host", -EMSGSIZE);
		power_off();
	}
	if (in_end - in_first < HEADER_BYTES + frame->length)
		return false;
	in_first += HEADER_BYTES + frame->length;
	return true;
}

bool has_room(void)
{
	return sizeof out - out_end >= HEADER_BYTES + MOST_REPLY_BYTES;
}

bool is_idle(void)
{
	return out_first == out_end;
}

static void put_header(int kind, unsigned stream, size_t length)
{
	unsigned char header[HEADER_BYTES] = {
		(unsigned char)kind,	       (unsigned char)(stream >> 16), (unsigned char)(stream >> 8),
		(unsigned char)stream,	       (unsigned char)(length >> 24), (unsigned char)(length >> 16),
		(unsigned char)(length >> 8), (unsigned char)length,
	};

	__builtin_memcpy(out + out_end, header, HEADER_BYTES);
	out_end += HEADER_BYTES;
}

void send(int kind, unsigned stream, const struct text *payload)
{
	put_header(kind, stream, payload->length);
	__builtin_memcpy(out + out_end, payload->bytes, payload->length);
	out_end += payload->length;
}

char *chunk(void)
{
	return out + out_end + HEADER_BYTES;
}

void send_chunk(int kind, unsigned stream, size_t length)
{
	put_header(kind, stream, length);
	out_end += length;
}

void flush(void)
{
	while (out_first < out_end) {
		long count = write(port, out + out_first, out_end - out_first);

		if (count <= 0)
			return;
		out_first += (size_t)count;
	}
	out_first = out_end = 0;
}
