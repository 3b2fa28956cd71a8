/* Voice files: the configurations of encoder and motion model, beside tensors that fit the seed. */
#include "wrapped.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static wrapped_file base;
    fuzz_own_memory = true;
    if (!base.text) {
        base = wrapped_base("voice.safetensors");
    }
    const char *path = wrapped(&base, TG_HUBERT_META, data, bytes);
    fuzz_own_memory = false;
    tg_hubert *hubert = NULL;
    tg_vae *vae = NULL;
    tg_status status = tg_voice_open(ctx, path, &hubert, &vae);
    fuzz_check(status);
    if (status == TG_OK && (!hubert || !vae)) {
        abort();
    }
    tg_hubert_destroy(&hubert);
    tg_vae_destroy(&vae);
    return 0;
}
