/* Pictures through stb: PNG and JPEG, 8 bits per channel. */
#include "talkgen/io.h"
#include "io/files.h"
#include "io/provenance.h"

#include <limits.h>
#include <stb_image.h>
#include <stb_image_write.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIDE = 16384 };
/* A few KB of PNG can announce gigabytes of pixels. */
static const int64_t max_pixels = (int64_t)1 << 26;

static tg_status not_picture(tg_context *ctx, const char *name, const char *why) {
    return tg_fail(ctx, TG_EINPUT,
                   "%s: cannot be read as a picture: %s\n  expected: a PNG or JPEG file\n"
                   "  try: convert it, or copy it again",
                   name, why);
}

/* Whether every chunk of a PNG ends in it: stb makes room for the length that a chunk announces
 * before it looks for the bytes, up to 2 GiB. */
static bool chunks_fit(const uint8_t *data, size_t bytes) {
    for (size_t at = 8; bytes - at >= 8;) {
        const uint8_t *d = data + at;
        size_t length = (size_t)d[0] << 24 | (size_t)d[1] << 16 | (size_t)d[2] << 8 | d[3];
        if (length > bytes - at - 8) {
            return false;
        }
        at += 8 + length;
        at += bytes - at < 4 ? bytes - at : 4; /* the checksum */
    }
    return true;
}

tg_status tg_image_decode(tg_context *ctx, const uint8_t *data, size_t bytes, const char *name,
                          int channels, tg_image *out) {
    *out = (tg_image){0};
    if (channels != 0 && channels != 1 && channels != 3 && channels != 4) {
        return tg_fail(ctx, TG_EINTERNAL, "%s: %d channels asked for", name, channels);
    }
    /* stb knows other formats too; the two that we promise are the two that we check. */
    bool png = bytes >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0;
    bool jpeg = bytes >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0;
    if ((!png && !jpeg) || bytes > INT_MAX) {
        return not_picture(ctx, name, bytes == 0 ? "the file is empty" : "another kind of file");
    }
    if (png && !chunks_fit(data, bytes)) {
        return not_picture(ctx, name, "it ends within a chunk");
    }
    int width, height, stored;
    if (!stbi_info_from_memory(data, (int)bytes, &width, &height, &stored)) {
        return not_picture(ctx, name, stbi_failure_reason());
    }
    if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE ||
        (int64_t)width * height > max_pixels) {
        return tg_fail(ctx, TG_EINPUT,
                       "%s: %d x %d pixels\n  expected: at most %d on a side and %lld in all\n"
                       "  try: a smaller picture",
                       name, width, height, MAX_SIDE, (long long)max_pixels);
    }
    /* Grey with alpha has no place in tg_image. */
    int wanted = channels ? channels : stored == 2 ? 4 : stored;
    stbi_uc *pixels = stbi_load_from_memory(data, (int)bytes, &width, &height, &stored, wanted);
    if (!pixels) {
        return not_picture(ctx, name, stbi_failure_reason());
    }
    size_t size = (size_t)width * (size_t)height * (size_t)wanted;
    out->data = tg_alloc(size);
    if (out->data) {
        memcpy(out->data, pixels, size);
        out->width = width;
        out->height = height;
        out->channels = wanted;
    }
    stbi_image_free(pixels);
    return out->data ? TG_OK : tg_fail(ctx, TG_ENOMEM, "%s: not enough memory", name);
}

tg_status tg_image_read(tg_context *ctx, const char *path, int channels, tg_image *out) {
    *out = (tg_image){0};
    tg_map map;
    tg_status status = tg_map_open(ctx, path, TG_EINPUT, &map);
    if (status == TG_OK) {
        status = tg_image_decode(ctx, map.data, map.bytes, path, channels, out);
        tg_map_close(&map);
    }
    return status;
}

void tg_image_free(tg_image *image) {
    tg_free(image->data);
    *image = (tg_image){0};
}

/* ---- writing --------------------------------------------------------------------- */

typedef struct {
    uint8_t *data;
    size_t used, room;
    bool failed;
} buffer;

