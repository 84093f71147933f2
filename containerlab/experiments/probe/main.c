/* The probe: the same static bytes in a process, a container and a virtual machine.
 *
 * conlab-probe ready | idle | serve PORT | sha256sum
 *              integer|float|sha256|memory|syscalls|switches|pagefaults|fork [MS]
 *              file-write|file-read DIRECTORY [MIB]
 *              file-random|file-fsync DIRECTORY [MS]
 *              net-latency|net-throughput HOST PORT [MS]
 *
 * A measurement prints `metric value`, a line each; errors go to standard error and end it with 1.
 */
#include <linux/signal.h>

#include "probe.h"

#define USUAL_MS 500
#define USUAL_MIB 64

static void end_in_order(int signal)
{
    (void)signal;
    quit(0);
}

/* The first process of a container or a machine has no default actions: it must ask for its end. */
static void end_at_signals(void)
{
    struct sigaction action = {.sa_handler = end_in_order};
#ifdef SA_RESTORER
    action.sa_flags = SA_RESTORER; /* the handler never returns, but x86 insists */
#endif
    checked("rt_sigaction", call4(__NR_rt_sigaction, SIGTERM, &action, 0, sizeof action.sa_mask));
    checked("rt_sigaction", call4(__NR_rt_sigaction, SIGINT, &action, 0, sizeof action.sa_mask));
}

static void idle(void)
{
    print("ready\n");
    for (;;)
        call5(__NR_ppoll, 0, 0, 0, 0, 0);
}

static const struct {
    const char *word;
    void (*measure)(long ms);
} timed[] = {
    {"integer", measure_integer},       {"float", measure_float},     {"sha256", measure_sha256},
    {"memory", measure_memory},         {"syscalls", measure_syscalls}, {"switches", measure_switches},
    {"pagefaults", measure_pagefaults}, {"fork", measure_forks},
};

static const struct {
    const char *word;
    void (*measure)(const char *directory, long amount);
    long usual;
} with_files[] = {
    {"file-write", measure_file_write, USUAL_MIB},
    {"file-read", measure_file_read, USUAL_MIB},
    {"file-random", measure_file_random, USUAL_MS},
    {"file-fsync", measure_file_fsync, USUAL_MS},
};

static const struct {
    const char *word;
    void (*measure)(const char *host, long port, long ms);
} with_a_server[] = {
    {"net-latency", measure_net_latency},
    {"net-throughput", measure_net_throughput},
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* Does what the word says and returns whether it is known. words: three, empty where there are fewer. */
static int done(const char *word, const char *const *words)
{
    for (size_t at = 0; at < COUNT(timed); at++)
        if (same(word, timed[at].word))
            return timed[at].measure(number(words[0], USUAL_MS)), 1;
    for (size_t at = 0; at < COUNT(with_files); at++)
        if (same(word, with_files[at].word) && *words[0])
            return with_files[at].measure(words[0], number(words[1], with_files[at].usual)), 1;
    for (size_t at = 0; at < COUNT(with_a_server); at++)
        if (same(word, with_a_server[at].word) && *words[0])
            return with_a_server[at].measure(words[0], number(words[1], 0), number(words[2], USUAL_MS)), 1;
    return 0;
}

__attribute__((used)) static void begin(long *stack)
{
    const char *words[4] = {"", "", "", ""};
    char **given = (char **)(stack + 1);
    for (long at = 1; at < stack[0] && at <= 4; at++)
        words[at - 1] = given[at];
    end_at_signals();
    if (same(words[0], "ready"))
        print("ready\n");
    else if (same(words[0], "idle"))
        idle();
    else if (same(words[0], "serve"))
        serve(number(words[1], 0));
    else if (same(words[0], "sha256sum"))
        print_sha256();
    else if (!done(words[0], words + 1))
        die("which measurement? ready, idle, serve, sha256sum, integer, float, sha256, memory, syscalls, "
            "switches, pagefaults, fork, file-write, file-read, file-random, file-fsync, net-latency, "
            "net-throughput",
            0);
    quit(0);
}

/* The kernel leaves argc, argv and the environment on the stack. Source: System V ABI, process initialization. */
#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
#else
__asm__(".globl _start\n_start:\n\tmov x29, xzr\n\tmov x30, xzr\n\tmov x0, sp\n\tbl begin\n");
#endif
