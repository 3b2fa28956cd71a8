/* Where the headers of each format are, and the changes. */
#include "mutations.h"
#include "io/pickle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct zip_member {
    size_t name_at, name_bytes;
    int method;
    uint32_t crc, size;
    seed_file content; /* data borrowed from the archive */
};

/* ---- bytes and chance ---------------------------------------------------------------- */

static uint64_t little(const uint8_t *p, int width) {
    uint64_t value = 0;
    for (int i = width; i-- > 0;) {
        value = value << 8 | p[i];
    }
    return value;
}

static void put_little(uint8_t *p, uint64_t value, int width) {
    for (int i = 0; i < width; i++) {
        p[i] = (uint8_t)(value >> (8 * i));
    }
}

/* splitmix64 */
static uint64_t chance(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t below(uint64_t *state, size_t n) {
    return n ? (size_t)(chance(state) % n) : 0;
}

static void *must(void *block) {
    if (!block) {
        fprintf(stderr, "mutate: out of memory\n");
        exit(6);
    }
    return block;
}

static void reserve(file_bytes *b, size_t bytes) {
    if (bytes > b->room) {
        b->room = bytes * 2;
        b->data = must(realloc(b->data, b->room));
    }
}

static void append(file_bytes *b, const void *data, size_t bytes) {
    reserve(b, b->bytes + bytes);
    if (bytes) {
        memcpy(b->data + b->bytes, data, bytes);
    }
    b->bytes += bytes;
}

/* Replaces `removed` bytes at `at`; data may not lie in b. */
static void replace(file_bytes *b, size_t at, size_t removed, const void *data, size_t bytes) {
    reserve(b, b->bytes + bytes);
    memmove(b->data + at + bytes, b->data + at + removed, b->bytes - at - removed);
    if (bytes) {
        memcpy(b->data + at, data, bytes);
    }
    b->bytes += bytes - removed;
}

/* ---- where headers are ------------------------------------------------------------------ */

static void add_region(seed_file *s, size_t begin, size_t end, int kind) {
    if (begin >= end || end > s->bytes) {
        return;
    }
    s->regions = must(realloc(s->regions, (size_t)(s->region_count + 1) * sizeof *s->regions));
    s->regions[s->region_count++] = (header_region){begin, end, kind};
    s->kinds = kind >= s->kinds ? kind + 1 : s->kinds;
}

static void describe_contents(seed_file *s);

static void describe_zip(seed_file *s) {
    size_t end = s->bytes < 22 ? 0 : s->bytes - 22;
    while (end > 0 && memcmp(s->data + end, "PK\5\6", 4) != 0) {
        end--;
    }
    size_t count = end ? little(s->data + end + 10, 2) : 0,
           at = end ? little(s->data + end + 16, 4) : 0;
    add_region(s, at, end, 0);
    add_region(s, end, s->bytes, 1);
    s->members = must(calloc(count + 1, sizeof *s->members));
    for (size_t i = 0; i < count && at + 46 <= end; i++) {
        const uint8_t *d = s->data + at;
        size_t local = little(d + 42, 4), name = little(d + 28, 2);
        struct zip_member *m = &s->members[s->member_count++];
        *m = (struct zip_member){at + 46,
                                 name,
                                 (int)little(d + 10, 2),
                                 (uint32_t)little(d + 16, 4),
                                 (uint32_t)little(d + 24, 4),
                                 {0}};
        size_t data =
            local + 30 + little(s->data + local + 26, 2) + little(s->data + local + 28, 2);
        add_region(s, local, data, 2);
        m->content = (seed_file){.data = s->data + data, .bytes = little(d + 20, 4)};
        describe_contents(&m->content);
        for (int r = 0; r < m->content.region_count; r++) { /* a pickle or .npy inside */
            add_region(s, data + m->content.regions[r].begin, data + m->content.regions[r].end, 3);
        }
        at += 46 + name + little(d + 30, 2) + little(d + 32, 2);
    }
}

/* One pickle, or the five of torch.save's older container. */
static void describe_pickles(seed_file *s) {
    tg_context *ctx = must(tg_context_create(1));
    pk_pool *pool = must(malloc(sizeof *pool));
    tg_pk_pool_init(pool, s->bytes);
    size_t at = 0, used;
    for (int i = 0; i < 5 && at < s->bytes; i++) {
        pk_value value;
        tg_status status =
            tg_pk_run(ctx, pool, "seed", s->data + at, s->bytes - at, at, &value, &used);
        add_region(s, at, at + used, i < 3 ? 0 : i - 2);
        at += used;
        if (status != TG_OK || (i == 0 && value.kind != PK_LONG)) {
            break;
        }
    }
    tg_pk_pool_free(pool);
    free(pool);
    tg_context_destroy(&ctx);
}

/* Texts have their structure everywhere: every byte that is not part of a word. */
static void describe_text(seed_file *s) {
    for (size_t i = 0; i < s->bytes; i++) {
        if (s->data[i] && strchr("{}[]:,\"'-#&*|>\\\n ", s->data[i])) {
            add_region(s, i, i + 1, 0);
        }
    }
}

static void describe_contents(seed_file *s) {
    const uint8_t *d = s->data;
    size_t n = s->bytes;
    if (n >= 22 && memcmp(d, "PK\3\4", 4) == 0) {
        describe_zip(s);
    } else if (n >= 12 && memcmp(d, "\x93NUMPY", 6) == 0) {
        s->length_at = 8;
        s->length_width = d[6] == 1 ? 2 : 4;
        size_t end = 8 + (size_t)s->length_width + little(d + 8, s->length_width);
        add_region(s, 0, end, 0);
        if (end < n && d[end] == 0x80) { /* objects */
            add_region(s, end, n, 1);
        }
    } else if (n >= 2 && d[0] == 0x80) {
        describe_pickles(s);
    } else if (n >= 10 && little(d, 8) <= n - 8 && d[8] == '{') {
        s->length_width = 8;
        add_region(s, 0, 8, 0);
        add_region(s, 8, 8 + (size_t)little(d, 8), 1);
    } else if (n < 65536 && !memchr(d, 0, n)) {
        describe_text(s);
    }
}

void seed_describe(seed_file *seed, const char *path, uint8_t *data, size_t bytes) {
    *seed = (seed_file){.path = path, .data = data, .bytes = bytes};
    describe_contents(seed);
}

void seed_free(seed_file *seed) {
    for (int i = 0; i < seed->member_count; i++) {
        free(seed->members[i].content.regions);
    }
    free(seed->members);
    free(seed->regions);
    free(seed->data);
}

/* ---- one change --------------------------------------------------------------------------- */

/* What readers have to tell apart: opcodes and names of pickles, keys of headers, YAML, JSON. */
static const char *const words[] = {
    "\x80\x02}q\x01.",
    "(",
    "t",
    "R",
    "b",
    "Q",
    "0",
    "1",
    "2",
    "e",
    "u",
    "s",
    "a",
    ")",
    "]",
    "}",
    ".",
    "\x85",
    "\x86",
    "\x87",
    "\x8f",
    "\x90",
    "\x91",
    "\x93",
    "\x94",
    "h\x01",
    "j\xff\xff\xff\xff",
    "r\xff\xff\xff\x7f",
    "J\xff\xff\xff\x7f",
    "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
    "cos\nsystem\n",
    "ccollections\nOrderedDict\n",
    "ctorch._utils\n_rebuild_tensor_v2\n",
    "cnumpy.core.multiarray\nscalar\n",
    "ctorch\nHalfStorage\n",
    "X\x07",
    "\x8c\x07storage",
    "{",
    "[",
    ",",
    ":",
    "\"",
    "\\",
    "null",
    "true",
    "1e999",
    "-0",
    "\\u0000",
    "\\ud800",
    "\xff\xfe",
    "\xc3",
    "'descr'",
    "'shape'",
    "'<f8'",
    "'|O'",
    "'<U3'",
    "True",
    "(3,)",
    "\"dtype\"",
    "\"F64\"",
    "\"shape\"",
    "\"data_offsets\"",
    "\"__metadata__\"",
    "\n",
    "  ",
    "- ",
    "&a ",
    "*a",
    "<<: *a",
    "!!python/object:os ",
    "base_config: .",
    "---\n",
    "...\n",
    "? ",
    "|\n",
    ">\n",
    "%YAML 1.1\n",
    "#",
    "\t",
    "PK\3\4",
    "PK\1\2",
    "PK\5\6",
};

static const char *const numbers[] = {
    "0",
    "1",
    "-1",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "1e309",
    "1.5",
    "00",
    "99999999999999999999999999999999999999999",
};

static const uint64_t extremes[] = {
    0,
    1,
    2,
    7,
    8,
    9,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x10000,
    0x7fffffff,
    0x80000000u,
    0xffffffffu,
    0x100000000u,
    0x3fffffffffffffff,
    0x4000000000000000,
    INT64_MAX,
    1ull << 63,
    UINT64_MAX,
    UINT64_MAX - 7,
    1ull << 32,
    1 << 24,
};
#define PICK(state, list) ((list)[below(state, sizeof(list) / sizeof((list)[0]))])

/* A place to change; headers drift when earlier changes moved them, which is as good. */
static size_t place(const seed_file *s, uint64_t *state, const file_bytes *b, bool header) {
    if (!header || s->region_count == 0) {
        return below(state, b->bytes);
    }
    int kind = (int)below(state, (size_t)s->kinds),
        first = (int)below(state, (size_t)s->region_count);
    for (int i = 0; i < s->region_count; i++) {
        const header_region *r = &s->regions[(first + i) % s->region_count];
        if (r->kind == kind || i + 1 == s->region_count) {
            size_t at = r->begin + below(state, r->end - r->begin);
            return at < b->bytes ? at : below(state, b->bytes);
        }
    }
    return 0;
}

static void set_integer(uint64_t *state, file_bytes *b, size_t at) {
    int width = 1 << (1 + below(state, 3));
    if (b->bytes - at < (size_t)width) {
        return;
    }
    uint64_t value = PICK(state, extremes), old = little(b->data + at, width);
    switch (below(state, 4)) {
    case 0:
        value = old + (uint64_t)below(state, 9) - 4;
        break;
    case 1:
        value = b->bytes + (uint64_t)below(state, 9) - 4;
        break;
    }
    put_little(b->data + at, value, width);
    if (below(state, 8) == 0) { /* some numbers are big-endian */
        for (int i = 0; i < width / 2; i++) {
            uint8_t byte = b->data[at + i];
            b->data[at + i] = b->data[at + width - 1 - i];
            b->data[at + width - 1 - i] = byte;
        }
    }
}

/* The next number in text becomes another one. */
static void set_digits(uint64_t *state, file_bytes *b, size_t at) {
    while (at < b->bytes && (b->data[at] < '0' || b->data[at] > '9')) {
        at++;
    }
    size_t end = at;
    while (end < b->bytes && b->data[end] >= '0' && b->data[end] <= '9') {
        end++;
    }
    const char *number = PICK(state, numbers);
    replace(b, at, end - at, number, strlen(number));
}

static size_t block_length(uint64_t *state, size_t left) {
    size_t most = (size_t)1 << below(state, 12);
    return below(state, (left < most ? left : most)) + (left > 0);
}

/* A block of this or another seed, inserted or written over what is there. */
static void copy_block(uint64_t *state, const seed_file *from, file_bytes *b, size_t at) {
    size_t start =
        place(from, state, &(file_bytes){from->data, from->bytes, 0}, below(state, 2) == 0);
    size_t n = block_length(state, from->bytes - start);
    size_t over = below(state, 2) ? 0 : n < b->bytes - at ? n : b->bytes - at;
    replace(b, at, over, from->data + start, n);
}

static void change(const seed_file *s, const seed_file *other, uint64_t *state, bool header,
                   file_bytes *b) {
    if (b->bytes == 0) {
        append(b, "\x80", 1);
    }
    size_t at = place(s, state, b, header);
    const char *word;
    switch (below(state, 12)) {
    case 0:
        b->data[at] ^= (uint8_t)(1 << below(state, 8));
        break;
    case 1:
        b->data[at] = (uint8_t)(below(state, 2) ? PICK(state, extremes) : chance(state));
        break;
    case 2:
    case 3:
        set_integer(state, b, at);
        break;
    case 4:
        set_digits(state, b, at);
        break;
    case 5:
        b->bytes = at;
        break;
    case 6:
        copy_block(state, s, b, at);
        break;
    case 7:
        copy_block(state, other, b, at);
        break;
    case 8:
        replace(b, at, block_length(state, b->bytes - at), NULL, 0);
        break;
    case 9:
        word = PICK(state, words);
        replace(b, at, 0, word, strlen(word));
        break;
    case 10:
        word = PICK(state, words);
        replace(b, at, strlen(word) < b->bytes - at ? strlen(word) : b->bytes - at, word,
                strlen(word));
        break;
    case 11: { /* this file up to here, then another one */
        size_t start = place(other, state, &(file_bytes){other->data, other->bytes, 0}, header);
        b->bytes = at;
        append(b, other->data + start, other->bytes - start);
        break;
    }
    }
}

static void change_some(const seed_file *s, const seed_file *other, uint64_t *state, bool header,
                        file_bytes *b) {
    for (size_t n = 1 + below(state, 2) * below(state, 4); n-- > 0;) {
        change(s, other, state, header, b);
    }
    /* A header of another length is only read to its end when its length says so. */
    size_t end = s->length_at + (size_t)s->length_width;
    if (header && s->length_width && b->bytes > end && below(state, 4) != 0) {
        put_little(b->data + s->length_at,
                   little(s->data + s->length_at, s->length_width) + b->bytes - s->bytes,
                   s->length_width);
    }
}

/* ---- archives -------------------------------------------------------------------------------- */

static uint32_t crc32_of(const uint8_t *p, size_t n) {
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        }
    }
    return ~crc;
}

