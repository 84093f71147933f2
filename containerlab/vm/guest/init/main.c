/* The first process of a virtual machine: it prepares the machine, then serves the host's frames for good. */

#include "classic.h"
#include "files.h"
#include "kernel.h"
#include "machine.h"
#include "measure.h"
#include "network.h"
#include "modules.h"
#include "pairs.h"
#include "port.h"
#include "program.h"
#include "root.h"
#include "setup.h"
#include "streams.h"

ENTRY;

/* Few outputs are served at a time, so that a flood of them does not keep a ping waiting. */
enum { MOST_EVENTS = 64, MOST_OUTPUTS = 8, NICE_OF_OURS = -20, HOST_POLL_USEC = 1000 };

static int everything, outputs, signals;

static void raise_limits(void)
{
	const struct rlimit64 descriptors = {MOST_DESCRIPTORS, MOST_DESCRIPTORS};

	prlimit64(0, RLIMIT_NOFILE, &descriptors, NULL);
	/* A guest whose programs take all of its time must still answer. */
	setpriority(0, 0, NICE_OF_OURS);
}

static void say_hello(void)
{
	struct new_utsname name;
	TEXT(payload, 512);

	uname(&name);
	add_pair(&payload, "version", "1");
	add_pair(&payload, "release", name.release);
	add_number_pair(&payload, "uptime_usec", uptime_usec());
	send(HELLO, 0, &payload);
	for (flush(); !is_idle(); flush()) /* the host may take its time to open its end */
		sleep_usec(HOST_POLL_USEC);
}

static void answer_measure(void)
{
	TEXT(payload, 512);

	measure(&payload);
	send(MEASURED, 0, &payload);
}

static void answer_ping(const struct frame *ping)
{
	struct text payload = {(char *)ping->payload, ping->length, ping->length};

	if (payload.length > MOST_REPLY_BYTES)
		payload.length = MOST_REPLY_BYTES;
	send(PONG, ping->stream, &payload);
}

static void serve(const struct frame *frame)
{
	switch (frame->kind) {
	case PING:
		return answer_ping(frame);
	case MEASURE:
		return answer_measure();
	case SETUP:
		return set_up(pairs_of(frame->payload, frame->length));
	case EXEC:
		return start_stream(frame);
	case POWEROFF:
		power_off();
	default:
		return tell_stream(frame);
	}
}

/* Serves what has arrived, and tells whether there was no room for the replies. */
static bool lacks_room(void)
{
	struct frame frame;

	while (has_room() && next_frame(&frame))
		serve(&frame);
	return !has_room();
}

/* Does all that can be done before something new happens: nothing would wake us up for it later. */
static void catch_up(void)
{
	bool is_behind;

	do {
		is_behind = lacks_room();
		is_behind |= settle();
		flush();
	} while (is_behind && is_idle());
}

static void forget_signals(void)
{
	char infos[2048]; /* of struct signalfd_siginfo: that a child ended is all that counts */

	while (read(signals, infos, sizeof infos) == sizeof infos)
		;
}

static void serve_outputs(void)
{
	struct epoll_event events[MOST_OUTPUTS];
	long count = epoll_pwait(outputs, events, MOST_OUTPUTS, 0);

	for (long i = 0; i < count && is_idle(); i++) {
		serve_output(events[i].data);
		flush();
	}
}

static void serve_event(const struct epoll_event *event)
{
	switch ((enum role)(event->data & 0xff)) {
	case PORT_ROLE:
		if (event->events & EPOLLHUP)
			power_off();
		if (event->events & EPOLLIN)
			receive();
		return;
	case SIGNALS_ROLE:
		forget_signals();
		return reap();
	case OUTPUTS_ROLE:
		return serve_outputs();
	default:
		return serve_input(event->data);
	}
}

static void watch(int operation, int fd, enum role role, unsigned events)
{
	struct epoll_event event = {events, role};

	epoll_ctl(everything, operation, fd, &event);
}

/* Listens to each side only as far as the other one takes what comes of it. */
static void regulate(int port)
{
	static unsigned port_events = EPOLLIN, output_events = EPOLLIN;
	unsigned now = (has_room() ? EPOLLIN : 0) | (is_idle() ? 0 : EPOLLOUT);

	if (now != port_events)
		watch(EPOLL_CTL_MOD, port, PORT_ROLE, port_events = now);
	now = is_idle() ? EPOLLIN : 0;
	if (now != output_events)
		watch(EPOLL_CTL_MOD, outputs, OUTPUTS_ROLE, output_events = now);
}

static __attribute__((noreturn)) void serve_for_good(int port)
{
	struct epoll_event events[MOST_EVENTS];

	while (true) {
		long count = epoll_pwait(everything, events, MOST_EVENTS, -1);

		for (long i = 0; i < count; i++)
			serve_event(events + i);
		catch_up();
		regulate(port);
	}
}

/* All signals are blocked: none has a default action that the first process could want. */
static void open_loop(void)
{
	const __u64 all = ~0UL;
	const __u64 child = 1UL << (SIGCHLD - 1);

	rt_sigprocmask(SIG_BLOCK, &all, NULL, sizeof all);
	signals = (int)signalfd4(-1, &child, sizeof child, O_NONBLOCK | O_CLOEXEC);
	everything = (int)epoll_create1(O_CLOEXEC);
	outputs = (int)epoll_create1(O_CLOEXEC);
	watch_streams_with(everything, outputs);
	watch(EPOLL_CTL_ADD, signals, SIGNALS_ROLE, EPOLLIN);
	watch(EPOLL_CTL_ADD, outputs, OUTPUTS_ROLE, EPOLLIN);
}

static void become_first(void)
{
	mount_kernel_views();
	load_modules();
	enter_root();
	hand_over();
	mount_for_programs();
	bring_up_interfaces(); /* before a snapshot: machines that are restored from it find them up */
}

/* What the kernel puts on the stack: the number of arguments, then where they are. */
__attribute__((noreturn, used)) void start(char *const *stack)
{
	int port;

	umask(0);
	if (!enter_service(stack + 1))
		become_first();
	raise_limits();
	open_loop();
	port = open_port();
	watch(EPOLL_CTL_ADD, port, PORT_ROLE, EPOLLIN);
	say_hello();
	serve_for_good(port);
}
