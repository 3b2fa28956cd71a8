/* Bump allocation in chunks: one free for everything of a clip or a training step. */
#include "talkgen/core.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64 };

typedef struct chunk {
    struct chunk *next;
    size_t size; /* usable bytes after the header */
    size_t used;
    char pad[ALIGN - sizeof(void *) - 2 * sizeof(size_t)];
} chunk;
_Static_assert(sizeof(chunk) == ALIGN, "blocks start aligned right behind the header");

/* Chunks form a list; those behind `current` are empty and kept for reuse. */
struct tg_arena {
    chunk *first, *current;
    size_t chunk_bytes;
};

bool tg_mul_size(size_t a, size_t b, size_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}

bool tg_add_size(size_t a, size_t b, size_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

void *tg_alloc(size_t bytes) {
    size_t rounded;
    if (!tg_add_size(bytes ? bytes : 1, ALIGN - 1, &rounded))
        return NULL;
    return aligned_alloc(ALIGN, rounded / ALIGN * ALIGN);
}

void *tg_calloc(size_t bytes) {
    void *block = tg_alloc(bytes);
    if (block)
        memset(block, 0, bytes);
    return block;
}

void tg_free(void *block) {
    free(block);
}

tg_arena *tg_arena_create(size_t chunk_bytes) {
    tg_arena *arena = calloc(1, sizeof *arena);
    if (arena)
        arena->chunk_bytes = chunk_bytes ? chunk_bytes : (size_t)1 << 20;
    return arena;
}

void tg_arena_destroy(tg_arena **arena) {
    if (!arena || !*arena)
        return;
    for (chunk *c = (*arena)->first; c;) {
        chunk *next = c->next;
        free(c);
        c = next;
    }
    free(*arena);
    *arena = NULL;
}

void *tg_arena_alloc(tg_arena *arena, size_t bytes) {
    size_t need;
    if (!tg_add_size(bytes, ALIGN - 1, &need))
        return NULL;
    need = need / ALIGN * ALIGN;
    chunk *c = arena->current;
    if (c && need > c->size - c->used) { /* a kept chunk may be large enough */
        chunk *next = c->next;
        while (next && next->size < need)
            next = next->next;
        if (next) {
            if (next != c->next) { /* move it directly behind the current one */
                chunk *before = c;
                while (before->next != next)
                    before = before->next;
                before->next = next->next;
                next->next = c->next;
                c->next = next;
            }
            next->used = 0;
            arena->current = c = next;
        } else {
            c = NULL;
        }
    }
    if (!c) {
        size_t size = need > arena->chunk_bytes ? need : arena->chunk_bytes, total;
        if (!tg_add_size(size, sizeof(chunk), &total) || !(c = tg_alloc(total)))
            return NULL;
        c->size = size;
        c->used = 0;
        if (arena->current) {
            c->next = arena->current->next;
            arena->current->next = c;
        } else {
            c->next = arena->first;
            arena->first = c;
        }
        arena->current = c;
    }
    char *block = (char *)(c + 1) + c->used;
    c->used += need;
    return block;
}

void *tg_arena_calloc(tg_arena *arena, size_t bytes) {
    void *block = tg_arena_alloc(arena, bytes);
    if (block)
        memset(block, 0, bytes);
    return block;
}

char *tg_arena_strdup(tg_arena *arena, const char *text) {
    size_t bytes = strlen(text) + 1;
    char *copy = tg_arena_alloc(arena, bytes);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

tg_mark tg_arena_mark(tg_arena *arena) {
    return (tg_mark){arena->current, arena->current ? arena->current->used : 0};
}

void tg_arena_release(tg_arena *arena, tg_mark mark) {
    if (!mark.chunk) {
        tg_arena_reset(arena);
        return;
    }
    arena->current = mark.chunk;
    arena->current->used = mark.used;
}

void tg_arena_reset(tg_arena *arena) {
    arena->current = arena->first;
    if (arena->current)
        arena->current->used = 0;
}
