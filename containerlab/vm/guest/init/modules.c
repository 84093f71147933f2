#include "modules.h"

#include "files.h"
#include "kernel.h"
#include "machine.h"

static void load(const char *path, const char *name)
{
	long fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	long result = fd < 0 ? fd : finit_module((int)fd, "", 0);

	if (result < 0 && result != -EEXIST)
		complain("loading the module", name, result);
	close((int)fd);
	unlinkat(AT_FDCWD, path, 0); /* files of an initramfs are memory */
}

void load_modules(void)
{
	for_each_entry("/lib/conlab/modules", load);
}
