/* The option table and its parser. */
#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { TEXT, FLAG, SIZE, COUNT, SEED, SECONDS, REAL, FRAMES } value_kind;

typedef struct {
    const char *name;
    char letter;
    value_kind kind;
    size_t field;
    double low, high; /* COUNT and REAL */
    const char *hint; /* shown for the value */
    const char *help;
} option;

#define AT(member) offsetof(cli_args, member)

static const option table[] = {
    {"audio", 'a', TEXT, AT(audio), 0, 0, "FILE", "speech: WAV, FLAC, OGG, MP3, M4A, MP4, ..."},
    {"identity", 'i', TEXT, AT(identity), 0, 0, "FILE",
     "the person, a .ckpt made by talkgen train"},
    {"output", 'o', TEXT, AT(output), 0, 0, "OUT",
     ".mp4, frames_%05d.png, .y4m, - (y4m on stdout), .framemd5 or null:"},
    {"features", 0, TEXT, AT(features), 0, 0, "FILE.npy",
     "speech features instead of hearing the audio: [rows,width] at 50 Hz, or aud.npy windows "
     "[frames,16,29 or 44]"},
    {"torso-features", 0, TEXT, AT(torso_features), 0, 0, "FILE.npy",
     "DeepSpeech features for GeneFace's vanilla torso"},
    {"latent", 0, TEXT, AT(latent), 0, 0, "FILE.npy",
     "draws of the prior [T/4,16] instead of seeded ones"},
    {"motion", 0, TEXT, AT(motion), 0, 0, "FILE.npy", "landmarks [T,68,3]"},
    {"pose", 0, TEXT, AT(pose), 0, 0, "replay|auto|still|orbit|FILE",
     "head pose: the identity's own recording, made from the speech, its first pose, a slow "
     "circle, "
     ".npy [T,4,4] camera-to-world, or a transforms_*.json"},
    {"pose-gain", 0, REAL, AT(pose_gain), 0, 3, "X",
     "how much the head moves with --pose auto; it stays where the recording was"},
    {"pose-smooth", 0, COUNT, AT(pose_smooth), 0, 101, "N",
     "frames that recorded poses are averaged over; 0 = 7 for geneface, 1 for the others"},
    {"pose-out", 0, TEXT, AT(pose_out), 0, 0, "FILE.npy", "also write the head poses [T,4,4]"},
    {"blink", 0, TEXT, AT(eyes), 0, 0, "replay|auto|still|model",
     "blinks: from the identity's recording, made from the speech, none, or as the motion model "
     "predicts"},
    {"eyes", 0, TEXT, AT(eyes), 0, 0, "replay|auto|still|model", "older name of --blink"},
    {"blink-gain", 0, REAL, AT(blink_gain), 0, 5, "X",
     "factor on how often the eyes close with --blink auto"},
    {"gaze", 0, TEXT, AT(gaze), 0, 0, "pose|replay|auto|still|FILE",
     "where the eyes look, for people whose recording tells: recorded with --pose replay and made "
     "with others, recorded, made, straight on, .npy [T,2] of degrees to the subject's left and "
     "up"},
    {"gaze-out", 0, TEXT, AT(gaze_out), 0, 0, "FILE.npy", "also write where the eyes look [T,2]"},
    {"eye-area", 0, REAL, AT(eye_area), 0, 0.5, "X",
     "eye control of RAD-NeRF: area of both eyes in percent of the picture, instead of the "
     "recorded one"},
    {"eye-smooth", 0, COUNT, AT(eye_smooth), 0, 101, "N",
     "frames that recorded eye areas are averaged over"},
    {"march", 0, TEXT, AT(march), 0, 0, "fast|reference|exhaustive",
     "samples of a ray of the grid renderer: what shows, or in full precision the published "
     "schedule or all"},
    {"device", 0, TEXT, AT(device), 0, 0, "cpu|cuda",
     "what renders; cuda in builds with -DTALKGEN_CUDA=ON, for the grid renderer"},
    {"encoder", 0, TEXT, AT(encoder), 0, 0, "FILE",
     "voice file instead of the one the identity names"},
    {"background", 0, TEXT, AT(background), 0, 0, "dataset|FILE|#rrggbb|transparent",
     "what is behind the person; transparent for PNG sequences"},
    {"size", 0, SIZE, AT(width), 0, 0, "WxH", "picture size"},
    {"fps", 0, REAL, AT(fps), 1, 120, "N", "frames per second"},
    {"start", 0, SECONDS, AT(start_s), 0, 0, "TIME", "skip the first part of the audio"},
    {"duration", 0, SECONDS, AT(duration_s), 0, 0, "TIME", "use this much of the audio"},
    {"seed", 's', SEED, AT(seed), 0, 0, "N", "seed of the sampled motion, -1 for a random one"},
    {"clip-id", 0, TEXT, AT(clip_id), 0, 0, "ID", "name that the random numbers depend on"},
    {"temperature", 0, REAL, AT(temperature), 0, 4, "X",
     "spread of the sampled motion, 0 = the mean"},
    {"clamp-std", 0, REAL, AT(clamp_std), 0, 100, "X",
     "limit of the landmarks in deviations of the person, 0 = none; as the identity says, else "
     "2.5"},
    {"smooth", 0, REAL, AT(smooth), 0, 0.99, "X",
     "share of the frame before in every frame; as the identity says, else 0.2"},
    {"lle", 0, REAL, AT(lle), 0, 1, "X",
     "draw face and eyes, not the mouth, into the recording's own motion: 0 = not at all, 1 = "
     "fully"},
    {"crf", 0, COUNT, AT(crf), 1, 51, "N", "quality of H.264, lower is better"},
    {"threads", 't', COUNT, AT(threads), 0, 1024, "N", "worker threads, 0 = all processors"},
    {"cpu-level", 0, TEXT, AT(cpu_level), 0, 0, "portable|neon|avx2|avx512|avx512vnni|avx512bf16",
     "widest instructions to use"},
    {"precision", 0, TEXT, AT(precision), 0, 0, "float32|int16",
     "of large matrix products: int16 takes half the time of a large speech encoder or a vanilla "
     "NeRF, for errors of 2e-4"},
    {"progress", 0, TEXT, AT(progress), 0, 0, "auto|always|never|json", "progress on stderr"},
    {"overwrite", 'y', FLAG, AT(overwrite), 0, 0, NULL, "replace an existing output"},
    {"json", 0, FLAG, AT(json), 0, 0, NULL, "print JSON"},
    {"raw", 0, FLAG, AT(raw), 0, 0, NULL, "before the postnet: the many-speaker motion"},
    {"logits", 0, FLAG, AT(logits), 0, 0, NULL,
     "outputs of the encoder's CTC head, not its features"},
    {"frames25", 0, FLAG, AT(frames25), 0, 0, NULL,
     "every second row: one per video frame at 25 fps"},
    {"only", 0, TEXT, AT(only), 0, 0, "PATTERN",
     "rows to measure: parts of their names, or patterns with * and ?, separated by commas"},
    {"runs", 0, COUNT, AT(runs), 0, 1000, "N",
     "samples of each row; 0 = 5, and 3 of what takes longer than 10 s"},
    {"against", 0, TEXT, AT(against), 0, 0, "FILE",
     "compare with an earlier --json report; exit 7 when a row differs beyond both spreads"},
    {"check", 0, FLAG, AT(check), 0, 0, NULL, "compute the hash again and compare"},
    {"help", 'h', FLAG, AT(help), 0, 0, NULL, "this text"},
    {"data", 0, TEXT, AT(data), 0, 0, "DIR", "recording of the person (RAD-NeRF layout)"},
    {"corpus", 0, TEXT, AT(corpus), 0, 0, "DIR", "many speakers, made by talkgen studio corpus"},
    {"heldout", 0, TEXT, AT(heldout), 0, 0, "DIR", "corpus of voices that are not trained on"},
    {"voice", 0, TEXT, AT(voice), 0, 0, "FILE",
     "voice file (speech encoder and shared motion model)"},
    {"init", 0, TEXT, AT(init), 0, 0, "FILE", "start from these weights"},
    {"work", 0, TEXT, AT(work), 0, 0, "DIR", "where training keeps its state, logs and pictures"},
    {"hidden", 0, COUNT, AT(hidden), 0, 256, "N",
     "width of the head's networks, a multiple of 16; 0 = 64, GeneFace's published heads have 128"},
    {"time", 0, SECONDS, AT(time_s), 0, 0, "TIME", "fit the schedule to this budget: 90s, 30m, 2h"},
    {"weights", 0, TEXT, AT(weights), 0, 0, "FILE", "pytorch_model.bin or model.safetensors"},
    {"hubert", 0, TEXT, AT(hubert), 0, 0, "FILE", "encoder made by talkgen convert hubert"},
    {"postnet", 0, TEXT, AT(postnet), 0, 0, "FILE.ckpt", "GeneFace's postnet, with its VAE"},
    {"head", 0, TEXT, AT(head), 0, 0, "FILE", "head renderer"},
    {"torso", 0, TEXT, AT(torso), 0, 0, "FILE", "torso renderer"},
    {"checkpoint", 0, TEXT, AT(checkpoint), 0, 0, "FILE.pth", "RAD-NeRF's checkpoint"},
    {"dataset", 0, TEXT, AT(dataset), 0, 0, "FILE.npy|DIR",
     "the person's trainval_dataset.npy, or the folder of the recording"},
    {"config", 0, TEXT, AT(config), 0, 0, "FILE", "config.json or config.yaml of the model"},
    {"name", 0, TEXT, AT(name), 0, 0, "NAME", "name of the person"},
    {"embed", 0, FLAG, AT(embed), 0, 0, NULL, "copy the encoder into the identity"},
    {"actor", 0, TEXT, AT(actor), 0, 0, "DIR", "MakeHuman data folder"},
    {"character", 0, TEXT, AT(character), 0, 0, "NAME", "person of the studio, or random"},
    {"speaker", 0, TEXT, AT(speaker), 0, 0, "NAME", "voice of the speech synthesizer"},
    {"viseme", 0, TEXT, AT(viseme), 0, 0, "NAME", "still picture of a viseme or expression"},
    {"heldout-voices", 0, FLAG, AT(heldout_voices), 0, 0, NULL,
     "voices that ordinary corpora never use"},
    {"conversation", 0, FLAG, AT(conversation), 0, 0, NULL,
     "long takes with pauses in which the face listens, for train behaviour"},
    {"seconds", 0, SECONDS, AT(seconds), 0, 0, "TIME", "length of the recording"},
    {"hours", 0, REAL, AT(hours), 0, 1000, "X",
     "size of the corpus; in train the speech to make and to hear once"},
    {"frames", 0, FRAMES, AT(frames), 0, 0, "N|A:B",
     "number of frames; in synth and render only frames A to B-1, for talkgen concat"},
    {"phones", 0, TEXT, AT(phones), 0, 0, "FILE.json",
     "phones of the audio: [[name, start_s, end_s], ...]"},
    {"sync", 0, TEXT, AT(sync), 0, 0, "FILE",
     "sync expert of the voice: sync.safetensors of talkgen train motion"},
    {"video", 0, TEXT, AT(video), 0, 0, "FILE", "video to measure"},
    {"manifest", 0, TEXT, AT(manifest), 0, 0, "FILE|-",
     "the clips: JSON Lines or CSV, - for standard input"},
    {"out-dir", 0, TEXT, AT(out_dir), 0, 0, "DIR", "folder of the clips and their sidecars"},
    {"shard", 0, TEXT, AT(shard), 0, 0, "K/N|auto",
     "only this part of the clips, K from 0 to N-1; auto: the task of a Slurm array"},
    {"jobs", 'j', COUNT, AT(jobs), 0, 1024, "N",
     "clips at the same time, 0 = as many as processors and memory allow"},
    {"retries", 0, COUNT, AT(retries), 0, 100, "N",
     "more tries for clips that failed for want of memory or disk"},
    {"max-failures", 0, TEXT, AT(max_failures), 0, 0, "N|P%",
     "give up when more clips than this failed"},
    {"job-timeout", 0, SECONDS, AT(job_timeout_s), 0, 0, "TIME",
     "a clip that takes longer has failed"},
    {"grace", 0, SECONDS, AT(grace_s), 0, 0, "TIME",
     "after SIGTERM or SIGUSR1, clips that take longer are abandoned"},
    {"rerun", 0, TEXT, AT(rerun), 0, 0, "failed|all|none",
     "clips to be rendered again beside those that changed"},
    {"limit", 0, COUNT, AT(limit), 0, 2000000000, "N", "render at most so many clips, 0 = all"},
    {"skip-bad-lines", 0, FLAG, AT(skip_bad_lines), 0, 0, NULL,
     "wrong lines are failed clips, not the end"},
    {"dry-run", 0, FLAG, AT(dry_run), 0, 0, NULL, "tell what would be done, and an estimate"},
    {"tmp-dir", 0, TEXT, AT(tmp_dir), 0, 0, "DIR",
     "where a video grows, such as a node's own disk, before it is copied beside its name"},
    {"report", 0, TEXT, AT(report), 0, 0, "FILE",
     "one line of JSON for every clip; DIR/report.jsonl if not given"},
    {"events", 0, TEXT, AT(events), 0, 0, "FILE|-", "JSON lines while it runs"},
};
enum { OPTIONS = sizeof table / sizeof table[0] };

