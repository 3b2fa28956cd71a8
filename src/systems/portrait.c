/* From the condition and pose of every frame to pictures. */
#include "systems/portrait.h"

#include "systems/background.h"
#include "systems/behaviour_source.h"
#include "systems/frames.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float EYES_OPEN = 0.25f; /* percent of the picture, RAD-NeRF's usual value */

typedef struct {
    tg_condition *condition, *torso; /* torso: hears for itself, or NULL */
    tg_painter *painter;
    tg_pose_source *poses;
    tg_behaviour_source *eyes;  /* who closes them, or NULL */
    float open_area, shut_area; /* of the eyes, when they do */
    tg_frames *frames;
    uint8_t *background;
    float *pose_rows;   /* all poses, for pose_out */
    int64_t first, end; /* frames to be painted */
    int under_way;      /* frames begun, by a painter that overlaps */
    tg_provenance origin;
} portrait;

static void portrait_close(portrait *p) {
    tg_frames_close(&p->frames);
    tg_painter_close(&p->painter);
    tg_pose_source_close(&p->poses);
    tg_behaviour_source_close(&p->eyes);
    tg_condition_close(&p->torso);
    tg_free(p->background);
    tg_free(p->pose_rows);
}

tg_status tg_portrait_camera(tg_context *ctx, const tg_identity *id, const tg_portrait_options *o,
                             tg_painter_options *g) {
    g->width = o->width ? o->width : id->width;
    g->height = o->height ? o->height : id->height;
    double scale = (double)g->height / id->height;
    if (fabs(g->width - scale * id->width) > 1.01)
        return tg_fail(ctx, TG_EUSAGE,
                       "--size %dx%d has another aspect than the identity\n"
                       "  expected: the aspect of its recording, %dx%d\n  try: --size %dx%d",
                       g->width, g->height, id->width, id->height, (int)lround(scale * id->width),
                       g->height);
    g->focal = (float)(id->focal * scale);
    g->cx = (float)(id->cx * g->width / id->width);
    g->cy = (float)(id->cy * scale);
    return TG_OK;
}

/* What the pictures are rendered over. Without a background that is black, which loses nothing; but
 * a vanilla torso may see the colours of the head's picture, and knows only the recording's. */
static tg_status make_background(tg_context *ctx, const tg_identity *id, const char *spec,
                                 const tg_painter_options *size, portrait *p) {
    p->background = tg_alloc((size_t)size->width * (size_t)size->height * 3);
    if (!p->background)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for a picture of %dx%d", size->width,
                       size->height);
    if (strcmp(spec, "transparent") == 0)
        spec = id->torso && id->torso->config.color_dim > 0 ? "dataset" : "#000000";
    return tg_background_make(ctx, id, spec, size->width, size->height, p->background);
}

