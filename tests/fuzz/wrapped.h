/* Configurations inside safetensors files: the input is JSON, its members become the metadata of a
 * file whose tensors are those of the tiny person of the unit tests, or of its voice. */
#ifndef TALKGEN_TESTS_FUZZ_WRAPPED_H
#define TALKGEN_TESTS_FUZZ_WRAPPED_H

#include "../unit/systems_person.h"
#include "fuzz.h"

/* A whole file, header and data. */
typedef struct {
    char *text;
    size_t bytes;
} wrapped_file;

/* The file of that name which person_write makes. */
static inline wrapped_file wrapped_base(const char *name) {
    wrapped_file base;
    ctx = fuzz_context();
    strcpy(folder, "fuzz_person_XXXXXX");
    if (!mkdtemp(folder)) {
        abort();
    }
    person_write(true);
    if (tg_file_read(ctx, in_folder(name), 1 << 20, &base.text, &base.bytes) != TG_OK) {
        abort();
    }
    empty_folder();
    rmdir(folder);
    return base;
}

/* The base with the members of the input as metadata: texts as they are, everything else as JSON.
 * Where the input is no JSON object it is the metadata `key`. The path holds until the next call.
 */
static inline const char *wrapped(const wrapped_file *base, const char *key, const uint8_t *data,
                                  size_t bytes) {
    uint64_t header_bytes = 0;
    memcpy(&header_bytes, base->text, 8);
    tg_json *header, *given = NULL;
    if (tg_json_parse(ctx, base->text + 8, header_bytes, "base", &header) != TG_OK) {
        abort();
    }
    tg_json *meta = tg_json_get(header, "__metadata__");
    if (tg_json_parse(ctx, (const char *)data, bytes, "input", &given) == TG_OK &&
        tg_json_is_object(given)) {
        for (const tg_json *v = tg_json_first(given); v; v = tg_json_next(v)) {
            char *text = tg_json_print(v, false);
            tg_json_set_string(meta, tg_json_key(v), tg_json_string(v, text ? text : ""));
            tg_free(text);
        }
    } else {
        char *text = malloc(bytes + 1);
        memcpy(text, data, bytes);
        text[bytes] = '\0';
        tg_json_set_string(meta, key, text);
        free(text);
    }
    char *text = tg_json_print(header, false);
    size_t used = strlen(text), padded = (used + 7) / 8 * 8;
    size_t values = base->bytes - 8 - (size_t)header_bytes;
    uint8_t *file = malloc(8 + padded + values);
    memset(file, ' ', 8 + padded);
    memcpy(file, &(uint64_t){padded}, 8);
    memcpy(file + 8, text, used);
    memcpy(file + 8 + padded, base->text + 8 + header_bytes, values);
    const char *path = fuzz_file(file, 8 + padded + values);
    free(file);
    tg_free(text);
    tg_json_destroy(&given);
    tg_json_destroy(&header);
    return path;
}

#endif
