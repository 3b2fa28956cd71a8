/* Parameters of a network through a file. */
#include "io_test.h"

static tg_params *network(void) {
    tg_params *set = tg_params_create();
    assert_non_null(tg_params_add(set, "pre.weight", 3, (int64_t[]){4, 2, 3}, tg_init_fan_in(6)));
    assert_non_null(tg_params_add(set, "conv.weight_g", 3, (int64_t[]){4, 1, 1},
                                  (tg_init){TG_INIT_UNIFORM, 1.0f}));
    assert_non_null(tg_params_add(set, "conv.weight_v", 3, (int64_t[]){4, 2, 3},
                                  (tg_init){TG_INIT_NORMAL, 1.0f}));
    assert_non_null(tg_params_add_buffer(set, "bn.running_mean", 1, (int64_t[]){4}, 0.5f));
    return set;
}

static void through_a_file(void **state) {
    (void)state;
    tg_params *a = network(), *b = network();
    tg_params_init(a, 1);
    tg_params_init(b, 2);
    tg_st_writer *w = tg_st_writer_create();
    assert_true(tg_params_store(w, a, "motion.vae.", TG_F32));
    assert_false(tg_params_store(w, a, "motion.vae.", TG_F32)); /* names are taken */
    assert_ok(tg_st_write(ctx, w, in_folder("a.ckpt")));
    tg_st_writer_destroy(&w);
    tg_st *st;
    assert_ok(tg_st_open(ctx, in_folder("a.ckpt"), &st));
    assert_non_null(tg_st_find(st, "motion.vae.bn.running_mean"));
    assert_ok(tg_params_load(ctx, b, st, "motion.vae."));
    for (int i = 0; i < tg_params_count(a); i++) {
        const tg_tensor *x = tg_params_at(a, i)->value, *y = tg_params_at(b, i)->value;
        assert_memory_equal(x->data, y->data, (size_t)tg_numel(x) * sizeof(float));
    }
    assert_int_equal(tg_params_load(ctx, b, st, "render."), TG_EMODEL);
    assert_message("render.pre.weight is missing");
    assert_non_null(tg_params_add_buffer(b, "new", 1, (int64_t[]){4}, 0.5f));
    assert_int_equal(tg_params_load(ctx, b, st, "motion.vae."), TG_EMODEL);
    assert_message("motion.vae.new is missing\n  expected: motion.vae.new of shape [4]");
    tg_params *c = tg_params_create();
    assert_non_null(tg_params_add(c, "pre.weight", 3, (int64_t[]){4, 3, 2}, tg_init_fan_in(6)));
    assert_int_equal(tg_params_load(ctx, c, st, "motion.vae."), TG_EMODEL);
    assert_message("has shape [4, 2, 3]\n  expected: [4, 3, 2]");
    tg_st_close(&st);
    tg_params_destroy(&a);
    tg_params_destroy(&b);
    tg_params_destroy(&c);
    empty_folder();
}

static void new_names_of_weight_norm(void **state) {
    (void)state;
    float gain[4] = {1, 2, 3, 4}, direction[24];
    for (int i = 0; i < 24; i++) {
        direction[i] = (float)i;
    }
    tg_st_writer *w = tg_st_writer_create();
    assert_true(tg_st_add_f32(w, "x.conv.parametrizations.weight.original0", TG_F32, 3,
                              (int64_t[]){4, 1, 1}, gain));
    assert_true(tg_st_add_f32(w, "x.conv.parametrizations.weight.original1", TG_F32, 3,
                              (int64_t[]){4, 2, 3}, direction));
    assert_true(tg_st_add_f32(w, "x.pre.weight", TG_F32, 3, (int64_t[]){4, 2, 3}, direction));
    assert_true(tg_st_add_f32(w, "x.bn.running_mean", TG_F32, 1, (int64_t[]){4}, gain));
    assert_ok(tg_st_write(ctx, w, in_folder("a.ckpt")));
    tg_st_writer_destroy(&w);
    tg_st *st;
    tg_params *set = network();
    assert_ok(tg_st_open(ctx, in_folder("a.ckpt"), &st));
    assert_ok(tg_params_load(ctx, set, st, "x."));
    assert_memory_equal(tg_params_find(set, "conv.weight_g")->value->data, gain, sizeof gain);
    assert_memory_equal(tg_params_find(set, "conv.weight_v")->value->data, direction,
                        sizeof direction);
    tg_st_close(&st);
    tg_params_destroy(&set);
    empty_folder();
}

/* Float32 stays in the file, other types are converted; the set keeps the file open, does not
 * train until it has memory of its own, and can be loaded again. */
