#include "network.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "files.h"
#include "kernel.h"
#include "machine.h"

/* linux/socket.h and linux/if.h leave these to the libraries. */
enum { FAMILY_INET = 2, FAMILY_NETLINK = 16, TYPE_RAW = 3, INTERFACE_IS_UP = 1 };

struct request {
	struct nlmsghdr header;
	char body[128];
};

static void append(struct request *request, const void *bytes, size_t length)
{
	__builtin_memcpy((char *)request + request->header.nlmsg_len, bytes, length);
	request->header.nlmsg_len += (__u32)length;
}

static void append_attribute(struct request *request, unsigned short type, __u32 value)
{
	struct rtattr attribute = {RTA_LENGTH(sizeof value), type};

	append(request, &attribute, sizeof attribute);
	append(request, &value, sizeof value);
}

static struct request request_of(unsigned short type, unsigned short flags)
{
	return (struct request){
		{NLMSG_HDRLEN, type, (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags), 1, 0}, {0}};
}

/* Sends a request and gives the kernel's answer: 0 or -errno. */
static long ask(const struct request *request)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[512];
	} answer = {0};
	long fd = socket(FAMILY_NETLINK, TYPE_RAW | O_CLOEXEC, NETLINK_ROUTE), result;

	if (fd < 0)
		return fd;
	result = sendto((int)fd, request, request->header.nlmsg_len, 0);
	if (result >= 0)
		result = recvfrom((int)fd, &answer, sizeof answer, 0);
	close((int)fd);
	return result < 0 ? result : answer.error.error;
}

static int index_of(const char *interface)
{
	char digits[16];
	TEXT(path, 64);

	add(&path, "/sys/class/net/");
	add(&path, interface);
	add(&path, "/ifindex");
	return read_file(ended(&path), digits, sizeof digits) < 0 ? 0 : (int)number_of(digits);
}

/* Reads a.b.c.d in network order, and moves behind it. */
static __u32 read_ipv4(const char **text)
{
	unsigned char bytes[4] = {0};
	__u32 address;

	for (int i = 0; i < 4; i++) {
		bytes[i] = (unsigned char)number(text);
		if (**text == '.')
			(*text)++;
	}
	__builtin_memcpy(&address, bytes, sizeof address);
	return address;
}

static void bring_up(const char *interface)
{
	struct request request = request_of(RTM_NEWLINK, 0);
	struct ifinfomsg link = {0};
	long result;

	link.ifi_index = index_of(interface);
	if (!link.ifi_index)
		return;
	link.ifi_flags = link.ifi_change = INTERFACE_IS_UP;
	append(&request, &link, sizeof link);
	result = ask(&request);
	if (result < 0)
		complain("bringing up", interface, result);
}

void bring_up_interfaces(void)
{
	static bool are_up;

	if (are_up)
		return;
	are_up = true;
	bring_up("lo");
	bring_up("eth0");
}

long add_address(const char *interface, const char *text)
{
	struct request request = request_of(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
	__u32 address = read_ipv4(&text);
	struct ifaddrmsg message = {0};

	message.ifa_family = FAMILY_INET;
	message.ifa_prefixlen = *text == '/' ? (__u8)number_of(text + 1) : 32;
	message.ifa_index = (__u32)index_of(interface);
	append(&request, &message, sizeof message);
	append_attribute(&request, IFA_LOCAL, address);
	append_attribute(&request, IFA_ADDRESS, address);
	return ask(&request);
}

long add_default_route(const char *interface, const char *gateway)
{
	struct request request = request_of(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
	struct rtmsg message = {0};

	message.rtm_family = FAMILY_INET;
	message.rtm_table = RT_TABLE_MAIN;
	message.rtm_protocol = RTPROT_BOOT;
	message.rtm_scope = RT_SCOPE_UNIVERSE;
	message.rtm_type = RTN_UNICAST;
	append(&request, &message, sizeof message);
	append_attribute(&request, RTA_GATEWAY, read_ipv4(&gateway));
	append_attribute(&request, RTA_OIF, (__u32)index_of(interface));
	return ask(&request);
}
