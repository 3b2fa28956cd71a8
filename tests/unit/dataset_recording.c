/* A recording that others prepared: where its motion comes from, and what is told when it is not
 * fit to train from. */
#include "dataset/motion.h"
#include "dataset_scene.h"

#include <setjmp.h>

#include "test_root.h"

#include <cmocka.h>

#include "../torch_writer.h"

static const scene person = {48, 150, 136};
static tg_context *ctx;

static void assert_ok(tg_status status) {
    if (status != TG_OK)
        fail_msg("%s", tg_message(ctx));
}

static int make(void **state) {
    (void)state;
    static float sound[150 * 640];
    assert_true(make_root("dataset_recording"));
    ctx = tg_context_create(2);
    if (scene_write(ctx, &person, in_root("person")) != TG_OK)
        return 1;
    return tg_audio_write(ctx, in_root("person/aud.wav"), sound, 150 * 640, 1, 16000) != TG_OK;
}

static int drop(void **state) {
    tg_context_destroy(&ctx);
    return remove_root(state);
}

/* A copy of the person, to be broken. */
static void copy_person(const char *name) {
    char command[1600];
    snprintf(command, sizeof command, "cp -r '%s' '%s'", in_root("person"), in_root("%s", name));
    assert_int_equal(system(command), 0);
}

static const tg_finding *found(const tg_dataset_report *r, const char *what) {
    for (int i = 0; i < r->findings.count; i++)
        if (strncmp(r->findings.entry[i].what, what, strlen(what)) == 0)
            return &r->findings.entry[i];
    return NULL;
}

static void assert_found(const tg_dataset_report *r, const char *what, const char *name,
                         int64_t times) {
    const tg_finding *e = found(r, what);
    char text[1024] = "";
    if (!e)
        fail_msg("not found: %s", what);
    tg_finding_text(e, text, sizeof text);
    if (name && !strstr(text, name))
        fail_msg("no '%s' in: %s", name, text);
    if (times && e->times != times)
        fail_msg("%lld times: %s", (long long)e->times, text);
    assert_true(strlen(e->todo) > 10);
}

/* ---- what is wrong ------------------------------------------------------------------------- */

static void a_good_recording_has_nothing_wrong(void **unused) {
    (void)unused;
    tg_dataset_report r;
    assert_ok(tg_dataset_check(ctx, in_root("person"), &r));
    for (int i = 0; i < r.findings.count; i++)
        fail_msg("%s: %s", r.findings.entry[i].what, r.findings.entry[i].names);
    assert_int_equal(r.frames, 150);
    assert_int_equal(r.train_frames, 136);
    assert_int_equal(r.width, 48);
    assert_true(fabs(r.audio_s - 6) < 1e-9);
    assert_true(r.has_motion && r.motion == TG_FROM_LANDMARKS);
    tg_dataset_report_free(&r);
}

static void replace_in(const char *path, const char *from, const char *to) {
    char *text = NULL, *at;
    size_t bytes;
    assert_ok(tg_file_read(ctx, path, 1 << 24, &text, &bytes));
    at = strstr(text, from);
    assert_non_null(at);
    size_t head = (size_t)(at - text), rest = bytes - head - strlen(from);
    char *out = tg_alloc(head + strlen(to) + rest + 1);
    memcpy(out, text, head);
    memcpy(out + head, to, strlen(to));
    memcpy(out + head + strlen(to), at + strlen(from), rest);
    assert_ok(tg_file_write(ctx, path, out, head + strlen(to) + rest));
    tg_free(out);
    tg_free(text);
}

static void paint(const char *path, int side, int channels, int r, int g, int b) {
    uint8_t *rgb = tg_alloc((size_t)(side * side * channels));
    const int colour[4] = {r, g, b, 255};
    for (int i = 0; i < side * side * channels; i++)
        rgb[i] = (uint8_t)colour[i % channels];
    assert_ok(tg_image_write(ctx, path, side, side, channels, rgb));
    tg_free(rgb);
}

