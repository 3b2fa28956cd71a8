/* A report's pictures and film: the recording beside what the person makes of it. */
#ifndef TALKGEN_EVAL_REPORT_PICTURES_H
#define TALKGEN_EVAL_REPORT_PICTURES_H

#include "talkgen/systems.h"
#include "talkgen/eval.h"

typedef struct {
    uint8_t *png, *poster; /* the contact sheet, a frame of the film: owned (tg_free) */
    size_t png_bytes, poster_bytes;
    int columns, width, height; /* of a picture */
    int64_t film_frames;
    bool spoken; /* the film has a third part: driven by the sound */
} report_pictures;

/* Contact sheet of held-out frames (truth, true motion, what is different three times as strong)
 * and a film of the first consecutive held-out frames, at most `seconds`: truth | true motion |
 * motion from the sound, which the identity needs its voice for. The film replaces the file
 * `video`. */
tg_status tg_report_pictures(tg_context *ctx, const tg_identity *identity, const char *dataset,
                             const char *video, double seconds, report_pictures *out);

#endif
