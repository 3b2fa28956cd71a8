/* Every output says that it is synthetic: as tags, and as XMP with IPTC's digital source type, in
 * the box that Adobe's specification gives it (XMP part 3, "ISO base media": a top-level uuid). */
#include "io/provenance.h"

#include "io/ffmpeg.h"
#include "io/files.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t xmp_uuid[16] = {0xbe, 0x7a, 0xcf, 0xcb, 0x97, 0xa9, 0x42, 0xe8,
                                     0x9c, 0x71, 0x99, 0x94, 0x91, 0xe3, 0xaf, 0xac};
enum { MAX_XMP = 1 << 20, MAX_BOXES = 4096 };

/* ---- writing ---- */

/* Text for an attribute. Names come from files: what is no UTF-8 or no XML becomes '?'. false = no
 * memory. */
static bool escape(const char *text, char *out, size_t size) {
    size_t used = 0;
    tg_json *holder = tg_json_new_array(); /* knows UTF-8 */
    text = tg_json_string(tg_json_set_string(holder, NULL, text ? text : ""), NULL);
    const bool held = text != NULL;
    for (; held && *text && used + 8 < size; text++) {
        const char *name = *text == '&'                  ? "&amp;"
                           : *text == '<'                ? "&lt;"
                           : *text == '>'                ? "&gt;"
                           : *text == '"'                ? "&quot;"
                           : (unsigned char)*text < 0x20 ? "?"
                                                         : NULL;
        size_t n = name ? strlen(name) : 1;
        memcpy(out + used, name ? name : text, n);
        used += n;
    }
    out[used] = '\0';
    tg_json_destroy(&holder);
    return held;
}

char *tg_provenance_xmp(const tg_provenance *p, const char *frame_hash) {
    enum { ROOM = 4096 };
    char name[512], part[128] = "", job[128] = "", hash[64] = "";
    char *out = escape(p->identity, name, sizeof name) ? tg_alloc(ROOM) : NULL;
    if (!out)
        return NULL;
    if (p->frames > 0)
        snprintf(part, sizeof part, "\n   talkgen:Frames=\"%" PRId64 "-%" PRId64 "/%" PRId64 "\"",
                 p->first, p->end, p->frames);
    if (p->job && p->job[0]) {
        snprintf(job, sizeof job, "\n   talkgen:Job=\"%.32s\"\n   talkgen:Seed=\"%" PRIu64 "\"",
                 p->job, p->seed);
    }
    if (frame_hash[0])
        snprintf(hash, sizeof hash, "\n   talkgen:FrameHash=\"%.32s\"", frame_hash);
    snprintf(out, ROOM,
             "<?xpacket begin=\"\xef\xbb\xbf\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n"
             "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n"
             " <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n"
             "  <rdf:Description rdf:about=\"\"\n"
             "   xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\"\n"
             "   xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\"\n"
             "   xmlns:talkgen=\"urn:talkgen:1\"\n"
             "   Iptc4xmpExt:DigitalSourceType=\"" TG_DIGITAL_SOURCE "\"\n"
             "   xmp:CreatorTool=\"talkgen %s\"\n"
             "   talkgen:Version=\"%s\"\n"
             "   talkgen:Identity=\"%s\"%s%s%s/>\n"
             " </rdf:RDF>\n"
             "</x:xmpmeta>\n"
             "<?xpacket end=\"r\"?>",
             tg_version(), tg_version(), name, job, hash, part);
    return out;
}

void tg_provenance_comment(const tg_provenance *p, char *out, size_t size) {
    snprintf(out, size,
             "Synthetic: trainedAlgorithmicMedia, made by talkgen %s, identity %.64s%s%.32s",
             tg_version(), p->identity ? p->identity : "?", p->job && p->job[0] ? ", job " : "",
             p->job ? p->job : "");
}

tg_status tg_provenance_append(tg_context *ctx, const char *path, const char *target,
                               const char *xmp) {
    size_t n = strlen(xmp), bytes = 24 + n;
    uint8_t head[24] = {(uint8_t)(bytes >> 24),
                        (uint8_t)(bytes >> 16),
                        (uint8_t)(bytes >> 8),
                        (uint8_t)bytes,
                        'u',
                        'u',
                        'i',
                        'd'};
    memcpy(head + 8, xmp_uuid, sizeof xmp_uuid);
    tg_temp temp = {.fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)};
    if (temp.fd < 0)
        return tg_write_failed(ctx, target, errno);
    snprintf(temp.target, sizeof temp.target, "%s", target);
    (void)lseek(temp.fd, 0, SEEK_END); /* where a message says that it ended */
    tg_status s = tg_temp_write(ctx, &temp, head, sizeof head);
    if (s == TG_OK)
        s = tg_temp_write(ctx, &temp, xmp, n);
    if (close(temp.fd) != 0 && s == TG_OK)
        s = tg_write_failed(ctx, target, errno);
    return s;
}

/* ---- reading ---- */

