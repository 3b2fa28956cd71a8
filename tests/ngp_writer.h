/* Checkpoints as RAD-NeRF writes them (ngp_epNNNN.pth), made of tensors of the golden cases.
 *
 * RAD-NeRF's torso is that of GeneFace's fork: pixel (10 octaves) and pose (4 octaves) and code to
 * a displacement, a tiled grid and the same to alpha and colour, neither audio nor the head's
 * picture. Shapes are equal, names are not; they are spelled out here, apart from the converter's
 * table. */
#ifndef TALKGEN_TESTS_NGP_WRITER_H
#define TALKGEN_TESTS_NGP_WRITER_H

#include "talkgen/io.h"

#include "torch_writer.h"

static const char *const ngp_names[][2] = {
    /* RAD-NeRF's, GeneFace's: the torso */
    {"individual_codes_torso", "torso_individual_codes"},
    {"density_grid_torso", "density_grid_torso"},
    {"torso_deform_net.net.0.weight", "torso_deform_net.net.0.weight"},
    {"torso_deform_net.net.1.weight", "torso_deform_net.net.1.weight"},
    {"torso_deform_net.net.2.weight", "torso_deform_net.net.2.weight"},
    {"torso_encoder.embeddings", "torso_embedder.embeddings"},
    {"torso_encoder.offsets", "torso_embedder.offsets"},
    {"torso_net.net.0.weight", "torso_canonicial_net.net.0.weight"},
    {"torso_net.net.1.weight", "torso_canonicial_net.net.1.weight"},
    {"torso_net.net.2.weight", "torso_canonicial_net.net.2.weight"},
    /* the head */
    {"individual_codes", "individual_embeddings"},
    {"encoder.embeddings", "position_embedder.embeddings"},
    {"encoder.offsets", "position_embedder.offsets"},
    {"encoder_ambient.embeddings", "ambient_embedder.embeddings"},
    {"encoder_ambient.offsets", "ambient_embedder.offsets"},
};
enum { NGP_TORSO = 10, NGP_NAMES = sizeof ngp_names / sizeof *ngp_names };

/* GeneFace's name in RAD-NeRF's words. */
static inline void ngp_name(const char *name, char out[256]) {
    static const char *const nets[][2] = {{"cond_prenet.", "audio_net."},
                                          {"cond_att_net.", "audio_att_net."}};
    snprintf(out, 256, "%s", name);
    for (int i = 0; i < NGP_NAMES; i++)
        if (strcmp(name, ngp_names[i][1]) == 0)
            snprintf(out, 256, "%s", ngp_names[i][0]);
    for (int i = 0; i < 2; i++)
        if (strncmp(name, nets[i][0], strlen(nets[i][0])) == 0)
            snprintf(out, 256, "%s%s", nets[i][1], name + strlen(nets[i][0]));
}

/* The dict "model" is open. */
static inline checkpoint *begin_ngp(double mean_density_torso) {
    checkpoint *c = calloc(1, sizeof *c);
    bytes *p = &c->pickle;
    op(p, "\x80\x02}(");
    text(p, "epoch");
    number(p, 1);
    text(p, "global_step");
    number(p, 1);
    text(p, "mean_count");
    number(p, 0);
    text(p, "mean_density");
    real(p, 1.25);
    text(p, "mean_density_torso");
    real(p, mean_density_torso);
    begin_dict(c, "model");
    return c;
}

static inline bool end_ngp(checkpoint *c, const char *path) {
    end_dict(c);
    op(&c->pickle, "u.");
    return zip_container(c, path);
}

static inline void put_stored(checkpoint *c, const char *name, const tg_st_tensor *t) {
    int64_t count = 1;
    for (int i = 0; i < t->ndim; i++)
        count *= t->dim[i];
    const size_t element = count > 0 ? t->bytes / (size_t)count : 1;
    const char *type = t->dtype == TG_F32   ? "Float"
                       : t->dtype == TG_I32 ? "Int"
                       : t->dtype == TG_I64 ? "Long"
                                            : "Byte";
    put_tensor(c, name, type, t->ndim, t->dim, t->data, element);
}

#endif
