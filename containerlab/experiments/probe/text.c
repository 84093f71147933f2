/* What the probe says and reads: decimal numbers, lines of `metric value`, errors. */
#include "probe.h"

static size_t length(const char *text)
{
    size_t count = 0;
    while (text[count])
        count++;
    return count;
}

static void put(int descriptor, const char *text)
{
    call3(__NR_write, descriptor, text, length(text));
}

/* Writes a number's digits before `end` and returns where they begin. */
static char *digits_before(char *end, unsigned long value)
{
    do
        *--end = (char)('0' + value % 10);
    while (value /= 10);
    return end;
}

long number(const char *text, long otherwise)
{
    long value = 0;
    if (!text || !*text)
        return otherwise;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > (1L << 50))
            return otherwise;
        value = value * 10 + (*text - '0');
    }
    return value;
}

int same(const char *one, const char *other)
{
    while (*one && *one == *other)
        one++, other++;
    return *one == *other;
}

void print(const char *text)
{
    put(1, text);
}

/* One write for each line, so that lines of several processes are never torn. */
static void print_line(const char *metric, const char *value)
{
    char line[160];
    size_t at = 0;
    for (; *metric && at < 100; metric++)
        line[at++] = *metric;
    line[at++] = ' ';
    for (; *value && at < 158; value++)
        line[at++] = *value;
    line[at++] = '\n';
    call3(__NR_write, 1, line, at);
}

void print_rate(const char *metric, long count, long elapsed_ns)
{
    char text[32] = {0};
    unsigned long rate = (unsigned long)((double)count * 1e9 / (double)(elapsed_ns > 0 ? elapsed_ns : 1));
    print_line(metric, digits_before(text + sizeof text - 1, rate));
}

void print_seconds(const char *metric, long ns)
{
    char text[48] = {0};
    char *at = text + sizeof text - 1;
    for (int place = 0; place < 9; place++, ns /= 10)
        *--at = (char)('0' + ns % 10);
    *--at = '.';
    print_line(metric, digits_before(at, (unsigned long)ns));
}

void quit(int status)
{
    for (;;)
        call1(__NR_exit_group, status);
}

void die(const char *what, long answer)
{
    char text[24] = {0};
    put(2, "conlab-probe: ");
    put(2, what);
    if (answer < 0) {
        put(2, ": errno ");
        put(2, digits_before(text + sizeof text - 1, (unsigned long)-answer));
    }
    put(2, "\n");
    quit(1);
}

long checked(const char *what, long answer)
{
    if (answer < 0)
        die(what, answer);
    return answer;
}

/* The compiler makes calls of these from loops and initialisers. */
void *memset(void *target, int value, size_t count)
{
    unsigned char *at = target;
    while (count--) {
        *at++ = (unsigned char)value;
        __asm__ volatile("" ::: "memory"); /* else this loop becomes a call of itself */
    }
    return target;
}

void *memcpy(void *restrict target, const void *restrict source, size_t count)
{
    unsigned char *to = target;
    const unsigned char *from = source;
    while (count--) {
        *to++ = *from++;
        __asm__ volatile("" ::: "memory");
    }
    return target;
}
