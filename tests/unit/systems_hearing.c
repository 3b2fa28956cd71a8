/* Persons who are driven by logits, and persons with a vanilla renderer: what their renderers are
 * told, eye control, transparency, the torso that hears for itself. */
#include "systems_person.h"

#include "systems/condition.h"

enum { LOGITS = 29, WINDOW = 16, ATTENTION = 8, FRAMES = 7 };

/* A path that stays, unlike those of in_folder. */
static const char *keep(const char *name) {
    static char paths[32][128];
    static int next;
    char *path = paths[next++ % 32];
    snprintf(path, sizeof paths[0], "%.60s/%.60s", folder, name);
    return path;
}

/* ---- persons ---- */

static tg_nerf *hearing_nerf(int eye_dim) {
    tg_nerf_config c = tg_nerf_config_defaults();
    c.cond_dim = LOGITS;
    c.cond_win_size = WINDOW;
    c.smo_win_size = ATTENTION;
    c.grid_size = 16;
    c.log2_hashmap_size = 8;
    c.hidden_dim_ambient = c.hidden_dim_sigma = c.hidden_dim_color = 16;
    c.geo_feat_dim = 8;
    c.individual_embedding_num = 1;
    c.eye_dim = eye_dim;
    tg_nerf *nerf;
    assert_ok(tg_nerf_create(ctx, &c, 3, &nerf));
    const tg_rng rng = tg_rng_make(5, "", "person");
    tg_tensor *grids[] = {nerf->position_embeddings, nerf->ambient_embeddings};
    for (int g = 0; g < 2; g++) {
        for (int64_t i = 0; i < tg_numel(grids[g]); i++) {
            grids[g]->data[i] = tg_rng_normal(&rng, (uint64_t)i);
        }
    }
    memset(nerf->bitfield, 0, nerf->bitfield_bytes);
    for (uint32_t i = 0; i < nerf->cells; i++) { /* a ball */
        uint32_t cell[3];
        float q = 0;
        tg_morton3_inverse(i, cell);
        for (int a = 0; a < 3; a++) {
            const float x = ((float)cell[a] + 0.5f) / 8 - 1;
            q += x * x;
        }
        if (q < 0.16f) {
            nerf->bitfield[i / 8] |= (uint8_t)(1u << (i % 8));
        }
    }
    for (int64_t i = 0; i < 16; i++) { /* dense enough to hide what is behind */
        nerf->sigma_net[2]->data[i] = fabsf(nerf->sigma_net[2]->data[i]) * 10;
    }
    for (int64_t o = 0; eye_dim && o < 16; o++) { /* eyes that show */
        nerf->sigma_net[0]->data[65 * o + 64] = (float)(o - 8);
    }
    return nerf;
}

static tg_status add_nerf(tg_context *c, void *user, tg_st_writer *w, tg_json *config) {
    return tg_identity_add_grid(c, user, w, config);
}

static const float areas[PERSON_POSES] = {0.1f, 0.2f, 0.4f, 0.1f, 0.3f};

static tg_identity *open_hearing(int eye_dim, bool with_areas, const char *voice) {
    person p;
    person_make(&p, false);
    tg_nerf_destroy(&p.nerf);
    p.nerf = hearing_nerf(eye_dim);
    p.parts.system = TG_SYSTEM_RADNERF;
    p.parts.add_render = add_nerf;
    p.parts.user = p.nerf;
    p.parts.postnet = NULL;
    p.parts.lm_mean = NULL;
    p.parts.stats = NULL;
    p.parts.eyes = NULL;
    p.parts.eye_area = with_areas ? areas : NULL;
    p.parts.voice_path = voice;
    assert_ok(tg_identity_write(ctx, in_folder("ear.ckpt"), &p.parts));
    person_free(&p);
    tg_identity *id;
    assert_ok(tg_identity_open(ctx, in_folder("ear.ckpt"), NULL, true, &id));
    assert_int_equal(id->system, TG_SYSTEM_RADNERF);
    assert_true(tg_identity_hears(id));
    return id;
}

