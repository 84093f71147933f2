/* What the parts of the probe share. */
#ifndef PROBE_H
#define PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "syscall.h"

#define KIB 1024L
#define MIB (1024L * KIB)
#define SECOND 1000000000L /* in ns, the unit of every time here */

/* text.c: what is said and read */
long number(const char *text, long otherwise);
int same(const char *one, const char *other);
void print(const char *text);
void print_rate(const char *metric, long count, long elapsed_ns);
void print_seconds(const char *metric, long ns);
void die(const char *what, long answer) __attribute__((noreturn));
void quit(int status) __attribute__((noreturn));
long checked(const char *what, long answer);

/* The compiler makes calls of these too. */
void *memset(void *target, int value, size_t count);
void *memcpy(void *restrict target, const void *restrict source, size_t count);

/* clock.c: time, and samples of it */
long now(void);
long median(long *samples, long count);
void *memory_of(long bytes);

/* A workload is done in chunks until the time is over; `chunk` does one and returns how much it did. */
typedef long (*chunk)(void *state);
void repeat(const char *metric, chunk work, void *state, long ms);

/* processor.c */
void measure_integer(long ms);
void measure_float(long ms);
void measure_memory(long ms);

/* sha256.c */
void measure_sha256(long ms);
void print_sha256(void);

/* kernel.c */
void measure_syscalls(long ms);
void measure_switches(long ms);
void measure_pagefaults(long ms);
void measure_forks(long ms);

/* files.c */
void measure_file_write(const char *directory, long mib);
void measure_file_read(const char *directory, long mib);
void measure_file_random(const char *directory, long ms);
void measure_file_fsync(const char *directory, long ms);

/* network.c */
void serve(long port) __attribute__((noreturn));
void measure_net_latency(const char *host, long port, long ms);
void measure_net_throughput(const char *host, long port, long ms);

#endif
