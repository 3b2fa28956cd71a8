/* Sidecars of batch: what a file beside an output is taken for. */
#include "fuzz.h"

#include "batch/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    tg_record record;
    const char *path = fuzz_disk_file(data, bytes);
    tg_status status = tg_record_read(fuzz_context(), path, &record);
    fuzz_disk_done(path);
    fuzz_check(status);
    if (status == TG_OK && record.status == TG_RECORD_COMPLETE &&
        (strlen(record.md5) != 32 || strlen(record.job) != 32 || record.bytes < 0 ||
         record.frames < 0)) {
        abort();
    }
    fuzz_accepted = status == TG_OK && record.status != TG_RECORD_DAMAGED;
    tg_record_free(&record);
    return 0;
}
