/* Names of parameters, both ways: for loading, and for messages about the file. */
#include "convert/names.h"

#include <stdio.h>
#include <string.h>

void tg_rename_by_table(void *table, const char *name, char out[TG_ST_NAME_ROOM]) {
    for (const tg_name_pair *p = table; p->theirs; p++) {
        size_t n = strlen(p->theirs);
        if (strncmp(name, p->theirs, n) != 0 || (name[n] != '.' && name[n] != '\0'))
            continue;
        snprintf(out, TG_ST_NAME_ROOM, "%s%s", p->ours, *p->ours ? name + n : "");
        return;
    }
    snprintf(out, TG_ST_NAME_ROOM, "%s", name);
}

/* Whether `at`, within `text`, is where a name begins. */
static bool begins(const char *text, const char *at) {
    return at == text || strchr(" .'\"(", at[-1]) != NULL;
}

tg_status tg_with_their_names(tg_context *ctx, tg_status s, const tg_name_pair *table) {
    if (s != TG_EMODEL)
        return s;
    char from[2048], to[2048];
    snprintf(from, sizeof from, "%s", tg_message(ctx));
    size_t used = 0;
    for (const char *at = from; *at && used + 1 < sizeof to;) {
        const tg_name_pair *hit = NULL;
        for (const tg_name_pair *p = table; p->theirs && !hit; p++) {
            size_t n = strlen(p->ours);
            if (n > 0 && begins(from, at) && strncmp(at, p->ours, n) == 0 &&
                (at[n] == '.' || at[n] == ' ' || at[n] == '[' || at[n] == '\0'))
                hit = p;
        }
        int n = hit ? snprintf(to + used, sizeof to - used, "%s", hit->theirs) : 1;
        if (!hit)
            to[used] = *at;
        at += hit ? strlen(hit->ours) : 1;
        used += (size_t)n;
    }
    to[used < sizeof to ? used : sizeof to - 1] = '\0';
    return tg_fail(ctx, s, "%s", to);
}