void cli_defaults(cli_args *args) {
    memset(args, 0, sizeof *args);
    args->pose = "replay";
    args->eyes = "replay";
    args->gaze = "pose";
    args->background = "dataset";
    args->march = "fast";
    args->device = "cpu";
    args->precision = "float32";
    args->eye_area = -1;
    args->pose_gain = args->blink_gain = 1;
    args->fps = 25;
    args->seed = 42;
    args->clip_id = "";
    args->temperature = 0.3;
    args->clamp_std = args->smooth = -1; /* the identity's */
    args->crf = 18;
    args->progress = "auto";
    args->seconds = 200;
    args->hours = -1;
    args->retries = 1;
    args->grace_s = 10;
    args->rerun = "failed";
}

static bool takes(const cli_command *command, const char *name) {
    size_t n = strlen(name);
    for (const char *p = command->options; (p = strstr(p, name)); p += n) {
        bool starts = p == command->options || p[-1] == ' ';
        if (starts && (p[n] == ' ' || p[n] == '\0'))
            return true;
    }
    return false;
}

static int edit_distance(const char *a, const char *b) {
    enum { MOST = 32 };
    int row[MOST + 1];
    int n = (int)strlen(b);
    if (n > MOST)
        return MOST;
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int up = row[j];
            int best = diagonal + (a[i - 1] != b[j - 1]);
            best = up + 1 < best ? up + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            diagonal = up;
        }
    }
    return row[n];
}

