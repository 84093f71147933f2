/* Time, and work that is repeated until it is over. */
#include <linux/mman.h>
#include <linux/time.h>

#include "probe.h"

long now(void)
{
    struct __kernel_timespec time;
    checked("clock_gettime", call2(__NR_clock_gettime, CLOCK_MONOTONIC, &time));
    return time.tv_sec * SECOND + time.tv_nsec;
}

void *memory_of(long bytes)
{
    long flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
    return (void *)checked("mmap", call6(__NR_mmap, 0, bytes, PROT_READ | PROT_WRITE, flags, -1, 0));
}

/* The first chunk is not counted: it fills caches, and translates code where the processor is emulated. */
void repeat(const char *metric, chunk work, void *state, long ms)
{
    work(state);
    long start = now(), end = start + ms * 1000000L, done = 0, at;
    do {
        done += work(state);
        at = now();
    } while (at < end);
    print_rate(metric, done, at - start);
}

/* Sorts in place, by Shell's method with Ciura's gaps. */
long median(long *samples, long count)
{
    static const long gaps[] = {1750, 701, 301, 132, 57, 23, 10, 4, 1};
    for (size_t which = 0; which < sizeof gaps / sizeof *gaps; which++) {
        long gap = gaps[which];
        for (long at = gap; at < count; at++) {
            long value = samples[at], place = at;
            for (; place >= gap && samples[place - gap] > value; place -= gap)
                samples[place] = samples[place - gap];
            samples[place] = value;
        }
    }
    return count ? samples[count / 2] : 0;
}
