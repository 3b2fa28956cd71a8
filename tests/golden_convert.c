/* The files of a case as AD-NeRF and RAD-NeRF publish them, through their converters: the networks
 * of the identity stand in for weights.safetensors. Nobody stored a torso as RAD-NeRF names it; the
 * case of GeneFace's fork is written in RAD-NeRF's words first, so that its stored picture of head
 * and torso proves those too. */
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "talkgen/convert.h"

#include "ngp_writer.h"

enum { FILES = 6 };

typedef struct {
    char folder[64],
        path[FILES][128]; /* transforms, background, identity, networks, ngp.pth, its config */
} workplace;

static void clean(workplace *w) {
    for (int i = 0; i < FILES; i++)
        unlink(w->path[i]);
    rmdir(w->folder);
}

/* A recording of one frame. */
static tg_status film(tg_context *ctx, workplace *w) {
    static const char *const names[] = {
        "transforms_train.json", "bc.png", "a.ckpt", "n.ckpt", "ngp.pth", "ngp.yaml"};
    strcpy(w->folder, "golden_XXXXXX");
    if (!mkdtemp(w->folder))
        return tg_fail(ctx, TG_EOUTPUT, "no temporary folder");
    for (int i = 0; i < FILES; i++)
        snprintf(w->path[i], sizeof w->path[i], "%s/%s", w->folder, names[i]);
    static const char text[] =
        "{\"focal_len\": 60, \"frames\": [{\"img_id\": 0, \"transform_matrix\": "
        "[[1,0,0,0],[0,1,0,0],[0,0,1,0.5],[0,0,0,1]]}]}";
    uint8_t pixels[24 * 24 * 3] = {0};
    tg_status s = tg_file_write(ctx, w->path[0], text, strlen(text));
    return s == TG_OK ? tg_image_write(ctx, w->path[1], 24, 24, 3, pixels) : s;
}

/* Tensors render.head.* and render.torso.* as NAME, or as head.NAME and body.NAME. */
static tg_status unwrap(tg_context *ctx, const workplace *w, bool two, tg_st **out) {
    static const char *const parts[2][2] = {{"render.head.", "head."}, {"render.torso.", "body."}};
    tg_st *identity = NULL;
    tg_st_writer *writer = tg_st_writer_create();
    tg_status s = tg_st_open(ctx, w->path[2], &identity);
    for (int i = 0; s == TG_OK && i < tg_st_count(identity); i++) {
        const tg_st_tensor *t = tg_st_at(identity, i);
        for (int p = 0; p < 2; p++) {
            char name[256];
            size_t n = strlen(parts[p][0]);
            if (strncmp(t->name, parts[p][0], n) != 0)
                continue;
            snprintf(name, sizeof name, "%s%s", two ? parts[p][1] : "", t->name + n);
            if (!tg_st_add_raw(writer, name, t->dtype, t->ndim, t->dim, t->data))
                s = tg_fail(ctx, TG_ENOMEM, "out of memory");
        }
    }
    if (s == TG_OK &&
        !tg_st_add_meta(writer, "talkgen.config", tg_st_meta(identity, "talkgen.config")))
        s = tg_fail(ctx, TG_ENOMEM, "out of memory");
    if (s == TG_OK)
        s = tg_st_write(ctx, writer, w->path[3]);
    if (s == TG_OK)
        s = tg_st_open(ctx, w->path[3], out);
    tg_st_writer_destroy(&writer);
    tg_st_close(&identity);
    return s;
}

/* The case's weights as ngp.pth, w->path[4], and what its tensors do not tell, w->path[5]. */
static tg_status write_ngp(golden_case *c, workplace *w) {
    static const char config[] = "cond_win_size: 1\n"; /* landmarks, where RAD-NeRF has audio */
    checkpoint *ngp = begin_ngp(tg_json_number(tg_json_get(c->config, "mean_density_torso"), 0));
    for (int i = 0; i < tg_st_count(c->weights); i++) {
        char name[256];
        ngp_name(tg_st_at(c->weights, i)->name, name);
        put_stored(ngp, name, tg_st_at(c->weights, i));
    }
    if (!end_ngp(ngp, w->path[4]))
        return tg_fail(c->ctx, TG_EOUTPUT, "%s cannot be written", w->path[4]);
    return tg_file_write(c->ctx, w->path[5], config, strlen(config));
}

tg_status golden_converted(golden_case *c, tg_st **out) {
    char checkpoint[4096], head[4096], body[4096];
    *out = NULL;
    snprintf(checkpoint, sizeof checkpoint, "%s/ngp_ep0001.pth", c->dir);
    snprintf(head, sizeof head, "%s/000001_head.tar", c->dir);
    snprintf(body, sizeof body, "%s/000001_body.tar", c->dir);
    const bool rad = tg_file_exists(checkpoint), two = tg_file_exists(body);
    const bool torso = tg_st_find(c->weights, "torso_embedder.embeddings") != NULL &&
                       tg_st_find(c->weights, "head_color_weights_encoder.0.weight") == NULL;
    if (!rad && !torso && !tg_file_exists(head))
        return TG_OK;
    workplace w = {0};
    tg_status s = film(c->ctx, &w);
    tg_convert_options o = tg_convert_defaults();
    o.dataset = w.folder;
    o.output = w.path[2];
    if (s == TG_OK && torso)
        s = write_ngp(c, &w);
    if (s == TG_OK && (rad || torso)) {
        o.checkpoint = torso ? w.path[4] : checkpoint;
        o.config = torso ? w.path[5] : NULL;
        s = tg_convert_radnerf(c->ctx, &o);
    } else if (s == TG_OK) {
        o.head = head;
        o.torso = two ? body : NULL;
        s = tg_convert_adnerf(c->ctx, &o);
    }
    if (s == TG_OK)
        s = unwrap(c->ctx, &w, two, out);
    clean(&w); /* what is mapped stays */
    return s;
}
