/* Which vector instructions this processor and operating system offer. */
#include "talkgen/core.h"

#include <stdio.h>
#include <string.h>

static const char *const level_names[TG_CPU_LEVELS] = {"portable", "neon",       "avx2",
                                                       "avx512",   "avx512vnni", "avx512bf16"};

tg_cpu_level tg_cpu_detect(void) {
#if defined(__x86_64__)
    /* The compiler's helper also asks the OS whether it saves the wide registers. */
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return TG_CPU_PORTABLE;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return TG_CPU_AVX2;
    if (!__builtin_cpu_supports("avx512vnni"))
        return TG_CPU_AVX512;
    return __builtin_cpu_supports("avx512bf16") ? TG_CPU_AVX512BF16 : TG_CPU_AVX512VNNI;
#elif defined(__aarch64__)
    return TG_CPU_NEON;
#else
    return TG_CPU_PORTABLE;
#endif
}

bool tg_cpu_has(tg_cpu_level level) {
#if defined(__x86_64__)
    if (level == TG_CPU_NEON)
        return false;
#endif
    return level >= TG_CPU_PORTABLE && level <= tg_cpu_detect();
}

tg_cpu_level tg_cpu_fastest(void) {
    tg_cpu_level level = tg_cpu_detect();
#if defined(__x86_64__)
    if (level == TG_CPU_AVX512BF16 && __builtin_cpu_is("intel"))
        level = TG_CPU_AVX512VNNI;
#endif
    return level;
}

const char *tg_cpu_level_name(tg_cpu_level level) {
    return level >= 0 && level < TG_CPU_LEVELS ? level_names[level] : "unknown";
}

bool tg_cpu_level_parse(const char *name, tg_cpu_level *out) {
    for (int i = 0; i < TG_CPU_LEVELS; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *out = (tg_cpu_level)i;
            return true;
        }
    return false;
}

/* The first line of /proc/cpuinfo that begins with `name`: what is behind its colon. */
static bool cpuinfo(const char *name, char *line, int size) {
    FILE *file = fopen("/proc/cpuinfo", "r");
    bool found = false;
    while (file && !found && fgets(line, size, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, name, strlen(name)) != 0 || !colon)
            continue;
        colon += 1 + (colon[1] == ' ');
        colon[strcspn(colon, "\n")] = '\0';
        memmove(line, colon, strlen(colon) + 1);
        found = true;
    }
    if (file)
        fclose(file);
    return found;
}

void tg_cpu_model(char *buffer, size_t size) {
    char line[256], part[64];
    if (cpuinfo("model name", line, sizeof line))
        snprintf(buffer, size, "%s", line);
    else if (cpuinfo("CPU implementer", line, sizeof line) &&
             cpuinfo("CPU part", part, sizeof part))
        snprintf(buffer, size, "ARM implementer %s part %s", line, part); /* no name there */
    else
        snprintf(buffer, size, "unknown");
}

void tg_cpu_features(char *buffer, size_t size) {
    static const char *const wanted[] = {
        "sse4_2",      "avx",      "f16c",     "fma",      "avx2",        "avx_vnni",
        "avx512f",     "avx512dq", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16",
        "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8", "hypervisor",  "asimd",
        "asimdhp",     "asimddp",  "bf16",     "i8mm",     "sve",         "sve2"};
    char line[8192];
    size_t used = 0;
    buffer[0] = '\0';
    if (!cpuinfo("flags", line, sizeof line) && !cpuinfo("Features", line, sizeof line))
        return;
    for (char *rest = line, *word; (word = strsep(&rest, " "));)
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted && used < size; i++)
            if (strcmp(word, wanted[i]) == 0)
                used += (size_t)snprintf(buffer + used, size - used, "%s%s", used ? " " : "", word);
}
