/* Where the head is: the identity's recording, what the behaviour model makes of the speech, one
 * pose, a slow circle, or a file. */
#include "systems/behaviour_source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct tg_pose_source {
    enum { REPLAY, AUTO, STILL, ORBIT, FILE_POSES } kind;
    int64_t poses;
    const float *pose; /* [poses,4,4] */
    float *smoothed;   /* owned, when the identity's own smoothing is not wanted */
    tg_npy npy;
    tg_transforms transforms;
    /* AUTO */
    const tg_identity *id;
    tg_behaviour_options options;
    tg_behaviour_source *made;
    int64_t next;   /* frame it gives next */
    float last[16]; /* what it gave for the frame before */
};

static bool ends_in(const char *path, const char *end) {
    size_t n = strlen(path), m = strlen(end);
    return n > m && strcmp(path + n - m, end) == 0;
}

static tg_status read_file(tg_context *ctx, const char *path, tg_pose_source *s) {
    if (ends_in(path, ".json")) {
        tg_status status = tg_transforms_read(ctx, path, &s->transforms);
        s->poses = s->transforms.frames;
        s->pose = s->transforms.c2w;
        return status;
    }
    tg_status status = tg_npy_read(ctx, path, &s->npy);
    if (status != TG_OK)
        return status;
    bool ok = s->npy.ndim == 3 && s->npy.dim[0] >= 1 && s->npy.dim[1] == 4 && s->npy.dim[2] == 4;
    for (int64_t i = 0; ok && i < s->npy.dim[0] * 16; i++)
        ok = isfinite(s->npy.data[i]);
    if (!ok)
        return tg_fail(
            ctx, TG_EINPUT,
            "%s: these are no head poses\n  expected: finite camera-to-world matrices [T,4,4]\n"
            "  try: talkgen motion --pose-out to see the form",
            path);
    s->poses = s->npy.dim[0];
    s->pose = s->npy.data;
    return TG_OK;
}

static tg_status recorded(tg_context *ctx, const tg_identity *id, int smooth, tg_pose_source *s) {
    s->poses = id->poses;
    s->pose = id->pose;
    if (smooth == 0 || smooth == id->pose_smooth)
        return TG_OK;
    if (smooth < 1 || smooth > TG_MAX_SMOOTH || smooth % 2 == 0)
        return tg_fail(
            ctx, TG_EUSAGE,
            "--pose-smooth %d is no window\n  expected: an odd number of frames, 1 to %d\n"
            "  try: --pose-smooth 7",
            smooth, TG_MAX_SMOOTH);
    s->smoothed = tg_alloc((size_t)id->poses * 16 * sizeof *s->smoothed);
    if (!s->smoothed)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for head poses");
    tg_poses_smooth(id->recorded, id->poses, smooth, s->smoothed);
    s->pose = s->smoothed;
    return TG_OK;
}

/* Which kind a spec is; TG_EUSAGE for none. */
static tg_status kind_of(tg_context *ctx, const char *spec, tg_pose_source *s) {
    static const char *const kinds[] = {"replay", "auto", "still", "orbit"};
    s->kind = REPLAY;
    while (s->kind < FILE_POSES && strcmp(spec, kinds[s->kind]) != 0)
        s->kind++;
    if (s->kind != FILE_POSES || strchr(spec, '.') || strchr(spec, '/'))
        return TG_OK;
    return tg_fail(ctx, TG_EUSAGE,
                   "--pose '%s' is not known\n"
                   "  expected: replay, auto, still, orbit, a .npy file [T,4,4] or a "
                   "transforms_*.json\n  try: --pose replay",
                   spec);
}

