/* What a face does beside speaking: blinks, brows, gaze, head, shoulders. Everything is a function
 * of (style.seed, time), so a longer take begins like a shorter one.
 *
 * The torso follows the head by fixed shares and breath is faint: a renderer that knows only the
 * head's pose can then learn the shoulders.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "studio/performance.h"

void tg_style_default(tg_style *style) {
    *style = (tg_style){.opening = 1.0f,
                        .reach_s = 0.050f,
                        .pressing = 0.9f,
                        .head_deg = 1.8f,
                        .nod_deg = 1.6f,
                        .brow = 0.5f,
                        .blink_s = 4.0f,
                        .smile = 0.0f,
                        .calm = 1.0f,
                        .seed = 1};
    for (int v = 0; v < TG_MAX_VISEMES; v++)
        style->gain[v] = 1.0f;
}

void tg_style_random(uint64_t seed, tg_style *style) {
    tg_rng rng = tg_rng_make(seed, "", "style");
    tg_style_default(style);
    style->opening = 0.95f + 0.30f * tg_rng_uniform(&rng, 0);
    style->reach_s = 0.043f + 0.017f * tg_rng_uniform(&rng, 1);
    style->pressing = 0.5f + 0.4f * tg_rng_uniform(&rng, 2);
    style->head_deg = 1.0f + 2.0f * tg_rng_uniform(&rng, 3);
    style->nod_deg = 0.8f + 1.6f * tg_rng_uniform(&rng, 4);
    style->brow = 0.2f + 0.8f * tg_rng_uniform(&rng, 5);
    style->blink_s = 3.0f + 2.0f * tg_rng_uniform(&rng, 6);
    style->smile = fmaxf(0.0f, 0.12f * (tg_rng_uniform(&rng, 7) - 0.5f));
    for (int v = 0; v < TG_MAX_VISEMES; v++)
        style->gain[v] = 0.92f + 0.16f * tg_rng_uniform(&rng, 16 + (uint64_t)v);
    style->variety = 0.3f + 0.7f * tg_rng_uniform(&rng, 8);
    style->seed = seed;
}

void tg_style_conversation(uint64_t seed, tg_style *style) {
    tg_rng rng = tg_rng_make(seed, "", "style.conversation");
    style->calm = 0.25f + 0.3f * tg_rng_uniform(&rng, 0);
    style->posture_deg = 0.8f + 1.0f * tg_rng_uniform(&rng, 1);
    style->reply_s = 2.5f + 3.0f * tg_rng_uniform(&rng, 2);
    style->blink_pause = 0.3f + 0.4f * tg_rng_uniform(&rng, 3);
    style->blink_vary = 0.15f + 0.15f * tg_rng_uniform(&rng, 4);
}

/* ---- smooth chance -------------------------------------------------------------- */

/* Low-passed noise of variance 1: a uniform cubic B-spline over one normal number per `knot`
 * seconds (factor 1.45: its weights leave 0.46 to 0.50 of the variance). */
static double drift(const tg_rng *rng, double t, double knot) {
    double x = t / knot, whole = floor(x), u = x - whole;
    double w[4] = {(1 - u) * (1 - u) * (1 - u) / 6, (4 - 6 * u * u + 3 * u * u * u) / 6,
                   (1 + 3 * u + 3 * u * u - 3 * u * u * u) / 6, u * u * u / 6};
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum += w[i] * tg_rng_normal(rng, (uint64_t)whole + (uint64_t)i);
    return 1.45 * sum;
}

/* 1 at 0, 0 beyond +-half, smooth. */
static double bump(double t, double half) {
    return fabs(t) >= half ? 0 : 0.5 + 0.5 * cos(M_PI * t / half);
}

static double smooth_step(double x) {
    return x <= 0 ? 0 : x >= 1 ? 1 : x * x * (3 - 2 * x);
}

typedef struct {
    const tg_actor *actor;
    const tg_style *style;
    int64_t frames;
    tg_face_state *state;
} scene_of;

static double frame_time(int64_t frame) {
    return ((double)frame + 0.5) / TG_VIDEO_FPS;
}

static void add_expression(const scene_of *s, int64_t frame, const char *name, double weight) {
    int index = tg_actor_find_expression(s->actor, name);
    if (index >= 0 && weight != 0)
        tg_shape_add(tg_actor_expression(s->actor, index), (float)weight, &s->state[frame]);
}