static void everything_wrong_is_told_at_once(void **unused) {
    (void)unused;
    tg_dataset_report r;
    copy_person("broken");
    for (int i = 10; i < 17; i++)
        assert_int_equal(remove(in_root("broken/gt_imgs/%d.png", i)), 0);
    assert_int_equal(remove(in_root("broken/parsing/20.png")), 0);
    assert_ok(tg_file_write(ctx, in_root("broken/torso_imgs/30.png"), "no picture", 10));
    paint(in_root("broken/gt_imgs/40.png"), 40, 3, 9, 9, 9);
    paint(in_root("broken/parsing/50.png"), 48, 3, 128, 64, 32);
    paint(in_root("broken/parsing/51.png"), 48, 3, 255, 255, 255);
    paint(in_root("broken/torso_imgs/60.png"), 48, 3, 1, 2, 3);
    /* 180 frames' time of sound for 150 frames: 20.8 per second */
    static float sound[180 * 640];
    assert_ok(tg_audio_write(ctx, in_root("broken/aud.wav"), sound, 180 * 640, 1, 16000));
    replace_in(in_root("broken/transforms_train.json"), "\"img_id\":\t7,", "\"img_id\":\t8,");
    replace_in(in_root("broken/transforms_val.json"), "\"img_id\":\t149,", "\"img_id\":\t3,");
    assert_ok(tg_dataset_check(ctx, in_root("broken"), &r));
    assert_found(&r, "gt_imgs: pictures are missing", "gt_imgs/10.jpg", 7);
    assert_found(&r, "gt_imgs: pictures are missing", "and 3 more", 7);
    assert_found(&r, "parsing: pictures are missing", "parsing/20.png", 1);
    assert_found(&r, "torso_imgs: pictures cannot be read", "torso_imgs/30.png", 1);
    assert_found(&r, "gt_imgs: pictures are not of the size", "gt_imgs/40.png (40 x 40)", 1);
    assert_found(&r, "parsing: colours", "parsing/50 (128,64,32)", 1);
    assert_found(&r, "parsing: frames without a head", "parsing/51", 1);
    assert_found(&r, "torso_imgs: pictures without transparency", "torso_imgs/60", 1);
    assert_found(&r, "frames that are listed twice", "img_id 8", 1);
    assert_found(&r, "frames that are trained on and held out", "img_id 3", 1);
    assert_found(&r, "sound and frames are not equally long", "7.20 s", 1);
    assert_int_equal(r.findings.wrong, 10);
    tg_dataset_report_free(&r);
}

static void poses_are_looked_at(void **unused) {
    (void)unused;
    tg_dataset_report r;
    tg_json *json;
    copy_person("posed");
    const char *path = in_root("posed/transforms_train.json");
    assert_ok(tg_json_read(ctx, path, &json));
    const tg_json *frames = tg_json_get(json, "frames");
    tg_json *root_json = tg_json_new_object(), *list;
    tg_json_set_number(root_json, "focal_len", 3.2 * 48);
    list = tg_json_set_array(root_json, "frames");
    for (int i = 0; i < tg_json_count(frames); i++) {
        const tg_json *rows = tg_json_get(tg_json_at(frames, i), "transform_matrix");
        tg_json *frame = tg_json_set_object(list, NULL);
        tg_json_set_number(frame, "img_id", i);
        tg_json *out = tg_json_set_array(frame, "transform_matrix");
        for (int k = 0; k < 4; k++) {
            tg_json *row = tg_json_set_array(out, NULL);
            for (int c = 0; c < 4; c++) {
                double x = tg_json_number(tg_json_at(tg_json_at(rows, k), c), 0);
                x = i == 5 && k == 0 && c == 0 ? 1.2 * x : x; /* no rotation */
                x = i == 6 && c == 3 && k < 3 ? -x : x;       /* behind */
                if (i == 4 && k == 2 && c == 3)
                    tg_json_set_string(row, NULL, "NaN");
                else
                    tg_json_set_number(row, NULL, x);
            }
        }
    }
    assert_ok(tg_json_write(ctx, path, root_json));
    tg_json_destroy(&root_json);
    tg_json_destroy(&json);
    assert_ok(tg_dataset_check(ctx, in_root("posed"), &r));
    assert_found(&r, "poses that are not finite", "img_id 4 ", 1);
    assert_found(&r, "poses that are not rigid", "img_id 5 ", 1);
    assert_found(&r, "poses with the head behind", "img_id 6 ", 1);
    assert_int_equal(r.findings.wrong, 3);
    tg_dataset_report_free(&r);
}

