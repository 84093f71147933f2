#include "program.h"

#include <asm/ioctls.h>

#include "files.h"
#include "kernel.h"
#include "users.h"

enum { MOST_STRINGS = 1 << 18, PATH_BYTES = 4096, NICE_OF_PROGRAMS = 0 };

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* The child's own copies after fork: pages that nothing touched before. */
static char *arguments[MOST_STRINGS + 2], *environment[MOST_STRINGS + 2];
static char home[300];

static __attribute__((noreturn)) void fail(const struct ends *ends, const char *step, const char *on, long error)
{
	struct report report = {error, {0}, {0}};
	struct text step_text = {report.step, 0, sizeof report.step};
	struct text on_text = {report.text, 0, sizeof report.text};

	add(&step_text, step);
	add(&on_text, on);
	ended(&step_text);
	ended(&on_text);
	write(ends->report, &report, sizeof report);
	exit_group(127);
}

static void collect(struct pairs pairs, const char *key, char **strings)
{
	size_t count = 0;
	struct pair pair;

	while (next_pair(&pairs, &pair) && count < MOST_STRINGS)
		if (is_same(pair.key, key))
			strings[count++] = (char *)pair.value;
	strings[count] = NULL;
}

static const char *variable(const char *name)
{
	for (char **each = environment; *each; each++)
		if (begins(*each, name))
			return *each + length_of(name);
	return NULL;
}

static void set_home(const struct user *user)
{
	struct text text = {home, 0, sizeof home};
	size_t count = 0;

	if (variable("HOME="))
		return;
	add(&text, "HOME=");
	add(&text, user->home[0] ? user->home : "/");
	while (environment[count])
		count++;
	environment[count] = ended(&text);
	environment[count + 1] = NULL;
}

/* A session of its own, whose terminal is standard input when that is one. */
static void take_ends(const struct ends *ends)
{
	setsid();
	dup3(ends->stdin, 0, 0);
	dup3(ends->stdout, 1, 0);
	dup3(ends->stderr, 2, 0);
	if (ends->is_terminal)
		ioctl(0, TIOCSCTTY, 0);
}

/* What we chose for ourselves would be the program's too. */
static void give_back(void)
{
	const __u64 none = 0;
	const struct rlimit64 descriptors = {FIRST_DESCRIPTORS, MOST_DESCRIPTORS};

	rt_sigprocmask(SIG_SETMASK, &none, NULL, sizeof none);
	setpriority(0, 0, NICE_OF_PROGRAMS);
	prlimit64(0, RLIMIT_NOFILE, &descriptors, NULL);
	umask(022);
}

/* execvp(3): a file of no format that the kernel knows is a script for the shell. */
static long run(char *path)
{
	long result = execve(path, arguments + 1, environment);

	if (result != -ENOEXEC)
		return result;
	arguments[0] = "sh";
	arguments[1] = path;
	return execve("/bin/sh", arguments, environment);
}

/* Tries each directory of the program's own PATH. EACCES is told only when no other one has the program. */
static long search(const char *name, const char *directories)
{
	static char path[PATH_BYTES];
	long refused = 0;

	if (!*name)
		return -ENOENT;
	while (true) {
		const char *colon = find(directories, ':');
		size_t length = colon ? (size_t)(colon - directories) : length_of(directories);
		struct text text = {path, 0, sizeof path};
		long result;

		add_bytes(&text, directories, length);
		if (length)
			add(&text, "/");
		add(&text, name);
		result = run(ended(&text));
		if (result == -EACCES)
			refused = result;
		else if (result != -ENOENT && result != -ENOTDIR)
			return result;
		if (!colon)
			return refused ? refused : -ENOENT;
		directories = colon + 1;
	}
}

void become_program(struct pairs pairs, const struct ends *ends, bool makes_directory)
{
	static struct user user;
	const char *directory = value_of(pairs, "cwd"), *path;
	char *name;
	long result;

	directory = directory && *directory ? directory : "/";
	take_ends(ends);
	give_back();
	collect(pairs, "arg", arguments + 1); /* one place is left for the shell of a script */
	collect(pairs, "env", environment);
	result = find_user(pairs, &user);
	if (result < 0)
		fail(ends, "user", value_of(pairs, "user"), result);
	set_home(&user);
	if (makes_directory)
		make_directories(directory);
	result = become(&user);
	if (result < 0)
		fail(ends, "user", "", result);
	result = chdir(directory);
	if (result < 0)
		fail(ends, "directory", directory, result);
	name = arguments[1] ? arguments[1] : "";
	path = variable("PATH=");
	result = find(name, '/') ? run(name) : search(name, path ? path : default_path);
	fail(ends, "program", name, result);
}
