/* What a kernel does for a process: system calls, switches, page faults, new processes. */
#include <linux/mman.h>
#include <linux/signal.h>

#include "probe.h"

static long syscall_chunk(void *state)
{
    (void)state;
    for (long loop = 0; loop < 10000; loop++)
        call0(__NR_getppid);
    return 10000;
}

void measure_syscalls(long ms)
{
    repeat("syscalls_per_s", syscall_chunk, 0, ms);
}

static long new_process(void)
{
    return checked("clone", call5(__NR_clone, SIGCHLD, 0, 0, 0, 0));
}

/* Both stay on one processor, so that every turn is a switch and none a wake-up of another processor. */
static void stay_on_this_processor(void)
{
    unsigned long mask[16] = {0};
    unsigned int processor = 0;
    checked("getcpu", call3(__NR_getcpu, &processor, 0, 0));
    mask[processor / 64 % 16] = 1UL << processor % 64;
    checked("sched_setaffinity", call3(__NR_sched_setaffinity, 0, sizeof mask, mask));
}

struct pipes {
    int there[2], back[2];
};

static long switch_chunk(void *state)
{
    struct pipes *pipes = state;
    char byte = 0;
    for (long loop = 0; loop < 500; loop++) {
        checked("write", call3(__NR_write, pipes->there[1], &byte, 1));
        checked("read", call3(__NR_read, pipes->back[0], &byte, 1));
    }
    return 1000;
}

static void answer(const struct pipes *pipes)
{
    char byte;
    call1(__NR_close, pipes->there[1]);
    while (call3(__NR_read, pipes->there[0], &byte, 1) == 1)
        call3(__NR_write, pipes->back[1], &byte, 1);
    quit(0);
}

void measure_switches(long ms)
{
    struct pipes pipes;
    stay_on_this_processor();
    checked("pipe2", call2(__NR_pipe2, pipes.there, 0));
    checked("pipe2", call2(__NR_pipe2, pipes.back, 0));
    if (new_process() == 0)
        answer(&pipes);
    repeat("switches_per_s", switch_chunk, &pipes, ms);
}

#define PAGE (4 * KIB)
#define FAULT_BYTES (16 * MIB)

static long fault_chunk(void *state)
{
    long flags = MAP_PRIVATE | MAP_ANONYMOUS;
    long area = checked("mmap", call6(__NR_mmap, 0, FAULT_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0));
    (void)state;
    call3(__NR_madvise, area, FAULT_BYTES, MADV_NOHUGEPAGE); /* refused by kernels without huge pages */
    for (long at = 0; at < FAULT_BYTES; at += PAGE)
        *(volatile char *)(area + at) = 1;
    checked("munmap", call2(__NR_munmap, area, FAULT_BYTES));
    return FAULT_BYTES / PAGE;
}

void measure_pagefaults(long ms)
{
    repeat("pagefaults_per_s", fault_chunk, 0, ms);
}

static long fork_chunk(void *state)
{
    (void)state;
    for (long loop = 0; loop < 10; loop++) {
        long child = new_process();
        if (child == 0)
            quit(0);
        checked("wait4", call4(__NR_wait4, child, 0, 0, 0));
    }
    return 10;
}

void measure_forks(long ms)
{
    repeat("forks_per_s", fork_chunk, 0, ms);
}