/* Frames as float32; the caller frees. */
static tg_npy frames_of(const tg_identity *id, const tg_synth_options *options) {
    tg_synth_options o = *options;
    tg_synth_report report;
    tg_npy frames;
    char path[128];
    snprintf(path, sizeof path, "%.60s/frames.npy", folder);
    o.portrait.output = path;
    o.portrait.overwrite = true;
    assert_ok(tg_synthesize(ctx, id, &o, &report));
    assert_ok(tg_npy_read(ctx, path, &frames));
    assert_int_equal(frames.dim[0], report.frames);
    return frames;
}

static bool equal_frames(const tg_identity *id, const tg_synth_options *a,
                         const tg_synth_options *b) {
    tg_npy x = frames_of(id, a), y = frames_of(id, b);
    assert_int_equal(x.dim[0], y.dim[0]);
    size_t n = (size_t)(x.dim[0] * x.dim[1] * x.dim[2] * 3);
    bool same = memcmp(x.data, y.data, n * sizeof(float)) == 0;
    tg_npy_free(&x);
    tg_npy_free(&y);
    return same;
}

/* ---- windows ---- */

static float row_value(int64_t row, int column) {
    return (float)(1 + row) + 0.01f * (float)column;
}

static void write_rows(const char *path, int64_t rows) {
    float *data = tg_alloc((size_t)rows * LOGITS * sizeof *data);
    for (int64_t i = 0; i < rows * LOGITS; i++) {
        data[i] = row_value(i / LOGITS, (int)(i % LOGITS));
    }
    assert_ok(tg_npy_write(ctx, path, 2, (int64_t[]){rows, LOGITS}, data));
    tg_free(data);
}

/* Window k of frame f is that of frame f + k - 4: rows 2 (f + k - 4) - 8 .. + 7, zeros beyond
 * either end; all zeros for frames that are not there. */
static void windows_of_rows(void **state) {
    (void)state;
    for (int64_t rows = 2 * FRAMES - 1; rows <= 2 * FRAMES; rows++) {
        write_rows(in_folder("rows.npy"), rows);
        const int dim[3] = {ATTENTION, WINDOW, LOGITS};
        for (int64_t first = 0; first < 3; first++) {
            tg_condition *c;
            assert_ok(tg_condition_of_features(ctx, in_folder("rows.npy"), dim, first, 0, &c));
            assert_int_equal(tg_condition_frames(c), FRAMES - first);
            for (int64_t f = first; f < FRAMES; f++) {
                const float *w;
                assert_ok(tg_condition_next(ctx, c, &w));
                for (int i = 0; i < ATTENTION * WINDOW * LOGITS; i++) {
                    const int64_t frame = f - 4 + i / (WINDOW * LOGITS);
                    const int64_t row = 2 * frame - 8 + i / LOGITS % WINDOW;
                    const bool there = frame >= 0 && frame < FRAMES && row >= 0 && row < rows;
                    assert_true(w[i] == (there ? row_value(row, i % LOGITS) : 0));
                }
            }
            tg_condition_close(&c);
        }
    }
}

