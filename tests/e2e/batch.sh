#!/bin/sh
# Many clips: resume, shards, wrong lines, broken inputs, signals, two runs at once.
. "$(dirname "$0")/common"

small="--size 32x32"
for i in 0 1 2 3 4 5 6 7; do
    ffmpeg -nostdin -loglevel error -y -ss $i -i "$speech" -t 0.12 a$i.wav
    echo "{\"id\": \"c$i\", \"audio\": \"a$i.wav\", \"tags\": {\"n\": $i}}"
done >jobs.jsonl

# batch CODE OUT OPTIONS...: a run, and its exit code; messages in err.txt
batch() {
    code=$1
    folder=$2
    shift 2
    "$talkgen" batch --manifest jobs.jsonl --identity "$person" --out-dir "$folder" --progress never $small "$@" \
        >out.txt 2>err.txt
    got=$?
    [ "$got" = "$code" ] || tell "exit $got instead of $code: batch $folder $* ($(tail -n 3 err.txt))"
}
equal() {
    [ "$1" = "$2" ] || tell "$3: '$1' instead of '$2'"
}
holds() { # FILE TEXT
    grep -qF -- "$2" "$1" || tell "no '$2' in $1: $(head -n 5 "$1")"
}
counts() { # RENDERED BEFORE FAILED LEFT
    holds out.txt ": $1 rendered, $2 complete before, $3 failed, $4 left"
}
files_of() { # outputs with the moment they were made
    find "$1" -name '*.mp4' -printf '%p %T@\n' | sort
}

# ---- all of them, then again
batch 0 whole --events events.jsonl
counts 8 0 0 0
equal "$(find whole -name '*.mp4' | wc -l)" 8 "outputs"
equal "$(find whole -name '*.mp4.json' | wc -l)" 8 "sidecars"
hashes whole/report.jsonl >want.txt
equal "$(wc -l <want.txt)" 8 "clips in the report"
equal "$(cut -d' ' -f2 want.txt | sort -u | wc -l)" 8 "different frame hashes"
for event in run_start job_start job_done run_summary; do
    holds events.jsonl "{\"event\":\"$event\",\"time_utc\":\"2"
done
equal "$(grep -c '"event":"job_done"' events.jsonl)" 8 "job_done events"
holds "$(find whole -name c3.mp4.json)" '"n":	3'
"$talkgen" -a a3.wav -i "$person" -o one.mp4 --clip-id c3 $small --progress never >out.txt 2>err.txt
holds out.txt "$(sed -n 's/^c3 //p' want.txt)"
cmp -s one.mp4 "$(find whole -name c3.mp4)" || tell "a clip differs from synth --clip-id"
files_of whole >before.txt
batch 0 whole
counts 0 8 0 0
files_of whole | cmp -s - before.txt || tell "a complete clip was rendered again"
hashes whole/report.jsonl | cmp -s - want.txt || tell "hashes of skipped clips"
absent

# ---- verify, and what makes a clip be rendered again
verify() { # CODE OPTIONS...
    code=$1
    shift
    "$talkgen" verify --out-dir whole "$@" >out.txt 2>err.txt
    got=$?
    [ "$got" = "$code" ] || tell "exit $got instead of $code: verify $* ($(cat out.txt err.txt))"
}
verify 0
holds out.txt "8 clips: 8 good, 0 not"
verify 0 --manifest jobs.jsonl
c0=$(find whole -name c0.mp4)
c1=$(find whole -name c1.mp4)
c2=$(find whole -name c2.mp4)
c3=$(find whole -name c3.mp4)
truncate -s -7 "$c0"
rm "$c1"
printf X | dd of="$c2" bs=1 seek=3000 conv=notrunc 2>/dev/null
cp a5.wav kept.wav
cp a6.wav a5.wav # another recording
sleep 0.01
touch a7.wav "$c3" # the same bytes, another time
verify 7 --manifest jobs.jsonl
holds out.txt "truncated c0"
holds out.txt "missing   c1"
holds out.txt "changed   c2"
holds out.txt "stale     c5"
holds out.txt "8 clips: 4 good, 4 not"
batch 0 whole --dry-run
holds out.txt "4 complete, 4 to be rendered"
batch 0 whole
counts 4 4 0 0
verify 0 --manifest jobs.jsonl
mv kept.wav a5.wav
batch 0 whole
counts 1 7 0 0
hashes whole/report.jsonl | cmp -s - want.txt || tell "hashes after repairs"
batch 0 whole --seed 1 --limit 2
counts 2 0 0 6
hashes whole/report.jsonl >seeded.txt
[ "$(sort seeded.txt want.txt | uniq -d | wc -l)" = 0 ] || tell "another seed gives the same frames"
batch 0 whole --rerun all --limit 1 --jobs 2
counts 1 0 0 7
batch 0 whole
counts 1 7 0 0
hashes whole/report.jsonl | cmp -s - want.txt || tell "hashes after another seed"

