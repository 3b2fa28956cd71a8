/* Whole exposures of a little figure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "studio_scene.h"
#include "talkgen/io.h"

enum { SIZE = 96 };

static const tg_look look = {.skin_albedo = {0.5f, 0.29f, 0.2f},
                             .lip_albedo = {0.4f, 0.13f, 0.12f},
                             .lip_opacity = 0.8f,
                             .hair_albedo = {0.1f, 0.05f, 0.03f},
                             .iris = {0.2f, 0.2f, 0.2f}};

static tg_film_options options_of(int cells, bool layers) {
    tg_film_options o = {.width = SIZE,
                         .height = SIZE,
                         .cells = cells,
                         .layers = layers,
                         .anchor = {0, 0, 0},
                         .look = &look};
    o.camera = tg_film_portrait(o.anchor, SIZE, SIZE);
    return o;
}

static void same_bytes_at_any_number_of_threads_and_again(void **state) {
    (void)state;
    tg_scene scene = studio_figure();
    static uint8_t rgb[3 * SIZE * SIZE], parsing[3 * SIZE * SIZE], torso[4 * SIZE * SIZE];
    for (int threads = 1; threads <= 3; threads++) {
        tg_context *ctx = tg_context_create(threads);
        tg_film_options o = options_of(2, true);
        tg_film *film;
        assert_int_equal(tg_film_create(ctx, &scene, &o, &film), TG_OK);
        for (int again = 0; again < 2; again++) {
            tg_film_frame f;
            tg_film_expose(film, &scene, tg_context_pool(ctx), &f);
            if (threads == 1 && again == 0) {
                memcpy(rgb, f.rgb, sizeof rgb);
                memcpy(parsing, f.parsing, sizeof parsing);
                memcpy(torso, f.torso, sizeof torso);
            }
            assert_memory_equal(f.rgb, rgb, sizeof rgb);
            assert_memory_equal(f.parsing, parsing, sizeof parsing);
            assert_memory_equal(f.torso, torso, sizeof torso);
        }
        tg_film_destroy(&film);
        tg_context_destroy(&ctx);
    }
    studio_scene_free(&scene);
}

/* Colour of the parsing mask where a world point is seen. */
static const uint8_t *label(const tg_film_options *o, const tg_film_frame *f, float x, float y,
                            float z) {
    tg_vec3 p = tg_film_project(&o->camera, tg_v3(x, y, z));
    return f->parsing + 3 * ((int)p.y * SIZE + (int)p.x);
}

static void layers_are_parts_of_the_picture(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_scene scene = studio_figure();
    tg_film_options o = options_of(2, true);
    tg_film *film;
    tg_film_frame f;
    assert_int_equal(tg_film_create(ctx, &scene, &o, &film), TG_OK);
    tg_film_expose(film, &scene, NULL, &f);
    const uint8_t head[3] = {0, 0, 255}, neck[3] = {0, 255, 0}, body[3] = {255, 0, 0},
                  nothing[3] = {255, 255, 255};
    assert_memory_equal(label(&o, &f, 0, 0.3f, 0.8f), head, 3);
    assert_memory_equal(label(&o, &f, 0, -0.75f, 0.4f), neck, 3);
    assert_memory_equal(label(&o, &f, 1.2f, -1.5f, -0.1f), body, 3);
    assert_memory_equal(label(&o, &f, 1.4f, 0.8f, 0), nothing, 3);
    const uint8_t *background = tg_film_background(film);
    int unlike = 0, hidden = 0, other = 0;
    for (int i = 0; i < SIZE * SIZE; i++) {
        const uint8_t *p = f.parsing + 3 * i, *t = f.torso + 4 * i;
        bool is_head = memcmp(p, head, 3) == 0;
        hidden += is_head && t[3] == 255;
        if (is_head)
            continue;
        bool touches = false; /* pixels at the head's rim hold a share of it */
        for (int d = 0; d < 9; d++) {
            int k = i + (d / 3 - 1) * SIZE + d % 3 - 1;
            touches |= k >= 0 && k < SIZE * SIZE && memcmp(f.parsing + 3 * k, head, 3) == 0;
        }
        if (touches)
            continue;
        other++;
        for (int c = 0; c < 3; c++) {
            float a = (float)t[3] / 255;
            float over = a * (float)t[c] + (1 - a) * (float)background[3 * i + c];
            unlike += fabsf(over - (float)f.rgb[3 * i + c]) > 1.5f;
        }
    }
    assert_true(other > 1000);
    assert_int_equal(unlike, 0); /* torso over background is the picture */
    assert_true(hidden > 30);    /* and goes on below the head */
    tg_film_destroy(&film);
    studio_scene_free(&scene);
    tg_context_destroy(&ctx);
}

