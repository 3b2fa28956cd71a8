/* talkgen convert: published PyTorch files to an identity or an encoder file. */
#include "cli/commands.h"

#include "talkgen/convert.h"

#include <string.h>

typedef struct {
    const char *name;
    tg_status (*run)(tg_context *ctx, const tg_convert_options *options);
} converter;

static const converter converters[] = {
    {"hubert", tg_convert_hubert},
    {"geneface", tg_convert_geneface},
    {"radnerf", tg_convert_radnerf},
    {"adnerf", tg_convert_adnerf},
};
enum { CONVERTERS = sizeof converters / sizeof converters[0] };

static const converter *find_converter(const char *name) {
    for (int i = 0; name && i < CONVERTERS; i++)
        if (strcmp(converters[i].name, name) == 0)
            return &converters[i];
    return NULL;
}

tg_status cmd_convert(tg_context *ctx, const cli_args *args) {
    const converter *c = find_converter(args->word_count > 0 ? args->words[0] : NULL);
    if (!c)
        return tg_fail(
            ctx, TG_EUSAGE,
            "convert '%s' is not known\n  expected: hubert, geneface, radnerf or adnerf\n"
            "  try: talkgen help convert",
            args->word_count > 0 ? args->words[0] : "");
    tg_status s = cli_need(ctx, args->output, "output", "the file to make");
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