const char *cli_nearest(const char *word, const char *const *names, int n) {
    const char *best = NULL;
    int distance = 3 + (strlen(word) > 8);
    for (int i = 0; i < n; i++) {
        int d = edit_distance(word, names[i]);
        if (d < distance && d < (int)strlen(names[i])) {
            distance = d;
            best = names[i];
        }
    }
    return best;
}

static tg_status unknown_option(tg_context *ctx, const cli_command *command, const char *text) {
    const char *names[OPTIONS];
    int n = 0;
    bool elsewhere = false;
    const char *word = text + strspn(text, "-");
    char bare[64];
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(word, "="), word);
    for (int i = 0; i < OPTIONS; i++) {
        if (takes(command, table[i].name))
            names[n++] = table[i].name;
        elsewhere = elsewhere || strcmp(table[i].name, bare) == 0;
    }
    const char *near = cli_nearest(bare, names, n);
    return tg_fail(ctx, TG_EUSAGE,
                   "%s option '%s'\n  expected: an option of 'talkgen %s'\n  try: %s%s%s%s",
                   elsewhere ? "this command does not take" : "unknown", text, command->name,
                   near ? "--" : "talkgen help ", near ? near : command->name,
                   near ? ", or talkgen help " : "", near ? command->name : "");
}

static tg_status bad_value(tg_context *ctx, const option *o, const char *value,
                           const char *expected, const char *example) {
    return tg_fail(ctx, TG_EUSAGE, "--%s: '%s' is not usable\n  expected: %s\n  try: --%s %s",
                   o->name, value, expected, o->name, example);
}

