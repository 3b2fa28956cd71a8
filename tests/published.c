/* published DIR: files in GeneFace's published form that fit each other, with random weights, for
 * tests of talkgen convert geneface:
 *
 *     letters.safetensors        a tiny speech encoder with a CTC head of 29 letters
 *     other.safetensors          another one
 *     postnet.ckpt               lm3d_postnet_sync: VAE and postnet, torch.save's legacy container
 *     postnet_pitch.ckpt         lm3d_postnet_sync_pitch
 *     may/trainval_dataset.npy   pickled dict, 64x64, 6 + 2 frames
 *     processed/                 the same as transforms_*.json, bc.jpg and two .npy
 *     evil.ckpt                  a pickle that calls os.system
 *     deepspeech.npy             50 rows of 29 logits
 *
 * They fit the speech encoder of the golden case hubert_large_tiny. Renderers are those of the
 * golden cases. */
#include "talkgen/systems.h"

#include "torch_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FEATURES = 48 /* of hubert_large_tiny */,
    LETTERS = 29,
    SIDE = 64,
    TRAIN = 6,
    VAL = 2,
    FRAMES = TRAIN + VAL
};

static tg_context *ctx;
static const char *folder;

static void must(tg_status status) {
    if (status != TG_OK) {
        fprintf(stderr, "published: %s\n", tg_message(ctx));
        exit(1);
    }
}

