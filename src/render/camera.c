/* Cameras: conversions between the OpenGL pose of the data set and the pose of the volume, the
 * angles that condition the torso, and the rays of both renderer families. */
#include "talkgen/render.h"

#include <math.h>
#include <string.h>

void tg_pose_to_ngp(const float c2w[16], float scale, const float offset[3], float out[16]) {
    static const int row_of[3] = {1, 2, 0};
    float result[16] = {[15] = 1.0f};
    for (int r = 0; r < 3; r++) {
        const float *in = c2w + 4 * row_of[r];
        result[4 * r + 0] = in[0];
        result[4 * r + 1] = -in[1];
        result[4 * r + 2] = -in[2];
        result[4 * r + 3] = in[3] * scale + (offset != NULL ? offset[r] : 0.0f);
    }
    memcpy(out, result, sizeof result);
}

static float clamped_asin(float x) {
    return asinf(x < -1.0f ? -1.0f : x > 1.0f ? 1.0f : x);
}

void tg_pose_vector(const float ngp[16], float out[6]) {
    out[0] = atan2f(-ngp[1 * 4 + 2], ngp[2 * 4 + 2]);
    out[1] = clamped_asin(ngp[0 * 4 + 2]);
    out[2] = atan2f(-ngp[0 * 4 + 1], ngp[0 * 4 + 0]);
    for (int r = 0; r < 3; r++) {
        out[3 + r] = ngp[4 * r + 3];
    }
}

void tg_pose_matrix(const float angles[3], float r[9]) {
    const float ca = cosf(angles[0]), sa = sinf(angles[0]);
    const float cb = cosf(angles[1]), sb = sinf(angles[1]);
    const float cc = cosf(angles[2]), sc = sinf(angles[2]);
    r[0] = cb * cc;
    r[1] = -cb * sc;
    r[2] = sb;
    r[3] = sa * sb * cc + ca * sc;
    r[4] = -sa * sb * sc + ca * cc;
    r[5] = -sa * cb;
    r[6] = -ca * sb * cc + sa * sc;
    r[7] = ca * sb * sc + sa * cc;
    r[8] = ca * cb;
}

void tg_euler_extrinsic(const float pose[16], float out[3]) {
    out[0] = atan2f(pose[2 * 4 + 1], pose[2 * 4 + 2]);
    out[1] = -clamped_asin(pose[2 * 4 + 0]);
    out[2] = atan2f(pose[1 * 4 + 0], pose[0 * 4 + 0]);
}

void tg_euler_adnerf(const float pose[16], float out[3]) {
    /* The published code's own convention: arguments of the arc tangents are exchanged. */
    out[0] = atan2f(pose[2 * 4 + 2], pose[1 * 4 + 2]);
    out[1] = clamped_asin(-pose[0 * 4 + 2]);
    out[2] = atan2f(pose[0 * 4 + 0], -pose[0 * 4 + 1]);
}

static void rotate(const float m[16], const float v[3], float out[3]) {
    for (int r = 0; r < 3; r++) {
        out[r] = m[4 * r] * v[0] + m[4 * r + 1] * v[1] + m[4 * r + 2] * v[2];
    }
}

void tg_ray_ngp(const float ngp[16], float focal, float cx, float cy, float col, float row,
                float d[3]) {
    float v[3] = {(col + 0.5f - cx) / focal, (row + 0.5f - cy) / focal, 1.0f};
    const float norm = sqrtf(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    for (int i = 0; i < 3; i++) {
        v[i] /= norm;
    }
    rotate(ngp, v, d);
}

void tg_ray_adnerf(const float c2w[16], float focal, float cx, float cy, float col, float row,
                   float d[3]) {
    const float v[3] = {(col - cx) / focal, -(row - cy) / focal, -1.0f};
    rotate(c2w, v, d);
}

float tg_screen_coord(int k, int size) {
    return size < 2 ? 0.0f : (float)k / (float)(size - 1) * 2.0f - 1.0f;
}
