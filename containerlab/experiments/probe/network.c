/* A small TCP server and its clients.
 *
 * The server sends back what it gets. A connection whose first byte is 1 is drained instead, and answered with
 * one byte at its end: so a client knows that all has arrived, whatever buffers lie between.
 */
#include <asm/socket.h>
#include <linux/in.h>
#include <linux/poll.h>
#include <linux/tcp.h>

#include "probe.h"

#define AF_INET 2
#define SOCK_STREAM 1
#define MOST_CLIENTS 63
#define DRAIN 1
#define MESSAGE 16
#define MOST_SAMPLES 4096

static char buffer[128 * KIB];
static long samples[MOST_SAMPLES];

static uint16_t big_endian(long port)
{
    return (uint16_t)((port & 255) << 8 | (port >> 8 & 255));
}

static long new_socket(void)
{
    return checked("socket", call3(__NR_socket, AF_INET, SOCK_STREAM, 0));
}

static void without_delay(long connection)
{
    int yes = 1;
    call5(__NR_setsockopt, connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

static long listen_on(long port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = big_endian(port)};
    long server = new_socket();
    int yes = 1;
    call5(__NR_setsockopt, server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    checked("bind", call3(__NR_bind, server, &address, sizeof address));
    checked("listen", call2(__NR_listen, server, 128));
    return server;
}

static int send_all(long connection, const char *bytes, long count)
{
    while (count > 0) {
        long sent = call3(__NR_write, connection, bytes, count);
        if (sent <= 0)
            return 0;
        bytes += sent, count -= sent;
    }
    return 1;
}

enum { NEW, ECHOING, DRAINING };

/* Says whether the connection goes on. */
static int answered(long connection, char *state)
{
    long got = call3(__NR_read, connection, buffer, sizeof buffer);
    if (got > 0 && *state == NEW)
        *state = buffer[0] == DRAIN ? DRAINING : ECHOING;
    if (*state != DRAINING)
        return got > 0 && send_all(connection, buffer, got);
    if (got == 0)
        call3(__NR_write, connection, "\n", 1);
    return got > 0;
}

void serve(long port)
{
    static struct pollfd polled[MOST_CLIENTS + 1];
    static char states[MOST_CLIENTS + 1];
    long count = 1;
    polled[0].fd = (int)listen_on(port);
    polled[0].events = POLLIN;
    print("ready\n");
    for (;;) {
        checked("ppoll", call5(__NR_ppoll, polled, count, 0, 0, 0));
        for (long at = count - 1; at > 0; at--)
            if (polled[at].revents && !answered(polled[at].fd, &states[at])) {
                call1(__NR_close, polled[at].fd);
                count--;
                polled[at] = polled[count], states[at] = states[count];
            }
        if (!polled[0].revents || count > MOST_CLIENTS)
            continue;
        long connection = call4(__NR_accept4, polled[0].fd, 0, 0, 0);
        if (connection < 0)
            continue;
        without_delay(connection);
        polled[count].fd = (int)connection;
        polled[count].events = POLLIN;
        states[count++] = NEW;
    }
}

/* Reads an IPv4 address as four numbers; there is no resolver here. */
static uint32_t address_of(const char *host)
{
    unsigned char bytes[4] = {0};
    int at = 0;
    for (; *host; host++) {
        if (*host == '.' && at < 3)
            at++;
        else if (*host >= '0' && *host <= '9')
            bytes[at] = (unsigned char)(bytes[at] * 10 + (*host - '0'));
        else
            die("HOST is four numbers, as 127.0.0.1", 0);
    }
    return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
}

static long connect_to(const char *host, long port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = big_endian(port)};
    address.sin_addr.s_addr = address_of(host);
    long connection = new_socket();
    checked("connect", call3(__NR_connect, connection, &address, sizeof address));
    without_delay(connection);
    return connection;
}

static void round_trip(long connection)
{
    for (long got = 0; got < MESSAGE;) {
        if (got == 0 && !send_all(connection, "conlab round trip", MESSAGE))
            die("the connection has ended", 0);
        long more = checked("read", call3(__NR_read, connection, buffer, MESSAGE - got));
        if (more == 0)
            die("the connection has ended", 0);
        got += more;
    }
}

void measure_net_latency(const char *host, long port, long ms)
{
    long connection = connect_to(host, port), count = 0;
    round_trip(connection); /* the first one finds its way */
    long at = now(), end = at + ms * 1000000L;
    while (at < end && count < MOST_SAMPLES) {
        long start = now();
        round_trip(connection);
        at = now();
        samples[count++] = at - start;
    }
    print_seconds("net_latency_s", median(samples, count));
}

void measure_net_throughput(const char *host, long port, long ms)
{
    long connection = connect_to(host, port), sent = 0;
    char answer;
    memset(buffer, DRAIN, sizeof buffer);
    long start = now(), end = start + ms * 1000000L;
    do {
        if (!send_all(connection, buffer, sizeof buffer))
            die("the connection has ended", 0);
        sent += (long)sizeof buffer;
    } while (now() < end);
    checked("shutdown", call2(__NR_shutdown, connection, 1));
    if (checked("read", call3(__NR_read, connection, &answer, 1)) != 1)
        die("the server has not answered", 0);
    print_rate("net_throughput_bytes_per_s", sent, now() - start);
}
