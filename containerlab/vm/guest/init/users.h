/* Who a process runs as. */
#pragma once

#include "pairs.h"

enum { MOST_GROUPS = 256 };

struct user {
	unsigned uid, gid;
	unsigned groups[MOST_GROUPS];
	size_t group_count;
	char home[256];
};

/* Finds the user that EXEC's pairs name, with the files of /etc as they are now; -ENOENT when there is none. */
long find_user(struct pairs pairs, struct user *user);
/* Becomes it. Only root's capabilities stay: a change of all uids drops the others' (capabilities(7)). */
long become(const struct user *user);
