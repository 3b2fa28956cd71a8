/* talkgen info: what is inside a checkpoint. */
#include "cli/commands.h"
#include "cli/info_torch.h"

#include "talkgen/io.h"

#include <stdio.h>
#include <string.h>

/* Guess of what the file is for, from metadata or tensor names. */
static const char *kind_of(const tg_st *st) {
    const char *kind = tg_st_meta(st, "talkgen.kind");
    if (kind)
        return kind;
    if (tg_st_meta(st, "talkgen.system"))
        return "identity";
    if (tg_st_find(st, "position_embedder.embeddings"))
        return "RAD-NeRF renderer";
    if (tg_st_find(st, "encoder.pos_conv_embed.conv.bias") ||
        tg_st_find(st, "hubert.encoder.pos_conv_embed.conv.bias"))
        return "HuBERT encoder";
    return "unknown";
}

static void print_json(const tg_st *st, tg_json *root) {
    tg_json_set_string(root, "file", tg_st_path(st));
    tg_json_set_string(root, "kind", kind_of(st));
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
    char *text = tg_json_print(root, true);
    if (text)
        puts(text);
    tg_free(text);
}

static void print_table(const tg_st *st) {
    double bytes = 0, numbers = 0;
    printf("%s: %s\n", tg_st_path(st), kind_of(st));
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

tg_status cmd_info(tg_context *ctx, const cli_args *args) {
    if (args->word_count < 1)
        return tg_fail(
            ctx, TG_EUSAGE,
            "no file\n  expected: talkgen info FILE\n  try: talkgen info models/demo.ckpt");
    if (tg_torch_recognise(args->words[0]))
        return info_torch(ctx, args->words[0], args->json);
    tg_st *st = NULL;
    tg_status s = tg_st_open(ctx, args->words[0], &st);
    if (s == TG_OK && args->json) {
        tg_json *root = tg_json_new_object();
        if (root)
            print_json(st, root);
        else
            s = tg_fail(ctx, TG_ENOMEM, "out of memory");
        tg_json_destroy(&root);
    } else if (s == TG_OK) {
        print_table(st);
    }
    tg_st_close(&st);
    return s;
}