static tg_status open_torso(tg_context *ctx, const tg_identity *id, const char *features,
                            int64_t first, portrait *p) {
    int dim[3];
    const bool hears = tg_condition_torso_shape(id, dim);
    if (hears && features)
        return tg_condition_of_features(ctx, features, dim, first, 0, &p->torso);
    if (hears)
        return tg_fail(ctx, TG_EUSAGE,
                       "the torso of '%s' hears for itself\n"
                       "  expected: --torso-features aud.npy, windows [frames,%d,%d] or rows at "
                       "50 Hz [rows,%d]\n  try: the DeepSpeech features of the audio",
                       id->name, dim[1], dim[2], dim[2]);
    if (features)
        return tg_fail(ctx, TG_EUSAGE,
                       "--torso-features: the torso of '%s' takes none\n"
                       "  expected: an identity whose vanilla torso hears DeepSpeech features\n"
                       "  try: leave it out",
                       id->name);
    return TG_OK;
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Who closes the eyes of a person with eye control, and what open and shut are. */
static tg_status open_eyes(tg_context *ctx, const tg_identity *id, const tg_portrait_options *o,
                           const tg_behaviour_options *behaviour, portrait *p) {
    if (o->eyes != TG_EYES_AUTO || !id->eye_area || o->eye_area >= 0)
        return TG_OK;
    float *sorted = tg_alloc((size_t)id->poses * sizeof *sorted);
    if (!sorted)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for %lld eyes", (long long)id->poses);
    memcpy(sorted, id->eye_area, (size_t)id->poses * sizeof *sorted);
    qsort(sorted, (size_t)id->poses, sizeof *sorted, ascending);
    p->open_area = sorted[id->poses / 2];
    p->shut_area = sorted[id->poses / 500];
    tg_free(sorted);
    return tg_behaviour_source_open(ctx, id, 0, behaviour, &p->eyes);
}

static tg_status check_smooth(tg_context *ctx, const tg_portrait_options *o) {
    if (o->eye_smooth >= 0 && o->eye_smooth <= TG_MAX_SMOOTH && o->eye_smooth % 2 == 1)
        return TG_OK;
    if (o->eye_smooth == 0)
        return TG_OK;
    return tg_fail(ctx, TG_EUSAGE,
                   "--eye-smooth %d is no window\n  expected: an odd number of frames, 1 to %d\n"
                   "  try: --eye-smooth 3",
                   o->eye_smooth, TG_MAX_SMOOTH);
}

/* Which frames, and what they say of themselves. */
static tg_status cut(tg_context *ctx, const tg_identity *id, const tg_portrait_options *o,
                     int64_t count, portrait *p) {
    p->end = count;
    p->origin = (tg_provenance){.identity = id->name, .job = o->job, .seed = o->seed};
    if (!o->part)
        return TG_OK;
    p->first = o->first;
    if (o->end > 0 && o->end < count)
        p->end = o->end;
    p->origin.first = p->first;
    p->origin.end = p->end;
    p->origin.frames = count;
    if (p->first < 0 || p->first >= p->end)
        return tg_fail(ctx, TG_EUSAGE,
                       "--frames %lld:%lld: the clip has frames 0 to %lld\n"
                       "  expected: A:B with 0 <= A < B\n  try: --frames 0:%lld",
                       (long long)o->first, (long long)o->end, (long long)count - 1,
                       (long long)count);
    if (tg_is_movie(o->output) &&
        (p->first % TG_PART_GOP != 0 || (p->end < count && p->end % TG_PART_GOP != 0)))
        return tg_fail(ctx, TG_EUSAGE,
                       "--frames %lld:%lld cuts inside a group of pictures\n"
                       "  expected: multiples of %d, so that parts can be joined\n"
                       "  try: --frames %lld:%lld",
                       (long long)p->first, (long long)p->end, TG_PART_GOP,
                       (long long)(p->first / TG_PART_GOP * TG_PART_GOP),
                       (long long)((p->end + TG_PART_GOP - 1) / TG_PART_GOP * TG_PART_GOP));
    return TG_OK;
}

tg_pose_options tg_portrait_pose(const tg_portrait_options *o, const char *audio, double start_s,
                                 double duration_s) {
    return (tg_pose_options){o->pose,
                             o->pose_smooth,
                             {.audio = audio,
                              .start_s = start_s,
                              .duration_s = duration_s,
                              .seed = o->seed,
                              .clip_id = o->clip_id,
                              .pose_gain = o->pose_gain,
                              .blink_gain = o->blink_gain},
                             o->gaze};
}

static tg_status portrait_open(tg_context *ctx, const tg_identity *id, int64_t count,
                               const tg_portrait_options *o, const char *audio, double start_s,
                               double duration_s, portrait *p) {
    tg_painter_options size = {.march = o->march, .device = o->device};
    const tg_pose_options pose = tg_portrait_pose(o, audio, start_s, duration_s);
    tg_status s = tg_portrait_camera(ctx, id, o, &size);
    if (s == TG_OK)
        s = check_smooth(ctx, o);
    if (s == TG_OK)
        s = tg_gaze_check(ctx, id, o->gaze, o->gaze_out);
    if (s == TG_OK)
        s = cut(ctx, id, o, count, p);
    count = p->end - p->first;
    if (s == TG_OK) /* features are of the whole audio */
        s = open_torso(ctx, id, o->torso_features, (int64_t)llround(25 * start_s), p);
    if (s == TG_OK && o->pose_out &&
        !(p->pose_rows = tg_alloc((size_t)count * 16 * sizeof *p->pose_rows)))
        s = tg_fail(ctx, TG_ENOMEM, "out of memory for %lld head poses", (long long)count);
    if (s == TG_OK)
        s = make_background(ctx, id, o->background, &size, p);
    if (s == TG_OK)
        s = tg_pose_source_open(ctx, id, &pose, &p->poses);
    if (s == TG_OK)
        s = open_eyes(ctx, id, o, &pose.behaviour, p);
    size.background = p->background;
    tg_frames_options f = {.path = o->output,
                           .width = size.width,
                           .height = size.height,
                           .frames = count,
                           .transparent = strcmp(o->background, "transparent") == 0,
                           .background = p->background,
                           .overwrite = o->overwrite,
                           .crf = o->crf,
                           .audio = o->part ? NULL : audio,
                           .gop = o->part ? TG_PART_GOP : 0,
                           .first_number = p->first,
                           .provenance = &p->origin,
                           .start_s = start_s,
                           .duration_s = duration_s,
                           .ready = o->ready,
                           .ready_user = o->ready_user,
                           .tmp_dir = o->tmp_dir};
    if (s == TG_OK)
        s = tg_frames_open(ctx, &f, &p->frames);
    if (s == TG_OK)
        s = tg_painter_open(ctx, id, &size, &p->painter);
    return s;
}

/* Mean of the recorded areas around a frame of the recording; fewer at its ends. */
static float eye_area(const tg_identity *id, const tg_portrait_options *o, int64_t frame) {
    if (o->eye_area >= 0)
        return o->eye_area;
    if (!id->eye_area)
        return EYES_OPEN;
    int64_t at = tg_mirror_index(frame, id->poses), reach = o->eye_smooth / 2, n = 0;
    double sum = 0;
    for (int64_t i = at - reach; i <= at + reach; i++)
        if (i >= 0 && i < id->poses) {
            sum += (double)id->eye_area[i];
            n++;
        }
    return (float)(sum / (double)n);
}

/* The same of a frame, and closed where a blink is made. */
static tg_status control_eyes(tg_context *ctx, const tg_identity *id, const tg_portrait_options *o,
                              portrait *p, int64_t frame, float *area) {
    *area = p->eyes ? p->open_area : eye_area(id, o, frame);
    float closure = 0;
    tg_status s = p->eyes ? tg_behaviour_source_closure(ctx, p->eyes, &closure) : TG_OK;
    *area += closure * (p->shut_area - p->open_area);
    return s;
}

/* The frame begun first, on its way out. */
static tg_status take_frame(tg_context *ctx, portrait *p) {
    const tg_picture picture = tg_frames_next(p->frames);
    tg_status s = tg_painter_finish(ctx, p->painter, &picture);
    p->under_way--;
    return s == TG_OK ? tg_frames_put(ctx, p->frames) : s;
}

/* A frame is painted, or begun while the one before is taken. */
static tg_status paint(tg_context *ctx, portrait *p, const float *windows, const float *torso,
                       float eyes, const float c2w[16], tg_synth_report *report) {
    const double began = tg_now_s();
    const tg_picture picture = tg_frames_next(p->frames);
    tg_status s;
    if (tg_painter_overlaps(p->painter)) {
        s = tg_painter_begin(ctx, p->painter, windows, eyes, c2w, picture.rgb || picture.alpha);
        if (s == TG_OK && p->under_way++ > 0)
            s = take_frame(ctx, p);
        report->render_s += tg_now_s() - began;
        return s;
    }
    s = tg_painter_frame(ctx, p->painter, windows, torso, eyes, c2w, &picture);
    const double painted = tg_now_s();
    if (s == TG_OK)
        s = tg_frames_put(ctx, p->frames);
    report->render_s += painted - began;
    report->encode_s += tg_now_s() - painted;
    return s;
}

static tg_status render_frames(tg_context *ctx, const tg_identity *id, const tg_portrait_options *o,
                               portrait *p, tg_synth_report *report) {
    const int64_t count = p->end - p->first;
    tg_progress(ctx, "render", 0, (double)count, NULL);
    tg_status s = TG_OK;
    for (int64_t i = 0; s == TG_OK && i < p->end; i++) {
        const float *windows = NULL, *torso = NULL;
        const double began = tg_now_s();
        s = tg_condition_next(ctx, p->condition, &windows);
        if (s == TG_OK && p->torso)
            s = tg_condition_next(ctx, p->torso, &torso);
        if (s == TG_OK)
            s = tg_cancelled(ctx);
        float c2w[16], eyes = 0;
        if (s == TG_OK)
            s = control_eyes(ctx, id, o, p, i, &eyes);
        if (s == TG_OK && i >= p->first)
            s = tg_pose_source_at(ctx, p->poses, i, c2w);
        if (s != TG_OK)
            break;
        if (i < p->first) { /* heard, as what follows depends on it */
            report->motion_s += tg_now_s() - began;
            continue;
        }
        if (p->pose_rows)
            memcpy(p->pose_rows + 16 * (i - p->first), c2w, sizeof c2w);
        report->motion_s += tg_now_s() - began;
        s = paint(ctx, p, windows, torso, eyes, c2w, report);
        tg_progress(ctx, "render", (double)(i + 1 - p->first), (double)count, NULL);
    }
    while (s == TG_OK && p->under_way > 0)
        s = take_frame(ctx, p);
    return s == TG_OK ? tg_frames_wait(ctx, p->frames) : s;
}

tg_status tg_portrait_render(tg_context *ctx, const tg_identity *id, tg_condition *condition,
                             const tg_portrait_options *o, const char *audio, double start_s,
                             double duration_s, tg_synth_report *report) {
    double began = tg_now_s();
    int64_t count = tg_condition_frames(condition);
    memset(report, 0, sizeof *report);
    portrait p = {.condition = condition};
    tg_status s = portrait_open(ctx, id, count, o, audio, start_s, duration_s, &p);
    count = p.end - p.first;
    report->frames = count;
    report->audio_s = (double)count / 25;
    if (s == TG_OK)
        s = render_frames(ctx, id, o, &p, report);
    if (s == TG_OK && o->pose_out)
        s = tg_npy_write(ctx, o->pose_out, 3, (int64_t[]){count, 4, 4}, p.pose_rows);
    if (s == TG_OK && o->gaze_out) {
        const tg_pose_options pose = tg_portrait_pose(o, audio, start_s, duration_s);
        s = tg_gaze_write(ctx, id, &pose, p.first, p.end, o->gaze_out);
    }
    if (s == TG_OK)
        s = tg_frames_finish(ctx, p.frames, report->frame_hash);
    report->wall_s = tg_now_s() - began;
    portrait_close(&p);
    return s;
}
