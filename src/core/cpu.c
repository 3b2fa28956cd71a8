/* Which vector instructions this processor and operating system offer. */
#include "talkgen/core.h"

#include <stdio.h>
#include <string.h>

static const char *const level_names[TG_CPU_LEVELS] = {"portable", "avx2", "avx512", "avx512bf16"};

tg_cpu_level tg_cpu_detect(void) {
#if defined(__x86_64__)
    /* The compiler's helper also asks the OS whether it saves the wide registers. */
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return TG_CPU_PORTABLE;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return TG_CPU_AVX2;
    return __builtin_cpu_supports("avx512bf16") ? TG_CPU_AVX512BF16 : TG_CPU_AVX512;
#else
    return TG_CPU_PORTABLE;
#endif
}

tg_cpu_level tg_cpu_fastest(void) {
    tg_cpu_level level = tg_cpu_detect();
#if defined(__x86_64__)
    if (level == TG_CPU_AVX512BF16 && __builtin_cpu_is("intel"))
        level = TG_CPU_AVX512;
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

void tg_cpu_model(char *buffer, size_t size) {
    snprintf(buffer, size, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file)
        return;
    char line[256];
    while (fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        colon += 1 + (colon[1] == ' ');
        colon[strcspn(colon, "\n")] = '\0';
        snprintf(buffer, size, "%s", colon);
        break;
    }
    fclose(file);
}
