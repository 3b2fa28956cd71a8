/* Lists of mistakes. */
#include "dataset/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAMED = 4 }; /* names told of each entry; the others are counted */

static void add(tg_findings *f, bool note, const char *what, const char *todo, const char *name) {
    tg_finding *e = NULL;
    for (int i = 0; i < f->count && !e; i++)
        if (strcmp(f->entry[i].what, what) == 0)
            e = &f->entry[i];
    if (!e) {
        if (f->count == TG_MAX_FINDINGS) /* as many as there are kinds of mistakes, and some */
            return;
        e = &f->entry[f->count++];
        *e = (tg_finding){.what = what, .todo = todo, .note = note};
        f->wrong += !note;
    }
    if (name && e->times < NAMED) {
        size_t used = strlen(e->names);
        snprintf(e->names + used, sizeof e->names - used, "%s%s", used ? ", " : "", name);
    }
    e->times++;
}

void tg_find(tg_findings *f, const char *what, const char *todo, const char *format, ...) {
    char name[160];
    va_list args;
    va_start(args, format);
    if (format)
        vsnprintf(name, sizeof name, format, args);
    va_end(args);
    add(f, false, what, todo, format ? name : NULL);
}

void tg_find_note(tg_findings *f, const char *what, const char *todo, const char *format, ...) {
    char name[160];
    va_list args;
    va_start(args, format);
    if (format)
        vsnprintf(name, sizeof name, format, args);
    va_end(args);
    add(f, true, what, todo, format ? name : NULL);
}

void tg_finding_text(const tg_finding *e, char *out, size_t size) {
    if (!e->names[0])
        snprintf(out, size, "%s", e->what);
    else if (e->times > NAMED)
        snprintf(out, size, "%s: %s and %lld more", e->what, e->names, (long long)e->times - NAMED);
    else
        snprintf(out, size, "%s: %s", e->what, e->names);
}
