#include "studio/rig.h"

#include <math.h>
#include <string.h>

static const float RADIANS = 0.017453292519943295f;

/* ---- loading ---------------------------------------------------------------- */

static tg_status damaged(tg_context *ctx, const char *path, const char *what, const char *name) {
    return tg_fail(ctx, TG_EINPUT,
                   "%s: %s \"%s\"\n  expected: the face rig of the default MakeHuman skeleton\n"
                   "  try: restore the file from the talkgen distribution",
                   path, what, name);
}

int tg_rig_find(const tg_rig *rig, const char *bone) {
    for (int b = 0; b < rig->bones; b++) {
        if (strcmp(rig->name[b], bone) == 0) {
            return b;
        }
    }
    return -1;
}

static bool copy_name(char out[32], const char *name) {
    size_t length = name ? strlen(name) : 0;
    if (length == 0 || length >= 32) {
        return false;
    }
    memcpy(out, name, length + 1);
    return true;
}

static tg_status load_bones(tg_context *ctx, const char *path, const tg_json *list, int vertices,
                            tg_rig *rig) {
    int n = tg_json_count(list), joints = 0;
    if (n < 1 || n > TG_MAX_BONES) {
        return damaged(ctx, path, "wrong number of", "bones");
    }
    for (int b = 0; b < n; b++) {
        joints += tg_json_count(tg_json_get(tg_json_at(list, b), "head"));
    }
    rig->name = tg_calloc((size_t)n * sizeof *rig->name);
    rig->parent = tg_calloc((size_t)n * sizeof *rig->parent);
    rig->joint_start = tg_calloc((size_t)(n + 1) * sizeof *rig->joint_start);
    rig->joint = tg_calloc((size_t)joints * sizeof *rig->joint);
    if (!rig->name || !rig->parent || !rig->joint_start || !rig->joint) {
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    }
    for (int b = 0; b < n; b++) {
        const tg_json *bone = tg_json_at(list, b), *head = tg_json_get(bone, "head");
        const char *name = tg_json_string(tg_json_get(bone, "name"), "");
        double parent = tg_json_number(tg_json_get(bone, "parent"), -2.0);
        int corners = tg_json_count(head);
        if (!copy_name(rig->name[b], name) || !(parent >= -1 && parent < b) || corners < 1) {
            return damaged(ctx, path, "unreadable bone", name);
        }
        rig->parent[b] = (int)parent;
        rig->joint_start[b + 1] = rig->joint_start[b] + corners;
        for (int k = 0; k < corners; k++) {
            double v = tg_json_number(tg_json_at(head, k), -1.0);
            if (!(v >= 0 && v < vertices)) {
                return damaged(ctx, path, "joint outside the base mesh at bone", name);
            }
            rig->joint[rig->joint_start[b] + k] = (int32_t)v;
        }
    }
    rig->bones = n;
    return TG_OK;
}

static tg_status load_units(tg_context *ctx, const char *path, const tg_json *units, tg_rig *rig) {
    if (tg_json_count(units) != TG_POSE_UNITS) {
        return damaged(ctx, path, "not 60", "units");
    }
    int turns = 0;
    for (int u = 0; u < TG_POSE_UNITS; u++) {
        turns += tg_json_count(tg_json_at(units, u));
    }
    rig->unit_name = tg_calloc(TG_POSE_UNITS * sizeof *rig->unit_name);
    rig->turn = tg_calloc((size_t)turns * sizeof *rig->turn);
    if (!rig->unit_name || !rig->turn) {
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    }
    int next = 0;
    for (int u = 0; u < TG_POSE_UNITS; u++) {
        const tg_json *unit = tg_json_at(units, u);
        const char *name = tg_json_key(unit);
        if (!copy_name(rig->unit_name[u], name)) {
            return damaged(ctx, path, "unreadable unit", name ? name : "");
        }
        for (const tg_json *entry = tg_json_first(unit); entry; entry = tg_json_next(entry)) {
            tg_unit_turn turn = {.bone = tg_rig_find(rig, tg_json_key(entry))};
            double size = 0.0;
            for (int i = 0; i < 3; i++) {
                double angle = tg_json_number(tg_json_at(entry, i), NAN);
                size += fabs(angle);
                turn.rotation[i] = (float)angle * RADIANS;
            }
            if (turn.bone < 0 || !(size < 720.0)) {
                return damaged(ctx, path, "unreadable turn in unit", name);
            }
            if (size > 0.0) {
                rig->turn[next++] = turn;
            }
        }
        rig->unit_start[u + 1] = next;
    }
    return TG_OK;
}

