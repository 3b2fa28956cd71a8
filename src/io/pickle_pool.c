/* Values of a pickle: memory with a limit, lists, dicts, and the check of the finished tree. */
#include "io/pickle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One byte of a hostile pickle can ask for a value of 16; this is what stops it. */
static const size_t memory_base = (size_t)40 << 20, memory_factor = 3;
enum { CHUNK = 16384, MAX_DEPTH = 128, LIST_COST = 16 };

struct pk_chunk {
    struct pk_chunk *next;
    size_t used, room;
};

void tg_pk_pool_init(pk_pool *pool, size_t file_bytes) {
    *pool = (pk_pool){0};
    pool->last_storage = &pool->storages;
    if (!tg_mul_size(file_bytes, memory_factor, &pool->limit) ||
        !tg_add_size(pool->limit, memory_base, &pool->limit)) {
        pool->limit = SIZE_MAX;
    }
}

void tg_pk_pool_free(pk_pool *pool) {
    for (pk_list *list = pool->lists; list; list = list->next) {
        free(list->item);
    }
    while (pool->chunks) {
        struct pk_chunk *next = pool->chunks->next;
        free(pool->chunks);
        pool->chunks = next;
    }
}

bool tg_pk_charge(pk_pool *pool, size_t bytes) {
    if (bytes > pool->limit - pool->used) {
        return false;
    }
    pool->used += bytes;
    return true;
}

void *tg_pk_alloc(pk_pool *pool, size_t bytes) {
    if (bytes > SIZE_MAX / 2) {
        return NULL;
    }
    bytes = (bytes + 7) & ~(size_t)7;
    struct pk_chunk *c = pool->chunks;
    if (!c || bytes > c->room - c->used) {
        size_t room = bytes > CHUNK / 4 ? bytes : CHUNK;
        if (!tg_pk_charge(pool, room + sizeof *c) || !(c = calloc(1, sizeof *c + room))) {
            return NULL;
        }
        c->room = room;
        if (room > CHUNK && pool->chunks) { /* the open chunk stays in front */
            c->next = pool->chunks->next;
            pool->chunks->next = c;
        } else {
            c->next = pool->chunks;
            pool->chunks = c;
        }
    }
    void *block = (uint8_t *)(c + 1) + c->used;
    c->used += bytes;
    return block;
}

pk_list *tg_pk_list_new(pk_pool *pool) {
    pk_list *list = tg_pk_alloc(pool, sizeof *list);
    if (list) {
        list->next = pool->lists;
        pool->lists = list;
    }
    return list;
}

bool tg_pk_list_add(pk_pool *pool, pk_list *list, const pk_value *values, size_t count) {
    if (count == 0) {
        return true;
    }
    size_t needed, bytes;
    if (!tg_add_size(list->count, count, &needed)) {
        return false;
    }
    if (needed > list->room) {
        size_t room = list->room > needed / 2 ? list->room * 2 : needed;
        if (!tg_mul_size(room, sizeof *list->item, &bytes) ||
            !tg_pk_charge(pool,
                          bytes - list->room * sizeof *list->item + (list->room ? 0 : LIST_COST))) {
            return false;
        }
        pk_value *item = realloc(list->item, bytes);
        if (!item) {
            return false;
        }
        list->item = item;
        list->room = room;
    }
    memcpy(list->item + list->count, values, count * sizeof *values);
    list->count = needed;
    return true;
}

pk_text *tg_pk_text_new(pk_pool *pool, const void *data, size_t bytes) {
    pk_text *text = bytes < SIZE_MAX / 4 ? tg_pk_alloc(pool, sizeof *text + bytes + 1) : NULL;
    if (text) {
        text->bytes = bytes;
        text->data = (char *)(text + 1);
        if (data && bytes) {
            memcpy(text + 1, data, bytes);
        }
    }
    return text;
}

bool tg_pk_dict_add(pk_pool *pool, pk_list *dict, const pk_value *key, const pk_value *value,
                    bool *bad) {
    char number[40];
    *bad = false;
    pk_value pair[2] = {*key, *value};
    if (key->kind == PK_INT) {
        snprintf(number, sizeof number, "%" PRId64, key->as.i);
    } else if (key->kind == PK_FLOAT) {
        snprintf(number, sizeof number, "%.17g", key->as.f);
    } else if (key->kind == PK_BOOL) {
        strcpy(number, key->as.b ? "True" : "False");
    } else {
        *bad = key->kind != PK_STRING || strlen(key->as.text->data) != key->as.text->bytes;
        return !*bad && tg_pk_list_add(pool, dict, pair, 2);
    }
    pair[0].kind = PK_STRING;
    pair[0].as.text = tg_pk_text_new(pool, number, strlen(number));
    return pair[0].as.text && tg_pk_list_add(pool, dict, pair, 2);
}

/* ---- the finished tree -------------------------------------------------------------- */

/* NULL when the value has no elements. */
static pk_list *children(const pk_value *v) {
    if (v->kind == PK_LIST || v->kind == PK_DICT) {
        return v->as.list;
    }
    return v->kind == PK_TENSOR ? v->as.tensor->objects : NULL;
}

static const char *visit(pk_list *list, int depth, uint64_t limit) {
    if (list->visiting) {
        return "a container that contains itself";
    }
    if (depth > MAX_DEPTH || (list->visited && depth + list->height > MAX_DEPTH)) {
        return "containers nested more than 128 deep";
    }
    if (list->visited) {
        return NULL;
    }
    list->visiting = true;
    list->weight = 1;
    for (size_t i = 0; i < list->count; i++) {
        pk_list *below = children(&list->item[i]);
        list->weight++;
        if (below) {
            const char *wrong = visit(below, depth + 1, limit);
            if (wrong) {
                return wrong;
            }
            list->weight += below->weight;
            list->height = below->height + 1 > list->height ? below->height + 1 : list->height;
        }
        if (list->weight > limit) {
            return "a tree far larger than its file, made of repeated references";
        }
    }
    list->visiting = false;
    list->visited = true;
    return NULL;
}

tg_status tg_pk_check_tree(tg_context *ctx, const char *path, const pk_value *root,
                           size_t file_bytes) {
    pk_list *list = children(root);
    const char *wrong = list ? visit(list, 1, (uint64_t)file_bytes + (1 << 20)) : NULL;
    if (!wrong) {
        return TG_OK;
    }
    return tg_fail(ctx, TG_EMODEL,
                   "%s: %s\n  expected: a tree of dicts, lists and tensors\n"
                   "  try: torch.save of the state_dict alone",
                   path, wrong);
}

void tg_pk_place_tensors(pk_pool *pool) {
    for (pk_tensor *t = pool->tensors; t; t = t->next) {
        /* Its extent was checked against the count of the storage when it was made, and the
         * container has found that many elements. */
        if (t->storage && t->view.count > 0) {
            t->view.data = t->storage->data + (size_t)t->offset * t->storage->size;
        }
    }
}
