/* The studio's front door: cast an actor, let them perform, film it. */
#include "talkgen/studio.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "studio/dataset.h"
#include "studio/film.h"
#include "studio/performance.h"
#include "talkgen/io.h"

enum { MAX_CREWS = 64, FRAMES_PER_CREW = 4 /* between two looks at progress and cancellation */ };

/* Everything that one thread needs to film frames on its own. */
typedef struct {
    tg_context *ctx;
    tg_scene *scene;
    tg_film *film;
    tg_status status;
} crew;

typedef struct {
    tg_actor *actor;
    tg_person *person;
    tg_performance *performance;
    tg_film_options film;
    crew crew[MAX_CREWS];
    int crews;
    int64_t frames;
    const char *dir;      /* data set, or NULL */
    uint8_t *rgb;         /* frames of one round in order, when there is no data set */
    int64_t first, count; /* frames of the round */
    atomic_llong next;    /* of them, that no crew took yet */
} stage;

tg_studio_options tg_studio_defaults(void) {
    return (tg_studio_options){
        .tables_dir = "models/actor", .character = "zoe", .size = 256, .seconds = 180, .seed = 42};
}

static void close_stage(stage *s) {
    for (int i = 0; i < s->crews; i++) {
        tg_film_destroy(&s->crew[i].film);
        tg_scene_destroy(&s->crew[i].scene);
        tg_context_destroy(&s->crew[i].ctx);
    }
    tg_free(s->rgb);
    tg_performance_destroy(&s->performance);
    tg_person_destroy(&s->person);
    tg_actor_destroy(&s->actor);
}

static tg_status hire(tg_context *ctx, stage *s, crew *c) {
    c->ctx = tg_context_create(1);
    if (!c->ctx)
        return tg_fail(ctx, TG_ENOMEM, "no memory for a filming thread");
    tg_status status = tg_scene_create(ctx, s->person, &c->scene);
    if (status != TG_OK)
        return status;
    tg_person_pose(s->person, &(tg_face_state){0}, NULL, c->scene);
    status = tg_film_create(c->ctx, c->scene, &s->film, &c->film);
    return status == TG_OK ? TG_OK : tg_fail(ctx, status, "%s", tg_message(c->ctx));
}

/* Actor, person and up to `crews` film crews; the performance where `perform`. */
static tg_status open_stage(tg_context *ctx, const tg_studio_options *o, bool perform, int crews,
                            stage *s) {
    *s = (stage){0};
    if (!o->actor_dir)
        return tg_fail(ctx, TG_EUSAGE,
                       "no actor given\n  expected: the data folder of a MakeHuman checkout\n"
                       "  try: clone github.com/makehumancommunity/makehuman and give "
                       "makehuman/data");
    if (o->size < 64 || o->size > 1024)
        return tg_fail(ctx, TG_EUSAGE,
                       "size %d\n  expected: 64 to 1024 pixels\n  try: --size 256x256", o->size);
    if (perform && !(o->seconds > 0 && o->seconds <= 36000))
        return tg_fail(ctx, TG_EUSAGE,
                       "%g seconds\n  expected: more than 0, at most 36000\n  try: --seconds 180",
                       o->seconds);
    tg_status status = tg_actor_load(ctx, o->actor_dir, o->tables_dir, &s->actor);
    if (status != TG_OK)
        return status;
    bool random = o->character && strcmp(o->character, "random") == 0;
    tg_person_options who = {
        .character = random ? NULL : o->character, .seed = o->seed, .pictures = true};
    status = tg_person_create(ctx, s->actor, &who, &s->person);
    if (status == TG_OK && perform) {
        bool female = tg_person_look(s->person)->gender == TG_GENDER_FEMALE;
        tg_performance_options p = {.voice = o->voice ? o->voice
                                             : female ? "flite:slt"
                                                      : "flite:rms",
                                    .seconds = o->seconds,
                                    .seed = o->seed};
        status = tg_performance_create(ctx, s->actor, &p, &s->performance);
    }
    if (status != TG_OK)
        return status;
    if (perform)
        s->frames = o->frames > 0 && o->frames < s->performance->frames ? o->frames
                                                                        : s->performance->frames;
    if (perform && s->frames < crews)
        crews = (int)s->frames;
    s->film = tg_film_defaults(s->actor, s->person, o->size, o->size);
    for (; s->crews < crews && status == TG_OK; s->crews++)
        status = hire(ctx, s, &s->crew[s->crews]);
    return status;
}

static int crew_count(tg_context *ctx) {
    int threads = tg_pool_threads(tg_context_pool(ctx));
    return threads < MAX_CREWS ? threads : MAX_CREWS;
}