# ---- a gaze from a file is a part of the job
look() { # POSE: gaze.npy as made for it
    "$talkgen" motion -a a1.wav -i "$models/dev.ckpt" --pose "$1" -o m.npy --gaze-out gaze.npy -y >out.txt 2>err.txt ||
        tell "no gaze: $(cat err.txt)"
}
eyes() { # RENDERED
    head -n 1 jobs.jsonl | "$talkgen" batch --manifest - -i "$models/dev.ckpt" --gaze gaze.npy --out-dir eyes $small \
        --progress never >out.txt 2>err.txt || tell "batch --gaze: $(cat err.txt)"
    holds out.txt ": $1 rendered"
}
look still
eyes 1
eyes 0
look replay
eyes 1

# ---- seven shards are one
for k in 0 1 2 3 4 5 6; do
    batch 0 parts --shard $k/7
done
hashes parts/report-*-of-7.jsonl | cmp -s - want.txt || tell "seven shards give other frames: $(hashes parts/report-*)"
env SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_COUNT=2 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=1 \
    "$talkgen" batch --manifest jobs.jsonl -i "$person" --out-dir parts --shard auto $small >out.txt 2>err.txt ||
    tell "a task of an array: $(cat err.txt)"
[ -s parts/report-1-of-2.jsonl ] || tell "shard auto: $(ls parts)"
expect 2 "a part of it" env SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_COUNT=2 SLURM_ARRAY_TASK_MIN=3 \
    SLURM_ARRAY_TASK_MAX=7 "$talkgen" batch --manifest jobs.jsonl -i "$person" --out-dir parts --shard auto
run_with() { # MANIFEST OPTIONS...
    manifest=$1
    shift
    "$talkgen" batch --manifest "$manifest" --identity "$person" --out-dir no $small --progress never "$@"
}
expect 2 "no task" env -u SLURM_ARRAY_TASK_ID "$talkgen" batch --manifest jobs.jsonl -i "$person" --out-dir no --shard auto
expect 2 "0/4" run_with jobs.jsonl --shard 7/7

# ---- a manifest is checked whole before anything begins
cat >bad.jsonl <<'END'
{"id": "a", "audio": "a0.wav"}
{"id": "a", "audio": "a1.wav"}
{"id": "b" "audio": "a1.wav"}
{"id": "../b", "audio": "a1.wav"}
{"id": "c", "audio": "a1.wav", "sed": 3}