static void in_place(void **state) {
    (void)state;
    tg_params *a = network(), *b = tg_params_create();
    tg_params_init(a, 1);
    tg_st_writer *w = tg_st_writer_create();
    for (int i = 0; i < tg_params_count(a); i++) {
        const tg_param *p = tg_params_at(a, i);
        assert_true(tg_st_add_f32(w, p->name, i == 1 ? TG_F16 : TG_F32, p->value->ndim,
                                  p->value->dim, p->value->data));
    }
    assert_ok(tg_st_write(ctx, w, in_folder("a.ckpt")));
    tg_st_writer_destroy(&w);
    tg_params_defer(b);
    for (int i = 0; i < tg_params_count(a); i++) {
        const tg_param *p = tg_params_at(a, i);
        const tg_tensor *v =
            p->trainable ? tg_params_add(b, p->name, p->value->ndim, p->value->dim, p->init)
                         : tg_params_add_buffer(b, p->name, p->value->ndim, p->value->dim, 0);
        assert_non_null(v);
        assert_null(v->data);
    }
    tg_st *st;
    assert_ok(tg_st_open(ctx, in_folder("a.ckpt"), &st));
    assert_ok(tg_params_map(ctx, b, st, ""));
    for (int i = 0; i < tg_params_count(b); i++) {
        const tg_param *p = tg_params_at(b, i);
        assert_int_equal(p->borrowed, i != 1);
        assert_int_equal(p->value->data == tg_st_find(st, p->name)->data, i != 1);
    }
    tg_st_close(&st); /* the values outlive it */
    assert_null(st);
    remove(in_folder("a.ckpt"));
    for (int i = 0; i < tg_params_count(a); i++) {
        const tg_tensor *x = tg_params_at(a, i)->value, *y = tg_params_at(b, i)->value;
        for (int64_t k = 0; k < tg_numel(x); k++) {
            float want = i == 1 ? tg_f16_to_f32(tg_f32_to_f16(x->data[k])) : x->data[k];
            assert_true(y->data[k] == want);
        }
    }
    assert_int_equal(tg_params_zero_grad(ctx, b), TG_EINTERNAL);
    assert_message("pre.weight lies in a mapped file and cannot train");
    assert_int_equal(tg_params_numel(b, true), 4); /* only the converted gain would */
    tg_params_freeze(b, "", true);
    assert_ok(tg_params_zero_grad(ctx, b));
    tg_params_freeze(b, "", false);
    assert_int_equal(tg_params_zero_grad(ctx, b), TG_EINTERNAL);
    assert_ok(tg_params_own(ctx, b, -1));
    assert_ok(tg_params_zero_grad(ctx, b));
    for (int i = 0; i < tg_params_count(a); i++) {
        const tg_param *p = tg_params_at(b, i);
        assert_false(p->borrowed);
        if (i != 1) {
            assert_memory_equal(p->value->data, tg_params_at(a, i)->value->data,
                                (size_t)tg_numel(p->value) * sizeof(float));
        }
        assert_int_equal(p->value->grad != NULL, p->trainable);
        assert_int_equal(p->value->needs_grad, p->trainable);
        memset(p->value->data, 0, 4); /* its own memory */
    }
    tg_params_destroy(&a);
    tg_params_destroy(&b);
    empty_folder();
}

/* Loading into a set that borrows gives it memory first; a file whose data starts at an odd place
 * is converted. */
static void out_of_place(void **state) {
    (void)state;
    tg_params *a = network(), *b = network();
    tg_params_init(a, 1);
    tg_st_writer *w = tg_st_writer_create();
    assert_true(tg_params_store(w, a, "", TG_F32));
    assert_ok(tg_st_write(ctx, w, in_folder("a.ckpt")));
    tg_st_writer_destroy(&w);
    tg_st *st;
    assert_ok(tg_st_open(ctx, in_folder("a.ckpt"), &st));
    assert_ok(tg_params_map(ctx, b, st, ""));
    assert_true(tg_params_at(b, 0)->borrowed);
    assert_ok(tg_params_load(ctx, b, st, ""));
    assert_false(tg_params_at(b, 0)->borrowed);
    assert_memory_equal(tg_params_at(b, 0)->value->data, tg_params_at(a, 0)->value->data, 96);
    tg_st_close(&st);
    tg_params_destroy(&b);

    char *data, *moved;
    size_t bytes;
    assert_ok(tg_file_read(ctx, in_folder("a.ckpt"), 1u << 20, &data, &bytes));
    uint64_t header;
    memcpy(&header, data, sizeof header);
    moved = malloc(bytes + 1);
    memcpy(moved, data, 8 + header);
    moved[8 + header] = ' ';
    memcpy(moved + 9 + header, data + 8 + header, bytes - 8 - header);
    header++;
    memcpy(moved, &header, sizeof header);
    put_file(in_folder("odd.ckpt"), moved, bytes + 1);
    free(moved);
    tg_free(data);
    b = network();
    assert_ok(tg_st_open(ctx, in_folder("odd.ckpt"), &st));
    assert_ok(tg_params_map(ctx, b, st, ""));
    tg_st_close(&st);
    for (int i = 0; i < tg_params_count(b); i++) {
        const tg_param *p = tg_params_at(b, i);
        assert_false(p->borrowed);
        assert_memory_equal(p->value->data, tg_params_at(a, i)->value->data,
                            (size_t)tg_numel(p->value) * sizeof(float));
    }
    tg_params_destroy(&a);
    tg_params_destroy(&b);
    empty_folder();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(through_a_file),
        cmocka_unit_test(new_names_of_weight_norm),
        cmocka_unit_test(in_place),
        cmocka_unit_test(out_of_place),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
