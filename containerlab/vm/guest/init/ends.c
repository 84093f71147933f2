#include "ends.h"

#include "kernel.h"
#include "terminal.h"

static long duplicate(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static long open_pipe(int *reads, int *writes)
{
	int fds[2];
	long result = pipe2(fds, O_CLOEXEC);

	if (result < 0)
		return result;
	*reads = fds[0];
	*writes = fds[1];
	return 0;
}

static long open_pipe_from(int *ours, int *theirs)
{
	long result = open_pipe(ours, theirs);

	return result < 0 ? result : fcntl(*ours, F_SETFL, O_NONBLOCK);
}

static long open_pipe_to(int *ours, int *theirs)
{
	long result = open_pipe(theirs, ours);

	return result < 0 ? result : fcntl(*ours, F_SETFL, O_NONBLOCK);
}

static long open_terminal_ends(struct pairs pairs, struct ends *ours, struct ends *theirs)
{
	const char *rows = value_of(pairs, "rows"), *columns = value_of(pairs, "columns");
	long result = open_terminal(&ours->stdout, &theirs->stdin);

	if (result < 0)
		return result;
	ours->is_terminal = theirs->is_terminal = true;
	if (rows && columns)
		set_size(theirs->stdin, (unsigned short)number_of(rows), (unsigned short)number_of(columns));
	ours->stdin = (int)(result = duplicate(ours->stdout));
	if (result >= 0)
		theirs->stdout = (int)(result = duplicate(theirs->stdin));
	if (result >= 0)
		theirs->stderr = (int)(result = duplicate(theirs->stdin));
	return result;
}

static long open_pipe_ends(struct pairs pairs, struct ends *ours, struct ends *theirs)
{
	long result = open_pipe_from(&ours->stdout, &theirs->stdout);

	if (result >= 0)
		result = open_pipe_from(&ours->stderr, &theirs->stderr);
	if (result < 0)
		return result;
	if (value_of(pairs, "stdin"))
		return open_pipe_to(&ours->stdin, &theirs->stdin);
	result = openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
	theirs->stdin = (int)result;
	return result;
}

long open_ends(struct pairs pairs, struct ends *ours, struct ends *theirs)
{
	const char *terminal = value_of(pairs, "tty");
	long result;

	*ours = *theirs = (struct ends){-1, -1, -1, -1, false};
	result = open_pipe_from(&ours->report, &theirs->report);
	if (result < 0)
		return result;
	if (terminal && is_same(terminal, "1"))
		return open_terminal_ends(pairs, ours, theirs);
	return open_pipe_ends(pairs, ours, theirs);
}

void close_ends(const struct ends *ends)
{
	const int fds[] = {ends->stdin, ends->stdout, ends->stderr, ends->report};

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}
