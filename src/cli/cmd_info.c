/* talkgen info: what is inside a checkpoint. */
#include "cli/commands.h"
#include "cli/info_torch.h"

#include "talkgen/convert.h"

#include <stdio.h>
#include <string.h>

static tg_status print_json(tg_context *ctx, const tg_st *st) {
    tg_json *root = tg_json_new_object();
    tg_json_set_string(root, "file", tg_st_path(st));
    tg_json_set_string(root, "kind", tg_st_guess(st));
    tg_json *meta = tg_json_set_object(root, "metadata");
    for (int i = 0; i < tg_st_meta_count(st); i++) {
        const char *value, *key = tg_st_meta_at(st, i, &value);
        tg_json_set_string(meta, key, value);
    }
    tg_json *tensors = tg_json_set_array(root, "tensors");
    for (int i = 0; i < tg_st_count(st); i++) {
        const tg_st_tensor *t = tg_st_at(st, i);
        tg_json *row = tg_json_set_object(tensors, NULL);
        tg_json_set_string(row, "name", t->name);
        tg_json_set_string(row, "dtype", tg_dtype_name(t->dtype));
        tg_json *shape = tg_json_set_array(row, "shape");
        for (int d = 0; d < t->ndim; d++)
            tg_json_set_number(shape, NULL, (double)t->dim[d]);
    }
    return cli_print_json(ctx, root);
}

static void print_table(const tg_st *st) {
    double bytes = 0, numbers = 0;
    printf("%s: %s\n", tg_st_path(st), tg_st_guess(st));
    for (int i = 0; i < tg_st_meta_count(st); i++) {
        const char *value, *key = tg_st_meta_at(st, i, &value);
        printf("  %-24s %s\n", key, value);
    }
    for (int i = 0; i < tg_st_count(st); i++) {
        const tg_st_tensor *t = tg_st_at(st, i);
        char shape[128] = "";
        double n = 1;
        for (int d = 0; d < t->ndim; d++) {
            snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%lld", d ? "," : "",
                     (long long)t->dim[d]);
            n *= (double)t->dim[d];
        }
        printf("  %-56s %-5s [%s]\n", t->name, tg_dtype_name(t->dtype), shape);
        bytes += (double)t->bytes;
        numbers += n;
    }
    printf("%d tensors, %.3f million numbers, %.2f MiB\n", tg_st_count(st), numbers / 1e6,
           bytes / (1 << 20));
}

static tg_status check_hash(tg_context *ctx, const tg_st *st) {
    const char *stated = tg_st_stated_hash(st);
    char found[33];
    if (!stated)
        return tg_fail(ctx, TG_EMODEL,
                       "%s: it states no hash to check\n  expected: metadata %s of 32 hex digits\n"
                       "  try: a file made by talkgen convert hubert",
                       tg_st_path(st), TG_ST_HASH);
    tg_status s = tg_st_hash(ctx, st, found);
    if (s == TG_OK && strcmp(found, stated) != 0)
        s = tg_fail(ctx, TG_EMODEL,
                    "%s: its data has md5 %s\n  expected: %s, as its metadata %s says\n"
                    "  try: copy or make the file again",
                    tg_st_path(st), found, stated, TG_ST_HASH);
    return s;
}

tg_status cmd_info(tg_context *ctx, const cli_args *args) {
    if (args->word_count < 1)
        return tg_fail(
            ctx, TG_EUSAGE,
            "no file\n  expected: talkgen info FILE\n  try: talkgen info models/demo.ckpt");
    if (!args->check && tg_torch_recognise(args->words[0]))
        return info_torch(ctx, args->words[0], args->json);
    tg_st *st = NULL;
    tg_status s = tg_st_open(ctx, args->words[0], &st);
    if (s == TG_OK && args->check) {
        s = check_hash(ctx, st);
        if (s == TG_OK)
            printf("%s: its data has the hash it states, %s\n", tg_st_path(st),
                   tg_st_stated_hash(st));
        tg_st_close(&st);
        return s;
    }
    if (s == TG_OK && args->json) {
        s = print_json(ctx, st);
    } else if (s == TG_OK) {
        print_table(st);
    }
    tg_st_close(&st);
    return s;
}
