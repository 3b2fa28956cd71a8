/* Gives files to a fuzz target, for compilers without libFuzzer and for debuggers. */
#include "fuzz.h"

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        char *data;
        size_t bytes;
        tg_status status = tg_file_read(fuzz_context(), argv[i], (size_t)1 << 30, &data, &bytes);
        if (status != TG_OK) {
            fprintf(stderr, "%s\n", tg_message(fuzz_context()));
            return tg_exit_code(status);
        }
        LLVMFuzzerTestOneInput((const uint8_t *)data, bytes);
        tg_free(data);
    }
    return 0;
}