static void frames_of_another_rate_are_told(void **unused) {
    (void)unused;
    tg_dataset_report r;
    static float sound[16000 * 5];
    copy_person("rate");
    assert_ok(tg_audio_write(ctx, in_root("rate/aud.wav"), sound, 16000 * 5, 1, 16000));
    tg_sink_options o = {.width = 48, .height = 48, .fps_num = 30, .fps_den = 1};
    tg_sink *sink;
    static uint8_t rgb[48 * 48 * 3];
    assert_ok(tg_sink_open(ctx, in_root("rate/rate.mp4"), &o, &sink));
    for (int i = 0; i < 8; i++)
        assert_ok(tg_sink_write(ctx, sink, rgb));
    assert_ok(tg_sink_finish(ctx, &sink));
    assert_ok(tg_dataset_check(ctx, in_root("rate"), &r));
    assert_found(&r, "the frames are not of 25 per second", "are 30 per second", 1);
    assert_found(&r, "a video that is not of 25", "rate.mp4: 30", 1);
    assert_int_equal(r.findings.wrong, 2);
    tg_dataset_report_free(&r);
}

/* Red and blue exchanged, as pictures written by OpenCV without a thought are. */
static void exchanged_colours_are_recognised(void **unused) {
    (void)unused;
    tg_dataset_report r;
    tg_image image;
    copy_person("bgr");
    for (int f = 0; f < person.frames; f++) {
        assert_ok(tg_image_read(ctx, in_root("bgr/parsing/%d.png", f), 3, &image));
        for (int i = 0; i < 48 * 48; i++) {
            uint8_t t = image.data[3 * i];
            image.data[3 * i] = image.data[3 * i + 2];
            image.data[3 * i + 2] = t;
        }
        assert_ok(tg_image_write(ctx, in_root("bgr/parsing/%d.png", f), 48, 48, 3, image.data));
        tg_image_free(&image);
    }
    assert_ok(tg_dataset_check(ctx, in_root("bgr"), &r));
    assert_found(&r, "parsing: red and blue are exchanged", NULL, 1);
    tg_dataset_report_free(&r);
}

/* Finite as a double, but not as the float it is kept in. */
static void the_optical_centre_is_finite(void **unused) {
    (void)unused;
    tg_dataset *set;
    copy_person("centre");
    replace_in(in_root("centre/transforms_train.json"), "\"cx\":\t24,", "\"cx\":\t1e300,");
    assert_int_equal(tg_dataset_open(ctx, in_root("centre"), 0, 0, &set), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "cx or cy is not finite"));
    assert_null(set);
    /* and what a pose of such numbers shows lies in the picture nevertheless */
    assert_ok(tg_dataset_open(ctx, in_root("person"), 0, 0, &set));
    set->cx = INFINITY;
    tg_box box = tg_dataset_mouth(set, 0);
    assert_in_range(box.left, 0, 48);
    assert_in_range(box.right, 0, 48);
    tg_dataset_close(&set);
}

