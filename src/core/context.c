/* Context: status, the message that explains it, remarks, progress, cancellation. */
#include "core/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tg_exit_code(tg_status status) {
    return status >= 0 ? 0 : (status < -130 ? 1 : -status);
}

tg_context *tg_context_create(int threads) {
    tg_context *ctx = calloc(1, sizeof *ctx);
    if (!ctx)
        return NULL;
    ctx->cpu = tg_cpu_fastest();
    ctx->pool = tg_pool_create(threads);
    if (!ctx->pool)
        tg_context_destroy(&ctx);
    return ctx;
}

void tg_context_destroy(tg_context **ctx) {
    if (!ctx || !*ctx)
        return;
    tg_pool_destroy(&(*ctx)->pool);
    free(*ctx);
    *ctx = NULL;
}

tg_status tg_fail(tg_context *ctx, tg_status status, const char *format, ...) {
    if (!ctx)
        return status;
    /* The arguments may point into the old message ("%s, while loading x"). */
    char text[TG_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(ctx->message, text, sizeof text);
    ctx->system_error = 0;
    if (status == TG_OK)
        ctx->message[0] = '\0';
    return status;
}

const char *tg_message(const tg_context *ctx) {
    return ctx ? ctx->message : "";
}

int tg_system_error(const tg_context *ctx) {
    return ctx ? ctx->system_error : 0;
}

void tg_set_system_error(tg_context *ctx, int error) {
    if (ctx)
        ctx->system_error = error;
}

void tg_context_set_note(tg_context *ctx, tg_note_fn *fn, void *user) {
    ctx->note = fn;
    ctx->note_user = user;
}

void tg_note(tg_context *ctx, const char *format, ...) {
    if (!ctx || !ctx->note)
        return;
    char text[TG_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ctx->note(ctx->note_user, text);
}

void tg_context_set_progress(tg_context *ctx, tg_progress_fn *fn, void *user) {
    ctx->progress = fn;
    ctx->progress_user = user;
}

void tg_progress(tg_context *ctx, const char *stage, double done, double total, const char *text) {
    if (ctx && ctx->progress)
        ctx->progress(ctx->progress_user, stage, done, total, text ? text : "");
}

void tg_cancel(tg_context *ctx, tg_status why) {
    atomic_store(&ctx->cancelled, why);
}

tg_status tg_cancelled(const tg_context *ctx) {
    return ctx ? atomic_load(&((tg_context *)(uintptr_t)ctx)->cancelled) : TG_OK;
}

tg_pool *tg_context_pool(const tg_context *ctx) {
    return ctx ? ctx->pool : NULL;
}

tg_cpu_level tg_context_cpu(const tg_context *ctx) {
    return ctx ? ctx->cpu : tg_cpu_fastest();
}

tg_status tg_context_set_cpu(tg_context *ctx, tg_cpu_level level) {
    if (!tg_cpu_has(level)) {
        char names[128] = "";
        for (int i = 0, used = 0; i < TG_CPU_LEVELS; i++)
            if (tg_cpu_has((tg_cpu_level)i))
                used += snprintf(names + used, sizeof names - (size_t)used, "%s%s",
                                 used ? ", " : "", tg_cpu_level_name((tg_cpu_level)i));
        return tg_fail(ctx, TG_EUSAGE,
                       "CPU level '%s' is not one of this processor's\n"
                       "  expected: one of %s\n  try: --cpu-level %s",
                       tg_cpu_level_name(level), names, tg_cpu_level_name(tg_cpu_detect()));
    }
    ctx->cpu = level;
    return TG_OK;
}

static const char *const precision_names[TG_PRECISIONS] = {"float32", "int16"};

const char *tg_precision_name(tg_precision precision) {
    return precision >= 0 && precision < TG_PRECISIONS ? precision_names[precision] : "unknown";
}

bool tg_precision_parse(const char *name, tg_precision *out) {
    for (int i = 0; i < TG_PRECISIONS; i++)
        if (strcmp(name, precision_names[i]) == 0) {
            *out = (tg_precision)i;
            return true;
        }
    return false;
}

tg_precision tg_context_precision(const tg_context *ctx) {
    return ctx ? ctx->precision : TG_FLOAT32;
}

void tg_context_set_precision(tg_context *ctx, tg_precision precision) {
    ctx->precision = precision;
}

const char *tg_version(void) {
    return "0.1.0";
}