static void light_falls_from_the_key_side(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_scene scene = studio_figure();
    for (int cells = 1; cells <= 2; cells++) {
        tg_film_options o = options_of(cells, false);
        tg_film *film;
        tg_film_frame f;
        assert_int_equal(tg_film_create(ctx, &scene, &o, &film), TG_OK);
        tg_film_expose(film, &scene, NULL, &f);
        assert_null(f.parsing);
        assert_null(f.torso);
        tg_vec3 left = tg_film_project(&o.camera, tg_v3(-0.5f, 0.4f, 0.6f));
        tg_vec3 right = tg_film_project(&o.camera, tg_v3(0.5f, 0.4f, 0.6f));
        const uint8_t *lit = f.rgb + 3 * ((int)left.y * SIZE + (int)left.x);
        const uint8_t *dim = f.rgb + 3 * ((int)right.y * SIZE + (int)right.x);
        assert_true(lit[1] > dim[1] + 20);
        assert_true(lit[0] > lit[1] && lit[1] > lit[2]); /* skin is warm */
        assert_memory_equal(f.rgb, tg_film_background(film), 30);
        tg_film_destroy(&film);
    }
    studio_scene_free(&scene);
    tg_context_destroy(&ctx);
}

/* A look's own stage moves the key light and paints the backdrop. */
static void a_stage_of_ones_own(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_scene scene = studio_figure();
    tg_film_options o = options_of(1, false);
    tg_look other = look;
    other.stage = (tg_stage){.key = {1.7f, 1.5f, 1.2f},
                             .key_from = {3.6f, 2.5f, 3.3f},
                             .rim = {1, 1, 1},
                             .backdrop = {0.3f, 0.02f, 0.02f},
                             .vignette = {0.02f, 0.02f, 0.3f}};
    o.look = &other;
    tg_film *film;
    tg_film_frame f;
    assert_int_equal(tg_film_create(ctx, &scene, &o, &film), TG_OK);
    tg_film_expose(film, &scene, NULL, &f);
    tg_vec3 left = tg_film_project(&o.camera, tg_v3(-0.5f, 0.4f, 0.6f));
    tg_vec3 right = tg_film_project(&o.camera, tg_v3(0.5f, 0.4f, 0.6f));
    assert_true(f.rgb[3 * ((int)right.y * SIZE + (int)right.x) + 1] >
                f.rgb[3 * ((int)left.y * SIZE + (int)left.x) + 1] + 20);
    const uint8_t *b = tg_film_background(film), *middle = b + 3 * (40 * SIZE + SIZE / 2);
    assert_true(middle[0] > 100 && middle[2] < 60 && b[2] > 100 && b[0] < 60);
    tg_film_destroy(&film);
    studio_scene_free(&scene);
    tg_context_destroy(&ctx);
}

static void sizes_out_of_range_are_refused(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_scene scene = studio_figure();
    tg_film *film;
    tg_film_options o = options_of(2, true);
    o.width = 16;
    assert_int_equal(tg_film_create(ctx, &scene, &o, &film), TG_EUSAGE);
    assert_null(film);
    o = options_of(3, true);
    assert_int_equal(tg_film_create(ctx, &scene, &o, &film), TG_EUSAGE);
    o = options_of(2, true);
    o.eye_texture = "/nowhere/eye.png";
    assert_int_equal(tg_film_create(ctx, &scene, &o, &film), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "eye.png"));
    char flat[64];
    const uint8_t rgb[3 * 4 * 2] = {0};
    snprintf(flat, sizeof flat, "studio_film_%ld.png", (long)getpid());
    assert_int_equal(tg_image_write(ctx, flat, 4, 2, 3, rgb), TG_OK);
    o.eye_texture = flat;
    assert_int_equal(tg_film_create(ctx, &scene, &o, &film), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "4 x 2"));
    assert_int_equal(unlink(flat), 0);
    studio_scene_free(&scene);
    tg_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bytes_at_any_number_of_threads_and_again),
        cmocka_unit_test(layers_are_parts_of_the_picture),
        cmocka_unit_test(light_falls_from_the_key_side), cmocka_unit_test(a_stage_of_ones_own),
        cmocka_unit_test(sizes_out_of_range_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
