/* Where the shipped models are. */
#include "cli/shipped.h"

#include "talkgen/io.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void cli_folder_of(const char *path, char out[CLI_PATH]) {
    const char *slash = strrchr(path, '/');
    snprintf(out, CLI_PATH, "%.*s", slash ? (int)(slash - path + 1) : 0, path);
}

static const char *existing(char out[CLI_PATH], const char *folder, const char *below,
                            const char *name) {
    const int n = snprintf(out, CLI_PATH, "%s%s%s", folder, below, name);
    return n > 0 && n < CLI_PATH && tg_file_exists(out) ? out : NULL;
}

const char *cli_shipped_model(const char *name, char out[CLI_PATH]) {
    char program[CLI_PATH], folder[CLI_PATH];
    const char *found = existing(out, "", "models/", name);
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (found || n <= 0)
        return found;
    program[n] = '\0';
    cli_folder_of(program, folder);
    static const char *const places[] = {"models/", "../models/", "../share/talkgen/models/"};
    for (size_t i = 0; !found && i < sizeof places / sizeof *places; i++)
        found = existing(out, folder, places[i], name);
    return found;
}

const char *cli_actor_tables(char out[CLI_PATH]) {
    char table[CLI_PATH];
    if (!cli_shipped_model("actor/visemes.json", table))
        return NULL;
    cli_folder_of(table, out);
    return out;
}