tg_status tg_pose_source_open(tg_context *ctx, const tg_identity *identity,
                              const tg_pose_options *options, tg_pose_source **out) {
    *out = NULL;
    tg_pose_source *s = calloc(1, sizeof *s);
    if (!s)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for head poses");
    s->id = identity;
    s->options = options->behaviour;
    tg_status status = kind_of(ctx, options->spec, s);
    if (status == TG_OK && s->kind == FILE_POSES)
        status = read_file(ctx, options->spec, s);
    else if (status == TG_OK && s->kind == AUTO)
        status = tg_behaviour_source_open(ctx, identity, TG_BEHAVE_HEAD, &s->options, &s->made);
    else if (status == TG_OK)
        status = recorded(ctx, identity, options->smooth, s);
    if (status != TG_OK)
        tg_pose_source_close(&s);
    *out = s;
    return status;
}

tg_status tg_pose_check(tg_context *ctx, const tg_identity *identity,
                        const tg_pose_options *options) {
    tg_pose_source *poses = NULL;
    tg_status s = strcmp(options->spec, "auto") == 0
                      ? tg_behaviour_check(ctx, identity, TG_BEHAVE_HEAD)
                      : tg_pose_source_open(ctx, identity, options, &poses);
    tg_pose_source_close(&poses);
    return s;
}

tg_status tg_eyes_check(tg_context *ctx, const tg_identity *identity, tg_eyes_mode eyes) {
    if (eyes != TG_EYES_AUTO)
        return TG_OK;
    return tg_behaviour_check(ctx, identity, tg_identity_hears(identity) ? 0 : TG_BEHAVE_EYES);
}

void tg_pose_source_close(tg_pose_source **source) {
    if (!source || !*source)
        return;
    tg_behaviour_source_close(&(*source)->made);
    tg_npy_free(&(*source)->npy);
    tg_transforms_free(&(*source)->transforms);
    tg_free((*source)->smoothed);
    free(*source);
    *source = NULL;
}

/* The camera moves on a small ellipse about the head's origin and keeps looking at it: c2w' = R c2w
 * with R = Ry(yaw) Rx(pitch) of head coordinates. */
static void orbit(const float start[16], int64_t frame, float c2w[16]) {
    const double seconds = (double)frame / 25, period = 8, degree = 3.14159265358979 / 180;
    double angle = 2 * 3.14159265358979 * seconds / period;
    double yaw = 7 * degree * sin(angle), pitch = 3 * degree * (1 - cos(angle)) / 2;
    double cy = cos(yaw), sy = sin(yaw), cp = cos(pitch), sp = sin(pitch);
    double r[9] = {cy, sy * sp, sy * cp, 0, cp, -sp, -sy, cy * sp, cy * cp};
    memcpy(c2w, start, 16 * sizeof *c2w);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++)
            c2w[4 * i + j] = (float)(r[3 * i] * start[j] + r[3 * i + 1] * start[4 + j] +
                                     r[3 * i + 2] * start[8 + j]);
}

/* Made poses come one after the other: forward to the frame, from the beginning if it is over. */
static tg_status make(tg_context *ctx, tg_pose_source *s, int64_t frame, float c2w[16]) {
    tg_status status = TG_OK;
    if (frame < s->next - 1) {
        tg_behaviour_source_close(&s->made);
        s->next = 0;
        status = tg_behaviour_source_open(ctx, s->id, TG_BEHAVE_HEAD, &s->options, &s->made);
    }
    while (status == TG_OK && s->next <= frame) {
        status = tg_behaviour_source_pose(ctx, s->made, s->last);
        s->next += status == TG_OK;
    }
    memcpy(c2w, s->last, sizeof s->last);
    return status;
}

tg_status tg_pose_source_at(tg_context *ctx, tg_pose_source *s, int64_t frame, float c2w[16]) {
    const float *pose = s->pose;
    switch (s->kind) {
    case AUTO:
        return make(ctx, s, frame, c2w);
    case REPLAY:
        pose += 16 * tg_mirror_index(frame, s->poses);
        break;
    case FILE_POSES:
        pose += 16 * (frame < s->poses ? frame : s->poses - 1);
        break;
    case ORBIT:
        orbit(pose, frame, c2w);
        return TG_OK;
    case STILL:
        break;
    }
    memcpy(c2w, pose, 16 * sizeof *c2w);
    return TG_OK;
}