/* The value of an attribute, "" when it is not there or too long. */
static void attribute(const char *xmp, const char *name, char *out, size_t size) {
    out[0] = '\0';
    const char *at = strstr(xmp, name);
    if (!at)
        return;
    at += strlen(name);
    size_t n = strcspn(at, "\"");
    if (n < size) {
        memcpy(out, at, n);
        out[n] = '\0';
    }
}

static void hash_attribute(const char *xmp, const char *name, char out[33]) {
    attribute(xmp, name, out, 33);
    if (strlen(out) != 32 || strspn(out, "0123456789abcdef") != 32)
        out[0] = '\0';
}

static void parse(const char *xmp, tg_provenance_found *out) {
    char part[80], tool[64];
    out->synthetic = strstr(xmp, TG_DIGITAL_SOURCE) != NULL;
    attribute(xmp, "xmp:CreatorTool=\"", tool, sizeof tool);
    snprintf(out->program, sizeof out->program, "%s", tool);
    attribute(xmp, "talkgen:Identity=\"", out->identity, sizeof out->identity);
    hash_attribute(xmp, "talkgen:Job=\"", out->job);
    hash_attribute(xmp, "talkgen:FrameHash=\"", out->frame_hash);
    attribute(xmp, "talkgen:Seed=\"", part, sizeof part);
    out->seed = strtoull(part, NULL, 10);
    attribute(xmp, "talkgen:Frames=\"", part, sizeof part);
    int64_t first, end, frames;
    if (sscanf(part, "%" SCNd64 "-%" SCNd64 "/%" SCNd64, &first, &end, &frames) == 3 &&
        first >= 0 && end > first && frames >= end) {
        out->first = first;
        out->end = end;
        out->frames = frames;
    }
}

static bool read_at(int fd, void *out, size_t bytes, off_t offset) {
    size_t used = 0;
    while (used < bytes) {
        ssize_t n = pread(fd, (char *)out + used, bytes - used, offset + (off_t)used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        used += (size_t)n;
    }
    return true;
}

/* The packet in a top-level uuid box; NULL when there is none. */
static char *find_packet(int fd, off_t size) {
    off_t at = 0;
    for (int i = 0; i < MAX_BOXES && at + 8 <= size; i++) {
        uint8_t head[32] = {0};
        if (!read_at(fd, head, 8, at))
            return NULL;
        uint64_t bytes =
            (uint64_t)head[0] << 24 | (uint64_t)head[1] << 16 | (uint64_t)head[2] << 8 | head[3];
        off_t body = 8;
        if (bytes == 1) { /* 64 bits follow */
            if (!read_at(fd, head + 8, 8, at + 8))
                return NULL;
            bytes = 0;
            for (int k = 8; k < 16; k++)
                bytes = bytes << 8 | head[k];
            body = 16;
        } else if (bytes == 0) {
            bytes = (uint64_t)(size - at);
        }
        if (bytes < (uint64_t)body || bytes > (uint64_t)(size - at))
            return NULL;
        if (memcmp(head + 4, "uuid", 4) == 0 && bytes >= (uint64_t)body + 16 && bytes <= MAX_XMP &&
            read_at(fd, head + 8, 16, at + body) && memcmp(head + 8, xmp_uuid, 16) == 0) {
            size_t n = (size_t)bytes - (size_t)body - 16;
            char *text = tg_alloc(n + 1);
            if (text && read_at(fd, text, n, at + body + 16)) {
                text[n] = '\0';
                return text;
            }
            tg_free(text);
            return NULL;
        }
        at += (off_t)bytes;
    }
    return NULL;
}

/* Matroska has no place for XMP; its tags have to do. */
static void parse_tags(tg_context *ctx, const char *path, tg_provenance_found *out) {
    AVFormatContext *format = NULL;
    if (tg_ffmpeg_open(ctx, path, "video", &format) != TG_OK)
        return;
    const AVDictionaryEntry *e = av_dict_get(format->metadata, "comment", NULL, 0);
    if (e) {
        const char *job = strstr(e->value, ", job ");
        out->synthetic = strstr(e->value, "trainedAlgorithmicMedia") != NULL;
        if (job && strlen(job + 6) == 32 && strspn(job + 6, "0123456789abcdef") == 32)
            memcpy(out->job, job + 6, 33);
    }
    avformat_close_input(&format);
}

tg_status tg_provenance_read(tg_context *ctx, const char *path, tg_provenance_found *out) {
    memset(out, 0, sizeof *out);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    int error = fd < 0 || fstat(fd, &st) != 0 ? errno : S_ISREG(st.st_mode) ? 0 : ESPIPE;
    if (error) {
        if (fd >= 0)
            close(fd);
        return tg_read_failed(ctx, TG_EINPUT, path, error);
    }
    char *text = find_packet(fd, st.st_size);
    close(fd);
    if (text)
        parse(text, out);
    else if (tg_has_extension(path, "mkv"))
        parse_tags(ctx, path, out);
    tg_free(text);
    return TG_OK;
}