/* Frames of the round that no other crew takes. */
static void film_frames(stage *s, crew *c) {
    for (int64_t i; c->status == TG_OK && (i = atomic_fetch_add(&s->next, 1)) < s->count;) {
        int64_t frame = s->first + i;
        if (s->dir && tg_dataset_has_frame(s->dir, frame))
            continue;
        tg_film_frame picture;
        tg_person_pose(s->person, &s->performance->state[frame], NULL, c->scene);
        tg_film_expose(c->film, c->scene, NULL, &picture);
        int size = s->film.width;
        if (s->dir)
            c->status = tg_dataset_write_frame(c->ctx, s->dir, frame, &picture, size, size);
        else
            memcpy(s->rgb + 3 * (size_t)i * (size_t)(size * size), picture.rgb,
                   3 * (size_t)(size * size));
    }
}

/* There may be more workers than crews: an item is a crew. */
static void film_crews(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    stage *s = arg;
    for (int64_t i = begin; i < end; i++)
        film_frames(s, &s->crew[i]);
}

/* Films frames [first, first + count) on all crews. */
static tg_status film_round(tg_context *ctx, stage *s, int64_t first, int64_t count) {
    s->first = first;
    s->count = count;
    atomic_store(&s->next, 0);
    tg_pool_run(tg_context_pool(ctx), s->crews, 1, film_crews, s);
    for (int i = 0; i < s->crews; i++)
        if (s->crew[i].status != TG_OK)
            return tg_fail(ctx, s->crew[i].status, "%s", tg_message(s->crew[i].ctx));
    tg_progress(ctx, "film", (double)(first + count), (double)s->frames, NULL);
    return tg_cancelled(ctx);
}

/* What the actor says and does, as a number: frames of two performances must not mix even where the
 * options agree but the program has learned to speak otherwise. */
static uint64_t performance_hash(const tg_performance *p) {
    uint64_t h = tg_hash_bytes(p->state, sizeof *p->state * (size_t)p->frames, 1);
    return tg_hash_bytes(p->speech.samples, sizeof(float) * (size_t)p->speech.count, h);
}

/* Writes studio.json, or compares with the one of the run that is to go on. */
static tg_status claim_directory(tg_context *ctx, const tg_studio_options *o, const stage *s,
                                 const char *dir) {
    char path[4096];
    snprintf(path, sizeof path, "%s/studio.json", dir);
    tg_json *now = tg_json_new_object();
    if (!now)
        return tg_fail(ctx, TG_ENOMEM, "no memory for %s", path);
    tg_json_set_string(now, "character", tg_person_name(s->person));
    tg_json_set_string(now, "voice", o->voice ? o->voice : "default");
    tg_json_set_number(now, "size", o->size);
    tg_json_set_number(now, "seconds", o->seconds);
    tg_json_set_number(now, "frames", (double)s->frames);
    tg_json_set_number(now, "seed", (double)o->seed);
    char hash[32];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)performance_hash(s->performance));
    tg_json_set_string(now, "performance", hash);
    tg_status status = TG_OK;
    if (tg_file_exists(path)) {
        tg_json *before = NULL;
        status = tg_json_read(ctx, path, &before);
        char *a = tg_json_print(now, false), *b = before ? tg_json_print(before, false) : NULL;
        if (status == TG_OK && (!a || !b || strcmp(a, b) != 0))
            status = tg_fail(ctx, TG_EUSAGE,
                             "%s: holds another recording\n  found:    %s\n  expected: %s\n"
                             "  try: another directory, or the same options",
                             dir, b ? b : "", a ? a : "");
        tg_free(a);
        tg_free(b);
        tg_json_destroy(&before);
    } else {
        status = tg_make_dirs(ctx, dir);
        if (status == TG_OK)
            status = tg_json_write(ctx, path, now);
    }
    tg_json_destroy(&now);
    return status;
}

tg_status tg_studio_film(tg_context *ctx, const tg_studio_options *options, const char *dir) {
    stage s;
    tg_status status = open_stage(ctx, options, true, crew_count(ctx), &s);
    if (status == TG_OK)
        status = claim_directory(ctx, options, &s, dir);
    if (status == TG_OK)
        status = tg_dataset_write_tracks(ctx, dir, s.person, s.performance, &s.film.camera,
                                         s.film.width, s.film.height, s.frames);
    if (status == TG_OK) {
        char path[4096];
        snprintf(path, sizeof path, "%s/bc.jpg", dir);
        status = tg_image_write(ctx, path, s.film.width, s.film.height, 3,
                                tg_film_background(s.crew[0].film));
    }
    s.dir = dir;
    int64_t round = (int64_t)s.crews * FRAMES_PER_CREW;
    for (int64_t i = 0; i < s.frames && status == TG_OK; i += round)
        status = film_round(ctx, &s, i, i + round < s.frames ? round : s.frames - i);
    close_stage(&s);
    return status;
}

