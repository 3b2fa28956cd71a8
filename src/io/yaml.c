/* YAML over libyaml, as the configurations of GeneFace need it: one document becomes a tg_json with
 * scalars typed the way PyYAML types them, and files inherit from others through base_config. */
#include "io/files.h"
#include "talkgen/io.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* A merged configuration has some hundred keys in 6 kB. The limits keep hostile files cheap: an
 * alias may stand for a large value many times, and a key is looked up by walking its siblings. */
enum { MAX_BYTES = 64 << 10, MAX_NODES = 8192, MAX_DEPTH = 32, MAX_BASES = 16, MAX_FILES = 64 };

/* ---- one document -------------------------------------------------------------------- */

typedef struct {
    tg_context *ctx;
    const char *name;
    yaml_document_t *document;
    int *nodes; /* made so far, aliases counted each time */
} builder;

static tg_status refuse(const builder *b, const yaml_node_t *node, const char *what,
                        const char *expected) {
    return tg_fail(b->ctx, TG_EINPUT,
                   "%s: %s at line %zu, column %zu\n  expected: %s\n"
                   "  try: a plain configuration, as GeneFace's are",
                   b->name, what, node->start_mark.line + 1, node->start_mark.column + 1, expected);
}

static bool one_of(const char *text, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Digits of `base` with the underscores of YAML 1.1; false when `text` is anything else. */
static bool digits(const char *text, int base, double *out) {
    double value = 0;
    bool any = false;
    for (; *text; text++) {
        if (*text == '_') {
            continue;
        }
        int digit = isdigit((unsigned char)*text)    ? *text - '0'
                    : isxdigit((unsigned char)*text) ? tolower((unsigned char)*text) - 'a' + 10
                                                     : 99;
        if (digit >= base) {
            return false;
        }
        value = value * base + digit;
        any = true;
    }
    *out = value;
    return any;
}

/* 1:30:00 counts in sixties in YAML 1.1, the last part may have a fraction. */
static bool sixties(const char *text, double *out) {
    double value = 0;
    if (!isdigit((unsigned char)*text) || !strchr(text, ':')) {
        return false;
    }
    while (*text) {
        char *end;
        if (!isdigit((unsigned char)*text)) {
            return false;
        }
        double part = strtod(text, &end);
        if (memchr(text, 'e', (size_t)(end - text)) || memchr(text, 'x', (size_t)(end - text)) ||
            !(part < 60 || value == 0) || (*end != ':' && *end != '\0')) {
            return false;
        }
        value = value * 60 + part;
        text = end;
        if (*text == ':' && !*++text) {
            return false;
        }
    }
    *out = value;
    return true;
}

/* Whole numbers and fractions of YAML 1.1, and 1e-4, which PyYAML leaves a text because it has no
 * point but GeneFace casts. Infinity and NaN are no JSON numbers and stay texts. */
static bool number_of(const char *text, double *out) {
    const char *body = text + (*text == '-' || *text == '+');
    double value = 0;
    bool ok;
    if (body[0] == '0' && (body[1] == 'x' || body[1] == 'b')) {
        ok = digits(body + 2, body[1] == 'x' ? 16 : 2, &value);
    } else if (body[0] == '0' && body[1] && digits(body, 8, &value)) {
        ok = true;
    } else if (sixties(body, &value)) {
        ok = true;
    } else {
        char plain[64];
        size_t n = 0;
        ok = isdigit((unsigned char)body[0]) || (body[0] == '.' && isdigit((unsigned char)body[1]));
        for (const char *c = body; ok && *c; c++) {
            ok = (isdigit((unsigned char)*c) || strchr("._eE+-", *c)) && n + 1 < sizeof plain;
            if (ok && *c != '_') {
                plain[n++] = *c;
            }
        }
        plain[n] = '\0';
        char *end = plain;
        value = ok ? strtod(plain, &end) : 0;
        ok = ok && end != plain && !*end;
    }
    *out = *text == '-' ? -value : value;
    return ok && isfinite(value);
}

static bool tagged(const yaml_node_t *node, const char *tag) {
    return node->tag && strcmp((const char *)node->tag, tag) == 0;
}

/* Takes its place under `key` of an object, or at the end of an array. */
static tg_json *put_scalar(const builder *b, const yaml_node_t *node, tg_json *parent,
                           const char *key, tg_status *status) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const yes[] = {"yes",  "Yes", "YES", "true", "True",
                                      "TRUE", "on",  "On",  "ON"};
    static const char *const no[] = {"no",    "No",  "NO",  "false", "False",
                                     "FALSE", "off", "Off", "OFF"};
    const char *text = (const char *)node->data.scalar.value;
    if (strlen(text) != node->data.scalar.length) {
        *status = refuse(b, node, "a text with a zero byte", "printable text");
        return NULL;
    }
    /* The loader gives every scalar without a tag that of a text; only plain ones have a type. */
    const bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    double value;
    if (tagged(node, YAML_FLOAT_TAG) || tagged(node, YAML_INT_TAG)) {
        if (number_of(text, &value)) {
            return tg_json_set_number(parent, key, value);
        }
        *status = refuse(b, node, "no number after its tag", "a finite number");
        return NULL;
    }
    if (!tagged(node, YAML_STR_TAG) && !tagged(node, YAML_BOOL_TAG) &&
        !tagged(node, YAML_NULL_TAG) && node->tag) {
        *status = refuse(b, node, "a tag that is not known", "text, numbers, true, false, null");
        return NULL;
    }
    if (plain && one_of(text, nulls, sizeof nulls / sizeof *nulls)) {
        return tg_json_set_string(parent, key, NULL);
    }
    if (plain && one_of(text, yes, sizeof yes / sizeof *yes)) {
        return tg_json_set_bool(parent, key, true);
    }
    if (plain && one_of(text, no, sizeof no / sizeof *no)) {
        return tg_json_set_bool(parent, key, false);
    }
    if (plain && number_of(text, &value)) {
        return tg_json_set_number(parent, key, value);
    }
    return tg_json_set_string(parent, key, text);
}

