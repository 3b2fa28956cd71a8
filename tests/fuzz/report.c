/* Reports of bench, and a row that is compared with each of theirs. */
#include "fuzz.h"

#include "talkgen/bench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    tg_bench_report *report;
    tg_status status = tg_bench_report_read(fuzz_context(), fuzz_file(data, bytes), &report);
    fuzz_check(status);
    if (status != TG_OK) {
        return 0;
    }
    if (tg_bench_report_rows(report) < 1 || !tg_bench_report_machine(report)) {
        abort();
    }
    tg_bench_row row = {.name = "kernel/a/1",
                        .runs = 5,
                        .repeats = 1,
                        .wall = {1, 1, 1, 1},
                        .work = 1,
                        .unit = TG_BENCH_FLOP};
    tg_bench_compare(report, &row);
    tg_bench_report_close(&report);
    return 0;
}