static void append(void *user, void *data, int bytes) {
    buffer *b = user;
    if (b->failed || bytes <= 0) {
        return;
    }
    if (b->used + (size_t)bytes > b->room) {
        size_t room = 2 * b->room + (size_t)bytes;
        uint8_t *larger = tg_alloc(room);
        if (!larger) {
            b->failed = true;
            return;
        }
        if (b->used) {
            memcpy(larger, b->data, b->used);
        }
        tg_free(b->data);
        b->data = larger;
        b->room = room;
    }
    memcpy(b->data + b->used, data, (size_t)bytes);
    b->used += (size_t)bytes;
}

static tg_status encode(tg_context *ctx, const char *name, bool png, int width, int height,
                        int channels, const uint8_t *data, buffer *out) {
    *out = (buffer){0};
    if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE ||
        (channels != 1 && channels != 3 && channels != 4)) {
        return tg_fail(ctx, TG_EINTERNAL, "%s: a picture of %d x %d with %d channels", name, width,
                       height, channels);
    }
    /* stb takes full colour resolution (4:4:4) above quality 90. */
    int done =
        png ? stbi_write_png_to_func(append, out, width, height, channels, data, width * channels)
            : stbi_write_jpg_to_func(append, out, width, height, channels, data, 98);
    if (!done || out->failed) {
        tg_free(out->data);
        *out = (buffer){0};
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to encode it", name);
    }
    return TG_OK;
}

tg_status tg_image_encode_png(tg_context *ctx, int width, int height, int channels,
                              const uint8_t *data, uint8_t **out, size_t *bytes) {
    buffer b;
    tg_status status = encode(ctx, "PNG", true, width, height, channels, data, &b);
    *out = b.data;
    *bytes = b.used;
    return status;
}

/* CRC-32 of PNG chunks (ISO 3309), bit by bit: a kilobyte for each picture. */
static uint32_t crc(const uint8_t *data, size_t bytes) {
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < bytes; i++) {
        c ^= data[i];
        for (int k = 0; k < 8; k++) {
            c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
        }
    }
    return ~c;
}

static void put_u32(uint8_t *out, uint32_t x) {
    for (int i = 0; i < 4; i++) {
        out[i] = (uint8_t)(x >> (24 - 8 * i));
    }
}

tg_status tg_image_write_png(tg_context *ctx, const char *path, int width, int height, int channels,
                             const uint8_t *data, const char *xmp) {
    /* keyword, no compression, no language, no translated keyword */
    static const char head[] = "iTXtXML:com.adobe.xmp\0\0\0\0";
    enum { BEFORE = 33, HEAD = sizeof head }; /* signature and IHDR */
    size_t n = strlen(xmp), chunk = 4 + HEAD + n + 4;
    buffer b;
    tg_status status = encode(ctx, path, true, width, height, channels, data, &b);
    if (status != TG_OK) {
        return status;
    }
    uint8_t *all = tg_alloc(b.used + chunk);
    if (all) {
        uint8_t *at = all + BEFORE;
        memcpy(all, b.data, BEFORE);
        put_u32(at, (uint32_t)(HEAD - 4 + n));
        memcpy(at + 4, head, HEAD);
        memcpy(at + 4 + HEAD, xmp, n);
        put_u32(at + 4 + HEAD + n, crc(at + 4, HEAD + n));
        memcpy(at + chunk, b.data + BEFORE, b.used - BEFORE);
        status = tg_file_write(ctx, path, all, b.used + chunk);
    } else {
        status = tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to encode it", path);
    }
    tg_free(all);
    tg_free(b.data);
    return status;
}

tg_status tg_image_write(tg_context *ctx, const char *path, int width, int height, int channels,
                         const uint8_t *data) {
    bool png = tg_has_extension(path, "png");
    if (!png && !tg_has_extension(path, "jpg") && !tg_has_extension(path, "jpeg")) {
        return tg_fail(ctx, TG_EUSAGE,
                       "%s: unknown kind of picture\n  expected: a name that ends in .png or .jpg\n"
                       "  try: a .png name",
                       path);
    }
    buffer b;
    tg_status status = encode(ctx, path, png, width, height, channels, data, &b);
    if (status == TG_OK) {
        status = tg_file_write(ctx, path, b.data, b.used);
        tg_free(b.data);
    }
    return status;
}