static tg_status put_node(const builder *b, int index, int depth, tg_json *parent, const char *key);

static bool is_merge(const yaml_node_t *key) {
    return key->type == YAML_SCALAR_NODE && key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           strcmp((const char *)key->data.scalar.value, "<<") == 0;
}

static tg_status put_pairs(const builder *b, const yaml_node_t *node, int depth, tg_json *object);

/* `<<: *other`: the other mapping's keys, which those of this one replace. */
static tg_status put_merged(const builder *b, int index, int depth, tg_json *object) {
    const yaml_node_t *node = yaml_document_get_node(b->document, index);
    if (depth > MAX_DEPTH) {
        return refuse(b, node, "nested too deeply", "at most 32 levels");
    }
    if (node->type == YAML_MAPPING_NODE) {
        return put_pairs(b, node, depth + 1, object);
    }
    if (node->type != YAML_SEQUENCE_NODE) {
        return refuse(b, node, "a merge of something else than mappings", "<<: *mapping");
    }
    tg_status status = TG_OK; /* the first one named wins */
    for (const yaml_node_item_t *i = node->data.sequence.items.top;
         status == TG_OK && i-- > node->data.sequence.items.start;) {
        status = put_merged(b, *i, depth + 1, object);
    }
    return status;
}

static tg_status put_pairs(const builder *b, const yaml_node_t *node, int depth, tg_json *object) {
    const yaml_node_pair_t *pairs = node->data.mapping.pairs.start;
    const yaml_node_pair_t *end = node->data.mapping.pairs.top;
    tg_status status = TG_OK;
    for (const yaml_node_pair_t *p = pairs; status == TG_OK && p < end; p++) {
        if (is_merge(yaml_document_get_node(b->document, p->key))) {
            status = put_merged(b, p->value, depth, object);
        }
    }
    for (const yaml_node_pair_t *p = pairs; status == TG_OK && p < end; p++) {
        const yaml_node_t *key = yaml_document_get_node(b->document, p->key);
        if (is_merge(key)) {
            continue;
        }
        if (key->type != YAML_SCALAR_NODE) {
            return refuse(b, key, "a key that is a list or a mapping", "a name");
        }
        const char *text = (const char *)key->data.scalar.value;
        if (strlen(text) != key->data.scalar.length) {
            return refuse(b, key, "a key with a zero byte", "a name");
        }
        status = put_node(b, p->value, depth, object, text);
    }
    return status;
}

