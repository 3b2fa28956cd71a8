/* The command line: every kind of value, short and long names, and what a mistake is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cli/options.h"

static tg_context *ctx;
static cli_args args;

static tg_status run_nothing(tg_context *c, const cli_args *a) {
    (void)c;
    (void)a;
    return TG_OK;
}

static const cli_command command = {
    "demo",
    "demo [options]",
    "a command for tests",
    NULL,
    "audio output size threads seed temperature start duration overwrite json pose-out pose help",
    2,
    run_nothing,
};

static tg_status parse(const char *line) {
    static char text[512];
    static char *argv[32];
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word && argc < 32; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    cli_defaults(&args);
    return cli_parse(ctx, &command, argc, argv, &args);
}

static void assert_refused(const char *line, const char *text) {
    const tg_status status = parse(line);
    const char *message = tg_message(ctx);
    if (status != TG_EUSAGE || !strstr(message, text) || !strstr(message, "\n  expected: ") ||
        !strstr(message, "\n  try: ")) {
        print_error("'%s': status %d, %s\n", line, status, message);
        fail();
    }
}

static int start(void **state) {
    (void)state;
    ctx = tg_context_create(1);
    return ctx ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    tg_context_destroy(&ctx);
    return 0;
}

static void defaults(void **state) {
    (void)state;
    assert_int_equal(parse(""), TG_OK);
    assert_int_equal(args.seed, 42);
    assert_true(args.temperature == 0.3);
    assert_true(args.fps == 25);
    assert_string_equal(args.pose, "replay");
    assert_string_equal(args.background, "dataset");
    assert_string_equal(args.clip_id, "");
    assert_false(args.overwrite);
    assert_int_equal(args.word_count, 0);
}

static void values(void **state) {
    (void)state;
    assert_int_equal(parse("-a a.wav --output=b.mp4 --size 640x480 -t 3 -s 7 --temperature 0.5 -y"),
                     TG_OK);
    assert_string_equal(args.audio, "a.wav");
    assert_string_equal(args.output, "b.mp4");
    assert_int_equal(args.width, 640);
    assert_int_equal(args.height, 480);
    assert_int_equal(args.threads, 3);
    assert_int_equal(args.seed, 7);
    assert_true(args.temperature == 0.5);
    assert_true(args.overwrite);
    assert_int_equal(parse("--seed 18446744073709551615"), TG_OK);
    assert_true(args.seed == UINT64_MAX);
    assert_int_equal(parse("--seed -1"), TG_OK);
    assert_true(args.seed_random);
    /* a name that begins another one, a value that begins with a dash, the end of options */
    assert_int_equal(parse("--pose-out p.npy --pose still"), TG_OK);
    assert_string_equal(args.pose_out, "p.npy");
    assert_string_equal(args.pose, "still");
    assert_int_equal(parse("-o - one -- --two"), TG_OK);
    assert_string_equal(args.output, "-");
    assert_int_equal(args.word_count, 2);
    assert_string_equal(args.words[0], "one");
    assert_string_equal(args.words[1], "--two");
}

static void times(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double seconds;
    } good[] = {{"0", 0},     {"1.5", 1.5}, {"90s", 90},      {"2m", 120},
                {"2h", 7200}, {"1:30", 90}, {"0:05.25", 5.25}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char line[64];
        snprintf(line, sizeof line, "--duration %s", good[i].text);
        assert_int_equal(parse(line), TG_OK);
        assert_true(args.duration_s == good[i].seconds);
    }
    static const char *const bad[] = {"-1", "x", "1x", "1:60", "1:", "1:-3", "inf", "nan", "1s2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char line[64];
        snprintf(line, sizeof line, "--duration %s", bad[i]);
        assert_refused(line, "--duration");
    }
}

static void refusals(void **state) {
    (void)state;
    static const char *const lines[][2] = {
        {"--size 256", "256"},
        {"--size 256x", "256x"},
        {"--size 8x8", "8x8"},
        {"--size 256x256x3", "256x256x3"},
        {"--size 9000x16", "9000x16"},
        {"--threads two", "two"},
        {"--threads -1", "-1"},
        {"--threads 99999999999999999999", "--threads"},
        {"--seed 1.5", "1.5"},
        {"--seed -2", "-2"},
        {"--seed 18446744073709551616", "--seed"},
        {"--temperature nan", "nan"},
        {"--temperature 5", "5"},
        {"--audio", "needs a value"},
        {"--audio a --audio b", "twice"},
        {"-a a --audio b", "twice"},
        {"--audio=", "--audio"},
        {"--json=yes", "takes no value"},
        {"one two three", "unexpected argument 'three'"},
        {"--identity p", "this command does not take"},
        {"-x", "unknown option '-x'"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_refused(lines[i][0], lines[i][1]);
    }
}

static void did_you_mean(void **state) {
    (void)state;
    assert_refused("--adio a.wav", "try: --audio");
    assert_refused("--ouptut a", "try: --output");
    assert_refused("--durations 3", "try: --duration");
    assert_refused("--overwrit", "try: --overwrite");
    assert_refused("--sead=3", "try: --seed");
    assert_refused("--zzzzzzzz", "try: talkgen help demo");
    static const char *const names[] = {"synth", "studio", "train"};
    assert_string_equal(cli_nearest("snyth", names, 3), "synth");
    assert_string_equal(cli_nearest("trian", names, 3), "train");
    assert_null(cli_nearest("entirely", names, 3));
    assert_null(cli_nearest("", names, 3));
}

static void needs(void **state) {
    (void)state;
    assert_int_equal(cli_need(ctx, "x", "audio", "the speech"), TG_OK);
    assert_int_equal(cli_need(ctx, NULL, "audio", "the speech"), TG_EUSAGE);
    assert_non_null(strstr(tg_message(ctx), "--audio"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults), cmocka_unit_test(values),       cmocka_unit_test(times),
        cmocka_unit_test(refusals), cmocka_unit_test(did_you_mean), cmocka_unit_test(needs),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