static void windows_stored(void **state) {
    (void)state;
    static float stored[FRAMES * WINDOW * LOGITS];
    for (int i = 0; i < FRAMES * WINDOW * LOGITS; i++) {
        stored[i] = (float)(i + 1);
    }
    assert_ok(
        tg_npy_write(ctx, in_folder("aud.npy"), 3, (int64_t[]){FRAMES, WINDOW, LOGITS}, stored));
    for (int attention = 1; attention <= 8; attention += attention == 1 ? 4 : 3) { /* 1 5 8 */
        const int dim[3] = {attention, WINDOW, LOGITS};
        tg_condition *c;
        assert_ok(tg_condition_of_features(ctx, in_folder("aud.npy"), dim, 0, 0, &c));
        for (int64_t f = 0; f < FRAMES; f++) {
            const float *w;
            assert_ok(tg_condition_next(ctx, c, &w));
            for (int k = 0; k < attention; k++) {
                const int64_t frame = f - attention / 2 + k;
                for (int i = 0; i < WINDOW * LOGITS; i++) {
                    const float expected =
                        frame >= 0 && frame < FRAMES ? stored[frame * WINDOW * LOGITS + i] : 0;
                    assert_true(w[k * WINDOW * LOGITS + i] == expected);
                }
            }
        }
        tg_condition_close(&c);
    }
    const int other[3] = {ATTENTION, WINDOW, 44};
    tg_condition *c;
    assert_int_equal(tg_condition_of_features(ctx, in_folder("aud.npy"), other, 0, 0, &c),
                     TG_EINPUT);
    assert_message("[7,16,29]");
    const int dim[3] = {ATTENTION, WINDOW, LOGITS};
    assert_int_equal(tg_condition_of_features(ctx, in_folder("aud.npy"), dim, FRAMES, 0, &c),
                     TG_EINPUT);
    assert_message("--start");
    stored[77] = NAN;
    assert_ok(
        tg_npy_write(ctx, in_folder("aud.npy"), 3, (int64_t[]){FRAMES, WINDOW, LOGITS}, stored));
    assert_int_equal(tg_condition_of_features(ctx, in_folder("aud.npy"), dim, 0, 0, &c), TG_EINPUT);
    assert_message("77");
}

/* Two rows to a landmark window, edges repeated: as GeneFace's inference with cond_win_size 2. */
static void windows_of_landmarks(void **state) {
    (void)state;
    enum { T = 4 };
    float lm[T * TG_MOTION_DIM];
    for (int i = 0; i < T * TG_MOTION_DIM; i++) {
        lm[i] = (float)(i / TG_MOTION_DIM);
    }
    assert_ok(tg_npy_write(ctx, in_folder("lm.npy"), 2, (int64_t[]){T, TG_MOTION_DIM}, lm));
    static tg_identity id; /* no more than what the condition reads */
    tg_nerf nerf = {.config = tg_nerf_config_defaults()};
    nerf.config.cond_win_size = 2;
    id.nerf = &nerf;
    for (int k = 0; k < TG_MOTION_DIM; k++) {
        id.stats.std[k] = 10;
    }
    tg_motion_source *motion;
    tg_condition *c;
    assert_ok(tg_motion_source_file(ctx, in_folder("lm.npy"), &motion));
    const tg_pose_options replay = {.spec = "replay"};
    assert_ok(tg_condition_of_landmarks(ctx, &id, motion, &replay, &c));
    for (int f = 0; f < T; f++) {
        const float *w;
        assert_ok(tg_condition_next(ctx, c, &w));
        for (int k = 0; k < 10; k++) {
            int frame = f - 2 + k / 2;
            frame = frame < 0 ? 0 : frame >= T ? T - 1 : frame;
            int row = frame - 1 + k % 2;
            row = row < 0 ? 0 : row;
            assert_true(fabsf(w[k * TG_MOTION_DIM + 5] - (float)row) < 1e-6f);
        }
    }
    tg_condition_close(&c);
    tg_motion_source_close(&motion);
}

/* ---- eyes ---- */

static void eye_control(void **state) {
    (void)state;
    write_rows(in_folder("rows.npy"), 2 * FRAMES);
    tg_synth_options replay = tg_synth_defaults(), pinned, smooth;
    replay.motion.features = keep("rows.npy");
    replay.portrait.pose = "still";
    pinned = smooth = replay;
    tg_identity *id = open_hearing(1, true, NULL);
    /* the recorded area of a frame is the pinned one of that frame */
    tg_npy recorded = frames_of(id, &replay);
    size_t pixels = PERSON_SIZE * PERSON_SIZE * 3;
    for (int i = 0; i < FRAMES; i++) {
        pinned.portrait.eye_area = areas[tg_mirror_index(i, PERSON_POSES)];
        tg_npy frames = frames_of(id, &pinned);
        assert_memory_equal(frames.data + (size_t)i * pixels, recorded.data + (size_t)i * pixels,
                            pixels * sizeof(float));
        tg_npy_free(&frames);
    }
    tg_npy_free(&recorded);
    assert_false(equal_frames(id, &replay, &pinned));
    /* mean over three frames, two at the ends */
    smooth.portrait.eye_smooth = 3;
    pinned.portrait.eye_area = (areas[0] + areas[1]) / 2;
    tg_npy a = frames_of(id, &smooth), b = frames_of(id, &pinned);
    for (size_t i = 0; i < pixels; i++) {
        assert_true(fabsf(a.data[i] - b.data[i]) < 1e-4f);
    }
    tg_npy_free(&a);
    tg_npy_free(&b);
    smooth.portrait.eye_smooth = 2;
    tg_synth_report report;
    smooth.portrait.output = "null:";
    assert_int_equal(tg_synthesize(ctx, id, &smooth, &report), TG_EUSAGE);
    assert_message("eye-smooth");
    tg_identity_close(&id);
    /* nobody knows the areas: a quarter of a percent */
    id = open_hearing(1, false, NULL);
    pinned.portrait.eye_area = 0.25f;
    assert_true(equal_frames(id, &replay, &pinned));
    tg_identity_close(&id);
    /* a model without eyes does not care */
    id = open_hearing(0, true, NULL);
    assert_true(equal_frames(id, &replay, &pinned));
    tg_identity_close(&id);
}

