#include "users.h"

#include "files.h"
#include "kernel.h"

enum { FILE_BYTES = 1 << 18, MOST_FIELDS = 7 };

static char database[FILE_BYTES];

/* Cuts the line at `*lines` at its colons, moves behind it, and returns how many fields it had. */
static int next_line(char **lines, char *fields[MOST_FIELDS])
{
	int count = 0;
	char *at = *lines;

	if (!*at)
		return -1;
	fields[count++] = at;
	for (; *at && *at != '\n'; at++)
		if (*at == ':' && count < MOST_FIELDS) {
			*at = '\0';
			fields[count++] = at + 1;
		}
	*lines = *at ? at + 1 : at;
	*at = '\0';
	return count;
}

/* Finds the line whose name is `wanted`, or whose number is. passwd(5) and group(5) begin alike. */
static int find_line(const char *path, const char *wanted, char *fields[MOST_FIELDS])
{
	char *lines = database;
	int count;

	if (read_file(path, database, sizeof database) < 0)
		return -1;
	while ((count = next_line(&lines, fields)) >= 0)
		if (count >= 4 && (is_same(fields[0], wanted) || is_same(fields[2], wanted)))
			return count;
	return -1;
}

static void add_group(struct user *user, unsigned gid)
{
	if (user->group_count < MOST_GROUPS)
		user->groups[user->group_count++] = gid;
}

static bool has_member(const char *members, const char *name)
{
	while (*members) {
		const char *comma = find(members, ',');
		size_t length = comma ? (size_t)(comma - members) : length_of(members);

		if (length == length_of(name) && begins(members, name))
			return true;
		members += length + (comma != NULL);
	}
	return false;
}

static void add_groups_of(struct user *user, const char *name)
{
	char *lines = database, *fields[MOST_FIELDS];
	int count;

	if (read_file("/etc/group", database, sizeof database) < 0)
		return;
	while ((count = next_line(&lines, fields)) >= 0)
		if (count >= 4 && has_member(fields[3], name))
			add_group(user, (unsigned)number_of(fields[2]));
}

static long find_by_name(const char *wanted, bool wants_groups, struct user *user)
{
	char *fields[MOST_FIELDS];
	int count = find_line("/etc/passwd", wanted, fields);
	struct text home = {user->home, 0, sizeof user->home};
	TEXT(name, 256);

	if (count < 0) {
		user->uid = (unsigned)number_of(wanted);
		return is_number(wanted) ? 0 : -ENOENT;
	}
	user->uid = (unsigned)number_of(fields[2]);
	user->gid = (unsigned)number_of(fields[3]);
	if (count >= 6)
		add(&home, fields[5]);
	ended(&home);
	add(&name, fields[0]);
	if (wants_groups)
		add_groups_of(user, ended(&name));
	return 0;
}

static long find_group(const char *wanted, struct user *user)
{
	char *fields[MOST_FIELDS];

	if (find_line("/etc/group", wanted, fields) >= 0)
		user->gid = (unsigned)number_of(fields[2]);
	else if (is_number(wanted))
		user->gid = (unsigned)number_of(wanted);
	else
		return -ENOENT;
	return 0;
}

/* Docker's USER[:GROUP]: with a group named, the user's others do not count. */
static long find_named(const char *text, struct user *user)
{
	const char *colon = find(text, ':');
	TEXT(name, 256);
	long result;

	add_bytes(&name, text, colon ? (size_t)(colon - text) : length_of(text));
	result = find_by_name(ended(&name), !colon, user);
	return result < 0 || !colon ? result : find_group(colon + 1, user);
}

long find_user(struct pairs pairs, struct user *user)
{
	const char *name = value_of(pairs, "user"), *uid = value_of(pairs, "uid"), *gid = value_of(pairs, "gid");
	long result = 0;
	struct pair pair;

	user->uid = user->gid = 0;
	user->group_count = 0;
	user->home[0] = '\0';
	if (name || !uid)
		result = find_named(name && *name ? name : "0", user);
	if (uid)
		user->uid = (unsigned)number_of(uid);
	if (gid)
		user->gid = (unsigned)number_of(gid);
	while (next_pair(&pairs, &pair))
		if (is_same(pair.key, "group"))
			add_group(user, (unsigned)number_of(pair.value));
	return result;
}

long become(const struct user *user)
{
	long result = setgroups(user->group_count, user->groups);

	if (result >= 0)
		result = setgid(user->gid);
	return result < 0 ? result : setuid(user->uid);
}
