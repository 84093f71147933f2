#include "setup.h"

#include <linux/mount.h>

#include "files.h"
#include "kernel.h"
#include "machine.h"
#include "network.h"
#include "port.h"

enum { MOST_FILE_BYTES = 16384 };

/* What went wrong first. */
struct failure {
	const char *step, *on;
	long error;
};

static void note(struct failure *failure, const char *step, const char *on, long result)
{
	if (result >= 0 || failure->error)
		return;
	*failure = (struct failure){step, on, result};
	complain(step, on, result);
}

static void write_hosts(struct pairs pairs)
{
	const char *name = value_of(pairs, "hostname"), *address = value_of(pairs, "address");
	const char *slash = address ? find(address, '/') : NULL;
	struct pair pair;
	TEXT(hosts, MOST_FILE_BYTES);

	add(&hosts, "127.0.0.1\tlocalhost\n"
		    "::1\tlocalhost ip6-localhost ip6-loopback\n"
		    "fe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\n"
		    "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
	while (next_pair(&pairs, &pair))
		if (is_same(pair.key, "host")) {
			add(&hosts, pair.value);
			add(&hosts, "\n");
		}
	if (name) {
		if (slash)
			add_bytes(&hosts, address, (size_t)(slash - address));
		else
			add(&hosts, "127.0.1.1");
		add(&hosts, "\t");
		add(&hosts, name);
		add(&hosts, "\n");
	}
	replace_file("/etc/hosts", &hosts);
}

static void write_resolvers(struct pairs pairs)
{
	struct pair pair;
	TEXT(resolvers, MOST_FILE_BYTES);

	while (next_pair(&pairs, &pair))
		if (is_same(pair.key, "dns")) {
			add(&resolvers, "nameserver ");
			add(&resolvers, pair.value);
			add(&resolvers, "\n");
		}
	if (resolvers.length)
		replace_file("/etc/resolv.conf", &resolvers);
}

static void set_name(const char *name)
{
	TEXT(line, 256);

	sethostname(name, length_of(name));
	add(&line, name);
	add(&line, "\n");
	replace_file("/etc/hostname", &line);
}

static void set_network(struct pairs pairs, struct failure *failure)
{
	const char *address = value_of(pairs, "address"), *gateway = value_of(pairs, "gateway");

	bring_up_interfaces();
	if (!address)
		return;
	note(failure, "address", address, add_address("eth0", address));
	if (gateway)
		note(failure, "gateway", gateway, add_default_route("eth0", gateway));
}

static const char *options_of(const char *type)
{
	/* v9fs.rst: messages of the largest size make up for the round trips of a slow device. */
	return is_same(type, "9p") ? "trans=virtio,version=9p2000.L,msize=512000" : NULL;
}

static long mount_one(const char *type, const char *tag, const char *target, bool is_read_only)
{
	unsigned long flags = is_same(type, "bind") ? MS_BIND : 0;
	long result = make_directories(target);

	if (result < 0)
		return result;
	if (is_read_only && !flags)
		return mount(tag, target, type, MS_RDONLY, options_of(type));
	result = mount(tag, target, type, flags, options_of(type));
	if (result < 0 || !is_read_only)
		return result;
	/* mount(2): a bind mount takes MS_RDONLY only when it is mounted again. */
	return mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
}

/* TYPE:TAG:TARGET:ro or :rw; of the colons only those in TARGET are not the separators. */
static void mount_volume(const char *text, struct failure *failure)
{
	TEXT(copy, 8192);
	char *type, *tag, *target, *mode;

	add(&copy, text);
	type = ended(&copy);
	tag = (char *)find(type, ':');
	target = tag ? (char *)find(tag + 1, ':') : NULL;
	mode = copy.bytes + copy.length - 3;
	if (!target || mode <= target || *mode != ':') {
		note(failure, "mount", text, -EINVAL);
		return;
	}
	*tag++ = *target++ = *mode++ = '\0';
	note(failure, "mount", text, mount_one(type, tag, target, is_same(mode, "ro")));
}

static void answer(const struct failure *failure)
{
	TEXT(payload, MOST_REPLY_BYTES);

	if (failure->error) {
		add_pair(&payload, "step", failure->step);
		add_number_pair(&payload, "errno", (unsigned long)-failure->error);
		add_pair(&payload, "text", failure->on);
	}
	send(failure->error ? FAILED : READY, 0, &payload);
}

void set_up(struct pairs pairs)
{
	struct failure failure = {0};
	const char *clock = value_of(pairs, "clock_usec"), *seed = value_of(pairs, "seed");
	const char *name = value_of(pairs, "hostname");
	struct pair pair;

	if (clock)
		set_clock(number_of(clock));
	if (seed)
		add_seed(seed);
	mkdirat(AT_FDCWD, "/etc", 0755);
	if (name)
		set_name(name);
	write_hosts(pairs);
	write_resolvers(pairs);
	set_network(pairs, &failure);
	for (struct pairs rest = pairs; next_pair(&rest, &pair);)
		if (is_same(pair.key, "mount"))
			mount_volume(pair.value, &failure);
	answer(&failure);
}