static void landmarks_must_lie_on_the_head(void **unused) {
    (void)unused;
    tg_dataset_report r;
    tg_npy lm;
    copy_person("away");
    const char *path = in_root("away/landmarks.npy");
    assert_ok(tg_npy_read(ctx, path, &lm));
    for (int64_t i = 0; i < lm.dim[0] * 204; i++)
        lm.data[i] *= 2; /* the head in other units */
    assert_ok(tg_npy_write(ctx, path, 3, lm.dim, lm.data));
    assert_ok(tg_dataset_check(ctx, in_root("away"), &r));
    assert_found(&r, "landmarks do not lie on the head", "frame 0", 150);
    tg_dataset_report_free(&r);
    float gaze[300] = {0};
    const char *eyes = in_root("away/gaze.npy");
    assert_ok(tg_npy_write(ctx, eyes, 2, (int64_t[]){100, 3}, gaze));
    assert_ok(tg_dataset_check(ctx, in_root("away"), &r));
    assert_found(&r, "no usable gaze", "each of 150 frames", 1);
    tg_dataset_report_free(&r);
    gaze[7] = 90;
    assert_ok(tg_npy_write(ctx, eyes, 2, (int64_t[]){150, 2}, gaze));
    assert_ok(tg_dataset_check(ctx, in_root("away"), &r));
    assert_found(&r, "no usable gaze", "value 7 is no angle", 1);
    tg_dataset_report_free(&r);
    assert_int_equal(remove(eyes), 0);
    lm.data[1000] = NAN;
    assert_ok(tg_npy_write(ctx, path, 3, lm.dim, lm.data));
    tg_npy_free(&lm);
    assert_ok(tg_dataset_check(ctx, in_root("away"), &r));
    assert_found(&r, "no usable landmarks", "landmarks.npy: value 1000", 1);
    assert_int_equal(r.findings.wrong, 1);
    tg_dataset_report_free(&r);
    assert_int_equal(remove(path), 0);
    assert_ok(tg_dataset_check(ctx, in_root("away"), &r));
    assert_found(&r, "no usable landmarks", "no motion in it", 1);
    tg_dataset_report_free(&r);
    assert_ok(tg_dataset_check(ctx, in_root("nobody"), &r)); /* an empty place has all of it */
    assert_found(&r, "no background", "bc.jpg", 1);
    assert_found(&r, "transforms cannot be read", "transforms_train.json", 2);
    assert_found(&r, "no sound", "aud.wav", 1);
    tg_dataset_report_free(&r);
}

/* ---- motion -------------------------------------------------------------------------------- */

/* Pixels of the scene's landmarks with noise, in ori_imgs of `name`, frames [0, end) that are no
 * multiple of `without`. */
static void write_lms(const char *name, double noise, int without) {
    const tg_rng rng = tg_rng_make(3, "", "noise");
    assert_ok(tg_make_dirs(ctx, in_root("%s/ori_imgs", name)));
    for (int f = 0; f < person.frames; f++) {
        float m[16], lm[TG_COND_DIM];
        char text[68 * 40];
        int n = 0;
        if (without && f % without == 0)
            continue;
        scene_c2w(f, m);
        scene_landmarks(f, lm);
        for (int i = 0; i < 68; i++) {
            float p[3], c[3];
            for (int d = 0; d < 3; d++)
                p[d] = lm[3 * i + d] / 10 - m[4 * d + 3];
            for (int d = 0; d < 3; d++)
                c[d] = m[d] * p[0] + m[4 + d] * p[1] + m[8 + d] * p[2];
            double x = 24 + 3.2 * 48 * (double)(c[0] / -c[2]);
            double y = 24 - 3.2 * 48 * (double)(c[1] / -c[2]);
            uint64_t at = (uint64_t)(f * 68 + i) * 2;
            n += snprintf(text + n, sizeof text - (size_t)n, "%.5f %.5f\n",
                          x + noise * (double)tg_rng_normal(&rng, at),
                          y + noise * (double)tg_rng_normal(&rng, at + 1));
        }
        assert_ok(tg_file_write(ctx, in_root("%s/ori_imgs/%d.lms", name, f), text, (size_t)n));
    }
}