/* Sound of a clip, as a file beside the video while it is made. */
static tg_status write_sound(tg_context *ctx, const stage *s, const char *path) {
    int64_t samples = s->frames * TG_STUDIO_RATE / TG_VIDEO_FPS;
    const tg_speech *speech = &s->performance->speech;
    return tg_audio_write(ctx, path, speech->samples,
                          samples < speech->count ? samples : speech->count, 1, TG_STUDIO_RATE);
}

static tg_status film_clip(tg_context *ctx, stage *s, const char *path, const char *sound,
                           bool overwrite) {
    int size = s->film.width;
    int64_t round = (int64_t)s->crews * FRAMES_PER_CREW;
    s->rgb = tg_alloc(3 * (size_t)round * (size_t)(size * size));
    if (!s->rgb)
        return tg_fail(ctx, TG_ENOMEM, "no memory for %lld frames", (long long)round);
    tg_sink *sink = NULL;
    tg_sink_options o = {.width = size,
                         .height = size,
                         .fps_num = TG_VIDEO_FPS,
                         .fps_den = 1,
                         .audio_path = sound,
                         .overwrite = overwrite};
    tg_status status = tg_sink_open(ctx, path, &o, &sink);
    for (int64_t i = 0; i < s->frames && status == TG_OK; i += round) {
        int64_t count = i + round < s->frames ? round : s->frames - i;
        status = film_round(ctx, s, i, count);
        for (int64_t k = 0; k < count && status == TG_OK; k++)
            status = tg_sink_write(ctx, sink, s->rgb + 3 * (size_t)k * (size_t)(size * size));
    }
    if (status == TG_OK)
        return tg_sink_finish(ctx, &sink);
    tg_sink_abort(&sink);
    return status;
}

tg_status tg_studio_clip(tg_context *ctx, const tg_studio_options *options, const char *path,
                         bool overwrite) {
    stage s;
    char sound[4096];
    snprintf(sound, sizeof sound, "%s.%ld.sound.wav", path, (long)getpid()); /* nobody else's */
    tg_status status = open_stage(ctx, options, true, crew_count(ctx), &s);
    if (status == TG_OK)
        status = write_sound(ctx, &s, sound);
    if (status == TG_OK) {
        status = film_clip(ctx, &s, path, sound, overwrite);
        remove(sound);
    }
    close_stage(&s);
    return status;
}

static tg_status unknown_shape(tg_context *ctx, const char *kind, const char *name,
                               const tg_actor *actor, int count,
                               const tg_shape *(*at)(const tg_actor *, int)) {
    char known[1024] = "";
    size_t used = 0;
    for (int i = 0; i < count && used + 64 < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, " %.48s", at(actor, i)->name);
    return tg_fail(ctx, TG_EUSAGE, "no %s \"%s\"\n  expected: one of%s\n  try: one of these names",
                   kind, name, known);
}

static tg_status strike_pose(tg_context *ctx, const tg_actor *actor, const tg_studio_pose *pose,
                             tg_face_state *state) {
    *state = (tg_face_state){.gaze_yaw = pose->gaze_yaw,
                             .gaze_pitch = pose->gaze_pitch,
                             .head_yaw = pose->head_yaw,
                             .head_pitch = pose->head_pitch,
                             .head_roll = pose->head_roll};
    if (pose->viseme) {
        int v = tg_actor_find_viseme(actor, pose->viseme);
        if (v < 0)
            return unknown_shape(ctx, "viseme", pose->viseme, actor, tg_actor_viseme_count(actor),
                                 tg_actor_viseme);
        tg_shape_add(tg_actor_viseme(actor, v), 1, state);
    }
    const char *name = pose->expression ? pose->expression : pose->viseme ? NULL : "idle";
    if (name) {
        int e = tg_actor_find_expression(actor, name);
        if (e < 0)
            return unknown_shape(ctx, "expression", name, actor, tg_actor_expression_count(actor),
                                 tg_actor_expression);
        tg_shape_add(tg_actor_expression(actor, e), 1, state);
    }
    return TG_OK;
}

tg_status tg_studio_portrait(tg_context *ctx, const tg_studio_options *options,
                             const tg_studio_pose *pose, const char *path) {
    stage s;
    tg_face_state state;
    tg_status status = open_stage(ctx, options, false, 1, &s);
    if (status == TG_OK)
        status = strike_pose(ctx, s.actor, pose, &state);
    if (status == TG_OK) {
        tg_film_frame frame;
        tg_person_pose(s.person, &state, NULL, s.crew[0].scene);
        tg_film_expose(s.crew[0].film, s.crew[0].scene, NULL, &frame);
        status = tg_image_write(ctx, path, s.film.width, s.film.height, 3, frame.rgb);
    }
    close_stage(&s);
    return status;
}