static tg_status find_named_bones(tg_context *ctx, const char *path, tg_rig *rig) {
    const struct {
        const char *name;
        int *bone;
    } wanted[] = {{"eye.L", &rig->eye[0]},
                  {"eye.R", &rig->eye[1]},
                  {"clavicle.L", &rig->clavicle[0]},
                  {"clavicle.R", &rig->clavicle[1]},
                  {"neck02", &rig->neck02},
                  {"neck03", &rig->neck03},
                  {"head", &rig->head},
                  {"spine01", &rig->spine01},
                  {"spine02", &rig->spine02}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        *wanted[i].bone = tg_rig_find(rig, wanted[i].name);
        if (*wanted[i].bone < 0) {
            return damaged(ctx, path, "no bone", wanted[i].name);
        }
    }
    return TG_OK;
}

tg_status tg_rig_load(tg_context *ctx, const char *path, int vertices, tg_rig *out) {
    memset(out, 0, sizeof *out);
    tg_json *root = NULL;
    tg_status status = tg_json_read(ctx, path, &root);
    if (status == TG_OK) {
        status = load_bones(ctx, path, tg_json_get(root, "bones"), vertices, out);
    }
    if (status == TG_OK) {
        status = load_units(ctx, path, tg_json_get(root, "units"), out);
    }
    if (status == TG_OK) {
        status = find_named_bones(ctx, path, out);
    }
    tg_json_destroy(&root);
    if (status != TG_OK) {
        tg_rig_free(out);
    }
    return status;
}

void tg_rig_free(tg_rig *rig) {
    tg_free(rig->name);
    tg_free(rig->parent);
    tg_free(rig->joint_start);
    tg_free(rig->joint);
    tg_free(rig->unit_name);
    tg_free(rig->turn);
    memset(rig, 0, sizeof *rig);
}

/* Calls for every [vertex, weight] of the file; with `matrix` NULL only counts per vertex. */
static tg_status scan_weights(tg_context *ctx, const tg_rig *rig, const char *path,
                              const tg_json *lists, int vertices, int32_t *cursor,
                              tg_sparse *matrix) {
    for (const tg_json *list = tg_json_first(lists); list; list = tg_json_next(list)) {
        const char *name = tg_json_key(list);
        int bone = tg_rig_find(rig, name);
        if (bone < 0) {
            return damaged(ctx, path, "weights of an unknown bone", name);
        }
        for (const tg_json *pair = tg_json_first(list); pair; pair = tg_json_next(pair)) {
            double v = tg_json_number(tg_json_at(pair, 0), -1.0);
            double w = tg_json_number(tg_json_at(pair, 1), -1.0);
            if (!(v >= 0 && v < vertices && w >= 0 && w <= 1e6)) {
                return damaged(ctx, path, "unreadable weight of bone", name);
            }
            int32_t at = cursor[(int)v]++;
            if (matrix) {
                matrix->column[at] = bone;
                matrix->weight[at] = (float)w;
            }
        }
    }
    return TG_OK;
}

/* Sum 1 per vertex; a vertex without weight belongs to the first bone, the root. */
static void normalise_rows(tg_sparse *m) {
    for (int v = 0; v < m->rows; v++) {
        float sum = 0.0f;
        for (int32_t j = m->start[v]; j < m->start[v + 1]; j++) {
            sum += m->weight[j];
        }
        for (int32_t j = m->start[v]; j < m->start[v + 1]; j++) {
            m->weight[j] = sum > 0.0f ? m->weight[j] / sum : (j == m->start[v]);
        }
    }
}

