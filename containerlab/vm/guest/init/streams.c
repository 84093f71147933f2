#include "streams.h"

#include <asm/ioctls.h>
#include <linux/wait.h>

#include "input.h"
#include "kernel.h"
#include "machine.h"
#include "measure.h"
#include "program.h"
#include "terminal.h"

enum { MOST_STREAMS = 1024, MAIN_STREAM = 1, SIGNAL_EXIT = 128, END_OF_TRANSMISSION = 4 };

/* STARTING until execve has succeeded or failed, RUNNING until EXITED is sent, DRAINING as long as others hold
 * the pipes of a process that has ended: what they still write goes nowhere, but does not stop them. */
enum state { FREE, STARTING, FAILING, RUNNING, DRAINING };

struct output {
	int fd, kind;
	int left; /* after the end: what was in the pipe then */
};

struct stream {
	enum state state;
	unsigned number;
	int pid, report;
	bool is_terminal, has_ended;
	struct output outputs[2];
	struct input input;
	size_t untold; /* bytes taken that the host was not told of */
	unsigned long oom_kills;
	int status;
	struct rusage usage;
};

static struct stream streams[MOST_STREAMS];
static int inputs_epoll, outputs_epoll;
static bool is_unsettled;

void watch_streams_with(int inputs, int outputs)
{
	inputs_epoll = inputs;
	outputs_epoll = outputs;
}

