/* published_torso GOLDEN OUT.pth [without NAME | wide NAME | mean NUMBER]
 * published_torso GOLDEN same IDENTITY
 *
 * The first writes a checkpoint of RAD-NeRF with a torso: the head of
 * GOLDEN/radnerf_head/ngp_ep0001.pth and the torso of
 * GOLDEN/lm3d_radnerf_torso/model_ckpt_steps_1.ckpt under RAD-NeRF's names; one tensor may be left
 * out, or be a column wider than it ought to be. The second says whether the torso of a converted
 * identity is bit for bit that of the golden case. */
#include "talkgen/io.h"

#include "ngp_writer.h"

static tg_context *ctx;

static void must(tg_status status) {
    if (status != TG_OK) {
        fprintf(stderr, "published_torso: %s\n", tg_message(ctx));
        exit(1);
    }
}

/* Tensors of `dict` in a file of a golden case. */
static tg_st *state_of(const char *golden, const char *name, const char *dict, tg_torch **file) {
    char path[4096];
    tg_st *state;
    snprintf(path, sizeof path, "%s/%s", golden, name);
    must(tg_torch_open(ctx, path, file));
    must(tg_st_from_torch(ctx, *file, tg_torch_find(tg_torch_root(*file), dict), &state));
    return state;
}

/* A column of zeros more. */
static void put_wide(checkpoint *c, const char *name, const tg_st_tensor *t) {
    const int last = t->ndim - 1;
    int64_t dim[TG_MAX_DIMS], rows = 1;
    for (int i = 0; i < t->ndim; i++)
        dim[i] = t->dim[i];
    for (int i = 0; i < last; i++)
        rows *= dim[i];
    dim[last]++;
    uint32_t *wide = calloc((size_t)(rows * dim[last]), sizeof *wide);
    for (int64_t r = 0; r < rows; r++)
        memcpy(wide + r * dim[last], (const uint32_t *)t->data + r * t->dim[last],
               (size_t)t->dim[last] * sizeof *wide);
    put_tensor(c, name, t->dtype == TG_I32 ? "Int" : "Float", t->ndim, dim, wide, sizeof *wide);
    free(wide);
}

static int same(const char *golden, const char *path) {
    tg_torch *file;
    tg_st *identity, *stored = state_of(golden, "lm3d_radnerf_torso/model_ckpt_steps_1.ckpt",
                                        "state_dict.model", &file);
    int found = 0, wrong = 0, expected = 0;
    must(tg_st_open(ctx, path, &identity));
    for (int i = 0; i < NGP_TORSO; i++) /* offsets follow from the sizes, nobody stores them */
        expected += strcmp(ngp_names[i][0], "torso_encoder.offsets") != 0;
    for (int i = 0; i < tg_st_count(identity); i++) {
        static const char prefix[] = "render.torso.";
        const tg_st_tensor *t = tg_st_at(identity, i);
        if (strncmp(t->name, prefix, sizeof prefix - 1) != 0)
            continue;
        const tg_st_tensor *s = tg_st_find(stored, t->name + sizeof prefix - 1);
        /* individual codes: the row that is rendered */
        const bool codes = strcmp(t->name, "render.torso.torso_individual_codes") == 0;
        bool equal = s && t->dtype == TG_F32 && s->dtype == TG_F32 && t->ndim == s->ndim &&
                     t->bytes <= s->bytes && memcmp(t->data, s->data, t->bytes) == 0;
        for (int d = 0; equal && d < t->ndim; d++)
            equal = t->dim[d] == s->dim[d] || (codes && d == 0 && t->dim[d] == 1);
        if (!equal)
            printf("%s differs from the golden weight\n", t->name);
        found++;
        wrong += !equal;
    }
    printf("%d tensors of the torso, %d differ\n", found, wrong);
    tg_st_close(&identity);
    tg_st_close(&stored);
    tg_torch_close(&file);
    return wrong || found != expected;
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 4 && argc != 5) {
        fprintf(stderr,
                "usage: published_torso GOLDEN OUT.pth [without|wide NAME | mean NUMBER]\n");
        return 2;
    }
    ctx = tg_context_create(1);
    if (argc == 4 && strcmp(argv[2], "same") == 0) {
        int result = same(argv[1], argv[3]);
        tg_context_destroy(&ctx);
        return result;
    }
    const char *how = argc == 5 ? argv[3] : "", *which = argc == 5 ? argv[4] : "";
    tg_torch *file[2];
    tg_st *head = state_of(argv[1], "radnerf_head/ngp_ep0001.pth", "model", &file[0]);
    tg_st *torso = state_of(argv[1], "lm3d_radnerf_torso/model_ckpt_steps_1.ckpt",
                            "state_dict.model", &file[1]);
    checkpoint *c = begin_ngp(strcmp(how, "mean") == 0 ? strtod(which, NULL) : 0);
    for (int i = 0; i < tg_st_count(head); i++)
        put_stored(c, tg_st_at(head, i)->name, tg_st_at(head, i));
    bool touched = strcmp(how, "mean") == 0 || argc == 3;
    for (int i = 0; i < NGP_TORSO; i++) {
        const tg_st_tensor *t = tg_st_find(torso, ngp_names[i][1]);
        const bool this = t && strcmp(ngp_names[i][0], which) == 0;
        touched = touched || this;
        if (t && this && strcmp(how, "wide") == 0)
            put_wide(c, which, t);
        else if (t && !this)
            put_stored(c, ngp_names[i][0], t);
    }
    const bool ok = end_ngp(c, argv[2]) && touched;
    tg_st_close(&head);
    tg_st_close(&torso);
    tg_torch_close(&file[0]);
    tg_torch_close(&file[1]);
    tg_context_destroy(&ctx);
    return ok ? 0 : 1;
}
