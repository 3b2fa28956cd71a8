/* talkgen doctor and version: what this machine and this binary can do. */
#include "cli/commands.h"
#include "cli/self_check.h"
#include "cli/shipped.h"

#include "talkgen/convert.h"
#include "talkgen/io.h"
#include "talkgen/render.h"
#include "talkgen/speech.h"
#ifdef TALKGEN_STUDIO
#include "talkgen/studio.h"
#endif

#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

tg_status cmd_version(tg_context *ctx, const cli_args *args) {
    (void)ctx;
    (void)args;
    printf("talkgen %s\ncommit %s\nown code: MIT\n%s", tg_version(), tg_commit(), tg_io_licences());
    printf("fftw3: GPL-2.0-or-later\nlibzip: BSD-3-Clause\n");
#ifdef TALKGEN_STUDIO
    printf("flite (studio): BSD-like\nespeak-ng (studio): GPL-3.0-or-later\n"
           "this binary as a whole: GPL-3.0-or-later\n");
#else
    printf("this binary as a whole: GPL-2.0-or-later\n");
#endif
    return TG_OK;
}

/* A path without who works here: what lies in a home is shown from "~" on. */
static void shorten(const char *path, char out[CLI_PATH]) {
    const char *home = getenv("HOME");
    size_t n = home ? strlen(home) : 0;
    if (n > 1 && home[n - 1] == '/')
        n--;
    if (n > 1 && strncmp(path, home, n) == 0 && (path[n] == '/' || path[n] == '\0'))
        snprintf(out, CLI_PATH, "~%s", path + n);
    else if (strncmp(path, "/home/", 6) == 0)
        snprintf(out, CLI_PATH, "~%s", path + 6 + strcspn(path + 6, "/"));
    else
        snprintf(out, CLI_PATH, "%s", path);
}

/* Distribution, kernel, C library; not the name of the machine. */
static void tell_system(tg_json *root) {
    tg_json *o = tg_json_set_object(root, "system");
    char line[256], name[256] = "";
    FILE *file = fopen("/etc/os-release", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "PRETTY_NAME=\"%255[^\"\n]", name) == 1)
            tg_json_set_string(o, "distribution", name);
    if (file)
        fclose(file);
    struct utsname u;
    if (uname(&u) == 0) {
        snprintf(line, sizeof line, "%.60s %.100s %.60s", u.sysname, u.release, u.machine);
        tg_json_set_string(o, "kernel", line);
    }
    tg_json_set_string(o, "libc", gnu_get_libc_version());
}

static void set_bytes(tg_json *o, const char *key, size_t bytes) {
    if (bytes == SIZE_MAX)
        tg_json_set_string(o, key, NULL);
    else
        tg_json_set_number(o, key, (double)bytes);
}

static void tell_machine(tg_context *ctx, tg_json *root) {
    char text[512];
    tg_cpu_model(text, sizeof text);
    tg_json_set_string(root, "cpu", text);
    tg_cpu_features(text, sizeof text);
    tg_json_set_string(root, "cpu_features", text);
    tg_json_set_string(root, "cpu_level", tg_cpu_level_name(tg_context_cpu(ctx)));
    tg_json_set_string(root, "cpu_level_best", tg_cpu_level_name(tg_cpu_detect()));
    tg_device_describe(TG_DEVICE_CUDA, text, sizeof text);
    tg_json_set_string(root, "cuda", text);
    tg_json_set_number(root, "threads", tg_pool_threads(tg_context_pool(ctx)));
    tg_json *o = tg_json_set_object(root, "processors");
    tg_json_set_number(o, "online", (double)sysconf(_SC_NPROCESSORS_ONLN));
    tg_json_set_number(o, "usable", tg_cpu_count()); /* affinity and control group */
    const tg_memory memory = tg_memory_now();
    o = tg_json_set_object(root, "memory");
    set_bytes(o, "total_bytes", memory.total);
    set_bytes(o, "left_bytes", memory.left);
    set_bytes(o, "cgroup_limit_bytes", memory.group_limit);
    set_bytes(o, "address_space_limit_bytes", memory.space_limit);
}