static void watch(int epoll, int fd, const struct stream *stream, enum role role, unsigned events)
{
	struct epoll_event event = {events, (unsigned long)(stream - streams) << 8 | role};

	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Closing alone would not end the watch while a child that has just been forked still has the descriptor. */
static void unwatch(int epoll, int *fd)
{
	if (*fd < 0)
		return;
	epoll_ctl(epoll, EPOLL_CTL_DEL, *fd, NULL);
	close(*fd);
	*fd = -1;
}

static struct stream *stream_of(unsigned number)
{
	for (struct stream *stream = streams; stream < streams + MOST_STREAMS; stream++)
		if (stream->state != FREE && stream->state != DRAINING && stream->number == number)
			return stream;
	return NULL;
}

static struct stream *free_stream(void)
{
	for (struct stream *stream = streams; stream < streams + MOST_STREAMS; stream++)
		if (stream->state == FREE)
			return stream;
	return NULL;
}

static void free_when_done(struct stream *stream)
{
	bool is_held = stream->outputs[0].fd >= 0 || stream->outputs[1].fd >= 0;

	stream->state = is_held ? DRAINING : FREE;
}

static void say_failed(unsigned number, const char *step, const char *on, long error)
{
	TEXT(payload, 512);

	add_pair(&payload, "step", step);
	add_number_pair(&payload, "errno", (unsigned long)-error);
	add_pair(&payload, "text", on);
	send(FAILED, number, &payload);
}

/* Starting. */

/* Takes our ends of a process that has just been forked. */
static void take(struct stream *stream, const struct ends *ours, int pid)
{
	stream->state = STARTING;
	stream->pid = pid;
	stream->is_terminal = ours->is_terminal;
	stream->report = ours->report;
	stream->outputs[0] = (struct output){ours->stdout, STDOUT, 0};
	stream->outputs[1] = (struct output){ours->stderr, STDERR, 0};
	stream->input.fd = ours->stdin;
	watch(outputs_epoll, stream->report, stream, REPORT_ROLE, EPOLLIN);
}

void start_stream(const struct frame *exec)
{
	struct pairs pairs = pairs_of(exec->payload, exec->length);
	struct stream *stream = free_stream();
	struct ends ours, theirs;
	long result;

	if (!stream || stream_of(exec->stream)) {
		say_failed(exec->stream, "stream", "", stream ? -EEXIST : -EMFILE);
		return;
	}
	*stream = (struct stream){.number = exec->stream, .oom_kills = oom_kills()};
	result = open_ends(pairs, &ours, &theirs);
	if (result >= 0) {
		result = fork();
		if (result == 0)
			become_program(pairs, &theirs, exec->stream == MAIN_STREAM);
	}
	close_ends(&theirs);
	if (result > 0) {
		take(stream, &ours, (int)result);
	} else {
		close_ends(&ours);
		say_failed(exec->stream, "fork", "", result);
	}
}

/* Ending. */

/* What the pipes hold when the process has ended is its output; what comes later is that of others. Of a
 * terminal the kernel hangs all of them up when its session's leader ends (credentials(7)), so it ends by itself. */
static void count_what_is_left(struct stream *stream)
{
	if (stream->number == MAIN_STREAM)
		kill(-1, SIGKILL); /* as the kernel does when the first process of a container ends */
	for (int i = 0; i < 2; i++)
		if (stream->outputs[i].fd >= 0)
			ioctl(stream->outputs[i].fd, FIONREAD, (long)&stream->outputs[i].left);
	is_unsettled = true;
}

static void close_output(struct output *output)
{
	unwatch(outputs_epoll, &output->fd);
	is_unsettled = true;
}

static void learn_how_it_started(struct stream *stream)
{
	struct report report;
	long count = read(stream->report, &report, sizeof report);
	TEXT(payload, 64);

	if (count == -EAGAIN || count == -EBADF)
		return; /* the event was that of the stream that had this place before */
	unwatch(outputs_epoll, &stream->report);
	if (count == sizeof report) {
		say_failed(stream->number, report.step, report.text, report.error);
		drop(&stream->input);
		close_output(&stream->outputs[0]);
		close_output(&stream->outputs[1]);
		stream->state = stream->has_ended ? FREE : FAILING;
		return;
	}
	add_number_pair(&payload, "pid", (unsigned long)stream->pid);
	send(STARTED, stream->number, &payload);
	stream->state = RUNNING;
	for (int i = 0; i < 2; i++)
		if (stream->outputs[i].fd >= 0)
			watch(outputs_epoll, stream->outputs[i].fd, stream, OUTPUT_ROLE + i, EPOLLIN);
	if (stream->has_ended)
		count_what_is_left(stream);
}

static void note_end(struct stream *stream, int status, const struct rusage *usage)
{
	stream->has_ended = true;
	stream->status = status;
	stream->usage = *usage;
	if (stream->state == FAILING)
		stream->state = FREE;
	else if (stream->state == RUNNING)
		count_what_is_left(stream);
}

void reap(void)
{
	struct rusage usage;
	int status;
	long pid;

	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0)
		for (struct stream *stream = streams; stream < streams + MOST_STREAMS; stream++)
			if (stream->pid == pid && !stream->has_ended && stream->state != FREE)
				note_end(stream, status, &usage);
}

static unsigned long usec_of(struct __kernel_old_timeval time)
{
	return (unsigned long)time.tv_sec * 1000000 + (unsigned long)time.tv_usec;
}

static bool has_output_left(const struct stream *stream)
{
	for (int i = 0; i < 2; i++)
		if (stream->outputs[i].fd >= 0 && (stream->is_terminal || stream->outputs[i].left > 0))
			return true;
	return false;
}

static void say_exited(struct stream *stream)
{
	int signal = stream->status & 0x7f;
	TEXT(payload, 256);

	add_number_pair(&payload, "code",
			(unsigned long)(signal ? SIGNAL_EXIT + signal : stream->status >> 8 & 0xff));
	add_number_pair(&payload, "cpu_usec",
			usec_of(stream->usage.ru_utime) + usec_of(stream->usage.ru_stime));
	add_number_pair(&payload, "peak_rss_bytes", (unsigned long)stream->usage.ru_maxrss * 1024);
	add_number_pair(&payload, "oom_killed", oom_kills() > stream->oom_kills);
	send(EXITED, stream->number, &payload);
	drop(&stream->input);
	free_when_done(stream);
}

