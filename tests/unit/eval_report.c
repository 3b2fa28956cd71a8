/* The pieces that a report is made of. */
#include "eval/report_html.h"

#include "talkgen/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    FILE *page;
    char *text;
    size_t bytes;
} memory_page;

static void begin(memory_page *m) {
    m->page = open_memstream(&m->text, &m->bytes);
    assert_non_null(m->page);
}

static void end(memory_page *m) {
    assert_int_equal(fclose(m->page), 0);
}

static void base64_is_that_of_rfc_4648(void **unused) {
    (void)unused;
    static const char *const cases[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xff\xfb\xf0", "//vw"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memory_page m;
        begin(&m);
        tg_html_base64(m.page, cases[i][0], strlen(cases[i][0]));
        end(&m);
        assert_string_equal(m.text, cases[i][1]);
        free(m.text);
    }
}

static void names_cannot_become_markup(void **unused) {
    (void)unused;
    memory_page m;
    begin(&m);
    tg_html_text(m.page, "<b>\"A & B\"</b>");
    end(&m);
    assert_string_equal(m.text, "&lt;b&gt;&quot;A &amp; B&quot;&lt;/b&gt;");
    free(m.text);
}

static void curves_are_read_and_drawn(void **unused) {
    (void)unused;
    static const char csv[] = "step,seconds,kind,db,ssim\n"
                              "1,0.5,train,10.0,\n"
                              "5,60,held_out,20,0.5\n"
                              "9,120,train,nan,1\n"
                              "x,bad line\n"
                              "10,180,train,30,1\n"
                              "11,190,train,31"; /* cut off: not a line yet */
    char path[64];
    tg_context *ctx = tg_context_create(1);
    html_series s[2] = {{.name = "training", .colour = "red"}, {.name = "seen", .colour = "blue"}};
    snprintf(path, sizeof path, "eval_report.%d.csv", (int)getpid());
    assert_int_equal(tg_file_write(ctx, path, csv, strlen(csv)), TG_OK);
    assert_int_equal(tg_html_csv(ctx, path, 1, 3, 2, "train", &s[0]), TG_OK);
    assert_int_equal(tg_html_csv(ctx, path, 1, 3, 2, "held_out", &s[1]), TG_OK);
    assert_int_equal(s[0].count, 2); /* what is not finite is left out */
    assert_true(s[0].x[0] == 0.5 && s[0].y[0] == 10 && s[0].x[1] == 180 && s[0].y[1] == 30);
    assert_int_equal(s[1].count, 1);
    assert_int_equal(tg_html_csv(ctx, "nothing.csv", 1, 3, 2, "train", &s[1]), TG_OK);
    assert_int_equal(remove(path), 0);

    memory_page m;
    begin(&m);
    tg_html_chart(m.page, "Title", "s", "dB", s, 2);
    end(&m);
    assert_non_null(strstr(m.text, "<svg"));
    assert_non_null(strstr(m.text, "stroke:red"));
    assert_non_null(strstr(m.text, "Title"));
    assert_null(strstr(m.text, "nan"));
    /* all points lie inside the picture, first left of last, higher values higher up */
    double x[2], y[2];
    const char *at = strstr(m.text, "stroke:red\" d=\"M");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "stroke:red\" d=\"M%lf %lfL%lf %lf", &x[0], &y[0], &x[1], &y[1]),
                     4);
    assert_true(x[0] >= 52 && x[0] < x[1] && x[1] <= 548.1);
    assert_true(y[1] >= 12 && y[1] < y[0] && y[0] <= 220.1);
    free(m.text);

    begin(&m); /* nothing to draw */
    tg_html_chart(m.page, "Title", "s", "dB", &s[1], 1);
    end(&m);
    assert_int_equal(m.bytes, 0);
    free(m.text);

    /* ten thousand points do not make a page of megabytes; one value is a line too */
    html_series many = {.name = "many", .colour = "red"};
    for (int i = 0; i < 10000; i++)
        assert_true(tg_html_point(&many, i, 7));
    assert_true(tg_html_point(&many, INFINITY, 1));
    begin(&m);
    tg_html_chart(m.page, "Title", "s", "dB", &many, 1);
    end(&m);
    assert_true(m.bytes > 1000 && m.bytes < 30000);
    assert_null(strstr(m.text, "inf"));
    free(m.text);
    tg_html_series_free(&many);

    /* beside which a step of the axis is nothing */
    static const double large[2][2] = {{1e17, 1e17}, {9e15, 9e15 + 4}};
    for (int k = 0; k < 2; k++) {
        html_series one = {.name = "large", .colour = "red"};
        assert_true(tg_html_point(&one, 0, large[k][0]) && tg_html_point(&one, 1, large[k][1]));
        begin(&m);
        tg_html_chart(m.page, "Title", "s", "dB", &one, 1);
        end(&m);
        assert_true(m.bytes > 100 && m.bytes < 10000);
        assert_null(strstr(m.text, "nan"));
        free(m.text);
        tg_html_series_free(&one);
    }
    tg_html_series_free(&s[0]);
    tg_html_series_free(&s[1]);
    tg_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_that_of_rfc_4648),
        cmocka_unit_test(names_cannot_become_markup),
        cmocka_unit_test(curves_are_read_and_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