{"id": "d"}
{"id": "e", "audio": "a1.wav", "out": "../e.mp4"}
{"id": "f", "audio": "a1.wav", "out": "same.mp4"}
{"id": "g", "audio": "a1.wav", "out": "same.mp4", "x_mine": [1, 2]}
{"id": "h", "audio": "a1.wav", "start_s": -1}
{"id": "i", "audio": "a\u0000.wav"}
["id", "audio"]
{"id": "j", "audio": "a1.wav"
END
expect 2 "11 of 13 lines are wrong" sh -c '"$@" 2>all.txt; code=$?; tail -n 3 all.txt >&2; exit $code' sh \
    "$talkgen" batch --manifest bad.jsonl --identity "$person" --out-dir no $small --progress never
for place in 2:1 3:12 4:8 5:32 7:1 8:39 10:1 11:43 12:24 13:1 14:29; do
    grep -q "^bad.jsonl:$place: " all.txt || tell "no problem at $place: $(cat all.txt)"
done
equal "$(grep -c '^bad.jsonl:' all.txt)" 11 "problems"
printf 'id,audio,sed\na,b,c\n' >bad.csv
expect 2 "bad.csv:1:10" run_with bad.csv
expect 2 "missing.jsonl" run_with missing.jsonl
: >empty.jsonl
expect 2 "no clips" run_with empty.jsonl
expect 4 missing.ckpt "$talkgen" batch --manifest jobs.jsonl -i missing.ckpt --out-dir no $small
expect 2 aspect "$talkgen" batch --manifest jobs.jsonl -i "$person" --out-dir aspect --size 32x64 --progress never --jobs 1 \
    --report /dev/null
[ -e no ] && tell "a wrong manifest made a folder"

# ---- broken inputs of twelve kinds among good ones
: >empty.wav
printf 'this is no sound' >text.wav
head -c 30 a1.wav >short.wav
{ head -c 44 a1.wav && head -c 0 /dev/null; } >header.wav
mkdir -p folder.wav
mkfifo pipe.wav
head -c 100000 "$person" >short.ckpt
cat >mixed.jsonl <<END
{"id": "good-1", "audio": "a1.wav"}
{"id": "missing", "audio": "nowhere.wav"}
{"id": "empty", "audio": "empty.wav"}
{"id": "text", "audio": "text.wav"}
{"id": "short", "audio": "short.wav"}
{"id": "header", "audio": "header.wav"}
{"id": "folder", "audio": "folder.wav"}
{"id": "pipe", "audio": "pipe.wav"}
{"id": "late", "audio": "a1.wav", "start_s": 100}
{"id": "no-pose", "audio": "a1.wav", "pose": "./text.wav"}
{"id": "no-picture", "audio": "a1.wav", "background": "text.wav"}
{"id": "no-model", "audio": "a1.wav", "identity": "nobody.ckpt"}
{"id": "short-model", "audio": "a1.wav", "model": "short.ckpt"}
{"id": "good-2", "audio": "a2.wav"}
END
cp mixed.jsonl jobs_kept.jsonl && cp jobs.jsonl good.jsonl && cp mixed.jsonl jobs.jsonl
batch 10 mixed
counts 2 0 12 0
holds err.txt "12 of 14 clips failed"
for clip in missing empty text short header folder pipe late no-pose no-picture; do
    holds mixed/report.jsonl "\"id\":\"$clip\",\"line\":"
    grep -q "\"id\":\"$clip\".*\"error_code\":3" mixed/report.jsonl || tell "code of $clip: $(grep "\"$clip\"" mixed/report.jsonl)"
done
for clip in no-model short-model; do
    grep -q "\"id\":\"$clip\".*\"error_code\":4" mixed/report.jsonl || tell "code of $clip: $(grep "\"$clip\"" mixed/report.jsonl)"
done
batch 10 mixed --rerun none
counts 0 2 12 0
cp a3.wav nowhere.wav
batch 10 mixed
counts 1 2 11 0
batch 11 again --max-failures 3 --jobs 1
holds err.txt "4 clips failed, more than --max-failures allows"
batch 11 again --max-failures 10% --jobs 1
rm nowhere.wav
cp good.jsonl jobs.jsonl

# ---- a file that no sidecar knows is not replaced
mkdir -p own
cat >jobs.jsonl <<END
{"id": "own", "audio": "a1.wav", "out": "mine.mp4"}
END
echo mine >own/mine.mp4
batch 10 own
holds err.txt "no sidecar tells"
batch 10 own
equal "$(cat own/mine.mp4)" mine "a foreign file"
batch 0 own -y
counts 1 0 0 0