/* "90", "90s", "1.5m", "2h" or "1:30" in seconds; negative when malformed. */
static double parse_time(const char *text) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || !(value >= 0) || !isfinite(value))
        return -1;
    if (*end == ':') {
        char *rest;
        double seconds = strtod(end + 1, &rest);
        return rest != end + 1 && *rest == '\0' && seconds >= 0 && seconds < 60
                   ? value * 60 + seconds
                   : -1;
    }
    double unit = *end == 'm' ? 60 : *end == 'h' ? 3600 : 1;
    if (*end == 's' || *end == 'm' || *end == 'h')
        end++;
    return *end == '\0' ? value * unit : -1;
}

static tg_status set_value(tg_context *ctx, const option *o, const char *value, cli_args *args) {
    void *field = (char *)args + o->field;
    char *end;
    char range[96];
    switch (o->kind) {
    case TEXT:
        if (!*value)
            return bad_value(ctx, o, value, "a value that is not empty", o->hint);
        *(const char **)field = value;
        return TG_OK;
    case FLAG:
        *(bool *)field = true;
        return TG_OK;
    case SIZE: {
        int w = 0, h = 0, used = 0;
        if (sscanf(value, "%dx%d%n", &w, &h, &used) != 2 || value[used] || w < 16 || h < 16 ||
            w > 8192 || h > 8192)
            return bad_value(ctx, o, value, "width x height, each 16 to 8192", "256x256");
        args->width = w;
        args->height = h;
        return TG_OK;
    }
    case COUNT: {
        errno = 0;
        long n = strtol(value, &end, 10);
        snprintf(range, sizeof range, "a whole number from %g to %g", o->low, o->high);
        if (end == value || *end || errno || n < o->low || n > o->high)
            return bad_value(ctx, o, value, range, o->hint);
        *(int *)field = (int)n;
        return TG_OK;
    }
    case SEED: {
        if (strcmp(value, "-1") == 0) {
            args->seed_random = true;
            return TG_OK;
        }
        errno = 0;
        unsigned long long n = strtoull(value, &end, 10);
        if (!isdigit((unsigned char)*value) || *end || errno)
            return bad_value(
                ctx, o, value,
                "a whole number from 0 to 18446744073709551615, or -1 for a random one", "42");
        args->seed = n;
        args->seed_random = false;
        return TG_OK;
    }
    case SECONDS: {
        double s = parse_time(value);
        if (s < 0)
            return bad_value(ctx, o, value, "a time: seconds, or 90s, 30m, 2h, 1:30", "10s");
        *(double *)field = s;
        return TG_OK;
    }
    case FRAMES: {
        long long a = 0, b = 0;
        int used = 0;
        if (sscanf(value, "%9lld:%9lld%n", &a, &b, &used) == 2 && !value[used] && a >= 0 && b > a) {
        } else if (sscanf(value, "%9lld:%n", &a, &used) == 1 && used > 0 && !value[used] &&
                   a >= 0) {
            b = 0;
        } else if (sscanf(value, "%9lld%n", &b, &used) == 1 && !value[used] && b >= 0) {
            args->frames = (int)b;
            return TG_OK;
        } else {
            return bad_value(ctx, o, value, "a number of frames, or A:B with A below B", "0:500");
        }
        args->frames_part = true;
        args->frames_first = a;
        args->frames_end = b;
        return TG_OK;
    }
    case REAL: {
        double x = strtod(value, &end);
        snprintf(range, sizeof range, "a number from %g to %g", o->low, o->high);
        if (end == value || *end || !(x >= o->low && x <= o->high))
            return bad_value(ctx, o, value, range, o->hint);
        *(double *)field = x;
        return TG_OK;
    }
    }
    return TG_EINTERNAL;
}

