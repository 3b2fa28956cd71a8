/* build/tests/bench_hubert [threads [seconds of audio [runs]]]: HuBERT-large with random weights on
 * noise: wall clock and processor time, share of the multiply-add peak, peak memory. */
#include "bench.h"

#include "speech/hubert.h"
#include "talkgen/speech.h"

#include <sys/resource.h>

static const char large[] =
    "{\"feat_extract_norm\": \"layer\", \"do_stable_layer_norm\": true, \"conv_bias\": true,"
    " \"hidden_size\": 1024, \"intermediate_size\": 4096, \"num_hidden_layers\": 24,"
    " \"num_attention_heads\": 16}";

int main(int argc, char **argv) {
    enum { MOST_RUNS = 100 };
    tg_context *ctx = tg_context_create(argc > 1 ? atoi(argv[1]) : 2);
    const double seconds = argc > 2 ? atof(argv[2]) : 10;
    const int asked = argc > 3 ? atoi(argv[3]) : 3, runs = asked < MOST_RUNS ? asked : MOST_RUNS;
    tg_json *json = NULL;
    tg_hubert_config config;
    tg_hubert *model = NULL;
    if (tg_json_parse(ctx, large, sizeof large - 1, "large", &json) != TG_OK ||
        tg_hubert_config_parse(ctx, json, "large", &config) != TG_OK ||
        tg_hubert_create(ctx, &config, &model) != TG_OK) {
        fprintf(stderr, "%s\n", tg_message(ctx));
        return 1;
    }
    tg_hubert_init(model, 1);
    const int64_t n = (int64_t)(seconds * 16000);
    float *samples = tg_alloc((size_t)n * sizeof *samples);
    tg_rng rng = tg_rng_make(1, "", "audio");
    tg_rng_fill_normal(&rng, 0, samples, (size_t)n);
    tg_tape *tape = tg_tape_create(ctx, false);
    const double peak = bench_peak(ctx), flop = tg_hubert_flop_per_second(&config) * seconds;
    double wall[MOST_RUNS], cpu[MOST_RUNS];
    for (int r = 0; r < runs; r++) {
        tg_tape_reset(tape);
        bench_time start = bench_now();
        tg_tensor *x = tg_borrow(tape, 2, (int64_t[]){1, n}, samples);
        tg_tensor *features = tg_hubert_extract(tape, model, x);
        bench_time middle = bench_since(start);
        tg_tensor *y = tg_hubert_infer(tape, model, features);
        bench_time all = bench_since(start);
        if (tg_tape_status(tape) != TG_OK) {
            fprintf(stderr, "%s\n", tg_message(ctx));
            return 1;
        }
        wall[r] = all.wall;
        cpu[r] = all.cpu;
        printf("run %d: wall %.3f s, processor %.3f s (convolutions %.3f), %lld rows, first %.6f\n",
               r, all.wall, all.cpu, middle.cpu, (long long)y->dim[1], (double)y->data[0]);
        fflush(stdout);
    }
    const double wall_median = bench_median(wall, runs), cpu_median = bench_median(cpu, runs);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("talkgen threads %d level %s seconds %.1f gflop %.0f wall_least %.3f wall_median %.3f "
           "cpu_least %.3f cpu_median %.3f peak_gflops %.1f share %.3f peak_rss_mb %.0f\n",
           tg_pool_threads(tg_context_pool(ctx)), tg_cpu_level_name(tg_context_cpu(ctx)), seconds,
           flop * 1e-9, wall[0], wall_median, cpu[0], cpu_median, peak * 1e-9,
           peak > 0 ? flop / cpu[0] / (peak / tg_pool_threads(tg_context_pool(ctx))) : 0,
           (double)usage.ru_maxrss / 1024);
    tg_tape_destroy(&tape);
    tg_hubert_destroy(&model);
    tg_json_destroy(&json);
    tg_free(samples);
    tg_context_destroy(&ctx);
    return 0;
}
