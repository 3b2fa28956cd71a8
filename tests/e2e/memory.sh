#!/bin/sh
# Every allocation of a whole job refused once: exit 6 with a message and nothing half-written, or the same
# result as ever. tests/starved.c says how. STARVED=full looks at every way that leads to an allocation
# instead of those that differ in their innermost calls, and at the last allocation of each beside the first.
golden=$(cd "$(dirname "$0")/../golden" && pwd) || exit 1
. "$(dirname "$0")/common"
starved=$(dirname "$talkgen")/tests/starved
ffmpeg -nostdin -loglevel error -y -i "$speech" -t 0.12 a.wav
printf '{"id": "a", "audio": "../a.wav", "tags": {"n": 1}}\n{"id": "b", "audio": "../a.wav"}\n' >jobs.jsonl
"$(dirname "$talkgen")/tests/recording" recording || exit 1

# Thousands of files are written, synced and removed: in memory where that is possible.
room=$(mktemp -d -p /dev/shm 2>/dev/null) || room=$PWD
trap '[ "$room" = "$PWD" ] || rm -rf "$room"' EXIT
export OPENBLAS_NUM_THREADS=1

# starve NAME CALLS OPTIONS ARGUMENTS...: in a folder of its own
starve() {
    name=$1
    depth="--calls $2 --each 1"
    [ "${STARVED:-}" = full ] && depth="--each 2"
    options=$3
    shift 3
    mkdir -p "$room/$name" && cp -R a.wav jobs.jsonl recording "$room/$name"
    # shellcheck disable=SC2086
    (cd "$room/$name" && exec "$starved" $depth $options -- "$@") >"$name.log" 2>&1
    echo $? >"$name.status"
}
speech_jobs() {
    starve synth 2 "" -a ../a.wav -i "$person" -o a.mp4 --size 32x32 --progress never
    starve convert 2 "" convert hubert --weights "$golden/hubert_large_tiny/pytorch_model.bin" -o e.safetensors
    starve info 2 --stdout info "$person" --json
    starve info_torch 2 --stdout info "$golden/hubert_large_tiny/pytorch_model.bin" --json
}
state_jobs() {
    starve batch 1 --state batch --manifest ../jobs.jsonl -i "$person" --out-dir o --size 32x32 --progress never --retries 0
    starve train 1 "--state --names" train head --data ../recording --work w --time 0.01 --progress never
}
speech_jobs &
state_jobs
wait
for name in synth convert info info_torch batch train; do
    [ "$(cat $name.status)" = 0 ] || tell "$name: $(cat $name.log)"
    echo "$name: $(tail -n 1 $name.log)"
done
finish