static tg_status put_node(const builder *b, int index, int depth, tg_json *parent,
                          const char *key) {
    const yaml_node_t *node = yaml_document_get_node(b->document, index);
    if (++*b->nodes > MAX_NODES) {
        return refuse(b, node, "too many values, each use of an alias counted", "at most 8192");
    }
    if (depth > MAX_DEPTH) { /* also an alias inside of what it names */
        return refuse(b, node, "nested too deeply", "at most 32 levels");
    }
    tg_status status = TG_OK;
    tg_json *made;
    if (node->type == YAML_SCALAR_NODE) {
        made = put_scalar(b, node, parent, key, &status);
    } else if (!tagged(node, node->type == YAML_MAPPING_NODE ? YAML_MAP_TAG : YAML_SEQ_TAG)) {
        return refuse(b, node, "a tag that is not known", "plain lists and mappings");
    } else if (node->type == YAML_MAPPING_NODE) {
        made = tg_json_set_object(parent, key);
        status = made ? put_pairs(b, node, depth + 1, made) : TG_OK;
    } else {
        made = tg_json_set_array(parent, key);
        for (const yaml_node_item_t *i = node->data.sequence.items.start;
             made && status == TG_OK && i < node->data.sequence.items.top; i++) {
            status = put_node(b, *i, depth + 1, made, NULL);
        }
    }
    if (status == TG_OK && !made) {
        return tg_fail(b->ctx, TG_ENOMEM, "%s: not enough memory for its values", b->name);
    }
    return status;
}

static tg_status parse_failed(tg_context *ctx, const char *name, const yaml_parser_t *parser) {
    /* Where it makes a document, libyaml fails without a word when it has no memory. */
    if (parser->error == YAML_MEMORY_ERROR || parser->error == YAML_NO_ERROR) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to read it", name);
    }
    return tg_fail(ctx, TG_EINPUT,
                   "%s: not valid YAML at line %zu, column %zu: %s\n  expected: YAML\n"
                   "  try: the config.yaml that training wrote beside the checkpoint",
                   name, parser->problem_mark.line + 1, parser->problem_mark.column + 1,
                   parser->problem ? parser->problem : "unreadable");
}