# ---- CSV, and a line is answered before the next one comes
printf '\357\273\277id,audio,seed,x_note\r\nc0,a0.wav,,"a, ""b"""\r\nc1,"a1.wav",42,\r\n' >jobs.jsonl
batch 0 csv
head -n 2 want.txt >two.txt
hashes csv/report.jsonl | cmp -s - two.txt || tell "CSV gives other frames"
cp good.jsonl jobs.jsonl
answers() {
    cat events.txt 2>/dev/null | grep -c '"event":"job_[df]'
}
more_answers() { # than so many
    [ "$(answers)" -gt "$1" ]
}
mkfifo lines
rm -f events.txt
"$talkgen" batch --manifest - -i "$person" --out-dir piped $small --events events.txt --progress never <lines >out.txt 2>err.txt &
pid=$!
exec 9>lines
for line in '{"id": "c0", "audio": "a0.wav"}' '{"id": "c1", "audio": }' '{"id": "c2", "audio": "a2.wav"}'; do
    before=$(answers)
    echo "$line" >&9
    wait_for 60 more_answers "$before" || tell "a line of a pipe was not answered: $line"
done
exec 9>&-
wait $pid
equal $? 10 "exit code of a pipe with a wrong line"
counts 2 0 1 0

# ---- two runs at once share the work
"$talkgen" batch --manifest jobs.jsonl -i "$person" --out-dir both $small --progress never --report one.jsonl >one.txt 2>err.txt &
pid=$!
batch 0 both --report two.jsonl
wait $pid || tell "the first of two runs: $(cat err.txt)"
done_by() { sed -n 's/.*: \([0-9]*\) rendered.*/\1/p' "$1"; }
equal $(($(done_by one.txt) + $(done_by out.txt))) 8 "clips rendered by two runs at once"
hashes one.jsonl | cmp -s - want.txt || tell "hashes of the first of two runs"
hashes two.jsonl | cmp -s - want.txt || tell "hashes of the second of two runs"
absent

# ---- little memory: fewer clips at the same time
at_a_time() { sed -n 's/.* \([0-9]*\) at a time.*/\1/p' out.txt; }
batch 0 thrifty --dry-run --jobs 8
equal "$(at_a_time)" 8 "clips at the same time with all the memory"
if sanitized; then
    echo "skip 600 MB: a sanitizer's shadow takes more address space"
else
    (ulimit -v 600000 && batch 0 thrifty --dry-run --jobs 8 && exit $wrong) || tell "a dry run in 600 MB: $(cat err.txt)"
    [ "$(at_a_time)" -lt 8 ] || tell "$(at_a_time) clips at the same time in 600 MB"
fi
[ -e thrifty ] && tell "a dry run made a folder"

# ---- signals: what is under way is abandoned or finished, exit 75 or 130, and the rest comes later
ffmpeg -nostdin -loglevel error -y -i "$speech" -t 8 long.wav
for i in 0 1 2 3; do
    echo "{\"id\": \"l$i\", \"audio\": \"long.wav\", \"duration_s\": 8}"
done >long.jsonl
for signal in TERM USR1 INT; do
    rm -f events.txt
    "$talkgen" batch --manifest long.jsonl -i "$person" --out-dir stopped --grace 0.2s --progress never \
        --events events.txt >out.txt 2>err.txt &
    pid=$!
    wait_for 60 writing_in stopped
    kill -$signal $pid
    wait $pid
    equal $? "$([ $signal = INT ] && echo 130 || echo 75)" "exit code after SIG$signal"
    holds events.txt '"event":"run_summary"'
    absent
done
rm -f events.txt
head -n 1 long.jsonl >jobs.jsonl
"$talkgen" batch --manifest jobs.jsonl -i "$person" --out-dir graced $small --grace 60s --progress never --events events.txt >out.txt 2>err.txt &
pid=$!
wait_for 60 says events.txt job_start
kill -TERM $pid
wait $pid
equal $? 75 "exit code after a graceful end"
counts 1 0 0 0
batch 10 timed --job-timeout 0.01s
grep -q '"error_code":75.*job-timeout' timed/report.jsonl || tell "a clip that took too long: $(cat timed/report.jsonl)"
absent
finish
