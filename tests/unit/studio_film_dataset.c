/* Poses, projections and files of the data set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "studio/dataset.h"
#include "studio_scene.h"
#include "talkgen/io.h"

/* Rotation about y, then x; row major 3 x 4 with a translation. */
static void head_matrix(float yaw, float pitch, float m[12]) {
    float cy = cosf(yaw), sy = sinf(yaw), cp = cosf(pitch), sp = sinf(pitch);
    const float r[9] = {cy, sy * sp, sy * cp, 0, cp, -sp, -sy, cy * sp, cy * cp};
    const float t[3] = {0.07f, 7.1f, 0.3f};
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++)
            m[4 * i + k] = r[3 * i + k];
        m[4 * i + 3] = t[i];
    }
}

static void the_pose_projects_as_the_camera_does(void **state) {
    (void)state;
    const float anchor[3] = {0, 7.2f, 1.2f};
    tg_film_camera camera = tg_film_portrait(anchor, 256, 256);
    for (int k = 0; k < 5; k++) {
        float head[12], c2w[16], lm[TG_LANDMARKS][3], xy[TG_LANDMARKS][2];
        head_matrix(0.1f * (float)(k - 2), 0.07f * (float)(k - 1), head);
        tg_film_head_camera(&camera, head, c2w);
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) {
                float dot = 0;
                for (int a = 0; a < 3; a++)
                    dot += c2w[4 * i + a] * c2w[4 * j + a];
                assert_float_equal(dot, i == j, 1e-5f);
            }
        for (int i = 0; i < TG_LANDMARKS; i++)
            studio_set3(lm[i], 0.02f * (float)(i - 34), 0.5f - 0.01f * (float)i,
                        0.3f * sinf((float)i));
        tg_studio_project((const float(*)[3])lm, c2w, camera.focal, camera.cx, camera.cy, xy);
        for (int i = 0; i < TG_LANDMARKS; i++) {
            float w[3];
            for (int a = 0; a < 3; a++)
                w[a] = head[4 * a] * lm[i][0] + head[4 * a + 1] * lm[i][1] +
                       head[4 * a + 2] * lm[i][2] + head[4 * a + 3];
            tg_vec3 p = tg_film_project(&camera, tg_v3_load(w));
            assert_float_equal(xy[i][0], p.x, 2e-3f);
            assert_float_equal(xy[i][1], p.y, 2e-3f);
        }
    }
}

static void the_head_on_screen_is_as_large_as_the_recipe_says(void **state) {
    (void)state;
    const float anchor[3] = {0, 7, 1};
    tg_film_camera camera = tg_film_portrait(anchor, 512, 512);
    tg_vec3 a = tg_film_project(&camera, tg_v3(0, 7, 1)), b;
    b = tg_film_project(&camera, tg_v3(0.5f, 7, 1));
    assert_float_equal(a.z, 14.2f, 0.01f);
    assert_float_equal(b.x - a.x, 0.5f * 2050 / 14.2f, 0.1f);
    assert_float_equal(a.x, 256, 1e-3f);
    assert_true(a.y > 225 && a.y < 256); /* looks a little below the eyes */
}

static void face_rect_follows_the_family(void **state) {
    (void)state;
    float xy[TG_LANDMARKS][2];
    for (int i = 0; i < TG_LANDMARKS; i++) {
        xy[i][0] = 100;
        xy[i][1] = 100;
    }
    xy[0][0] = 80;
    xy[16][0] = 140;
    xy[8][1] = 160;
    xy[27][1] = 90;
    int rect[4];
    tg_dataset_face_rect((const float(*)[2])xy, 256, 256, rect);
    /* middle 110, half width 45; middle 90, half height 80.5 */
    const int expected[4] = {65, 9, 90, 161};
    assert_memory_equal(rect, expected, sizeof rect);
    tg_dataset_face_rect((const float(*)[2])xy, 128, 128, rect);
    assert_int_equal(rect[0] + rect[2], 128);
    assert_int_equal(rect[1] + rect[3], 128);
}

static void a_frame_is_complete_when_its_torso_is_there(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    char dir[64], path[256];
    snprintf(dir, sizeof dir, "studio_frame_%ld", (long)getpid());
    static const char *const folder[] = {"ori_imgs", "gt_imgs", "parsing", "torso_imgs"};
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, folder[i]);
        assert_int_equal(tg_make_dirs(ctx, path), TG_OK);
    }
    uint8_t rgb[3 * 64 * 64], mask[3 * 64 * 64], torso[4 * 64 * 64];
    for (size_t i = 0; i < sizeof rgb; i++) {
        rgb[i] = (uint8_t)(i / 64);
        mask[i] = i % 3 == 2 ? 255 : 0;
    }
    memset(torso, 77, sizeof torso);
    tg_film_frame frame = {rgb, mask, torso};
    assert_false(tg_dataset_has_frame(dir, 12));
    assert_int_equal(tg_dataset_write_frame(ctx, dir, 12, &frame, 64, 64), TG_OK);
    assert_true(tg_dataset_has_frame(dir, 12));
    tg_image image;
    snprintf(path, sizeof path, "%s/parsing/12.png", dir);
    assert_int_equal(tg_image_read(ctx, path, 3, &image), TG_OK);
    assert_memory_equal(image.data, mask, sizeof mask);
    tg_image_free(&image);
    snprintf(path, sizeof path, "%s/torso_imgs/12.png", dir);
    assert_int_equal(tg_image_read(ctx, path, 0, &image), TG_OK);
    assert_int_equal(image.channels, 4);
    assert_memory_equal(image.data, torso, sizeof torso);
    tg_image_free(&image);
    static const char *const ending[] = {"jpg", "jpg", "png", "png"};
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s/12.%s", dir, folder[i], ending[i]);
        assert_int_equal(unlink(path), 0);
        snprintf(path, sizeof path, "%s/%s", dir, folder[i]);
        assert_int_equal(rmdir(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
    tg_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pose_projects_as_the_camera_does),
        cmocka_unit_test(the_head_on_screen_is_as_large_as_the_recipe_says),
        cmocka_unit_test(face_rect_follows_the_family),
        cmocka_unit_test(a_frame_is_complete_when_its_torso_is_there)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
