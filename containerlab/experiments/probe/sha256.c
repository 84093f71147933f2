/* SHA-256 in plain C: what hashing costs, and digests that a test compares. Source: FIPS 180-4. */
#include "probe.h"

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
static const uint32_t beginning[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static inline uint32_t turned(uint32_t word, int bits)
{
    return word >> bits | word << (32 - bits);
}

static void schedule(uint32_t *words, const unsigned char *data)
{
    for (int at = 0; at < 16; at++, data += 4)
        words[at] = (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
    for (int at = 16; at < 64; at++) {
        uint32_t near = words[at - 15], far = words[at - 2];
        words[at] = words[at - 16] + (turned(near, 7) ^ turned(near, 18) ^ near >> 3) + words[at - 7] +
                    (turned(far, 17) ^ turned(far, 19) ^ far >> 10);
    }
}

static void take_block(uint32_t *hash, const unsigned char *data)
{
    uint32_t words[64];
    schedule(words, data);
    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3];
    uint32_t e = hash[4], f = hash[5], g = hash[6], h = hash[7];
    for (int at = 0; at < 64; at++) {
        uint32_t first = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) +
                         constants[at] + words[at];
        uint32_t second = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + first, d = c, c = b, b = a, a = first + second;
    }
    hash[0] += a, hash[1] += b, hash[2] += c, hash[3] += d;
    hash[4] += e, hash[5] += f, hash[6] += g, hash[7] += h;
}

static unsigned char data[64 * KIB];

static long sha256_chunk(void *hash)
{
    for (long at = 0; at < (long)sizeof data; at += 64)
        take_block(hash, data + at);
    return sizeof data;
}

void measure_sha256(long ms)
{
    uint32_t hash[8];
    memcpy(hash, beginning, sizeof hash);
    repeat("sha256_bytes_per_s", sha256_chunk, hash, ms);
}

/* Reads until the buffer is full or the input has ended. */
static long fill(unsigned char *buffer, long size)
{
    long filled = 0, got;
    while (filled < size && (got = checked("read", call3(__NR_read, 0, buffer + filled, size - filled))))
        filled += got;
    return filled;
}

static void finish(uint32_t *hash, unsigned char *block, long used, uint64_t total)
{
    block[used++ & 63] = 0x80;
    if (used > 56) {
        memset(block + used, 0, (size_t)(64 - used));
        take_block(hash, block);
        used = 0;
    }
    memset(block + used, 0, (size_t)(56 - used));
    for (int at = 0; at < 8; at++)
        block[56 + at] = (unsigned char)(total * 8 >> (56 - 8 * at));
    take_block(hash, block);
}

void print_sha256(void)
{
    uint32_t hash[8];
    unsigned char block[64];
    char text[66];
    uint64_t total = 0;
    long used;
    memcpy(hash, beginning, sizeof hash);
    while ((used = fill(block, 64)) == 64)
        take_block(hash, block), total += 64;
    finish(hash, block, used, total + (uint64_t)used);
    for (int at = 0; at < 64; at++)
        text[at] = "0123456789abcdef"[hash[at / 8] >> (28 - at % 8 * 4) & 15];
    text[64] = '\n', text[65] = 0;
    print(text);
}