/* ---- hearing ---- */

/* The encoder's logits of a sound are what a file with them says. */
static void heard_is_read(void **state) {
    (void)state;
    tg_hubert_config h = tg_hubert_small();
    for (int i = 0; i < h.convs; i++) {
        h.conv_dim[i] = 8;
    }
    h.hidden_size = 16;
    h.intermediate_size = 32;
    h.heads = 2;
    h.layers = 1;
    h.pos_groups = 4;
    for (int logits = LOGITS; logits <= LOGITS + 1; logits++) {
        h.logits = logits;
        tg_hubert *hubert;
        assert_ok(tg_hubert_create(ctx, &h, &hubert));
        tg_hubert_init(hubert, 4);
        assert_ok(tg_voice_write(ctx, in_folder("ear.safetensors"), hubert, NULL, NULL));
        tg_hubert_destroy(&hubert);
        enum { N = 16000 * 4 / 10 };
        static float sound[N];
        for (int i = 0; i < N; i++) {
            sound[i] = 0.3f * sinf(0.001f * (float)i * (float)(i % 800) / 100);
        }
        assert_ok(tg_audio_write(ctx, in_folder("a.wav"), sound, N, 1, 16000));
        tg_identity *id = open_hearing(0, false, keep("ear.safetensors"));
        assert_non_null(id->hubert);
        assert_null(id->vae);
        tg_synth_options heard = tg_synth_defaults(), read;
        heard.motion.audio = keep("a.wav");
        read = heard;
        if (logits != LOGITS) {
            tg_synth_report report;
            heard.portrait.output = "null:";
            assert_int_equal(tg_synthesize(ctx, id, &heard, &report), TG_EMODEL);
            assert_message("30 logits");
            tg_identity_close(&id);
            continue;
        }
        tg_wave16k *wave;
        tg_features *features;
        float *rows;
        int64_t n;
        assert_ok(tg_wave16k_open(ctx, in_folder("a.wav"), NULL, &wave));
        assert_ok(tg_features_open_logits(ctx, id->hubert, wave, &features));
        assert_ok(tg_features_collect(ctx, features, &rows, &n));
        assert_ok(tg_npy_write(ctx, in_folder("rows.npy"), 2, (int64_t[]){n, LOGITS}, rows));
        tg_free(rows);
        tg_features_close(&features);
        tg_wave16k_close(&wave);
        read.motion.features = keep("rows.npy");
        assert_true(equal_frames(id, &heard, &read));
        tg_identity_close(&id);
    }
    /* nothing to hear with */
    tg_identity *deaf = open_hearing(0, false, NULL);
    assert_null(deaf->hubert);
    tg_synth_options o = tg_synth_defaults();
    o.motion.audio = keep("a.wav");
    o.portrait.output = "null:";
    tg_synth_report report;
    assert_int_equal(tg_synthesize(ctx, deaf, &o, &report), TG_EUSAGE);
    assert_message("--features");
    tg_identity_close(&deaf);
}

/* ---- transparency ---- */

