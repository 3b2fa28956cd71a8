/* A person small enough for tests: networks with random weights, a recording of a few frames, and
 * the two files that hold them. */
#ifndef TALKGEN_TESTS_SYSTEMS_PERSON_H
#define TALKGEN_TESTS_SYSTEMS_PERSON_H

#include "io_test.h"

#include "talkgen/systems.h"

#include <math.h>

enum { PERSON_SIZE = 32, PERSON_POSES = 5, PERSON_EYES = 12 * 3 };

/* Everything an identity is written from; the parts point into it. */
typedef struct {
    tg_nerf *nerf;
    tg_postnet *postnet;
    float lm_mean[TG_MOTION_DIM];
    tg_motion_stats stats;
    float pose[PERSON_POSES * 16], eyes[PERSON_POSES * PERSON_EYES];
    uint8_t background[PERSON_SIZE * PERSON_SIZE * 3];
    tg_image image;
    tg_identity_parts parts;
} person;

static inline tg_status person_add_render(tg_context *c, void *user, tg_st_writer *w,
                                          tg_json *config) {
    const tg_nerf *nerf = ((const person *)user)->nerf;
    tg_nerf_config_write(&nerf->config, config);
    return tg_nerf_store(nerf, w, "render.head.", "render.torso.", TG_F16, false, 1)
               ? TG_OK
               : tg_fail(c, TG_ENOMEM, "out of memory");
}

/* A voice file of tiny networks. */
static inline void person_voice(const char *path, uint64_t seed) {
    tg_hubert_config h = tg_hubert_small();
    for (int i = 0; i < h.convs; i++) {
        h.conv_dim[i] = 8;
    }
    h.hidden_size = 16;
    h.intermediate_size = 32;
    h.heads = 2;
    h.layers = 1;
    h.pos_groups = 4;
    tg_hubert *hubert;
    assert_ok(tg_hubert_create(ctx, &h, &hubert));
    tg_hubert_init(hubert, seed);
    tg_vae_config v = tg_vae_defaults();
    v.hidden_channels = 16;
    v.enc_n_layers = v.dec_n_layers = 2;
    v.glow_hidden = 8;
    v.glow_n_blocks = 2;
    v.mel_in_dim = h.hidden_size;
    v.mel_feat_dim = 8;
    tg_vae *vae;
    assert_ok(tg_vae_create(ctx, &v, &vae));
    tg_vae_init(vae, seed);
    assert_ok(tg_voice_write(ctx, path, hubert, vae, NULL));
    tg_vae_destroy(&vae);
    tg_hubert_destroy(&hubert);
}

/* c2w that looks at the origin from 0.9 m in front, turned by `yaw` about the y axis. */
static inline void person_c2w(float yaw, float m[16]) {
    const float c = cosf(yaw), s = sinf(yaw), distance = 0.9f;
    const float rows[16] = {c, 0, s, distance * s, 0, 1, 0, 0, -s, 0, c, distance * c, 0, 0, 0, 1};
    memcpy(m, rows, sizeof rows);
}

static inline void person_make(person *p, bool torso) {
    memset(p, 0, sizeof *p);
    tg_nerf_config config = tg_nerf_config_defaults();
    config.grid_size = 16;
    config.log2_hashmap_size = config.torso_log2_hashmap_size = 8;
    config.hidden_dim_ambient = config.hidden_dim_sigma = config.hidden_dim_color = 16;
    config.geo_feat_dim = 8;
    config.individual_embedding_num = config.torso_individual_embedding_num = 1;
    config.torso = torso;
    assert_ok(tg_nerf_create(ctx, &config, 3, &p->nerf));
    /* Strong enough that the picture depends on the landmarks. */
    const tg_rng rng = tg_rng_make(5, "", "person");
    tg_tensor *grids[] = {p->nerf->position_embeddings, p->nerf->ambient_embeddings};
    for (int g = 0; g < 2; g++) {
        for (int64_t i = 0; i < tg_numel(grids[g]); i++) {
            grids[g]->data[i] = tg_rng_normal(&rng, (uint64_t)i);
        }
    }
    tg_postnet_config postnet = tg_postnet_defaults();
    postnet.widths[0] = postnet.widths[1] = 8;
    assert_ok(tg_postnet_create(ctx, &postnet, &p->postnet));
    tg_postnet_init(p->postnet, 6);
    for (int k = 0; k < TG_MOTION_DIM; k++) {
        p->lm_mean[k] = 0.01f * (float)k;
        p->stats.mean[k] = 0.001f * (float)k;
        p->stats.std[k] = 0.1f + 0.001f * (float)k;
    }
    for (int i = 0; i < PERSON_POSES; i++) {
        person_c2w(0.02f * (float)i, p->pose + 16 * i);
        for (int k = 0; k < PERSON_EYES; k++) {
            p->eyes[i * PERSON_EYES + k] = 0.25f * (float)i;
        }
    }
    for (size_t i = 0; i < sizeof p->background; i++) {
        p->background[i] = (uint8_t)(i * 7);
    }
    p->image = (tg_image){PERSON_SIZE, PERSON_SIZE, 3, p->background};
    p->parts = (tg_identity_parts){.name = "nobody",
                                   .width = PERSON_SIZE,
                                   .height = PERSON_SIZE,
                                   .focal = 3 * PERSON_SIZE,
                                   .cx = PERSON_SIZE / 2.0f,
                                   .cy = PERSON_SIZE / 2.0f,
                                   .add_render = person_add_render,
                                   .user = p,
                                   .postnet = p->postnet,
                                   .lm_mean = p->lm_mean,
                                   .stats = &p->stats,
                                   .poses = PERSON_POSES,
                                   .pose = p->pose,
                                   .eyes = p->eyes,
                                   .background = &p->image};
}

static inline void person_free(person *p) {
    tg_nerf_destroy(&p->nerf);
    tg_postnet_destroy(&p->postnet);
}

/* person.ckpt and voice.safetensors in the test's folder. */
static inline void person_write(bool torso) {
    person p;
    person_make(&p, torso);
    person_voice(in_folder("voice.safetensors"), 1);
    p.parts.voice_path = in_folder("voice.safetensors");
    assert_ok(tg_identity_write(ctx, in_folder("person.ckpt"), &p.parts));
    person_free(&p);
}

#endif
