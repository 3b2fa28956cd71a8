/* The command line: one table of options drives parsing, help and "did you mean". */
#ifndef TG_CLI_OPTIONS_H
#define TG_CLI_OPTIONS_H

#include "talkgen/io.h"

/* Every option of every command; a command names those it takes. */
typedef struct cli_args {
    const char *audio, *identity, *output;
    const char *features, *latent, *motion, *pose, *pose_out, *eyes, *gaze, *gaze_out;
    const char *encoder, *background, *torso_features, *march, *device;
    double eye_area;             /* < 0 = as recorded */
    int eye_smooth, pose_smooth; /* 0 = the default */
    int width, height;           /* 0 = as the identity was filmed */
    double fps;
    double start_s, duration_s; /* duration 0 = to the end */
    uint64_t seed;
    bool seed_random;
    const char *clip_id;
    double temperature;
    double clamp_std, smooth; /* -1 = not given */
    double lle;
    double pose_gain, blink_gain;
    int crf;
    int threads; /* 0 = all processors */
    const char *cpu_level, *precision, *progress;
    const char *tmp_dir;
    bool overwrite, json, help, raw, heldout_voices, conversation;
    /* train */
    const char *data, *corpus, *heldout, *voice, *init, *work;
    double time_s; /* 0 = the stage's default */
    /* studio */
    const char *actor, *character, *speaker, *viseme;
    double seconds, hours; /* hours -1 = not given */
    int frames;            /* a number, or with frames_part a range; end 0 = to the end */
    bool frames_part;
    int64_t frames_first, frames_end;
    bool logits, frames25;      /* features */
    bool check;                 /* info */
    const char *only, *against; /* bench */
    int runs, hidden;
    /* convert */
    const char *weights, *hubert, *postnet, *head, *torso, *checkpoint, *dataset, *config, *name;
    bool embed;
    /* eval, info */
    const char *phones, *video, *sync;
    /* batch, verify */
    const char *manifest, *out_dir, *shard, *max_failures, *rerun, *report, *events;
    int jobs, retries, limit;
    double job_timeout_s, grace_s;
    bool skip_bad_lines, dry_run;
    /* arguments that are no options */
    const char *words[4096];
    int word_count;
} cli_args;

typedef struct {
    const char *name;
    const char *usage;   /* after "talkgen " */
    const char *summary; /* one line */
    const char *details; /* paragraphs for `help NAME`, may be NULL */
    const char *options; /* names of the options it takes, separated by spaces */
    int words;           /* arguments it takes beside options, at most */
    tg_status (*run)(tg_context *ctx, const cli_args *args);
} cli_command;

/* A text of its own for `help NAME` and the manual. */
typedef struct {
    const char *name, *title, *text;
} cli_topic;

/* All that the program takes, for what is printed from the tables. */
typedef struct {
    const cli_command *commands;
    int command_count;
    const cli_topic *topics;
    int topic_count;
} cli_tables;

/* What a reader sees of an option. */
typedef struct {
    const char *name;
    char letter;        /* 0 = none */
    const char *hint;   /* of its value, NULL = it takes none */
    const char *help;   /* one line */
    char otherwise[64]; /* the live default, "" when there is none to tell */
} cli_option_text;

void cli_defaults(cli_args *args);
/* Parses argv[0..argc) for `command`. TG_EUSAGE with a message naming the option, the value, what
 * was expected. */
tg_status cli_parse(tg_context *ctx, const cli_command *command, int argc, char **argv,
                    cli_args *args);
/* The options that a command takes, one by one (command NULL: all that there are); false behind the
 * last. *at counts through the table and starts at 0. */
bool cli_next_option(const cli_command *command, int *at, cli_option_text *out);
/* talkgen.1 in the man language, and the completion of bash, on stdout. */
void cli_print_manual(const cli_tables *tables);
void cli_print_completion(const cli_tables *tables);
/* Options of the command with live defaults, on stdout. */
void cli_print_options(const cli_command *command);
/* Nearest of n names within a small edit distance, NULL when none is near. */
const char *cli_nearest(const char *word, const char *const *names, int n);
/* A tree on stdout, which it takes; NULL or one that lacks a member is TG_ENOMEM. */
tg_status cli_print_json(tg_context *ctx, tg_json *root);
/* TG_EUSAGE "NAME needs --audio FILE" unless value is set. */
tg_status cli_need(tg_context *ctx, const char *value, const char *option, const char *what);
/* TG_EUSAGE when there is a file of that name and it may not be replaced; NULL is no name. */
tg_status cli_new_file(tg_context *ctx, const char *path, bool overwrite);

#endif
