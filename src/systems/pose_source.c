/* Where the head is: the identity's recording, one pose, a slow circle, or a file. */
#include "talkgen/systems.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct tg_pose_source {
    const tg_identity *id;
    enum { REPLAY, STILL, ORBIT, FILE_POSES } kind;
    tg_npy file;
};

tg_status tg_pose_source_open(tg_context *ctx, const tg_identity *identity, const char *spec,
                              tg_pose_source **out) {
    *out = NULL;
    tg_pose_source *s = calloc(1, sizeof *s);
    if (!s)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for head poses");
    s->id = identity;
    tg_status status = TG_OK;
    if (strcmp(spec, "replay") == 0) {
        s->kind = REPLAY;
    } else if (strcmp(spec, "still") == 0) {
        s->kind = STILL;
    } else if (strcmp(spec, "orbit") == 0) {
        s->kind = ORBIT;
    } else if (!strchr(spec, '.') && !strchr(spec, '/')) {
        status = tg_fail(
            ctx, TG_EUSAGE,
            "--pose '%s' is not known\n  expected: replay, still, orbit or a .npy file [T,4,4]\n"
            "  try: --pose replay",
            spec);
    } else {
        s->kind = FILE_POSES;
        status = tg_npy_read(ctx, spec, &s->file);
        bool ok = status == TG_OK && s->file.ndim == 3 && s->file.dim[0] >= 1 &&
                  s->file.dim[1] == 4 && s->file.dim[2] == 4;
        for (int64_t i = 0; ok && i < s->file.dim[0] * 16; i++)
            ok = isfinite(s->file.data[i]);
        if (status == TG_OK && !ok)
            status = tg_fail(
                ctx, TG_EINPUT,
                "%s: these are no head poses\n  expected: finite camera-to-world matrices [T,4,4]\n"
                "  try: talkgen motion --pose-out to see the form",
                spec);
    }
    if (status != TG_OK)
        tg_pose_source_close(&s);
    *out = s;
    return status;
}

void tg_pose_source_close(tg_pose_source **source) {
    if (!source || !*source)
        return;
    tg_npy_free(&(*source)->file);
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

void tg_pose_source_at(const tg_pose_source *s, int64_t frame, float c2w[16]) {
    const float *pose = s->id->pose;
    switch (s->kind) {
    case REPLAY:
        pose += 16 * tg_mirror_index(frame, s->id->poses);
        break;
    case FILE_POSES:
        pose = s->file.data + 16 * (frame < s->file.dim[0] ? frame : s->file.dim[0] - 1);
        break;
    case ORBIT:
        orbit(pose, frame, c2w);
        return;
    case STILL:
        break;
    }
    memcpy(c2w, pose, 16 * sizeof *c2w);
}
