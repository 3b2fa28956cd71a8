/* A set of names: open addressing, at most half full. */
#include "batch/names.h"

#include <stdlib.h>
#include <string.h>

uint64_t tg_name_hash(const char *text) {
    uint64_t x = tg_hash_bytes(text, strlen(text), 0);
    /* finalizer of splitmix64 (Steele, Lea, Flood 2014) */
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static struct tg_name *find(const tg_names *names, uint64_t hash, const char *text) {
    size_t i = (size_t)hash & (names->room - 1);
    while (names->slot[i].text &&
           (names->slot[i].hash != hash || strcmp(names->slot[i].text, text) != 0))
        i = (i + 1) & (names->room - 1);
    return &names->slot[i];
}

static bool grow(tg_names *names) {
    tg_names larger = {.room = names->room ? 2 * names->room : 256, .count = names->count};
    larger.slot = calloc(larger.room, sizeof *larger.slot);
    if (!larger.slot)
        return false;
    for (size_t i = 0; i < names->room; i++)
        if (names->slot[i].text)
            *find(&larger, names->slot[i].hash, names->slot[i].text) = names->slot[i];
    free(names->slot);
    *names = larger;
    return true;
}

int64_t tg_names_add(tg_names *names, const char *text, int64_t line) {
    if (2 * names->count >= names->room && !grow(names))
        return -1;
    uint64_t hash = tg_name_hash(text);
    struct tg_name *slot = find(names, hash, text);
    if (slot->text)
        return slot->line;
    if (!(slot->text = strdup(text)))
        return -1;
    slot->hash = hash;
    slot->line = line;
    names->count++;
    return 0;
}

void tg_names_free(tg_names *names) {
    for (size_t i = 0; i < names->room; i++)
        free(names->slot[i].text);
    free(names->slot);
    *names = (tg_names){0};
}