/* Frames whose time is in [from, to]. */
static void frame_range(const scene_of *s, double from, double to, int64_t *begin, int64_t *end) {
    *begin = (int64_t)ceil(from * TG_VIDEO_FPS - 0.5);
    *end = (int64_t)floor(to * TG_VIDEO_FPS - 0.5) + 1;
    if (*begin < 0)
        *begin = 0;
    if (*end > s->frames)
        *end = s->frames;
}

/* ---- parts ------------------------------------------------------------------------- */

/* 100 ms closing, 40 ms closed, 150 ms opening. */
static double lid(double t) {
    if (t < 0.100)
        return smooth_step(t / 0.100);
    return t < 0.140 ? 1 : 1 - smooth_step((t - 0.140) / 0.150);
}

static void close_lids(const scene_of *s, double onset, double stretch) {
    int64_t begin, end;
    frame_range(s, onset, onset + 0.290 * stretch, &begin, &end);
    for (int64_t i = begin; i < end; i++)
        add_expression(s, i, "blink", lid((frame_time(i) - onset) / stretch));
}

static void blink(const scene_of *s) {
    tg_rng rng = tg_rng_make(s->style->seed, "", "blink");
    double total = frame_time(s->frames), t = 1.0 + tg_rng_uniform(&rng, 0);
    for (uint64_t k = 1; t < total; k++) {
        close_lids(s, t, 1);
        /* Half to one and a half times the mean: 2 to 6 s for 4 s. */
        t += s->style->blink_s * (0.5 + tg_rng_uniform(&rng, k));
    }
}

/* How many phones from `at` on are silence until `*end`; 0 when `at` is none or is not `least`
 * long.
 */
static int silence_from(const tg_phones *phones, int at, double least, double *end) {
    int n = 0;
    for (;
         at + n < phones->count && tg_phone_kind_of(phones->phone[at + n].name) == TG_PHONE_SILENCE;
         n++)
        *end = phones->phone[at + n].end;
    return n > 0 && *end - phones->phone[at].start >= least ? n : 0;
}

/* Blinks of somebody who speaks and listens: by chance, rarer in silence, and where a phrase ends
 * and the eyes move. */
static void blink_with_speech(const scene_of *s, const tg_phones *phones) {
    tg_rng rng = tg_rng_make(s->style->seed, "", "blink.pause");
    double total = frame_time(s->frames), last = -1;
    double next = s->style->blink_s * (0.1 + tg_rng_uniform(&rng, 0));
    int at = 0;
    for (uint64_t k = 1; at < phones->count || next < total; k++) {
        double pause = INFINITY, end;
        if (at < phones->count) /* the next pause, if it brings one */
            pause = silence_from(phones, at, 0.25, &end) &&
                            tg_rng_uniform(&rng, 8 * k) < s->style->blink_pause
                        ? phones->phone[at].start - 0.10 + 0.25 * tg_rng_uniform(&rng, 8 * k + 1)
                        : -INFINITY;
        bool by_chance = next <= pause;
        double t = by_chance ? next : pause;
        if (!by_chance)
            at++;
        if (t > last + 0.45 && t < total) {
            double stretch =
                exp((double)s->style->blink_vary * (double)tg_rng_normal(&rng, 8 * k + 2));
            close_lids(s, t, fmin(fmax(stretch, 0.55), 1.45));
            last = t;
        }
        if (by_chance || (t > 0 && t + 0.8 > next))
            next =
                fmax(next, t) + s->style->blink_s * 1.2 *
                                    (0.35 - 0.8 * log(1 - 0.95 * tg_rng_uniform(&rng, 8 * k + 3)));
    }
}

/* Fixations of 0.5 to 2 s less than a degree beside the camera, changed within one frame. */
static void look(const scene_of *s) {
    tg_rng rng = tg_rng_make(s->style->seed, "", "gaze");
    double next = 0, yaw = 0, pitch = 0;
    uint64_t k = 0;
    for (int64_t i = 0; i < s->frames; i++) {
        tg_face_state *f = &s->state[i];
        for (; frame_time(i) >= next; k += 3) {
            next += 0.5 + 1.5 * tg_rng_uniform(&rng, k);
            yaw = 0.6 * tg_rng_normal(&rng, k + 1);
            pitch = 0.4 * tg_rng_normal(&rng, k + 2);
        }
        /* The eyes stay with the camera when the head turns; pitch counts down for the head. */
        f->gaze_yaw += (float)(yaw - 0.6 * (f->head_yaw + f->torso_yaw));
        f->gaze_pitch += (float)(pitch + 0.6 * (f->head_pitch + f->torso_pitch));
    }
}

