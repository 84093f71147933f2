/* What a processor does alone: integers, floating point, copies in memory. */
#include "probe.h"

#define LOOPS 100000L

#if defined(__x86_64__)
#define FLOATS(value) "+x"(value)
#else
#define FLOATS(value) "+w"(value)
#endif

/* Each loop is six operations that depend on each other. Source: Steele, Lea, Flood, SplitMix64, 2014. */
static long integer_chunk(void *state)
{
    uint64_t value = *(uint64_t *)state;
    for (long loop = 0; loop < LOOPS; loop++) {
        value += 0x9e3779b97f4a7c15u;
        value ^= value >> 30;
        value *= 0xbf58476d1ce4e5b9u;
        value ^= value >> 27;
    }
    *(uint64_t *)state = value;
    return LOOPS * 6;
}

void measure_integer(long ms)
{
    uint64_t state = 1;
    repeat("integer_ops_per_s", integer_chunk, &state, ms);
    __asm__ volatile("" ::"r"(state));
}

/* Four independent chains of a product and a sum each; they run towards 1 and never leave the normal numbers. */
static long float_chunk(void *state)
{
    double *values = state;
    double a = values[0], b = values[1], c = values[2], d = values[3];
    for (long loop = 0; loop < LOOPS; loop++) {
        a = a * 0.9999999 + 0.0000001;
        b = b * 0.9999998 + 0.0000002;
        c = c * 0.9999997 + 0.0000003;
        d = d * 0.9999996 + 0.0000004;
        __asm__ volatile("" : FLOATS(a), FLOATS(b), FLOATS(c), FLOATS(d));
    }
    values[0] = a, values[1] = b, values[2] = c, values[3] = d;
    return LOOPS * 8;
}

void measure_float(long ms)
{
    double state[4] = {2, 3, 4, 5};
    repeat("float_ops_per_s", float_chunk, state, ms);
}

#define COPY_BYTES (24 * MIB) /* two of them are more than most caches hold */

typedef uint64_t block __attribute__((vector_size(16)));

static long copy_chunk(void *state)
{
    block *from = state, *to = from + COPY_BYTES / (long)sizeof(block);
    for (long at = 0; at < COPY_BYTES / (long)sizeof(block); at += 4) {
        block a = from[at], b = from[at + 1], c = from[at + 2], d = from[at + 3];
        to[at] = a, to[at + 1] = b, to[at + 2] = c, to[at + 3] = d;
    }
    __asm__ volatile("" ::"r"(to) : "memory");
    return COPY_BYTES;
}

void measure_memory(long ms)
{
    repeat("memory_copy_bytes_per_s", copy_chunk, memory_of(2 * COPY_BYTES), ms);
}
