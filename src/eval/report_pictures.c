#include "eval/report_pictures.h"

#include "talkgen/io.h"

#include "eval/contact_sheet.h"
#include "eval/made_motion.h"
#include "eval/portrait_frames.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS = 6, ROWS = 3, STRONGER = 3, FPS = 25 };

static const uint8_t *truth_of(const portrait_frames *f, int64_t frame) {
    return f->data->frame_rgb + (size_t)frame * f->pixels * 3;
}

static tg_status true_motion(tg_context *ctx, const portrait_frames *f, int64_t frame,
                             uint8_t *rgb) {
    return tg_portrait_frame(ctx, f, frame, f->data->landmarks, f->data->landmark_rows,
                             f->data->image_id[frame], rgb);
}

static tg_status make_sheet(tg_context *ctx, const portrait_frames *f, uint8_t *rgb,
                            report_pictures *out) {
    const tg_dataset *data = f->data;
    int64_t held_out = data->frames - data->train_frames;
    int n = held_out < COLUMNS ? (int)held_out : COLUMNS;
    contact_sheet sheet;
    tg_status s = tg_contact_sheet_init(ctx, &sheet, n, ROWS, data->width, data->height);
    for (int k = 0; s == TG_OK && k < n; k++) {
        int64_t frame = data->train_frames + (2 * k + 1) * held_out / (2 * n);
        const uint8_t *truth = truth_of(f, frame);
        s = true_motion(ctx, f, frame, rgb);
        if (s != TG_OK)
            break;
        tg_contact_sheet_put(&sheet, k, 0, truth);
        tg_contact_sheet_put(&sheet, k, 1, rgb);
        for (size_t i = 0; i < 3 * f->pixels; i++) {
            int d = STRONGER * ((int)rgb[i] - truth[i]);
            d = d < 0 ? -d : d;
            rgb[i] = (uint8_t)(d > 255 ? 255 : d);
        }
        tg_contact_sheet_put(&sheet, k, 2, rgb);
    }
    if (s == TG_OK)
        s = tg_image_encode_png(ctx, sheet.columns * sheet.width, sheet.rows * sheet.height, 3,
                                sheet.rgb, &out->png, &out->png_bytes);
    out->columns = n;
    tg_contact_sheet_free(&sheet);
    return s;
}

/* ---- film ---------------------------------------------------------------------------------- */

static void put_beside(const uint8_t *rgb, int part, int parts, int width, int height,
                       uint8_t *wide) {
    for (int y = 0; y < height; y++)
        memcpy(wide + 3 * ((size_t)(y * parts + part) * (size_t)width),
               rgb + 3 * (size_t)y * (size_t)width, 3 * (size_t)width);
}

/* Held-out frames from the first on whose numbers follow each other. */
static int64_t run_length(const tg_dataset *data, int64_t most) {
    int64_t n = 1;
    while (n < most && data->train_frames + n < data->frames &&
           data->image_id[data->train_frames + n] == data->image_id[data->train_frames] + n)
        n++;
    return n;
}

static tg_status make_film(tg_context *ctx, const portrait_frames *f, const char *audio,
                           const char *video, int64_t most, const float *spoken, int64_t rows,
                           uint8_t *rgb, report_pictures *out) {
    const tg_dataset *data = f->data;
    int64_t first = data->image_id[data->train_frames], n = run_length(data, most);
    int parts = rows ? 3 : 2;
    uint8_t *wide = tg_alloc((size_t)parts * f->pixels * 3);
    tg_sink *sink = NULL;
    tg_sink_options o = {.width = parts * data->width,
                         .height = data->height,
                         .fps_num = FPS,
                         .fps_den = 1,
                         .audio_path = tg_file_exists(audio) ? audio : NULL,
                         .audio_start_s = (double)first / FPS,
                         .audio_duration_s = (double)n / FPS,
                         .overwrite = true};
    tg_status s = wide ? tg_sink_open(ctx, video, &o, &sink)
                       : tg_fail(ctx, TG_ENOMEM, "%s: no memory for its frames", video);
    for (int64_t i = 0; s == TG_OK && i < n; i++) {
        int64_t frame = data->train_frames + i;
        put_beside(truth_of(f, frame), 0, parts, data->width, data->height, wide);
        s = true_motion(ctx, f, frame, rgb);
        put_beside(rgb, 1, parts, data->width, data->height, wide);
        if (s == TG_OK && rows) {
            int64_t row = first + i < rows ? first + i : rows - 1;
            s = tg_portrait_frame(ctx, f, frame, spoken, rows, row, rgb);
            put_beside(rgb, 2, parts, data->width, data->height, wide);
        }
        if (s == TG_OK)
            s = tg_sink_write(ctx, sink, wide);
        if (s == TG_OK && i == n / 2)
            s = tg_image_encode_png(ctx, parts * data->width, data->height, 3, wide, &out->poster,
                                    &out->poster_bytes);
        tg_progress(ctx, "report film", (double)(i + 1), (double)n, "");
        if (s == TG_OK)
            s = tg_cancelled(ctx);
    }
    if (s == TG_OK)
        s = tg_sink_finish(ctx, &sink);
    tg_sink_abort(&sink);
    tg_free(wide);
    out->film_frames = n;
    out->spoken = rows > 0;
    return s;
}

tg_status tg_report_pictures(tg_context *ctx, const tg_identity *identity, const char *dataset,
                             const char *video, double seconds, report_pictures *out) {
    portrait_frames f;
    char audio[1200];
    float *spoken = NULL;
    int64_t rows = 0; /* 0 = the identity makes none */
    uint8_t *rgb = NULL;
    const tg_motion_options motion = tg_synth_defaults().motion;
    memset(out, 0, sizeof *out);
    snprintf(audio, sizeof audio, "%s/aud.wav", dataset);
    tg_status s = tg_portrait_frames_open(ctx, identity, dataset, TG_MARCH_FAST, &f);
    if (s == TG_OK && !(rgb = tg_alloc(f.pixels * 3)))
        s = tg_fail(ctx, TG_ENOMEM, "%s: no memory for a report", dataset);
    if (s == TG_OK) {
        out->width = f.data->width;
        out->height = f.data->height;
        s = make_sheet(ctx, &f, rgb, out);
    }
    if (s == TG_OK && identity->vae && !identity->idexp && tg_file_exists(audio))
        s = tg_made_motion(ctx, identity, audio, &motion, &spoken, &rows);
    if (s == TG_OK)
        s = make_film(ctx, &f, audio, video, (int64_t)(seconds * FPS), spoken, rows, rgb, out);
    tg_portrait_frames_close(&f);
    tg_free(spoken);
    tg_free(rgb);
    return s;
}