static void put_entry(file_bytes *out, const char *magic, const struct zip_member *m,
                      const uint8_t *name, uint32_t crc, uint32_t stored, uint32_t size,
                      size_t local) {
    const bool central = magic[2] == 1;
    uint8_t head[46] = {0}, *fields = head + (central ? 6 : 4);
    memcpy(head, magic, 4);
    put_little(fields, 20, 2);
    put_little(fields + 4, (uint64_t)m->method, 2);
    put_little(fields + 10, crc, 4);
    put_little(fields + 14, stored, 4);
    put_little(fields + 18, size, 4);
    put_little(fields + 22, m->name_bytes, 2);
    if (central) {
        put_little(head + 42, local, 4);
    }
    append(out, head, central ? 46 : 30);
    append(out, name, m->name_bytes);
}

/* The archive again around one changed member, with its right sizes and, mostly, checksum: so the
 * change reaches what reads the member. */
static void rebuild(const seed_file *s, const seed_file *other, uint64_t *state, bool header,
                    file_bytes *out) {
    int changed = (int)below(state, (size_t)s->member_count);
    for (int i = 0; header && i < s->member_count && s->members[changed].content.region_count == 0;
         i++) {
        changed = (changed + 1) % s->member_count;
    }
    file_bytes content = {0}, directory = {0};
    uint8_t end[22] = "PK\5\6";
    out->bytes = 0;
    for (int i = 0; i < s->member_count; i++) {
        const struct zip_member *m = &s->members[i];
        const uint8_t *name = s->data + m->name_at, *data = m->content.data;
        size_t bytes = m->content.bytes, local = out->bytes;
        uint32_t crc = m->crc, size = m->size;
        if (i == changed) {
            append(&content, data, bytes);
            const seed_file *donor = other->member_count ? &other->members[0].content : other;
            change_some(&m->content, donor, state, header, &content);
            data = content.data;
            bytes = content.bytes;
            if (m->method == 0) {
                size = (uint32_t)bytes;
                crc = below(state, 8) ? crc32_of(data, bytes) : crc;
            }
        }
        put_entry(out, "PK\3\4", m, name, crc, (uint32_t)bytes, size, 0);
        append(out, data, bytes);
        put_entry(&directory, "PK\1\2", m, name, crc, (uint32_t)bytes, size, local);
    }
    put_little(end + 8, (uint64_t)s->member_count, 2);
    put_little(end + 10, (uint64_t)s->member_count, 2);
    put_little(end + 12, directory.bytes, 4);
    put_little(end + 16, out->bytes, 4);
    append(out, directory.data, directory.bytes);
    append(out, end, sizeof end);
    free(content.data);
    free(directory.data);
}

void mutate_file(const seed_file *seeds, int count, uint64_t run, uint64_t index, file_bytes *out) {
    uint64_t state = run * 0x9e3779b97f4a7c15u ^ (index + 1) * 0xd1342543de82ef95u;
    const bool header = index % 2 == 0;
    const seed_file *s = &seeds[index / 2 % (uint64_t)count];
    const seed_file *other = &seeds[below(&state, (size_t)count)];
    if (s->member_count && below(&state, 2)) {
        rebuild(s, other, &state, header, out);
        return;
    }
    out->bytes = 0;
    append(out, s->data, s->bytes);
    change_some(s, other, &state, header, out);
}
