/* talkgen: table of subcommands, signals, and the way from a status to an exit code. */
#include "cli/commands.h"
#include "cli/progress.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SHARED "threads cpu-level progress overwrite"
#define SAMPLE                                                                                     \
    "seed clip-id temperature latent blink eyes blink-gain clamp-std smooth lle encoder "          \
    "precision "                                                                                   \
    "start duration"
#define LOOK                                                                                       \
    "size fps pose pose-gain pose-smooth background crf pose-out gaze gaze-out eye-area "          \
    "eye-smooth march "                                                                            \
    "device "                                                                                      \
    "torso-features"

static const cli_command commands[] = {
    {"synth", "--audio FILE --identity FILE -o OUT",
     "speech to video (the main job; the word may be left out)",
     "The last line on stdout says: path, duration, frames/s, real-time factor, peak memory, seed, "
     "frame hash.",
     "audio features identity output tmp-dir frames " LOOK " " SAMPLE " " SHARED, 0, cmd_synth},
    {"batch", "--manifest FILE --identity FILE --out-dir DIR",
     "many clips: one load, any number of machines, resumed by the same command",
     "A clip is complete when its output and the sidecar OUTPUT.json are there; complete clips are "
     "skipped while audio, models and options stay the same. Several runs may share DIR. The seed "
     "of a clip depends on --seed and its id. 'talkgen help manifest' has the lines.",
     "manifest identity encoder out-dir tmp-dir shard jobs retries max-failures job-timeout grace "
     "rerun limit skip-bad-lines dry-run report events size fps pose pose-gain pose-smooth "
     "background "
     "crf gaze eye-area precision eye-smooth march device seed temperature blink eyes blink-gain "
     "clamp-std "
     "smooth "
     "lle " SHARED,
     0, cmd_batch},
    {"concat", "PART... --audio FILE -o OUT", "join the parts that --frames A:B made",
     "Pictures are not encoded again; the sound is encoded once, here. --start and --duration as "
     "for "
     "the parts. Parts may come in any order and must be all of one clip.",
     "audio output tmp-dir start duration progress overwrite", 4096, cmd_concat},
    {"verify", "--out-dir DIR [--manifest FILE]",
     "whether every clip of a batch is there and whole",
     "Reads every output again. Exit 7 when one is missing, failed, truncated, changed or stale.",
     "out-dir manifest shard skip-bad-lines json progress", 0, cmd_verify},
    {"features", "--audio FILE --identity FILE -o FILE.npy", "speech features, 50 rows per second",
     "Writes float32 [rows,width]. --encoder takes a voice or encoder file without an identity.",
     "audio identity encoder precision output start duration logits frames25 " SHARED, 0,
     cmd_features},
    {"motion", "--audio FILE | --features FILE.npy --identity FILE -o FILE.npy",
     "landmarks, 25 frames per second",
     "Writes float32 [frames,68,3]: absolute points in head coordinates, 1 = 1 dm, blinks "
     "included; for an identity of landmark space idexp, displacements from a mean face nobody "
     "has.",
     "audio features identity output raw pose pose-gain pose-smooth pose-out gaze gaze-out " SAMPLE
     " " SHARED,
     0, cmd_motion},
    {"render", "--motion FILE.npy | --features FILE.npy --identity FILE -o OUT",
     "landmarks to video, or to frames.npy",
     "--audio adds the sound. OUT ending in .npy gets float32 [frames,height,width,3] in [0,1].",
     "motion features audio identity output tmp-dir frames precision start duration seed "
     "clip-id " LOOK " " SHARED,
     0, cmd_render},
    {"train", "speech|motion|behaviour|postnet|head|torso|all|check|report|assemble [options]",
     "train a stage; resumes by itself",
     "speech   --corpus DIR [--heldout DIR] --work DIR            the speech encoder\n"
     "motion   --corpus DIR --voice FILE --work DIR -o VOICE      sync expert and many-speaker "
     "motion model\n"
     "         or --hours 40 --actor DIR instead of --corpus: both learn from speech that is made "
     "while "
     "they\n"
     "         do, every second heard once; the schedule ends with the hours, --time stops it for "
     "now\n"
     "behaviour --corpus DIR [--heldout DIR] --work DIR [--voice FILE -o VOICE]   head and blinks "
     "from speech, into a voice file;\n"
     "         beside a person's own recording with --data DIR\n"
     "behaviour --init OLD --voice FILE -o VOICE                  the same, from another voice "
     "file\n"
     "postnet  --data DIR --voice FILE --work DIR                adapts the motion to one person, "
     "by\n"
     "         voices that the studio makes or of --corpus DIR; their judge is in the voice file,\n"
     "         or --sync FILE, or in --init DIR, the work folder of train motion\n"
     "head     --data DIR --work DIR                              the head's radiance field\n"
     "torso    --data DIR --work DIR                              the torso's field\n"
     "all      --data DIR -o person.ckpt [--voice FILE --work DIR --time 2h]   a person, from "
     "checking\n"
     "         the recording to the identity and a report; the stages share the time\n"
     "check    --data DIR [-o landmarks.npy]                      what is wrong with a recording, "
     "all at\n"
     "         once; -o also writes the landmarks that training would use\n"
     "report   --data DIR --work DIR --identity P.ckpt            WORK/report.html again\n"
     "assemble --data DIR --voice FILE --work DIR -o person.ckpt  the identity from trained "
     "stages\n"
     "assemble --init OLD --voice FILE --work DIR -o person.ckpt  another voice and postnet for "
     "it\n"
     "assemble --init OLD --data DIR --voice FILE --work DIR -o person.ckpt  other pictures, and "
     "the\n"
     "         postnet of before unless WORK has one",
     "data corpus heldout actor hours voice init work time hidden output character identity "
     "encoder "
     "sync seed dry-run " SHARED,
     1, cmd_train},
    {"convert", "hubert|geneface|radnerf|adnerf [options]",
     "published PyTorch files to one identity, or to an encoder file",
     "hubert    --weights FILE [--config config.json] -o hubert.safetensors\n"
     "geneface  --hubert FILE --postnet P.ckpt --torso T.ckpt [--head H.ckpt] --dataset D -o OUT\n"
     "radnerf   --checkpoint ngp.pth --dataset DIR [--hubert FILE] -o OUT\n"
     "adnerf    --head head.tar --torso body.tar --dataset DIR -o OUT",
     "weights hubert postnet head torso checkpoint dataset config name embed output " SHARED, 1,
     cmd_convert},
    {"studio", "film|clip|still|corpus --actor DIR [options]",
     "make recordings with exact ground truth",
     "film    -o DIR     a person's recording in the layout of the RAD-NeRF family\n"
     "clip    -o OUT     a video of the actor speaking\n"
     "still   -o OUT.png one picture, --viseme NAME\n"
     "corpus  -o DIR     many speakers: sound, phones, landmarks, head poses",
     "actor character output size seconds frames hours speaker viseme heldout-voices conversation "
     "seed " SHARED,
     1, cmd_studio},
    {"info", "FILE", "what is inside a checkpoint",
     "--check reads all of a file that states a hash (talkgen convert hubert) and compares: exit 4 "
     "when "
     "it is another one.",
     "json check", 1, cmd_info},
    {"eval", "person|psnr|march|lipsync|lips|behaviour [options]", "measure",
     "person   --identity FILE --data DIR [--phones P.json] [--sync FILE]   all of a person: "
     "pictures as\n"
     "         psnr, and the motion made from the recording's sound: error against the truth at "
     "temperature\n"
     "         0, diversity at 1, jitter, lip-sync score, the sync expert's confidence\n"
     "psnr     --identity FILE --data DIR   held-out frames, true motion, by region: PSNR, SSIM, "
     "pyramid\n"
     "         distance (lost and misplaced detail at four scales: 0 none, 0.7 all; our own, not "
     "LPIPS),\n"
     "         flicker (change between frames over the truth's), where landmarks are, and a "
     "control\n"
     "march    --identity FILE --motion L.npy   the grid renderer fast against exhaustive\n"
     "lipsync  --motion L.npy --phones P.json --audio A.wav [more triples as arguments]\n"
     "lips     --data DIR --video V.mp4 --motion L.npy --pose P.npy   lips read from the picture\n"
     "behaviour --voice FILE --heldout DIR   --pose auto and --blink auto against the corpus' "
     "truth",
     "identity encoder voice heldout data motion phones sync audio video pose pose-smooth size "
     "march device frames seed json threads cpu-level progress",
     4096, cmd_eval},
    {"bench", "[options]", "how fast this machine is, and what share of that the program reaches",
     "ceiling/   what the processor reaches in loops that do nothing else: the shares are of "
     "these\n"
     "kernel/    the renderer's and the networks' inner loops\n"
     "network/   networks of published size with random weights; only when --only names them\n"
     "stage/     each stage of a person\n"
     "job/       from a recording to an MP4, and from a start to the first picture\n\n"
     "A row's name ends in /1 on one thread, in /all on all. Its work is done once for nothing, "
     "then "
     "timed several\ntimes, in turns with its ceiling; spread is the upper minus the lower "
     "quartile. "
     "share compares a row's median\nwith its ceiling's, cpu the processor time of both, which "
     "other "
     "programs do not disturb. Without --identity\nand --audio: models/demo.ckpt of this folder or "
     "beside the program, and demo.flac beside it. Grids count\nloads of 16 bytes against random "
     "ones.",
     "identity audio encoder only runs json against threads cpu-level progress", 0, cmd_bench},
    {"doctor", "", "what this machine and this binary can do: paste it into bug reports",
     "Writes a small MP4 below TMPDIR, reads it again and removes it. Names neither you nor the "
     "machine; paths in your home begin with ~. Exit 5 when no MP4 can be made.",
     "json threads cpu-level", 0, cmd_doctor},
    {"version", "", "version and licences", NULL, "", 0, cmd_version},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static tg_context *signalled; /* the handler may only touch the context's atomic flag */

static void on_signal(int number) {
    tg_cancel(signalled, number == SIGINT ? TG_EINTR : TG_ESTOPPED);
    signal(number, SIG_DFL); /* a second one leaves at once */
}

static volatile sig_atomic_t pipe_closed;

static void on_closed_pipe(int number) {
    (void)number;
    pipe_closed = 1;
}

static void print_overview(FILE *out) {
    fprintf(out, "talkgen %s: speech in, talking person out\n\n", tg_version());
    fprintf(out, "  talkgen --audio a.wav --identity person.ckpt -o out.mp4\n\ncommands:\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(out,
            "  %-10s this text; 'talkgen help COMMAND' for its options; topics: formats, manifest, "
            "exit-codes, man, bash-completion\n",
            "help");
}

static const char formats_text[] =
    "audio in     WAV, FLAC, OGG (libsndfile); MP3, M4A, MP4, ... (FFmpeg); any rate, any number "
    "of channels\n"
    "features     float32 .npy [rows,width], 50 rows per second; row j hears samples 320j to "
    "320j+400 at 16 kHz\n"
    "logits       .npy of audio-driven persons: windows [frames,16,C] as AD-NeRF and RAD-NeRF "
    "prepare "
    "them (aud.npy, aud_eo.npy)\n"
    "             or [rows,C], 50 rows per second; C 29 for DeepSpeech, 44 for wav2vec2 esperanto\n"
    "landmarks    float32 .npy [frames,68,3], 25 per second, iBUG order, head coordinates (y up, z "
    "forward,\n"
    "             x to the subject's left), 1 = 1 dm; displacements where an identity's "
    "landmark_space is idexp\n"
    "head pose    float32 .npy [frames,4,4], camera-to-world in head coordinates, metres, camera "
    "looks down -z; or a transforms_*.json\n"
    "gaze         float32 .npy [frames,2], degrees from the head to the subject's left and up\n"
    "phones       JSON [[name, start_s, end_s], ...], ARPAbet without stress, SIL for silence\n"
    "identity     safetensors with metadata talkgen.*; models/README.md describes it\n"
    "video out    .mp4 .mov .mkv (H.264 + AAC), name_%05d.png, .y4m, - (y4m on stdout), .framemd5, "
    "null:\n";

static const char manifest_text[] =
    "One clip per line: JSON Lines, or CSV with a first line that names the columns.\n\n"
    "  {\"id\": \"clip-1\", \"audio\": \"speech/1.wav\"}\n\n"
    "id           1 to 128 letters, digits, '.', '_' or '-'; the random numbers depend on it\n"
    "audio        path of the recording, as seen from the current directory\n"
    "identity     another person than --identity (model is the same key)\n"
    "pose, background, seed, start_s, duration_s   instead of the options\n"
    "out          path below --out-dir; XX/ID.mp4 if not given, XX from a hash of the id\n"
    "tags         anything; passed on to the sidecar\n"
    "x_...        ignored; any other key is an error, as is an id or out that comes twice\n\n"
    "A file is checked whole before work begins. From a pipe (-) a wrong line is a failed clip.\n";

static const char exit_text[] =
    "  0  done\n  1  internal error, please report\n  2  usage or configuration wrong, nothing was "
    "started\n"
    "  3  input missing, unreadable or out of limits\n  4  model, or recording to train from, "
    "missing, damaged or unsuited\n"
    "  5  output could not be written or encoded\n  6  not enough memory\n  7  a comparison found "
    "a difference\n"
    " 10  a batch is done, some clips failed (see its report)\n"
    " 11  a batch was given up at --max-failures\n"
    " 75  stopped by a signal or time limit, run again\n130  interrupted\n"
    "141  whoever read the listing has left\n";

static const cli_topic topics[] = {{"formats", "FILES", formats_text},
                                   {"manifest", "MANIFEST", manifest_text},
                                   {"exit-codes", "EXIT STATUS", exit_text}};
enum { TOPICS = sizeof topics / sizeof topics[0] };

static const cli_command *find_command(const char *name) {
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static tg_status unknown_command(tg_context *ctx, const char *name) {
    const char *names[COMMANDS];
    for (int i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    const char *near = cli_nearest(name, names, COMMANDS);
    return tg_fail(
        ctx, TG_EUSAGE,
        "unknown command '%s'\n  expected: a command of 'talkgen help'\n  try: talkgen %s", name,
        near ? near : "help");
}

static tg_status print_help(tg_context *ctx, const char *topic) {
    if (!topic) {
        print_overview(stdout);
        return TG_OK;
    }
    for (int i = 0; i < TOPICS; i++)
        if (strcmp(topic, topics[i].name) == 0) {
            fputs(topics[i].text, stdout);
            return TG_OK;
        }
    const cli_tables all = {commands, COMMANDS, topics, TOPICS};
    if (strcmp(topic, "man") == 0 || strcmp(topic, "bash-completion") == 0) {
        (topic[0] == 'm' ? cli_print_manual : cli_print_completion)(&all);
        return TG_OK;
    }
    const cli_command *c = find_command(topic);
    if (!c)
        return unknown_command(ctx, topic);
    printf("talkgen %s %s\n\n%s\n", c->name, c->usage, c->summary);
    if (c->details)
        printf("\n%s\n", c->details);
    if (c->options[0])
        printf("\noptions:\n");
    cli_print_options(c);
    return TG_OK;
}

static void print_note(void *user, const char *text) {
    cli_progress_break(user);
    fprintf(stderr, "talkgen: note: %s\n", text);
}

/* Options that concern the whole process. */
static tg_status configure(tg_context **ctx, cli_args *args, cli_progress *progress) {
    const int threads = args->threads > 0 ? args->threads : tg_cpu_count();
    tg_context *other = tg_context_create(threads);
    if (!other)
        return tg_fail(*ctx, TG_ENOMEM, "out of memory for %d threads", threads);
    tg_context_destroy(ctx);
    *ctx = other;
    tg_status s = cli_progress_open(*ctx, args->progress, progress);
    if (s == TG_OK && args->cpu_level) {
        tg_cpu_level level;
        if (!tg_cpu_level_parse(args->cpu_level, &level))
            return tg_fail(*ctx, TG_EUSAGE,
                           "--cpu-level '%s' is not known\n  expected: portable, neon, avx2, "
                           "avx512, avx512vnni or avx512bf16\n"
                           "  try: talkgen doctor",
                           args->cpu_level);
        s = tg_context_set_cpu(*ctx, level);
    }
    tg_precision precision = TG_FLOAT32;
    if (s == TG_OK && !tg_precision_parse(args->precision, &precision))
        s = tg_fail(*ctx, TG_EUSAGE,
                    "--precision '%s' is not known\n  expected: float32 or int16\n"
                    "  try: --precision int16",
                    args->precision);
    tg_context_set_precision(*ctx, precision);
    if (args->seed_random) {
        args->seed = (uint64_t)time(NULL) * 1000003u ^ (uint64_t)getpid();
        args->seed &= 0xffffffffu;
    }
    tg_context_set_note(*ctx, print_note, progress);
    return s;
}

static tg_status run(tg_context **ctx, int argc, char **argv, cli_progress *progress) {
    if (argc < 2) {
        print_overview(stderr);
        return tg_fail(*ctx, TG_EUSAGE,
                       "no command\n  expected: --audio, --identity and -o, or a command\n  try: "
                       "talkgen help");
    }
    if (strcmp(argv[1], "help") == 0)
        return print_help(*ctx, argc > 2 ? argv[2] : NULL);
    if (strcmp(argv[1], "--version") == 0)
        return cmd_version(*ctx, NULL);
    /* Options first mean the main job. */
    bool implied = argv[1][0] == '-';
    if (implied && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return print_help(*ctx, NULL);
    const cli_command *command = implied ? &commands[0] : find_command(argv[1]);
    if (!command)
        return unknown_command(*ctx, argv[1]);
    cli_args args;
    cli_defaults(&args);
    int skip = implied ? 1 : 2;
    tg_status s = cli_parse(*ctx, command, argc - skip, argv + skip, &args);
    if (s == TG_OK && args.help)
        return print_help(*ctx, command->name);
    if (s == TG_OK)
        s = configure(ctx, &args, progress);
    if (s != TG_OK)
        return s;
    signalled = *ctx;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGUSR1, on_signal);      /* what schedulers send ahead of a time limit */
    signal(SIGPIPE, on_closed_pipe); /* writing fails; a video says so, a listing ends quietly */
    return command->run(*ctx, &args);
}

/* Where memory ran out in a small place, the message names only that place. */
static void print_failure(const tg_context *ctx, tg_status s) {
    const char *message = ctx ? tg_message(ctx) : "out of memory";
    fprintf(stderr, "talkgen: %s\n", message);
    if (s == TG_ENOMEM && !strstr(message, "\n  expected"))
        fprintf(stderr,
                "  expected: more than the %zu MiB that the process had\n"
                "  try: fewer threads (-t 1), a smaller --size, or a machine with more memory\n",
                tg_peak_rss_bytes() >> 20);
}

/* Training and recordings keep what is done when they are interrupted. */
static bool resumes(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "", *part = argc > 2 ? argv[2] : "";
    return strcmp(command, "train") == 0 ||
           (strcmp(command, "studio") == 0 &&
            (strcmp(part, "film") == 0 || strcmp(part, "corpus") == 0));
}

int main(int argc, char **argv) {
    /* Without threads of its own until the options say how many. */
    tg_context *ctx = tg_context_create(1);
    if (!ctx) {
        print_failure(NULL, TG_ENOMEM);
        return tg_exit_code(TG_ENOMEM);
    }
    cli_progress progress = {0};
    tg_status s = run(&ctx, argc, argv, &progress);
    cli_progress_break(&progress);
    const bool unwritten = s == TG_OK && (fflush(stdout) != 0 || ferror(stdout));
    if (unwritten && pipe_closed) { /* talkgen info FILE | head: the reader has what it wanted */
        tg_context_destroy(&ctx);
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
        return 128 + SIGPIPE; /* where the signal is blocked */
    }
    if (unwritten)
        s = tg_fail(ctx, TG_EOUTPUT,
                    "standard output could not be written\n  expected: room for the result\n  try: "
                    "another output");
    if (s == TG_EINTR && resumes(argc, argv))
        fprintf(stderr, "talkgen: interrupted; run the same command again to go on\n");
    else if (s == TG_EINTR)
        fprintf(stderr, "talkgen: interrupted, nothing left behind\n");
    else if (s == TG_ESTOPPED)
        fprintf(stderr, "talkgen: stopped; run the same command again to go on\n");
    else if (s != TG_OK)
        print_failure(ctx, s);
    tg_context_destroy(&ctx);
    return tg_exit_code(s);
}
