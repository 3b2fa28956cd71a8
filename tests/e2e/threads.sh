#!/bin/sh
# What runs in threads: one thread or several, one clip at a time or two, undisturbed or stopped: the same
# frames. Small enough for the thread sanitizer, which is what it is for.
. "$(dirname "$0")/common"

small="--size 32x32 --progress never"
ffmpeg -nostdin -loglevel error -y -i "$speech" -t 0.4 a.wav
ffmpeg -nostdin -loglevel error -y -ss 2 -i "$speech" -t 0.2 b.wav
printf '{"id": "a", "audio": "a.wav"}\n{"id": "b", "audio": "b.wav"}\n{"id": "c", "audio": "b.wav", "pose": "still"}\n' >jobs.jsonl
run() {
    "$talkgen" "$@" >out.txt 2>err.txt || tell "failed: $* ($(head -n 40 err.txt))"
}
# hashes REPORT
hashes() {
    sed -n 's/.*"id":"\([^"]*\)".*"frame_hash":"\([0-9a-f]*\)".*/\1 \2/p' "$@" | sort
}

# ---- one clip: networks and renderer in the pool, the encoder beside them
run -a a.wav -i "$person" -o one.framemd5 -t 1 $small
run -a a.wav -i "$person" -o three.framemd5 -t 3 $small
cmp -s one.framemd5 three.framemd5 || tell "three threads give other frames than one"
run -a a.wav -i "$person" -o a.mp4 -t 2 --size 32x32 --progress json
run features -a a.wav -i "$person" -o f.npy -t 2

# ---- a batch: clips beside each other, their models and events shared
batch() { # CODE OUT OPTIONS...
    code=$1
    folder=$2
    shift 2
    "$talkgen" batch --manifest jobs.jsonl -i "$person" --out-dir "$folder" $small "$@" >out.txt 2>err.txt
    got=$?
    [ "$got" = "$code" ] || tell "exit $got instead of $code: batch $folder $* ($(head -n 40 err.txt))"
}
batch 0 one --jobs 1 -t 1
batch 0 two --jobs 2 -t 3 --events events.jsonl
hashes one/report.jsonl >want.txt
hashes two/report.jsonl | cmp -s - want.txt || tell "clips beside each other have other frames"
[ "$(wc -l <want.txt)" = 3 ] || tell "not three clips: $(cat want.txt)"

# ---- stopped while clips are under way, by a signal and by a time limit; then completed
"$talkgen" batch --manifest jobs.jsonl -i "$person" --out-dir stopped $small --jobs 2 -t 2 --grace 0.01 \
    --events stopped.jsonl >out.txt 2>err.txt &
pid=$!
wait_for 60 says stopped.jsonl job_start
kill -TERM $pid
wait $pid
got=$?
[ $got = 75 ] || [ $got = 0 ] || tell "exit $got after SIGTERM ($(head -n 40 err.txt))"
batch 10 late --jobs 2 -t 2 --job-timeout 0.001 --retries 0
for folder in stopped late; do
    batch 0 $folder --jobs 2 -t 2
    hashes $folder/report.jsonl | cmp -s - want.txt || tell "other frames after $folder"
done

# ---- a step of training
"$(dirname "$talkgen")/tests/recording" recording || tell "no recording"
run train head --data recording --work work --time 0.01 -t 2 --progress never
finish
