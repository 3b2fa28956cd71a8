/* Outputs say that they are synthetic, damaged ones are read without harm, parts become a whole. */
#include "io_test.h"

#include "io/provenance.h"

#include <math.h>

enum { SIZE = 64, BYTES = SIZE * SIZE * 3 };

static void picture(uint8_t *rgb, int frame) {
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++)
            for (int c = 0; c < 3; c++)
                rgb[(y * SIZE + x) * 3 + c] =
                    (uint8_t)(128 + 100 * sin(0.1 * x + 0.07 * y * (c + 1) + 0.3 * frame));
}

static void write_movie(const char *name, const tg_sink_options *o, int first, int end) {
    uint8_t rgb[BYTES];
    tg_sink *sink;
    assert_ok(tg_sink_open(ctx, in_folder(name), o, &sink));
    for (int i = first; i < end; i++) {
        picture(rgb, i);
        assert_ok(tg_sink_write(ctx, sink, rgb));
    }
    assert_ok(tg_sink_finish(ctx, &sink));
}

static const char job[] = "0123456789abcdef0123456789abcdef";

static void is_said_and_read(void **state) {
    (void)state;
    tg_provenance p = {.identity = "A \"b\" <c> & \xff\xc3\xa4\n",
                       .job = job,
                       .seed = UINT64_MAX,
                       .first = 0,
                       .end = 3,
                       .frames = 9};
    tg_sink_options o = {.width = SIZE, .height = SIZE, .overwrite = true, .provenance = &p};
    const char *const names[] = {"a.mp4", "a.mov", "a.mkv"};
    for (int i = 0; i < 3; i++) {
        tg_provenance_found found;
        write_movie(names[i], &o, 0, 3);
        assert_ok(tg_provenance_read(ctx, in_folder(names[i]), &found));
        assert_true(found.synthetic);
        assert_string_equal(found.job, job);
        if (i < 2) {
            assert_string_equal(found.identity,
                                "A &quot;b&quot; &lt;c&gt; &amp; \xef\xbf\xbd\xc3\xa4?");
            assert_int_equal(strlen(found.frame_hash), 32);
            assert_true(found.seed == UINT64_MAX && found.end == 3 && found.frames == 9);
        }
    }
    o.provenance = NULL;
    write_movie("b.mp4", &o, 0, 3);
    tg_provenance_found found;
    assert_ok(tg_provenance_read(ctx, in_folder("b.mp4"), &found));
    assert_false(found.synthetic);
    assert_int_equal(tg_provenance_read(ctx, in_folder("none.mp4"), &found), TG_EINPUT);
    assert_int_equal(tg_provenance_read(ctx, folder, &found), TG_EINPUT);
    empty_folder();
}

/* Another decoder reads the picture and finds the chunk in order. */
static void png_carries_it(void **state) {
    (void)state;
    tg_provenance p = {.identity = "a", .job = job};
    tg_sink_options o = {.width = SIZE, .height = SIZE, .provenance = &p, .first_number = 7};
    write_movie("f_%d.png", &o, 0, 2);
    tg_image image;
    uint8_t rgb[BYTES];
    picture(rgb, 1);
    assert_ok(tg_image_read(ctx, in_folder("f_8.png"), 3, &image));
    assert_memory_equal(image.data, rgb, BYTES);
    tg_image_free(&image);
    char *text;
    size_t bytes;
    assert_ok(tg_file_read(ctx, in_folder("f_7.png"), 1 << 20, &text, &bytes));
    assert_memory_equal(text + 37, "iTXtXML:com.adobe.xmp\0\0\0\0\0<?xpacket", 35);
    tg_free(text);
    empty_folder();
}

static void damage_is_harmless(void **state) {
    (void)state;
    tg_provenance p = {.identity = "a", .job = job, .end = 1, .frames = 1};
    tg_sink_options o = {.width = 16, .height = 16, .provenance = &p};
    uint8_t rgb[16 * 16 * 3] = {0};
    tg_sink *sink;
    assert_ok(tg_sink_open(ctx, in_folder("a.mp4"), &o, &sink));
    assert_ok(tg_sink_write(ctx, sink, rgb));
    assert_ok(tg_sink_finish(ctx, &sink));
    char *text;
    size_t bytes;
    assert_ok(tg_file_read(ctx, in_folder("a.mp4"), 1 << 20, &text, &bytes));
    tg_rng rng = tg_rng_make(1, "", "damage");
    int found_count = 0;
    for (uint64_t i = 0; i < 600; i++) {
        char *copy = malloc(bytes);
        memcpy(copy, text, bytes);
        size_t n = i % 3 == 0 ? tg_rng_u32(&rng, 4 * i) % bytes + 1 : bytes;
        for (int k = 1; k < 3; k++) {
            size_t at = tg_rng_u32(&rng, 4 * i + (uint64_t)k) % (i % 2 ? 64 : bytes);
            copy[at] = (char)tg_rng_u32(&rng, 4 * i + 3);
        }
        put_file(in_folder("b.mp4"), copy, n);
        tg_provenance_found found;
        assert_ok(tg_provenance_read(ctx, in_folder("b.mp4"), &found));
        found_count += found.synthetic;
        assert_true(strlen(found.job) == 0 || strlen(found.job) == 32);
        free(copy);
    }
    assert_in_range(found_count, 1, 599);
    tg_free(text);
    empty_folder();
}

/* Parts decode to what the whole decodes to. */
static void parts_are_the_whole(void **state) {
    (void)state;
    tg_sink_options o = {.width = SIZE, .height = SIZE, .gop = 10, .overwrite = true};
    write_movie("w.mp4", &o, 0, 37);
    write_movie("p0.mp4", &o, 0, 10);
    write_movie("p1.mp4", &o, 10, 30);
    write_movie("p2.mov", &o, 30, 37);
    char part[3][256];
    const char *parts[3];
    for (int i = 0; i < 3; i++) {
        snprintf(part[i], sizeof part[i], "%s/p%d.%s", folder, i, i == 2 ? "mov" : "mp4");
        parts[i] = part[i];
    }
    int64_t frames;
    tg_sink_options join = {.overwrite = false};
    assert_ok(tg_movie_join(ctx, parts, 3, in_folder("j.mp4"), &join, &frames));
    assert_int_equal(frames, 37);
    tg_video *a, *b;
    assert_ok(tg_video_open(ctx, in_folder("w.mp4"), &a));
    assert_ok(tg_video_open(ctx, in_folder("j.mp4"), &b));
    uint8_t x[BYTES], y[BYTES];
    bool done = false, other = false;
    int n = 0;
    for (;; n++) {
        assert_ok(tg_video_read(ctx, a, x, &done));
        assert_ok(tg_video_read(ctx, b, y, &other));
        assert_int_equal(done, other);
        if (done)
            break;
        assert_memory_equal(x, y, BYTES);
    }
    assert_int_equal(n, 37);
    tg_video_close(&a);
    tg_video_close(&b);
    assert_int_equal(tg_movie_join(ctx, parts, 3, in_folder("j.mp4"), &join, &frames), TG_EUSAGE);
    /* another quality has other parameter sets */
    o.crf = 30;
    write_movie("p1.mp4", &o, 10, 30);
    assert_int_equal(tg_movie_join(ctx, parts, 3, in_folder("k.mp4"), &join, &frames), TG_EINPUT);
    assert_message("encoded otherwise");
    assert_false(tg_file_exists(in_folder("k.mp4")));
    empty_folder();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_said_and_read),
        cmocka_unit_test(png_carries_it),
        cmocka_unit_test(damage_is_harmless),
        cmocka_unit_test(parts_are_the_whole),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