/* Share of a triangle of height 1 / half over (-half, half) that lies left of t. */
static double triangle_before(double t, double half) {
    double u = fmin(fmax(t / half, -1), 1);
    return u < 0 ? 0.5 * (1 + u) * (1 + u) : 1 - 0.5 * (1 - u) * (1 - u);
}

/* Share of the head's movement at every frame: all while somebody speaks, style->calm in silence,
 * changing within a second and without steps where a phone ends. */
static double alive_at(const tg_style *style, const tg_phones *phones, double t) {
    const double half = 0.9;
    double speech = 0;
    for (int i = 0; i < phones->count; i++) {
        const tg_segment *p = &phones->phone[i];
        if (p->end > t - half && p->start < t + half &&
            tg_phone_kind_of(p->name) != TG_PHONE_SILENCE)
            speech += triangle_before(p->end - t, half) - triangle_before(p->start - t, half);
    }
    return (double)style->calm + (1 - (double)style->calm) * speech;
}

static void move_head(const scene_of *s, const tg_phones *phones) {
    const tg_style *style = s->style;
    tg_rng yaw = tg_rng_make(style->seed, "", "head.yaw");
    tg_rng pitch = tg_rng_make(style->seed, "", "head.pitch");
    tg_rng roll = tg_rng_make(style->seed, "", "head.roll");
    tg_rng shift = tg_rng_make(style->seed, "", "head.shift");
    tg_rng breath = tg_rng_make(style->seed, "", "breath");
    for (int64_t i = 0; i < s->frames; i++) {
        tg_face_state *f = &s->state[i];
        double t = frame_time(i), sd = style->head_deg;
        if (style->calm < 1)
            sd *= alive_at(style, phones, t);
        f->head_yaw += (float)(sd * (0.9 * drift(&yaw, t, 1.3) + 0.3 * drift(&yaw, t + 1e4, 0.5)));
        f->head_pitch +=
            (float)(sd * (0.5 * drift(&pitch, t, 1.3) + 0.2 * drift(&pitch, t + 1e4, 0.5)));
        f->head_roll += (float)(sd * 0.5 * drift(&roll, t, 1.6));
        f->head_shift[0] += (float)(0.015 * drift(&shift, t, 1.7));
        f->head_shift[1] += (float)(0.010 * drift(&shift, t + 1e4, 1.9));
        f->head_shift[2] += (float)(0.015 * drift(&shift, t + 2e4, 1.8));
        f->shoulder_lift +=
            (float)(0.5 + 0.3 * sin(2 * M_PI * (t / 3.9 + 0.1 * drift(&breath, t, 4.0))));
    }
}

/* One nod: down and up, and a smaller one behind it. */
static void nod(const scene_of *s, double at, double deg, double half) {
    int64_t begin, end;
    frame_range(s, at - half, at + 4 * half, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        double t = frame_time(i) - at;
        s->state[i].head_pitch +=
            (float)(deg * (bump(t, half) + 0.55 * bump(t - 1.7 * half, half)));
    }
}

/* Slow changes of posture; in silence nods and a tilt, and the head rises when speech begins. */
static void converse(const scene_of *s, const tg_phones *phones) {
    const tg_style *style = s->style;
    tg_rng posture = tg_rng_make(style->seed, "", "posture");
    tg_rng rng = tg_rng_make(style->seed, "", "listen");
    for (int64_t i = 0; i < s->frames; i++) {
        double t = frame_time(i), sd = style->posture_deg;
        s->state[i].head_yaw += (float)(sd * drift(&posture, t, 4.5));
        s->state[i].head_pitch += (float)(0.6 * sd * drift(&posture, t + 1e4, 5.5));
        s->state[i].head_roll += (float)(0.6 * sd * drift(&posture, t + 2e4, 5));
    }
    double end = 0;
    for (int p = 0, n; p<phones->count; p += n> 0 ? n : 1) {
        n = silence_from(phones, p, 0.6, &end);
        if (n == 0)
            continue;
        uint64_t k = 64 * (uint64_t)p;
        double start = phones->phone[p].start, t = start + 0.4;
        for (int j = 0; j < 24; j += 3) {
            t += style->reply_s *
                 (0.15 - 0.85 * log(1 - 0.97 * tg_rng_uniform(&rng, k + (uint64_t)j)));
            if (t > end - 0.9)
                break;
            nod(s, t, 1.2 + 1.8 * tg_rng_uniform(&rng, k + (uint64_t)j + 1),
                0.20 + 0.08 * tg_rng_uniform(&rng, k + (uint64_t)j + 2));
        }
        double tilt = 0.9 * style->posture_deg * tg_rng_normal(&rng, k + 30);
        int64_t from, to;
        frame_range(s, start, end + 0.7, &from, &to);
        for (int64_t i = from; i < to && end - start > 1.5; i++)
            s->state[i].head_roll += (float)(tilt * smooth_step((frame_time(i) - start) / 1.2) *
                                             smooth_step((end + 0.7 - frame_time(i)) / 1.2));
        double lift = 0.5 * style->nod_deg * tg_rng_uniform(&rng, k + 31);
        frame_range(s, end - 0.45, end + 0.45, &from, &to);
        for (int64_t i = from; i < to; i++)
            s->state[i].head_pitch -= (float)(lift * bump(frame_time(i) - end, 0.45));
    }
}

