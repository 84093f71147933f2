/* What files cost: all of it through a file of their own in a directory, whose name is gone at once.
 *
 * A write counts when fdatasync has returned. Before a read the pages of the file are given back (fadvise
 * DONTNEED on clean pages), so it comes from the disk as this kernel sees it: in a virtual machine the host may
 * still hold the blocks. Random access goes past the cache (O_DIRECT) where the file system can.
 */
#include <asm/fcntl.h>
#include <linux/fadvise.h>

#include "probe.h"

#define BLOCK (128 * KIB)
#define PAGE (4 * KIB)
#define RANDOM_BYTES (32 * MIB)
#define MOST_SAMPLES 4096
#define AT_FDCWD (-100)

static char block[BLOCK] __attribute__((aligned(4096)));
static long samples[MOST_SAMPLES];

/* Random numbers by Marsaglia's xorshift: random bytes because file systems may compress, random places. */
static uint64_t drawn = 88172645463325252u;

static uint64_t draw(void)
{
    drawn ^= drawn << 13;
    drawn ^= drawn >> 7;
    return drawn ^= drawn << 17;
}

static void fill_block(void)
{
    for (long at = 0; at < BLOCK; at += 8)
        *(uint64_t *)(void *)(block + at) = draw();
}

struct file {
    long cached, direct; /* direct: past the cache; the same as cached where that is refused */
};

static struct file new_file(const char *directory)
{
    char path[512];
    const char *name = "/.conlab-probe";
    size_t at = 0;
    for (; *directory && at < 400; directory++)
        path[at++] = *directory;
    while ((path[at++] = *name++))
        ;
    struct file file;
    file.cached = call4(__NR_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    checked("cannot make a file in the directory", file.cached);
    file.direct = call4(__NR_openat, AT_FDCWD, path, O_RDWR | O_DIRECT | O_CLOEXEC, 0);
    if (file.direct < 0)
        file.direct = file.cached;
    checked("unlinkat", call3(__NR_unlinkat, AT_FDCWD, path, 0));
    return file;
}

static void sync_file(long file)
{
    checked("fdatasync", call1(__NR_fdatasync, file));
}

static void write_all(long file, long bytes)
{
    for (long at = 0; at < bytes; at += BLOCK)
        if (checked("write", call4(__NR_pwrite64, file, block, BLOCK, at)) != BLOCK)
            die("the disk is full", 0);
    sync_file(file);
}

static void forget_pages(long file)
{
    checked("fadvise64", call4(__NR_fadvise64, file, 0, 0, POSIX_FADV_DONTNEED));
}

void measure_file_write(const char *directory, long mib)
{
    struct file file = new_file(directory);
    fill_block();
    long start = now();
    write_all(file.cached, mib * MIB);
    print_rate("file_write_bytes_per_s", mib * MIB, now() - start);
}

void measure_file_read(const char *directory, long mib)
{
    struct file file = new_file(directory);
    fill_block();
    write_all(file.cached, mib * MIB);
    forget_pages(file.cached);
    long start = now(), got = 0;
    while (got < mib * MIB)
        got += checked("read", call4(__NR_pread64, file.cached, block, BLOCK, got));
    print_rate("file_read_bytes_per_s", got, now() - start);
}

/* Transfers single pages at random places until the time is over; a file is open past the cache. */
static void at_random(const char *metric, long operation, long file, long ms)
{
    long start = now(), end = start + ms * 1000000L, count = 0, at;
    do {
        long place = (long)(draw() % (RANDOM_BYTES / PAGE)) * PAGE;
        if (checked(metric, call4(operation, file, block, PAGE, place)) != PAGE)
            die("a page was cut off", 0);
        count++;
        at = now();
    } while (at < end);
    if (operation == __NR_pwrite64)
        sync_file(file);
    print_rate(metric, count, now() - start);
}

void measure_file_random(const char *directory, long ms)
{
    struct file file = new_file(directory);
    fill_block();
    write_all(file.cached, RANDOM_BYTES);
    forget_pages(file.cached);
    checked("fadvise64", call4(__NR_fadvise64, file.cached, 0, 0, POSIX_FADV_RANDOM));
    at_random("file_random_read_ops_per_s", __NR_pread64, file.direct, ms);
    at_random("file_random_write_ops_per_s", __NR_pwrite64, file.direct, ms);
}

/* What a database waits for at each commit: one page more, on the disk. */
void measure_file_fsync(const char *directory, long ms)
{
    struct file file = new_file(directory);
    fill_block();
    long at = now(), end = at + ms * 1000000L, count = 0;
    while (at < end && count < MOST_SAMPLES) {
        long start = now();
        checked("write", call4(__NR_pwrite64, file.cached, block, PAGE, count * PAGE));
        sync_file(file.cached);
        at = now();
        samples[count++] = at - start;
    }
    print_seconds("file_fsync_s", median(samples, count));
}