tg_status tg_rig_load_weights(tg_context *ctx, const tg_rig *rig, const char *path, int vertices,
                              tg_sparse *out) {
    memset(out, 0, sizeof *out);
    tg_json *root = NULL;
    int32_t *cursor = tg_calloc((size_t)vertices * sizeof *cursor);
    tg_status status = cursor ? tg_json_read(ctx, path, &root)
                              : tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
    const tg_json *lists = tg_json_get(root, "weights");
    if (status == TG_OK) {
        status = scan_weights(ctx, rig, path, lists, vertices, cursor, NULL);
    }
    int entries = 0;
    for (int v = 0; status == TG_OK && v < vertices; v++) {
        entries += cursor[v] ? cursor[v] : 1;
    }
    if (status == TG_OK) {
        status = tg_sparse_create(ctx, vertices, entries, out);
    }
    if (status == TG_OK) {
        for (int v = 0; v < vertices; v++) {
            out->start[v + 1] = out->start[v] + (cursor[v] ? cursor[v] : 1);
            if (!cursor[v]) {
                out->column[out->start[v]] = 0;
                out->weight[out->start[v]] = 1.0f;
            }
            cursor[v] = out->start[v];
        }
        status = scan_weights(ctx, rig, path, lists, vertices, cursor, out);
        normalise_rows(out);
    }
    tg_free(cursor);
    tg_json_destroy(&root);
    if (status != TG_OK) {
        tg_sparse_free(out);
    }
    return status;
}

/* ---- rotations ----------------------------------------------------------------- */

static void multiply3(const float a[9], const float b[9], float out[9]) {
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) {
            out[3 * i + j] = a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j] + a[3 * i + 2] * b[6 + j];
        }
    }
}

/* Rodrigues' formula for the rotation vector w * v. */
static void rotation_of(const float v[3], float w, float r[9]) {
    float x = w * v[0], y = w * v[1], z = w * v[2];
    float angle = sqrtf(x * x + y * y + z * z);
    /* sin(a)/a and (1-cos a)/a^2, by their series where the division would lose digits */
    float s, c;
    if (angle > 1e-3f) {
        s = sinf(angle) / angle;
        float half = sinf(0.5f * angle) / angle;
        c = 2.0f * half * half;
    } else {
        s = 1.0f - angle * angle / 6.0f;
        c = 0.5f - angle * angle / 24.0f;
    }
    r[0] = 1.0f - c * (y * y + z * z);
    r[1] = c * x * y - s * z;
    r[2] = c * x * z + s * y;
    r[3] = c * x * y + s * z;
    r[4] = 1.0f - c * (x * x + z * z);
    r[5] = c * y * z - s * x;
    r[6] = c * x * z - s * y;
    r[7] = c * y * z + s * x;
    r[8] = 1.0f - c * (x * x + y * y);
}

/* Ry(yaw) Rx(pitch) Rz(roll), degrees. */
static void turn_of(float yaw, float pitch, float roll, float r[9]) {
    float a[9], b[9], c[9], d[9];
    rotation_of((float[3]){0, 1, 0}, yaw * RADIANS, a);
    rotation_of((float[3]){1, 0, 0}, pitch * RADIANS, b);
    rotation_of((float[3]){0, 0, 1}, roll * RADIANS, c);
    multiply3(a, b, d);
    multiply3(d, c, r);
}

typedef struct {
    float turn[TG_MAX_BONES][9];
    float shift[TG_MAX_BONES][3];
    uint8_t turned[TG_MAX_BONES];
} local_moves;

static void rotate_bone(local_moves *m, int bone, const float r[9]) {
    if (!m->turned[bone]) {
        m->turned[bone] = 1;
        memcpy(m->turn[bone], r, sizeof m->turn[bone]);
        memset(m->shift[bone], 0, sizeof m->shift[bone]);
        return;
    }
    float product[9];
    multiply3(r, m->turn[bone], product);
    memcpy(m->turn[bone], product, sizeof product);
}

