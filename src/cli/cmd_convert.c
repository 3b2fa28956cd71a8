/* talkgen convert: published PyTorch files to an identity or an encoder file. */
#include "cli/commands.h"

#include "talkgen/convert.h"

#include <string.h>

typedef struct {
    const char *name;
    tg_status (*run)(tg_context *ctx, const tg_convert_options *options);
    const char *takes; /* of the options that say what is converted */
} converter;

static const converter converters[] = {
    {"hubert", tg_convert_hubert, "weights config"},
    {"geneface", tg_convert_geneface, "hubert postnet head torso dataset config name embed"},
    {"radnerf", tg_convert_radnerf, "hubert checkpoint dataset config name embed"},
    {"adnerf", tg_convert_adnerf, "head torso dataset name"},
};
enum { CONVERTERS = sizeof converters / sizeof converters[0] };

static const converter *find_converter(const char *name) {
    for (int i = 0; name && i < CONVERTERS; i++)
        if (strcmp(converters[i].name, name) == 0)
            return &converters[i];
    return NULL;
}

static bool has_word(const char *list, const char *word) {
    const size_t n = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += n)
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

/* No option is given for nothing. */
static tg_status check_options(tg_context *ctx, const converter *c, const cli_args *a) {
    const struct {
        const char *name;
        bool given;
    } options[] = {{"weights", a->weights != NULL},
                   {"hubert", a->hubert != NULL},
                   {"postnet", a->postnet != NULL},
                   {"head", a->head != NULL},
                   {"torso", a->torso != NULL},
                   {"dataset", a->dataset != NULL},
                   {"checkpoint", a->checkpoint != NULL},
                   {"config", a->config != NULL},
                   {"name", a->name != NULL},
                   {"embed", a->embed}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].given && !has_word(c->takes, options[i].name))
            return tg_fail(ctx, TG_EUSAGE,
                           "convert %s does not take --%s\n  expected: of %s\n"
                           "  try: talkgen help convert",
                           c->name, options[i].name, c->takes);
    if (a->embed && !a->hubert)
        return tg_fail(ctx, TG_EUSAGE,
                       "--embed has nothing to copy\n  expected: --hubert FILE with it\n"
                       "  try: talkgen help convert");
    return TG_OK;
}

tg_status cmd_convert(tg_context *ctx, const cli_args *args) {
    const converter *c = find_converter(args->word_count > 0 ? args->words[0] : NULL);
    if (!c)
        return tg_fail(
            ctx, TG_EUSAGE,
            "convert '%s' is not known\n  expected: hubert, geneface, radnerf or adnerf\n"
            "  try: talkgen help convert",
            args->word_count > 0 ? args->words[0] : "");
    tg_status s = check_options(ctx, c, args);
    if (s == TG_OK)
        s = cli_need(ctx, args->output, "output", "the file to make");
    if (s != TG_OK)
        return s;
    tg_convert_options o = tg_convert_defaults();
    o.weights = args->weights;
    o.encoder = args->hubert;
    o.postnet = args->postnet;
    o.head = args->head;
    o.torso = args->torso;
    o.checkpoint = args->checkpoint;
    o.dataset = args->dataset;
    o.config = args->config;
    o.name = args->name;
    o.output = args->output;
    o.embed = args->embed;
    o.overwrite = args->overwrite;
    return c->run(ctx, &o);
}