/* Nods and brows on loud vowels. */
static void stress(const scene_of *s, const tg_phones *phones) {
    tg_rng rng = tg_rng_make(s->style->seed, "", "nod");
    double last = -1;
    for (int i = 0; i < phones->count; i++) {
        const tg_segment *p = &phones->phone[i];
        double middle = 0.5 * (p->start + p->end);
        if (tg_phone_kind_of(p->name) != TG_PHONE_VOWEL || p->level < 1.1f || middle < last + 0.5 ||
            tg_rng_uniform(&rng, 4 * (uint64_t)i) > 0.45f)
            continue;
        last = middle;
        double depth = s->style->nod_deg * (0.5 + tg_rng_uniform(&rng, 4 * (uint64_t)i + 1));
        bool raise = tg_rng_uniform(&rng, 4 * (uint64_t)i + 2) < 0.5f;
        int64_t begin, end;
        frame_range(s, middle - 0.3, middle + 0.3, &begin, &end);
        for (int64_t f = begin; f < end; f++) {
            double way = bump(frame_time(f) - middle, 0.3);
            s->state[f].head_pitch += (float)(depth * way);
            if (raise)
                add_expression(s, f, "brow_raise", 0.35 * s->style->brow * way);
        }
    }
}

/* How much the mouth is speaking at each frame, 0..1: not in pauses, with soft borders. */
static double speaking_at(const tg_phones *phones, int *at, double t) {
    while (*at + 1 < phones->count && phones->phone[*at].end <= t)
        ++*at;
    if (phones->count == 0)
        return 0;
    const tg_segment *p = &phones->phone[*at];
    if (tg_phone_kind_of(p->name) != TG_PHONE_SILENCE)
        return 1;
    double inside = fmin(t - p->start, p->end - t);
    return 1 - smooth_step(inside / 0.15);
}

static void rest_face(const scene_of *s, const tg_phones *phones) {
    tg_rng brow = tg_rng_make(s->style->seed, "", "brow");
    int press = tg_actor_find_channel(s->actor, "lowerLipUp"), at = 0;
    int idle = tg_actor_find_expression(s->actor, "idle");
    float pressing = 0;
    for (int i = 0; idle >= 0 && i < tg_actor_expression(s->actor, idle)->count; i++)
        if (tg_actor_expression(s->actor, idle)->weight[i].channel == press)
            pressing = tg_actor_expression(s->actor, idle)->weight[i].weight;
    for (int64_t i = 0; i < s->frames; i++) {
        double t = frame_time(i);
        add_expression(s, i, "idle", 1);
        /* idle presses the lips a little, which only a silent mouth does */
        if (press >= 0)
            s->state[i].channel[press] -= pressing * (float)speaking_at(phones, &at, t);
        add_expression(s, i, "smile", s->style->smile);
        double lift = s->style->brow * 0.25 * drift(&brow, t, 1.5);
        add_expression(s, i, lift > 0 ? "brow_raise" : "brow_down", 0.6 * fabs(lift));
    }
}

void tg_behave(const tg_actor *actor, const tg_phones *phones, const tg_style *style,
               int64_t frames, tg_face_state *state) {
    const scene_of s = {.actor = actor, .style = style, .frames = frames, .state = state};
    rest_face(&s, phones);
    move_head(&s, phones);
    stress(&s, phones);
    if (style->posture_deg > 0)
        converse(&s, phones);
    for (int64_t i = 0; i < frames; i++) {
        state[i].torso_yaw += 0.15f * state[i].head_yaw;
        state[i].torso_pitch += 0.08f * state[i].head_pitch;
        state[i].torso_roll += 0.15f * state[i].head_roll;
    }
    look(&s);
    if (style->blink_pause > 0)
        blink_with_speech(&s, phones);
    else
        blink(&s);
}
