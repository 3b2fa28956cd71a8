/* MD5: checksums for frames and files. Not for security, for comparing with other tools. */
#include "talkgen/io.h"
#include "io/files.h"
#include "io/md5.h"

#include <libavutil/md5.h>
#include <libavutil/mem.h>
#include <string.h>

struct tg_md5 {
    struct AVMD5 *state, *copy;
};

tg_md5 *tg_md5_create(void) {
    tg_md5 *md5 = tg_calloc(sizeof *md5);
    if (!md5) {
        return NULL;
    }
    md5->state = av_md5_alloc();
    md5->copy = av_md5_alloc();
    if (!md5->state || !md5->copy) {
        tg_md5_destroy(&md5);
        return NULL;
    }
    av_md5_init(md5->state);
    return md5;
}

void tg_md5_destroy(tg_md5 **md5) {
    if (*md5) {
        av_free((*md5)->state);
        av_free((*md5)->copy);
        tg_free(*md5);
        *md5 = NULL;
    }
}

void tg_md5_add(tg_md5 *md5, const void *data, size_t bytes) {
    av_md5_update(md5->state, data, bytes);
}

void tg_md5_digest(const tg_md5 *md5, char out[33]) {
    static const char digits[] = "0123456789abcdef";
    uint8_t sum[16];
    memcpy(md5->copy, md5->state, (size_t)av_md5_size); /* closing a digest ends its state */
    av_md5_final(md5->copy, sum);
    for (int i = 0; i < 16; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[32] = '\0';
}

tg_status tg_md5_bytes(tg_context *ctx, const void *data, size_t bytes, char out[33]) {
    tg_md5 *md5 = tg_md5_create();
    if (!md5) {
        return tg_fail(ctx, TG_ENOMEM, "not enough memory for a checksum");
    }
    tg_md5_add(md5, data, bytes);
    tg_md5_digest(md5, out);
    tg_md5_destroy(&md5);
    return TG_OK;
}

tg_status tg_file_md5(tg_context *ctx, const char *path, char out[33]) {
    tg_map map;
    tg_status status = tg_map_open(ctx, path, TG_EINPUT, &map);
    if (status != TG_OK) {
        return status;
    }
    tg_md5 *md5 = tg_md5_create();
    if (md5) {
        tg_md5_add(md5, map.data, map.bytes);
        tg_md5_digest(md5, out);
        tg_md5_destroy(&md5);
    } else {
        status = tg_fail(ctx, TG_ENOMEM, "%s: not enough memory for its checksum", path);
    }
    tg_map_close(&map);
    return status;
}