static void tell_libraries(tg_json *root) {
    char version[64];
    const char *name;
    bool offered;
    tg_json *o = tg_json_set_object(root, "libraries");
    for (int i = 0; (name = tg_io_library(i, version)); i++)
        tg_json_set_string(o, name, version);
    tg_json_set_string(o, "FFTW", tg_fftw_version());
#ifdef TALKGEN_STUDIO
    for (int i = 0; (name = tg_studio_engine(i, version)); i++)
        tg_json_set_string(o, name, version);
    tg_json_set_bool(root, "studio", true);
#else
    tg_json_set_bool(root, "studio", false);
#endif
    tg_json_set_string(root, "video_encoder", tg_video_encoder_name());
    o = tg_json_set_object(root, "encoders");
    for (int i = 0; (name = tg_movie_encoder(i, &offered)); i++)
        tg_json_set_bool(o, name, offered);
}

static void tell_models(tg_context *ctx, tg_json *root) {
    static const char *const names[] = {"demo.ckpt", "voice.safetensors"};
    tg_json *list = tg_json_set_array(root, "models");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[CLI_PATH], shown[CLI_PATH];
        const char *found = cli_shipped_model(names[i], path);
        tg_json *o = tg_json_set_object(list, NULL);
        tg_json_set_string(o, "name", names[i]);
        if (!found) {
            tg_json_set_string(o, "state",
                               "not found beside the program, in models/ or share/talkgen/models/");
            continue;
        }
        shorten(found, shown);
        tg_json_set_string(o, "path", shown);
        tg_st *st = NULL;
        if (tg_st_open(ctx, found, &st) == TG_OK) {
            set_bytes(o, "bytes", tg_st_bytes(st));
            tg_json_set_string(o, "state", tg_st_guess(st));
        } else {
            tg_json_set_string(o, "state", "cannot be read");
        }
        tg_st_close(&st);
    }
}

/* One value in a line of text. */
static void print_value(const tg_json *v, int depth) {
    const char *key = tg_json_key(v);
    if (tg_json_is_string(v)) {
        printf("%s", tg_json_string(v, ""));
    } else if (tg_json_is_number(v) && key && strstr(key, "bytes")) {
        printf("%.0f MiB", tg_json_number(v, 0) / (1 << 20));
    } else if (tg_json_is_number(v)) {
        printf("%.10g", tg_json_number(v, 0));
    } else if (tg_json_is_object(v) || tg_json_is_array(v)) {
        const char *between = "";
        for (const tg_json *child = tg_json_first(v); child; child = tg_json_next(child)) {
            const char *name = tg_json_key(child);
            const int n =
                name ? (int)(strstr(name, "_bytes") ? strlen(name) - 6 : strlen(name)) : 0;
            printf("%s", between);
            for (int i = 0; depth == 0 && i < n; i++)
                putchar(name[i] == '_' ? ' ' : name[i]);
            printf("%s", depth == 0 && n > 0 ? " " : "");
            print_value(child, depth + 1);
            between = depth == 0 ? ", " : " ";
        }
    } else {
        printf("%s", tg_json_bool(v, false) ? "yes" : tg_json_bool(v, true) ? "none" : "no");
    }
}

static void print_text(const tg_json *root) {
    for (const tg_json *v = tg_json_first(root); v; v = tg_json_next(v)) {
        const char *key = tg_json_key(v);
        char label[32];
        if (strcmp(key, "cpu") == 0)
            key = "processor";
        const bool level = strncmp(key, "cpu_", 4) == 0;
        snprintf(label, sizeof label, "%s%s", level ? "CPU " : "", level ? key + 4 : key);
        for (char *c = label; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        printf("%-16s ", label);
        print_value(v, 0);
        putchar('\n');
    }
}

tg_status cmd_doctor(tg_context *ctx, const cli_args *args) {
    tg_json *root = tg_json_new_object();
    tg_json_set_string(root, "version", tg_version());
    tg_json_set_string(root, "commit", tg_commit());
    tg_json_set_string(root, "build", tg_build());
    tell_system(root);
    tell_machine(ctx, root);
    tell_libraries(root);
    tell_models(ctx, root);
    /* Last, so that its message is the one that stays. */
    char folder[CLI_PATH], shown[CLI_PATH];
    tg_status checked = cli_self_check(ctx, folder);
    shorten(folder, shown);
    tg_json *o = tg_json_set_object(root, "self_check");
    tg_json_set_string(o, "mp4", checked == TG_OK ? "written and read again" : "failed");
    tg_json_set_string(o, "folder", shown);
    if (args->json) {
        const tg_status s = cli_print_json(ctx, root);
        return s == TG_OK ? checked : s;
    }
    print_text(root);
    tg_json_destroy(&root);
    return checked;
}