/* *object receives the document's mapping; nodes counts over several documents. */
static tg_status parse(tg_context *ctx, const char *text, size_t bytes, const char *name,
                       int *nodes, tg_json **object) {
    yaml_parser_t parser;
    yaml_document_t document, second;
    *object = NULL;
    if (bytes > MAX_BYTES) {
        return tg_fail(ctx, TG_EINPUT,
                       "%s: %zu bytes of YAML\n  expected: at most %d\n"
                       "  try: the config.yaml that training wrote beside the checkpoint",
                       name, bytes, MAX_BYTES);
    }
    if (!yaml_parser_initialize(&parser)) {
        return tg_fail(ctx, TG_ENOMEM, "%s: not enough memory to read it", name);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
    if (!yaml_parser_load(&parser, &document)) {
        tg_status status = parse_failed(ctx, name, &parser);
        yaml_parser_delete(&parser);
        return status;
    }
    const builder b = {ctx, name, &document, nodes};
    const yaml_node_t *root = yaml_document_get_root_node(&document);
    tg_status status = TG_OK;
    if (!root || root->type != YAML_MAPPING_NODE || !tagged(root, YAML_MAP_TAG)) {
        status = tg_fail(ctx, TG_EINPUT,
                         "%s: the document is no mapping\n  expected: key: value lines\n"
                         "  try: the config.yaml that training wrote beside the checkpoint",
                         name);
    } else if (!(*object = tg_json_new_object())) {
        status = tg_fail(ctx, TG_ENOMEM, "%s: not enough memory for its values", name);
    } else {
        status = put_pairs(&b, root, 1, *object);
    }
    yaml_document_delete(&document);
    if (status == TG_OK) {
        if (!yaml_parser_load(&parser, &second)) {
            status = parse_failed(ctx, name, &parser);
        } else {
            if (yaml_document_get_root_node(&second)) {
                status = tg_fail(ctx, TG_EINPUT,
                                 "%s: more than one document\n  expected: one\n"
                                 "  try: leave out what follows the line ---",
                                 name);
            }
            yaml_document_delete(&second);
        }
    }
    yaml_parser_delete(&parser);
    if (status != TG_OK) {
        tg_json_destroy(object);
    }
    return status;
}

tg_status tg_yaml_parse(tg_context *ctx, const char *text, size_t bytes, const char *name,
                        tg_json **out) {
    int nodes = 0;
    return parse(ctx, text, bytes, name, &nodes, out);
}

/* ---- inheritance ----------------------------------------------------------------------- */

typedef struct {
    tg_context *ctx;
    int nodes, files;
    char *loaded[MAX_FILES]; /* real paths */
    bool reading[MAX_FILES]; /* of those, the ones whose bases are being read */
} inheritance;

/* Later values replace earlier ones; mappings that both have are merged. Takes `over`. */
static tg_status override(inheritance *in, tg_json *base, tg_json *over, int depth) {
    for (const tg_json *v = tg_json_first(over); v; v = tg_json_next(v)) {
        const char *key = tg_json_key(v);
        tg_json *old = tg_json_get(base, key);
        if (tg_json_is_object(v) && tg_json_is_object(old) && depth < MAX_DEPTH) {
            tg_status status = override(in, old, tg_json_get(over, key), depth + 1);
            if (status != TG_OK) {
                return status;
            }
            continue;
        }
        char *text = tg_json_print(v, false);
        tg_json *copy = NULL;
        tg_status status = text ? tg_json_parse(in->ctx, text, strlen(text), key, &copy)
                                : tg_fail(in->ctx, TG_ENOMEM, "not enough memory for %s", key);
        tg_free(text);
        if (status != TG_OK) {
            return status;
        }
        if (!tg_json_set_json(base, key, copy)) {
            return tg_fail(in->ctx, TG_ENOMEM, "not enough memory for %s", key);
        }
    }
    return TG_OK;
}

/* `base` as named in the file `from`: "./x" and "../x" from its folder, others from the nearest
 * parent folder that has them (the root of the repository). false when there is no such file. */
static bool find_base(const char *from, const char *base, char out[PATH_MAX]) {
    char folder[PATH_MAX];
    const bool here = base[0] == '.';
    while (base[0] == '.' && base[1] == '/') {
        base += 2;
    }
    if (base[0] == '/') {
        snprintf(out, PATH_MAX, "%s", base);
        return tg_file_exists(out);
    }
    if (!realpath(from, folder)) {
        return false;
    }
    for (;;) {
        char *slash = strrchr(folder, '/');
        if (!slash) {
            return false;
        }
        *slash = '\0';
        int n = snprintf(out, PATH_MAX, "%s/%s", folder, base);
        if (n > 0 && n < PATH_MAX && tg_file_exists(out)) {
            return true;
        }
        if (here) {
            return false;
        }
    }
}

static tg_status read_file(inheritance *in, const char *path, int depth, tg_json **out);

static tg_status read_base(inheritance *in, const char *path, const tg_json *name, int depth,
                           tg_json *all) {
    char file[PATH_MAX];
    const char *base = tg_json_string(name, NULL);
    if (!base || !*base) {
        return tg_fail(in->ctx, TG_EINPUT,
                       "%s: base_config is no path\n  expected: a path or a list of paths\n"
                       "  try: base_config: ./base.yaml",
                       path);
    }
    if (!find_base(path, base, file)) {
        return tg_fail(in->ctx, TG_EINPUT,
                       "%s: its base_config %s is not there\n"
                       "  expected: a file %s\n"
                       "  try: the config.yaml that training wrote beside the checkpoint, which "
                       "needs no other file",
                       path, base,
                       base[0] == '.' ? "seen from this one's folder"
                                      : "in this one's folder or in a folder above it");
    }
    tg_json *values = NULL;
    tg_status status = read_file(in, file, depth, &values);
    if (status == TG_OK && values) {
        status = override(in, all, values, 0);
    }
    tg_json_destroy(&values);
    return status;
}

/* *out stays NULL for a file that was read before: like the reference, each counts once. */
static tg_status read_file(inheritance *in, const char *path, int depth, tg_json **out) {
    char real[PATH_MAX], *text = NULL;
    size_t bytes = 0;
    *out = NULL;
    if (!realpath(path, real)) {
        return tg_read_failed(in->ctx, TG_EINPUT, path, errno);
    }
    for (int i = 0; i < in->files; i++) {
        if (strcmp(in->loaded[i], real) == 0) {
            return in->reading[i] ? tg_fail(in->ctx, TG_EINPUT,
                                            "%s: its base_config leads back to it\n"
                                            "  expected: files that inherit from others\n"
                                            "  try: leave one of them out",
                                            path)
                                  : TG_OK;
        }
    }
    if (in->files == MAX_FILES || depth > MAX_BASES) {
        return tg_fail(in->ctx, TG_EINPUT,
                       "%s: too many base_config files\n  expected: at most %d, %d deep\n"
                       "  try: the config.yaml that training wrote beside the checkpoint",
                       path, MAX_FILES, MAX_BASES);
    }
    int mine = in->files;
    if (!(in->loaded[mine] = strdup(real))) {
        return tg_fail(in->ctx, TG_ENOMEM, "%s: not enough memory", path);
    }
    in->reading[in->files++] = true;
    tg_json *own = NULL, *all = NULL;
    tg_status status = tg_file_read(in->ctx, path, MAX_BYTES, &text, &bytes);
    if (status == TG_OK) {
        status = parse(in->ctx, text, bytes, path, &in->nodes, &own);
    }
    tg_free(text);
    const tg_json *bases = tg_json_get(own, "base_config");
    /* What training writes is complete and is read as it is; it still names its bases, by paths of
     * the machine that trained. Only such a file has a folder of its own. */
    const bool merged = *tg_json_string(tg_json_get(own, "work_dir"), "") != '\0';
    if (status != TG_OK || !bases || merged) {
        in->reading[mine] = false;
        *out = own;
        return status;
    }
    if (!(all = tg_json_new_object())) {
        status = tg_fail(in->ctx, TG_ENOMEM, "%s: not enough memory", path);
    }
    if (tg_json_is_array(bases)) {
        for (const tg_json *v = tg_json_first(bases); v && status == TG_OK; v = tg_json_next(v)) {
            status = read_base(in, path, v, depth + 1, all);
        }
    } else if (status == TG_OK) {
        status = read_base(in, path, bases, depth + 1, all);
    }
    if (status == TG_OK) {
        status = override(in, all, own, 0);
    }
    in->reading[mine] = false;
    tg_json_destroy(&own);
    if (status != TG_OK) {
        tg_json_destroy(&all);
    }
    *out = all;
    return status;
}

tg_status tg_yaml_read(tg_context *ctx, const char *path, tg_json **out) {
    inheritance in = {.ctx = ctx};
    tg_status status = read_file(&in, path, 0, out);
    for (int i = 0; i < in.files; i++) {
        free(in.loaded[i]);
    }
    return status;
}