tg_status cli_parse(tg_context *ctx, const cli_command *command, int argc, char **argv,
                    cli_args *args) {
    bool given[OPTIONS] = {false};
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        const char *text = argv[i];
        if (only_words || text[0] != '-' || text[1] == '\0') {
            if (args->word_count >= command->words)
                return tg_fail(
                    ctx, TG_EUSAGE,
                    "unexpected argument '%s'\n  expected: talkgen %s\n  try: talkgen help %s",
                    text, command->usage, command->name);
            args->words[args->word_count++] = text;
            continue;
        }
        if (strcmp(text, "--") == 0) {
            only_words = true;
            continue;
        }
        const option *o = NULL;
        const char *value = NULL;
        for (int k = 0; k < OPTIONS && !o; k++) {
            size_t n = strlen(table[k].name);
            if (text[1] == '-' && strncmp(text + 2, table[k].name, n) == 0 &&
                (text[2 + n] == '\0' || text[2 + n] == '=')) {
                o = &table[k];
                value = text[2 + n] == '=' ? text + 3 + n : NULL;
            } else if (text[1] != '-' && table[k].letter == text[1] && text[2] == '\0') {
                o = &table[k];
            }
        }
        if (!o || (o->field != AT(help) && !takes(command, o->name)))
            return unknown_option(ctx, command, text);
        int index = (int)(o - table);
        if (given[index] && o->kind != FLAG)
            return tg_fail(ctx, TG_EUSAGE,
                           "--%s is given twice\n  expected: once\n  try: leave one of them out",
                           o->name);
        given[index] = true;
        if (o->kind == FLAG && value)
            return tg_fail(ctx, TG_EUSAGE,
                           "--%s takes no value\n  expected: --%s\n  try: leave '=%s' out", o->name,
                           o->name, value);
        if (o->kind != FLAG && !value) {
            if (i + 1 >= argc)
                return tg_fail(ctx, TG_EUSAGE,
                               "--%s needs a value\n  expected: --%s %s\n  try: talkgen help %s",
                               o->name, o->name, o->hint, command->name);
            value = argv[++i];
        }
        tg_status status = set_value(ctx, o, value, args);
        if (status != TG_OK)
            return status;
    }
    return TG_OK;
}