/* What is left without a background, put over one, is the picture over it. */
static void alpha_is_straight(void **state) {
    (void)state;
    write_rows(in_folder("rows.npy"), 2);
    tg_identity *id = open_hearing(0, false, NULL);
    tg_synth_options o = tg_synth_defaults();
    tg_synth_report report;
    o.motion.features = keep("rows.npy");
    o.portrait.background = "transparent";
    o.portrait.march = TG_MARCH_REFERENCE; /* float32, all samples */
    o.portrait.output = keep("a_%d.png");
    assert_ok(tg_synthesize(ctx, id, &o, &report));
    o.portrait.background = "#4080c0";
    tg_npy over = frames_of(id, &o);
    tg_image image;
    assert_ok(tg_image_read(ctx, in_folder("a_0.png"), 0, &image));
    assert_int_equal(image.channels, 4);
    static const float behind[3] = {0x40 / 255.0f, 0x80 / 255.0f, 0xc0 / 255.0f};
    int covered = 0, clear = 0;
    for (int i = 0; i < PERSON_SIZE * PERSON_SIZE; i++) {
        const float alpha = (float)image.data[4 * i + 3] / 255;
        covered += alpha > 0.5f;
        clear += alpha == 0;
        for (int c = 0; c < 3; c++) {
            const float straight = (float)image.data[4 * i + c] / 255;
            const float mixed = straight * alpha + behind[c] * (1 - alpha);
            /* alpha is rounded (half a step times at most one), the colour truncated (a step) */
            assert_true(fabsf(mixed - over.data[3 * i + c]) <= 1.6f / 255);
        }
    }
    assert_true(covered > 20 && clear > 20);
    tg_image_free(&image);
    tg_npy_free(&over);
    tg_identity_close(&id);
}

/* ---- vanilla ---- */

typedef struct {
    tg_vanilla *head, *torso;
} stages;

static tg_status add_vanilla(tg_context *c, void *user, tg_st_writer *w, tg_json *config) {
    const stages *s = user;
    return tg_identity_add_vanilla(c, s->head, s->torso, w, config);
}

/* GeneFace's vanilla person of the golden cases: a head that sees landmarks, a torso that hears. */
static tg_identity *open_vanilla(void) {
    tg_st *st;
    assert_ok(tg_st_open(ctx, TG_TESTS_DIR "/golden/lm3d_nerf_torso/weights.safetensors", &st));
    tg_vanilla_config config = tg_vanilla_config_defaults();
    config.n_samples_per_ray = 8;
    config.n_samples_per_ray_fine = 4;
    stages s = {0};
    assert_ok(tg_vanilla_load(ctx, st, "head_model.", &config, &s.head));
    config.cond_win_size = WINDOW;
    assert_ok(tg_vanilla_load(ctx, st, "model.", &config, &s.torso));
    tg_st_close(&st);
    person p;
    person_make(&p, false);
    p.parts.add_render = add_vanilla;
    p.parts.user = &s;
    p.parts.torso_pose = p.pose;
    assert_ok(tg_identity_write(ctx, in_folder("vanilla.ckpt"), &p.parts));
    p.parts.torso_pose = NULL;
    assert_ok(tg_identity_write(ctx, in_folder("homeless.ckpt"), &p.parts));
    person_free(&p);
    tg_vanilla_destroy(&s.head);
    tg_vanilla_destroy(&s.torso);
    tg_identity *id;
    assert_int_equal(tg_identity_open(ctx, in_folder("homeless.ckpt"), NULL, false, &id),
                     TG_EMODEL);
    assert_message("scene.torso_pose");
    assert_ok(tg_identity_open(ctx, in_folder("vanilla.ckpt"), NULL, false, &id));
    return id;
}

static tg_npy render(const tg_identity *id, tg_portrait_options *o) {
    tg_motion_source *motion;
    tg_synth_report report;
    tg_npy frames;
    o->output = keep("frames.npy");
    o->overwrite = true;
    assert_ok(tg_motion_source_file(ctx, in_folder("lm.npy"), &motion));
    assert_ok(tg_render_motion(ctx, id, motion, o, NULL, 0, 0, &report));
    tg_motion_source_close(&motion);
    assert_ok(tg_npy_read(ctx, in_folder("frames.npy"), &frames));
    return frames;
}