static void say_taken(struct stream *stream)
{
	TEXT(payload, 24);

	add_number(&payload, stream->untold);
	send(TAKEN, stream->number, &payload);
	stream->untold = 0;
}

static bool wants_to_say_exited(const struct stream *stream)
{
	return stream->state == RUNNING && stream->has_ended && !has_output_left(stream);
}

bool settle(void)
{
	if (!is_unsettled)
		return false;
	for (struct stream *stream = streams; stream < streams + MOST_STREAMS; stream++) {
		if (!has_room())
			return true;
		if (wants_to_say_exited(stream))
			say_exited(stream);
		else if (stream->state == RUNNING && stream->untold)
			say_taken(stream);
		else if (stream->state == DRAINING)
			free_when_done(stream);
	}
	return is_unsettled = false;
}

/* Passing on. */

static void pass_output(struct stream *stream, struct output *output)
{
	bool is_counted = stream->state == RUNNING && stream->has_ended && !stream->is_terminal;
	size_t most = CHUNK_BYTES;
	long count;

	if (output->fd < 0)
		return;
	if (is_counted && (size_t)output->left < most)
		most = (size_t)output->left;
	if (!most)
		return;
	count = read(output->fd, chunk(), most);
	if (count == -EAGAIN || count == -EINTR)
		return;
	if (count <= 0) { /* EIO is how a terminal ends */
		close_output(output);
		return;
	}
	if (is_counted) {
		output->left -= (int)count;
		is_unsettled = true;
	}
	if (stream->state == RUNNING)
		send_chunk(output->kind, stream->number, (size_t)count);
}

void serve_output(unsigned long data)
{
	struct stream *stream = streams + (data >> 8);

	if ((data & 0xff) == REPORT_ROLE)
		learn_how_it_started(stream);
	else
		pass_output(stream, &stream->outputs[(data & 0xff) - OUTPUT_ROLE]);
}

/* Watches an input only while bytes wait for it. */
static void watch_input(struct stream *stream)
{
	bool waits = stream->input.fd >= 0 && stream->input.first < stream->input.end;

	if (waits && !stream->input.is_watched)
		watch(inputs_epoll, stream->input.fd, stream, INPUT_ROLE, EPOLLOUT);
	else if (!waits && stream->input.is_watched && stream->input.fd >= 0)
		epoll_ctl(inputs_epoll, EPOLL_CTL_DEL, stream->input.fd, NULL);
	stream->input.is_watched = waits;
}

static void note_taken(struct stream *stream, size_t count)
{
	stream->untold += count;
	is_unsettled |= count > 0;
	watch_input(stream);
}

void serve_input(unsigned long data)
{
	struct stream *stream = streams + (data >> 8);

	if (stream->input.fd >= 0)
		note_taken(stream, go_on(&stream->input));
}

static void close_input(struct stream *stream)
{
	const char end = END_OF_TRANSMISSION;

	if (stream->is_terminal) {
		give(&stream->input, &end, 1); /* a terminal has no end, but a character for it: termios(3) */
	} else {
		stream->input.ends = true;
		go_on(&stream->input);
	}
	watch_input(stream);
}

static int big_endian_16(const char *bytes)
{
	return (unsigned char)bytes[0] << 8 | (unsigned char)bytes[1];
}

void tell_stream(const struct frame *frame)
{
	struct stream *stream = stream_of(frame->stream);

	if (!stream)
		return; /* it has ended, which the host could not know */
	if (frame->kind == STDIN)
		note_taken(stream, give(&stream->input, frame->payload, frame->length));
	else if (frame->kind == CLOSE_STDIN)
		close_input(stream);
	else if (frame->kind == RESIZE && frame->length == 4 && stream->is_terminal)
		set_size(stream->input.fd, (unsigned short)big_endian_16(frame->payload),
			 (unsigned short)big_endian_16(frame->payload + 2));
	else if (frame->kind == SIGNAL && frame->length == 1 && !stream->has_ended)
		kill(stream->pid, frame->payload[0]);
}
