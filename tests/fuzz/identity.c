/* Identities: their configuration, metadata beside tensors that fit the seeds. */
#include "wrapped.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static wrapped_file base;
    fuzz_own_memory = true;
    if (!base.text) {
        base = wrapped_base("person.ckpt");
    }
    const char *path = wrapped(&base, "talkgen.config", data, bytes);
    fuzz_own_memory = false;
    tg_identity *id;
    tg_status status = tg_identity_open(ctx, path, NULL, false, &id);
    fuzz_check(status);
    if ((status == TG_OK) != (id != NULL)) {
        abort();
    }
    if (id && (id->width < 16 || id->height < 16 || id->width > 8192 || id->height > 8192)) {
        abort();
    }
    tg_identity_close(&id);
    return 0;
}