/* RMS distance (mm) of points [first, end) from the truth, of their means alone, and along z. */
static double distance(const float *landmarks, int first, int end, bool of_means) {
    double sum = 0, n = 0;
    for (int k = 3 * first; k < 3 * end; k++) {
        double mean = 0;
        for (int f = 0; f < person.frames; f++) {
            float lm[TG_COND_DIM];
            scene_landmarks(f, lm);
            double e = 100 * ((double)landmarks[f * TG_COND_DIM + k] - (double)lm[k]);
            mean += e / person.frames;
            sum += of_means ? 0 : e * e;
            n += k % 3 == 0;
        }
        sum += of_means ? mean * mean * person.frames : 0;
    }
    return sqrt(sum / n);
}

static double gap_correlation(const float *landmarks) {
    double x = 0, y = 0, xx = 0, yy = 0, xy = 0, n = person.frames;
    for (int f = 0; f < person.frames; f++) {
        const float *p = landmarks + f * TG_COND_DIM;
        double a = (double)p[3 * 62 + 1] - (double)p[3 * 66 + 1], b = (double)scene_gap(f);
        x += a, y += b, xx += a * a, yy += b * b, xy += a * b;
    }
    return (n * xy - x * y) / sqrt((n * xx - x * x) * (n * yy - y * y));
}

/* A pixel is 0.02 dm at the distance of the head: half a pixel of noise are 3 mm in two axes. */
static void landmarks_are_lifted_from_pictures(void **unused) {
    (void)unused;
    dataset_motion m;
    copy_person("lms");
    assert_int_equal(remove(in_root("lms/landmarks.npy")), 0);
    write_lms("lms", 0, 0);
    assert_ok(tg_dataset_motion(ctx, in_root("lms"), &m));
    assert_int_equal(m.origin, TG_FROM_LMS);
    assert_int_equal(m.rows, person.frames);
    assert_int_equal(m.without, 0);
    assert_true(distance(m.landmarks, 0, 68, true) < 0.8); /* of 100 mm of head */
    assert_true(distance(m.landmarks, 27, 36, false) < 0.5);
    assert_true(gap_correlation(m.landmarks) > 0.99);
    tg_free(m.landmarks);

    /* noise is measured, smoothed away in part, and frames without landmarks are filled in */
    write_lms("lms", 0.2, 0);
    for (int f = 0; f < person.frames; f += 10)
        assert_int_equal(remove(in_root("lms/ori_imgs/%d.lms", f)), 0);
    assert_ok(tg_dataset_motion(ctx, in_root("lms"), &m));
    assert_int_equal(m.without, 15);
    assert_true(m.lifted.noise > 0.16 && m.lifted.noise < 0.25);
    assert_true(distance(m.landmarks, 0, 68, true) < 1.5);
    assert_true(gap_correlation(m.landmarks) > 0.9);
    /* a pixel is 0.59 mm: 0.2 of them in x and y would be 1.7 mm as they are */
    assert_true(distance(m.landmarks, 27, 36, false) < 1.2);
    tg_free(m.landmarks);

    /* a detector that loses the face now and then does not bend it */
    char text[68 * 16];
    int n = 0;
    for (int i = 0; i < 68; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%d %d\n", 2 + i % 9, 3 + i / 9);
    for (int f = 5; f < person.frames; f += 37)
        assert_ok(tg_file_write(ctx, in_root("lms/ori_imgs/%d.lms", f), text, (size_t)n));
    assert_ok(tg_dataset_motion(ctx, in_root("lms"), &m));
    assert_true(distance(m.landmarks, 0, 68, true) < 1.5);
    tg_free(m.landmarks);

    assert_ok(tg_file_write(ctx, in_root("lms/ori_imgs/3.lms"), "1 2\n3 4\n", 8));
    assert_int_equal(tg_dataset_motion(ctx, in_root("lms"), &m), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "ori_imgs/3.lms"));
    assert_null(m.landmarks);

    tg_dataset *set; /* the reader that trains takes it the same way */
    assert_int_equal(tg_dataset_open(ctx, in_root("lms"), 0, 0, &set), TG_EINPUT);
    assert_int_equal(remove(in_root("lms/ori_imgs/3.lms")), 0);
    assert_ok(tg_dataset_open(ctx, in_root("lms"), 0, 20, &set));
    assert_int_equal(set->motion_origin, TG_FROM_LMS);
    assert_int_equal(set->landmark_rows, person.frames);
    tg_dataset_close(&set);
}