static const char *in_folder(const char *name) {
    static char paths[4][1024];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* ---- checkpoints -------------------------------------------------------------------------- */

static void put_params(checkpoint *c, const char *prefix, tg_params *set) {
    for (int i = 0; i < tg_params_count(set); i++) {
        const tg_param *p = tg_params_at(set, i);
        char key[256];
        snprintf(key, sizeof key, "%s%s", prefix, p->name);
        put_tensor(c, key, "Float", p->value->ndim, p->value->dim, p->value->data, sizeof(float));
        char *end = strstr(key, "running_var");
        if (end) {
            strcpy(end, "num_batches_tracked");
            put_tensor(c, key, "Long", 0, NULL, &(int64_t){4000}, sizeof(int64_t));
        }
    }
}

static checkpoint *begin_checkpoint(void) {
    checkpoint *c = calloc(1, sizeof *c);
    bytes *p = &c->pickle;
    op(p, "\x80\x02}(");
    text(p, "epoch");
    number(p, 0);
    text(p, "global_step");
    number(p, 4000);
    text(p, "checkpoint_callback_best");
    real(p, 1e9);
    text(p, "optimizer_states");
    op(p, "]}(");
    text(p, "state");
    op(p, "}");
    number(p, 0);
    op(p, "}(");
    put_tensor(c, "exp_avg", "Float", 1, (int64_t[]){3}, (float[]){1, 2, 3}, sizeof(float));
    op(p, "us");
    text(p, "param_groups");
    op(p, "]ua");
    begin_dict(c, "state_dict");
    return c;
}

static void write_checkpoint(checkpoint *c, const char *name) {
    end_dict(c);
    op(&c->pickle, "u.");
    bytes file = legacy_container(c);
    must(tg_file_write(ctx, in_folder(name), file.data, file.n));
    free(file.data);
}

/* ---- the networks ------------------------------------------------------------------------------
 */

/* What starts at zero would hide mistakes. */
static void shake(tg_params *set, float scale) {
    for (int i = 0; i < tg_params_count(set); i++) {
        tg_param *p = tg_params_at(set, i);
        tg_rng rng = tg_rng_make(11, "", p->name);
        for (int64_t k = 0; p->trainable && k < tg_numel(p->value); k++)
            p->value->data[k] += scale * tg_rng_normal(&rng, (uint64_t)k);
    }
}

static void write_postnet(const char *name, bool pitch) {
    tg_vae_config config = tg_vae_defaults();
    config.hidden_channels = 16;
    config.enc_n_layers = 2;
    config.dec_n_layers = 3;
    config.glow_hidden = 8;
    config.glow_n_blocks = 2;
    config.mel_in_dim = FEATURES;
    config.mel_feat_dim = 8;
    config.pitch = pitch;
    config.pitch_feat_dim = 6;
    tg_postnet_config post = {.in_out_dim = TG_MOTION_DIM, .widths = {12, 20}};
    post.pitch_dim = pitch ? 12 : 0;
    tg_vae *vae;
    tg_postnet *postnet;
    must(tg_vae_create(ctx, &config, &vae));
    must(tg_postnet_create(ctx, &post, &postnet));
    tg_vae_init(vae, 1);
    tg_postnet_init(postnet, 2);
    shake(tg_vae_params(vae), 0.1f);
    shake(tg_postnet_params(postnet), 0.02f);
    checkpoint *c = begin_checkpoint();
    const float few[6] = {1, 2, 3, 4, 5, 6};
    begin_dict(c, "audio2motion_task");
    put_tensor(c, "syncnet_task.model.mouth_encoder.0.conv_block.0.bias", "Float", 1,
               (int64_t[]){6}, few, sizeof *few);
    put_params(c, "model.", tg_vae_params(vae));
    end_dict(c);
    begin_dict(c, "disc_model");
    put_tensor(c, "backbone.12.weight", "Float", 2, (int64_t[]){1, 6}, few, sizeof *few);
    end_dict(c);
    if (pitch) {
        float *table = calloc(TG_PITCH_BINS * 12, sizeof *table);
        tg_rng rng = tg_rng_make(12, "", "pitch_embed");
        tg_rng_fill_normal(&rng, 0, table, TG_PITCH_BINS * 12);
        begin_dict(c, "pitch_embed");
        put_tensor(c, "weight", "Float", 2, (int64_t[]){TG_PITCH_BINS, 12}, table, sizeof *table);
        end_dict(c);
        free(table);
    }
    begin_dict(c, "model");
    put_params(c, "", tg_postnet_params(postnet));
    end_dict(c);
    write_checkpoint(c, name);
    tg_vae_destroy(&vae);
    tg_postnet_destroy(&postnet);
}

static void write_letters(const char *name, uint64_t seed) {
    tg_hubert_config h = tg_hubert_small();
    for (int i = 0; i < h.convs; i++)
        h.conv_dim[i] = 8;
    h.hidden_size = 16;
    h.intermediate_size = 32;
    h.heads = 2;
    h.layers = 1;
    h.pos_groups = 4;
    h.logits = LETTERS;
    tg_hubert *hubert;
    must(tg_hubert_create(ctx, &h, &hubert));
    tg_hubert_init(hubert, seed);
    must(tg_voice_write(ctx, in_folder(name), hubert, NULL, NULL));
    tg_hubert_destroy(&hubert);
}

/* ---- the recording
 * ------------------------------------------------------------------------------- */

static float mean[TG_MOTION_DIM], deviation[TG_MOTION_DIM];
static uint8_t background[SIDE * SIDE * 3];

/* Looks at the origin from as far as the golden pictures do. */
static void c2w_of(int frame, float m[16]) {
    float a = 0.03f * (float)frame, c = cosf(a), s = sinf(a), far = 0.85f;
    const float rows[16] = {c, 0, s, far * s, 0, 1, 0, 0.01f, -s, 0, c, far * c, 0, 0, 0, 1};
    memcpy(m, rows, sizeof rows);
}

static void put_samples(bytes *p, const char *key, int first, int count) {
    text(p, key);
    op(p, "](");
    for (int i = first; i < first + count; i++) {
        float c2w[16], lm[TG_MOTION_DIM];
        double poses[16];
        tg_rng rng = tg_rng_make(13, "", "lm");
        c2w_of(i, c2w);
        for (int k = 0; k < 16; k++)
            poses[k] = (double)c2w[k];
        tg_rng_fill_normal(&rng, (uint64_t)(i * TG_MOTION_DIM), lm, TG_MOTION_DIM);
        op(p, "}(");
        text(p, "idx");
        number(p, i);
        text(p, "gt_img_fname");
        text(p, "data/processed/videos/May/gt_imgs/0.jpg");
        put_array(p, "c2w", 2, (int64_t[]){4, 4}, "f8", poses, sizeof *poses);
        put_array(p, "idexp_lm3d_normalized", 2, (int64_t[]){68, 3}, "f4", lm, sizeof *lm);
        op(p, "u");
    }
    op(p, "e");
}

static void write_dataset(void) {
    bytes p = {0}, file = {0};
    const int64_t lm[] = {1, TG_MOTION_POINTS, 3};
    op(&p, "\x80\x03");
    begin_array(&p, 0, NULL, "O8");
    op(&p, "]}(");
    text(&p, "H");
    number(&p, SIDE);
    text(&p, "W");
    number(&p, SIDE);
    text(&p, "focal");
    real(&p, 150.5);
    text(&p, "cx");
    real(&p, SIDE / 2.0);
    text(&p, "cy");
    real(&p, SIDE / 2.0);
    put_array(&p, "bg_img", 3, (int64_t[]){SIDE, SIDE, 3}, "u1", background, 1);
    put_array(&p, "idexp_lm3d_mean", 3, lm, "f4", mean, sizeof *mean);
    put_array(&p, "idexp_lm3d_std", 3, lm, "f4", deviation, sizeof *deviation);
    put_samples(&p, "train_samples", 0, TRAIN);
    put_samples(&p, "val_samples", TRAIN, VAL);
    op(&p, "uatb.");
    object_npy(&file, &p);
    must(tg_make_dirs(ctx, in_folder("may")));
    must(tg_file_write(ctx, in_folder("may/trainval_dataset.npy"), file.data, file.n));
    free(p.data);
    free(file.data);
}

static void write_transforms(const char *name, int first, int count) {
    tg_json *root = tg_json_new_object();
    tg_json_set_number(root, "focal_len", 150.5);
    tg_json_set_number(root, "cx", SIDE / 2.0);
    tg_json_set_number(root, "cy", SIDE / 2.0);
    tg_json *frames = tg_json_set_array(root, "frames");
    for (int i = first; i < first + count; i++) {
        float c2w[16];
        c2w_of(i, c2w);
        tg_json *f = tg_json_set_object(frames, NULL);
        tg_json_set_number(f, "img_id", i);
        tg_json *m = tg_json_set_array(f, "transform_matrix");
        for (int r = 0; r < 4; r++) {
            tg_json *row = tg_json_set_array(m, NULL);
            for (int k = 0; k < 4; k++)
                tg_json_set_number(row, NULL, (double)c2w[4 * r + k]);
        }
    }
    must(tg_json_write(ctx, in_folder(name), root));
    tg_json_destroy(&root);
}

static void write_processed(void) {
    const int64_t lm[] = {1, TG_MOTION_POINTS, 3};
    must(tg_make_dirs(ctx, in_folder("processed")));
    write_transforms("processed/transforms_train.json", 0, TRAIN);
    write_transforms("processed/transforms_val.json", TRAIN, VAL);
    must(tg_image_write(ctx, in_folder("processed/bc.jpg"), SIDE, SIDE, 3, background));
    must(tg_npy_write(ctx, in_folder("processed/idexp_lm3d_mean.npy"), 3, lm, mean));
    must(tg_npy_write(ctx, in_folder("processed/idexp_lm3d_std.npy"), 3, lm, deviation));
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: published DIR\n");
        return 2;
    }
    folder = argv[1];
    ctx = tg_context_create(1);
    for (int k = 0; k < TG_MOTION_DIM; k++) {
        mean[k] = 0.2f * sinf((float)k);
        deviation[k] = 0.3f + 0.1f * cosf((float)k);
    }
    for (int i = 0; i < SIDE * SIDE * 3; i++)
        background[i] = (uint8_t)(100 + 50 * sin(0.01 * i));
    must(tg_make_dirs(ctx, folder));
    write_letters("letters.safetensors", 1);
    write_letters("other.safetensors", 2);
    write_postnet("postnet.ckpt", false);
    write_postnet("postnet_pitch.ckpt", true);
    write_dataset();
    write_processed();
    static float logits[50 * 29];
    for (int i = 0; i < 50 * 29; i++)
        logits[i] = sinf(0.37f * (float)i);
    must(tg_npy_write(ctx, in_folder("deepspeech.npy"), 2, (int64_t[]){50, 29}, logits));
    bytes evil = {0};
    op(&evil, "\x80\x02");
    global(&evil, "os", "system");
    op(&evil, "(");
    text(&evil, "touch executed");
    op(&evil, "tR.");
    must(tg_file_write(ctx, in_folder("evil.ckpt"), evil.data, evil.n));
    free(evil.data);
    tg_context_destroy(&ctx);
    return 0;
}
