/* Parts of one clip, in order and complete, to one movie. */
#include "talkgen/batch.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *path;
    tg_provenance_found origin;
} part;

static int by_first(const void *a, const void *b) {
    const part *x = a, *y = b;
    return (x->origin.first > y->origin.first) - (x->origin.first < y->origin.first);
}

static tg_status read_parts(tg_context *ctx, const char *const *paths, int count, part *p) {
    for (int i = 0; i < count; i++) {
        p[i].path = paths[i];
        tg_status s = tg_provenance_read(ctx, paths[i], &p[i].origin);
        if (s != TG_OK)
            return s;
        if (p[i].origin.frames == 0)
            return tg_fail(ctx, TG_EINPUT,
                           "%s: not the part of a clip\n"
                           "  expected: an MP4 or MOV file made by talkgen --frames A:B\n"
                           "  try: talkgen --frames 0:500 ... -o part-0.mp4",
                           paths[i]);
    }
    qsort(p, (size_t)count, sizeof *p, by_first);
    return TG_OK;
}

static tg_status check_parts(tg_context *ctx, int count, const part *p) {
    int64_t next = 0;
    for (int i = 0; i < count; i++) {
        const tg_provenance_found *o = &p[i].origin;
        if (strcmp(o->job, p[0].origin.job) != 0 || o->frames != p[0].origin.frames)
            return tg_fail(ctx, TG_EINPUT,
                           "%s: part of another job than %s\n"
                           "  expected: parts of the same audio, models and options\n"
                           "  try: to render it again",
                           p[i].path, p[0].path);
        if (o->first != next)
            return tg_fail(ctx, TG_EINPUT,
                           "%s: it begins with frame %lld%s\n  expected: frame %lld to be next\n"
                           "  try: %s%lld:%lld%s",
                           p[i].path, (long long)o->first,
                           o->first < next ? ", which another part has" : "", (long long)next,
                           o->first < next ? "to leave out one of the parts with frames "
                                           : "--frames ",
                           (long long)(o->first < next ? o->first : next),
                           (long long)(o->first < next ? o->end : o->first),
                           o->first < next ? "" : " for the part that is missing");
        next = o->end;
    }
    if (next == p[0].origin.frames)
        return TG_OK;
    return tg_fail(ctx, TG_EINPUT,
                   "%s: frames %lld to %lld are missing\n  expected: all %lld frames\n"
                   "  try: --frames %lld: for the part that is missing",
                   p[count - 1].path, (long long)next, (long long)p[0].origin.frames - 1,
                   (long long)p[0].origin.frames, (long long)next);
}

tg_status tg_clip_concat(tg_context *ctx, const char *const *paths, int count, const char *path,
                         const char *audio, double start_s, double duration_s, bool overwrite,
                         const char *tmp_dir, int64_t *frames) {
    part *p = calloc((size_t)count, sizeof *p);
    const char **ordered = calloc((size_t)count, sizeof(char *));
    *frames = 0;
    tg_status s = p && ordered ? read_parts(ctx, paths, count, p)
                               : tg_fail(ctx, TG_ENOMEM, "out of memory for %d parts", count);
    if (s == TG_OK)
        s = check_parts(ctx, count, p);
    for (int i = 0; s == TG_OK && i < count; i++)
        ordered[i] = p[i].path;
    if (s == TG_OK) {
        tg_provenance origin = {
            .identity = p[0].origin.identity, .job = p[0].origin.job, .seed = p[0].origin.seed};
        tg_sink_options o = {.audio_path = audio,
                             .audio_start_s = start_s,
                             .audio_duration_s = duration_s,
                             .overwrite = overwrite,
                             .tmp_dir = tmp_dir,
                             .provenance = &origin};
        s = tg_movie_join(ctx, ordered, count, path, &o, frames);
    }
    free(ordered);
    free(p);
    return s;
}