static void write_samples(bytes *p, const char *key, int first, int end) {
    text(p, key);
    op(p, "](");
    for (int f = first; f < end; f++) {
        float lm[TG_COND_DIM], rest[TG_COND_DIM];
        scene_landmarks(f, lm);
        scene_landmarks(0, rest); /* what the displacements are from is not in the file */
        for (int k = 0; k < TG_COND_DIM; k++)
            lm[k] = 10 * (lm[k] - rest[k]);
        op(p, "}(");
        text(p, "idx");
        number(p, f);
        put_array(p, "idexp_lm3d", 2, (int64_t[]){68, 3}, "f4", lm, sizeof *lm);
        op(p, "u");
    }
    op(p, "e");
}

static void motion_of_geneface_is_taken(void **unused) {
    (void)unused;
    dataset_motion m;
    bytes p = {0}, file = {0};
    copy_person("gf");
    assert_int_equal(remove(in_root("gf/landmarks.npy")), 0);
    op(&p, "\x80\x03");
    begin_array(&p, 0, NULL, "O8");
    op(&p, "]}(");
    write_samples(&p, "train_samples", 0, 100);
    write_samples(&p, "val_samples", 110, person.frames);
    op(&p, "uatb.");
    object_npy(&file, &p);
    assert_ok(tg_file_write(ctx, in_root("gf/trainval_dataset.npy"), file.data, file.n));
    free(p.data);
    free(file.data);
    assert_int_equal(tg_dataset_motion(ctx, in_root("gf"), &m), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "ori_imgs"));
    write_lms("gf", 0.3, 4);
    assert_ok(tg_dataset_motion(ctx, in_root("gf"), &m));
    assert_int_equal(m.origin, TG_FROM_GENEFACE);
    assert_int_equal(m.without, 10);
    /* the motion is the file's own, without the pixels' noise; the place is the pixels' */
    double change = 0;
    for (int f = 1; f < 100; f++)
        for (int k = 0; k < TG_COND_DIM; k++) {
            float a[TG_COND_DIM], b[TG_COND_DIM];
            scene_landmarks(f, a);
            scene_landmarks(f - 1, b);
            double e = (double)(m.landmarks[f * TG_COND_DIM + k] -
                                m.landmarks[(f - 1) * TG_COND_DIM + k]) -
                       (double)(a[k] - b[k]);
            change = fmax(change, fabs(e));
        }
    assert_true(change < 1e-5);
    assert_true(distance(m.landmarks, 0, 68, true) < 1.5);
    tg_free(m.landmarks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_recording_has_nothing_wrong),
        cmocka_unit_test(everything_wrong_is_told_at_once),
        cmocka_unit_test(poses_are_looked_at),
        cmocka_unit_test(frames_of_another_rate_are_told),
        cmocka_unit_test(exchanged_colours_are_recognised),
        cmocka_unit_test(the_optical_centre_is_finite),
        cmocka_unit_test(landmarks_must_lie_on_the_head),
        cmocka_unit_test(landmarks_are_lifted_from_pictures),
        cmocka_unit_test(motion_of_geneface_is_taken),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
