#include "terminal.h"

#include <asm/ioctls.h>
#include <asm/termios.h>

#include "kernel.h"

long open_terminal(int *ours, int *theirs)
{
	int unlocked = 0;
	long master = openat(AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0), slave;

	if (master < 0)
		return master;
	ioctl((int)master, TIOCSPTLCK, (long)&unlocked);
	/* TIOCGPTPEER (Linux 4.13) works whatever is mounted at /dev/pts: ioctl_tty(2). */
	slave = ioctl((int)master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0) {
		close((int)master);
		return slave;
	}
	*ours = (int)master;
	*theirs = (int)slave;
	return 0;
}

void set_size(int terminal, unsigned short rows, unsigned short columns)
{
	struct winsize size = {rows, columns, 0, 0};

	ioctl(terminal, TIOCSWINSZ, (long)&size);
}
