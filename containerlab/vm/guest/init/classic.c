#include "classic.h"

#include <linux/mount.h>

#include "files.h"
#include "kernel.h"
#include "machine.h"
#include "root.h"
#include "words.h"

enum { PIECE_BYTES = 65536 };

static const char copy[] = "/run/conlab/init";
static const char *const views[] = {"/proc", "/sys", "/dev"};

static void copy_ourselves(void)
{
	static char piece[PIECE_BYTES];
	long from = openat(AT_FDCWD, "/proc/self/exe", O_RDONLY | O_CLOEXEC, 0);
	long to, count;

	make_directories("/run/conlab");
	to = openat(AT_FDCWD, copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	while ((count = read((int)from, piece, sizeof piece)) > 0)
		write((int)to, piece, (size_t)count);
	close((int)from);
	close((int)to);
}

void hand_over(void)
{
	TEXT(init, 256);
	char *arguments[] = {NULL, NULL};
	char *environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};

	if (!has_kernel_word("conlab.init", &init))
		return;
	mount_at("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
	copy_ourselves();
	arguments[0] = ended(&init);
	give_up("executing", arguments[0], execve(arguments[0], arguments, environment));
}

bool enter_service(char *const *arguments)
{
	if (!arguments[0] || !arguments[1] || !is_same(arguments[1], "--service") || !arguments[2])
		return false;
	for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
		TEXT(target, 256);

		add(&target, arguments[2]);
		add(&target, views[i]);
		make_directories(ended(&target));
		mount(views[i], target.bytes, NULL, MS_BIND | MS_REC, NULL);
	}
	chdir(arguments[2]);
	chroot(".");
	chdir("/");
	return true;
}
