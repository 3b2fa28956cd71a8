/* Opcodes of a pickle, for tests that write one byte by byte. The including file defines PICKLE,
 * the type that bytes go to, and raw(PICKLE *, const void *data, size_t n), which adds some. */
#ifndef TALKGEN_TESTS_PICKLE_OPS_H
#define TALKGEN_TESTS_PICKLE_OPS_H

#include <stdint.h>
#include <string.h>

static inline void op(PICKLE *b, const char *ops) {
    raw(b, ops, strlen(ops));
}

static inline void little(PICKLE *b, uint64_t value, int n) {
    for (int i = 0; i < n; i++)
        raw(b, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

static inline void text(PICKLE *b, const char *t) {
    op(b, "X");
    little(b, strlen(t), 4);
    op(b, t);
}

static inline void number(PICKLE *b, int64_t value) {
    op(b, "J");
    little(b, (uint64_t)value, 4);
}

static inline void real(PICKLE *b, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    op(b, "G");
    for (int i = 8; i-- > 0;)
        raw(b, &(uint8_t){(uint8_t)(bits >> 8 * i)}, 1);
}

static inline void global(PICKLE *b, const char *module, const char *name) {
    op(b, "c");
    op(b, module);
    op(b, "\n");
    op(b, name);
    op(b, "\n");
}

#endif