static void vanilla_person(void **state) {
    (void)state;
    tg_identity *id = open_vanilla();
    assert_null(id->nerf);
    assert_int_equal(id->head->config.n_samples_per_ray, 8);
    assert_int_equal(id->torso->config.cond_win_size, WINDOW);
    assert_memory_equal(id->torso_pose, id->recorded, sizeof id->torso_pose);
    float lm[2 * TG_MOTION_DIM];
    for (int i = 0; i < 2 * TG_MOTION_DIM; i++) {
        lm[i] = 0.01f * (float)(i % TG_MOTION_DIM) + 0.02f * (float)(i % 7);
    }
    assert_ok(tg_npy_write(ctx, in_folder("lm.npy"), 2, (int64_t[]){2, TG_MOTION_DIM}, lm));
    write_rows(in_folder("rows.npy"), 4);
    tg_portrait_options o = tg_synth_defaults().portrait;
    o.width = o.height = 16;
    tg_motion_source *motion;
    tg_synth_report report;
    o.output = "null:";
    assert_ok(tg_motion_source_file(ctx, in_folder("lm.npy"), &motion));
    assert_int_equal(tg_render_motion(ctx, id, motion, &o, NULL, 0, 0, &report), TG_EUSAGE);
    assert_message("--torso-features");
    tg_motion_source_close(&motion);
    o.torso_features = keep("rows.npy");
    tg_npy two = render(id, &o);
    assert_int_equal(two.dim[0], 2);
    /* as the renderer itself makes them */
    const int dim[3] = {id->torso->config.smo_win_size, WINDOW, LOGITS};
    tg_condition *audio, *seen;
    const float *windows, *torso_windows;
    assert_ok(tg_condition_of_features(ctx, in_folder("rows.npy"), dim, 0, 0, &audio));
    assert_ok(tg_motion_source_file(ctx, in_folder("lm.npy"), &motion));
    assert_ok(
        tg_condition_of_landmarks(ctx, id, motion, &(tg_pose_options){.spec = "replay"}, &seen));
    tg_vanilla_options v = tg_vanilla_options_defaults(16, 16, id->focal / 2);
    uint8_t background[16 * 16 * 3];
    memset(background, 0x30, sizeof background);
    v.background = background;
    v.torso_c2w = id->torso_pose;
    tg_vanilla_renderer *r;
    assert_ok(tg_vanilla_renderer_create(ctx, id->head, id->torso, &v, &r));
    float rgb[16 * 16 * 3];
    tg_picture picture = {.rgb = rgb};
    o.background = "#303030";
    tg_npy plain = render(id, &o);
    for (int f = 0; f < 2; f++) {
        assert_ok(tg_condition_next(ctx, seen, &windows));
        assert_ok(tg_condition_next(ctx, audio, &torso_windows));
        assert_ok(
            tg_vanilla_renderer_frame(ctx, r, windows, torso_windows, id->pose + 16 * f, &picture));
        assert_memory_equal(rgb, plain.data + f * 16 * 16 * 3, sizeof rgb);
    }
    assert_true(memcmp(two.data, plain.data, sizeof rgb) != 0); /* another background */
    tg_npy_free(&plain);
    tg_npy_free(&two);
    tg_vanilla_renderer_destroy(&r);
    tg_condition_close(&seen);
    tg_condition_close(&audio);
    tg_motion_source_close(&motion);
    tg_identity_close(&id);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(windows_of_rows, start, stop),
        cmocka_unit_test_setup_teardown(windows_stored, start, stop),
        cmocka_unit_test_setup_teardown(windows_of_landmarks, start, stop),
        cmocka_unit_test_setup_teardown(eye_control, start, stop),
        cmocka_unit_test_setup_teardown(heard_is_read, start, stop),
        cmocka_unit_test_setup_teardown(alpha_is_straight, start, stop),
        cmocka_unit_test_setup_teardown(vanilla_person, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