static void move_by_state(const tg_rig *rig, const tg_face_state *state, local_moves *m) {
    float r[9];
    for (int u = 0; u < TG_POSE_UNITS; u++) {
        float w = state->channel[u];
        for (int i = rig->unit_start[u]; w != 0.0f && i < rig->unit_start[u + 1]; i++) {
            rotation_of(rig->turn[i].rotation, w, r);
            rotate_bone(m, rig->turn[i].bone, r);
        }
    }
    turn_of(state->gaze_yaw, -state->gaze_pitch, 0.0f, r);
    rotate_bone(m, rig->eye[0], r);
    rotate_bone(m, rig->eye[1], r);
    const int neck[3] = {rig->neck02, rig->neck03, rig->head};
    const float part[3] = {0.25f, 0.25f, 0.5f};
    for (int i = 0; i < 3; i++) {
        turn_of(part[i] * state->head_yaw, part[i] * state->head_pitch, part[i] * state->head_roll,
                r);
        rotate_bone(m, neck[i], r);
        for (int k = 0; k < 3; k++) {
            m->shift[neck[i]][k] = part[i] * state->head_shift[k];
        }
    }
    turn_of(0.5f * state->torso_yaw, 0.5f * state->torso_pitch, 0.5f * state->torso_roll, r);
    rotate_bone(m, rig->spine02, r);
    rotate_bone(m, rig->spine01, r);
    for (int side = 0; side < 2; side++) {
        turn_of(0.0f, 0.0f, side ? -state->shoulder_lift : state->shoulder_lift, r);
        rotate_bone(m, rig->clavicle[side], r);
    }
}

void tg_rig_pose(const tg_rig *rig, const int *bone, int n, const float (*head)[3],
                 const tg_face_state *state, float (*s)[12]) {
    local_moves moves;
    memset(moves.turned, 0, sizeof moves.turned);
    move_by_state(rig, state, &moves);
    for (int i = 0; i < n; i++) {
        int b = bone[i], parent = rig->parent[b];
        if (!moves.turned[b]) {
            if (parent >= 0) {
                memcpy(s[b], s[parent], sizeof s[b]);
            } else {
                memcpy(s[b], (float[12]){1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}, sizeof s[b]);
            }
            continue;
        }
        /* L(p) = R (p - h) + h + shift */
        const float *r = moves.turn[b], *h = head[b];
        float local[12];
        for (int k = 0; k < 3; k++) {
            memcpy(local + 4 * k, r + 3 * k, 3 * sizeof *r);
            local[4 * k + 3] = h[k] + moves.shift[b][k] - r[3 * k] * h[0] - r[3 * k + 1] * h[1] -
                               r[3 * k + 2] * h[2];
        }
        if (parent >= 0) {
            tg_rigid_multiply(s[parent], local, s[b]);
        } else {
            memcpy(s[b], local, sizeof local);
        }
    }
}

void tg_rigid_multiply(const float a[12], const float b[12], float out[12]) {
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 4; j++) {
            out[4 * i + j] = a[4 * i] * b[j] + a[4 * i + 1] * b[4 + j] + a[4 * i + 2] * b[8 + j];
        }
        out[4 * i + 3] += a[4 * i + 3];
    }
}

void tg_rigid_inverse(const float a[12], float out[12]) {
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) {
            out[4 * i + j] = a[4 * j + i];
        }
        out[4 * i + 3] = -(a[i] * a[3] + a[4 + i] * a[7] + a[8 + i] * a[11]);
    }
}

void tg_rigid_apply(const float a[12], const float p[3], float out[3]) {
    for (int i = 0; i < 3; i++) {
        out[i] = a[4 * i] * p[0] + a[4 * i + 1] * p[1] + a[4 * i + 2] * p[2] + a[4 * i + 3];
    }
}