tg_status cli_need(tg_context *ctx, const char *value, const char *option_name, const char *what) {
    if (value)
        return TG_OK;
    return tg_fail(ctx, TG_EUSAGE, "%s is missing\n  expected: --%s %s\n  try: talkgen help", what,
                   option_name, "FILE");
}

tg_status cli_new_file(tg_context *ctx, const char *path, bool overwrite) {
    if (!path || overwrite || !tg_file_exists(path))
        return TG_OK;
    return tg_fail(ctx, TG_EUSAGE,
                   "%s exists already\n  expected: a new file\n  try: -y to replace it", path);
}

/* What happens when the option is not given, "" where nothing is to be told. */
static void default_text(const option *o, char *out, size_t size) {
    cli_args live;
    cli_defaults(&live);
    const void *field = (const char *)&live + o->field;
    out[0] = '\0';
    if (o->kind == TEXT && *(const char *const *)field)
        snprintf(out, size, "%s", *(const char *const *)field);
    else if (o->kind == COUNT)
        snprintf(out, size, "%d", *(const int *)field);
    else if ((o->kind == REAL || o->kind == SECONDS) && *(const double *)field > 0)
        snprintf(out, size, "%g", *(const double *)field);
    else if (o->kind == SEED)
        snprintf(out, size, "%llu", (unsigned long long)live.seed);
}

bool cli_next_option(const cli_command *command, int *at, cli_option_text *out) {
    while (*at < OPTIONS) {
        const option *o = &table[(*at)++];
        if (command && !takes(command, o->name))
            continue;
        *out = (cli_option_text){o->name, o->letter, o->hint, o->help, ""};
        default_text(o, out->otherwise, sizeof out->otherwise);
        return true;
    }
    return false;
}

void cli_print_options(const cli_command *command) {
    cli_option_text o;
    for (int at = 0; cli_next_option(command, &at, &o);) {
        char left[96], shown[72] = "";
        snprintf(left, sizeof left, "%s%c%s --%s%s%s", o.letter ? "-" : "",
                 o.letter ? o.letter : ' ', o.letter ? "," : "  ", o.name, o.hint ? " " : "",
                 o.hint ? o.hint : "");
        if (o.otherwise[0])
            snprintf(shown, sizeof shown, " [%s]", o.otherwise);
        if (strlen(left) > 36)
            printf("  %s\n  %-36s %s%s\n", left, "", o.help, shown);
        else
            printf("  %-36s %s%s\n", left, o.help, shown);
    }
}
