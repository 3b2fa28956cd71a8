/* Sequences of head poses: smoothing and replay. */
#include "talkgen/render.h"

#include <assert.h>
#include <math.h>

/* Unit quaternion (x,y,z,w) of the rotation in a pose; the largest component is taken from the
 * square root, so that the others never divide by a small number. */
static void quaternion_of(const float m[16], double q[4]) {
    const double d[3] = {m[0], m[5], m[10]};
    const double trace = d[0] + d[1] + d[2];
    int largest = 3;
    double best = trace;
    for (int i = 0; i < 3; i++) {
        if (d[i] > best) {
            best = d[i];
            largest = i;
        }
    }
    if (largest == 3) {
        q[0] = (double)m[9] - m[6];
        q[1] = (double)m[2] - m[8];
        q[2] = (double)m[4] - m[1];
        q[3] = 1.0 + trace;
    } else {
        const int i = largest, j = (i + 1) % 3, k = (j + 1) % 3;
        q[i] = 1.0 - trace + 2.0 * d[i];
        q[j] = (double)m[4 * j + i] + m[4 * i + j];
        q[k] = (double)m[4 * k + i] + m[4 * i + k];
        q[3] = (double)m[4 * k + j] - m[4 * j + k];
    }
    const double norm = sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
    for (int i = 0; i < 4; i++) {
        q[i] /= norm;
    }
}

static void rotation_of(const double q[4], float m[16]) {
    const double x = q[0], y = q[1], z = q[2], w = q[3];
    m[0] = (float)(x * x - y * y - z * z + w * w);
    m[1] = (float)(2 * (x * y - z * w));
    m[2] = (float)(2 * (x * z + y * w));
    m[4] = (float)(2 * (x * y + z * w));
    m[5] = (float)(-x * x + y * y - z * z + w * w);
    m[6] = (float)(2 * (y * z - x * w));
    m[8] = (float)(2 * (x * z - y * w));
    m[9] = (float)(2 * (y * z + x * w));
    m[10] = (float)(-x * x - y * y + z * z + w * w);
}

/* Eigenvector of the largest eigenvalue of a symmetric 4x4 matrix, by cyclic Jacobi rotations. */
static void largest_eigenvector(double a[4][4], double out[4]) {
    double v[4][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}};
    for (int sweep = 0; sweep < 32; sweep++) {
        double off = 0;
        for (int p = 0; p < 4; p++) {
            for (int q = p + 1; q < 4; q++) {
                off += a[p][q] * a[p][q];
            }
        }
        if (off < 1e-30) {
            break;
        }
        for (int p = 0; p < 4; p++) {
            for (int q = p + 1; q < 4; q++) {
                if (fabs(a[p][q]) < 1e-300) {
                    continue;
                }
                const double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
                const double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
                const double c = 1 / sqrt(t * t + 1), s = t * c;
                for (int k = 0; k < 4; k++) {
                    const double kp = a[k][p], kq = a[k][q];
                    a[k][p] = c * kp - s * kq;
                    a[k][q] = s * kp + c * kq;
                }
                for (int k = 0; k < 4; k++) {
                    const double pk = a[p][k], qk = a[q][k];
                    a[p][k] = c * pk - s * qk;
                    a[q][k] = s * pk + c * qk;
                }
                for (int k = 0; k < 4; k++) {
                    const double kp = v[k][p], kq = v[k][q];
                    v[k][p] = c * kp - s * kq;
                    v[k][q] = s * kp + c * kq;
                }
            }
        }
    }
    int best = 0;
    for (int i = 1; i < 4; i++) {
        best = a[i][i] > a[best][best] ? i : best;
    }
    for (int k = 0; k < 4; k++) {
        out[k] = v[k][best];
    }
}

void tg_poses_smooth(const float *poses, int64_t n, int window, float *out) {
    assert(window >= 1 && poses != out);
    const int64_t half = window / 2;
    for (int64_t i = 0; i < n; i++) {
        const int64_t begin = i < half ? 0 : i - half;
        const int64_t end = i + half + 1 > n ? n : i + half + 1;
        /* The chordal L2 mean of rotations is the dominant eigenvector of sum q q^T (Markley et
         * al. 2007), whatever the signs of the quaternions. */
        double sum[4][4] = {{0}}, mean[3] = {0}, q[4];
        for (int64_t j = begin; j < end; j++) {
            const float *pose = poses + 16 * j;
            quaternion_of(pose, q);
            for (int a = 0; a < 4; a++) {
                for (int b = 0; b < 4; b++) {
                    sum[a][b] += q[a] * q[b];
                }
            }
            for (int a = 0; a < 3; a++) {
                mean[a] += pose[4 * a + 3];
            }
        }
        largest_eigenvector(sum, q);
        float *result = out + 16 * i;
        for (int a = 0; a < 16; a++) {
            result[a] = a == 15 ? 1.0f : 0.0f;
        }
        rotation_of(q, result);
        for (int a = 0; a < 3; a++) {
            result[4 * a + 3] = (float)(mean[a] / (double)(end - begin));
        }
    }
}

int64_t tg_mirror_index(int64_t i, int64_t n) {
    assert(n >= 1 && i >= 0);
    if (n == 1) {
        return 0;
    }
    const int64_t period = 2 * (n - 1);
    const int64_t at = i % period;
    return at < n ? at : period - at;
}
