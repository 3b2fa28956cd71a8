/* Damaging files: seeds, where their headers are, and what is done to them. Everything follows from
 * the seed number and the index of the file, so that a failure can be made again. */
#ifndef TALKGEN_TESTS_MUTATIONS_H
#define TALKGEN_TESTS_MUTATIONS_H

#include <stddef.h>
#include <stdint.h>

/* A part of a file that readers interpret. Files with several kinds of them (directory, local
 * headers, pickle) are damaged equally often in each. */
typedef struct {
    size_t begin, end;
    int kind;
} header_region;

typedef struct seed_file seed_file;
struct seed_file {
    const char *path;
    uint8_t *data;
    size_t bytes;
    header_region *regions;
    int region_count, kinds;
    size_t length_at; /* of the field that holds the header's length, 0 bytes wide if none */
    int length_width;
    struct zip_member *members; /* of an archive */
    int member_count;
};

typedef struct {
    uint8_t *data;
    size_t bytes, room;
} file_bytes;

/* Takes `data` (malloc) and finds its headers. */
void seed_describe(seed_file *seed, const char *path, uint8_t *data, size_t bytes);
void seed_free(seed_file *seed);

/* File number `index` of the run `run`: a seed with one to four changes, all of them in headers
 * when index is even. out is reused between calls. */
void mutate_file(const seed_file *seeds, int count, uint64_t run, uint64_t index, file_bytes *out);

#endif
