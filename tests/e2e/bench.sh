#!/bin/sh
# talkgen bench: a report that programs can read, a comparison with an earlier one, and mistakes. Nothing is
# said about how fast anything is.
. "$(dirname "$0")/common"

bench() {
    "$talkgen" bench --progress never "$@"
}
# key NAME FILE: the values of a key of every line
key() {
    sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p" "$2"
}

fast=ceiling/fma-fp32/1,kernel/mlp64-fp32/1,kernel/sh/1,kernel/compose
bench --only $fast --runs 1 --json >one.jsonl || tell "bench --json: exit $?"
[ "$(key name one.jsonl | tr '\n' ' ')" = \
    "ceiling/fma-fp32/1 kernel/mlp64-fp32/1 kernel/sh/1 kernel/compose/1 " ] ||
    tell "rows: $(key name one.jsonl)"
commit=$("$talkgen" version | sed -n 's/^commit //p')
[ -n "$commit" ] && [ "$(key commit one.jsonl | sort -u)" = "$commit" ] || tell "commit: $(cat one.jsonl)"
[ "$(key runs one.jsonl | sort -u)" = 1 ] || tell "runs: $(cat one.jsonl)"
for name in median_s q1_s q3_s least_s cpu_s rate unit threads cpu cpu_level version flags; do
    [ "$(key $name one.jsonl | grep -c .)" = 4 ] || tell "no $name in: $(cat one.jsonl)"
done
[ "$(key ceiling one.jsonl)" = ceiling/fma-fp32/1 ] || tell "ceiling: $(cat one.jsonl)"
[ "$(key share one.jsonl | grep -c .)" = 1 ] || tell "share: $(cat one.jsonl)"
# the program reads what it wrote; under three runs nothing is called a change
bench --only $fast --runs 1 --against one.jsonl >table.txt 2>err.txt || tell "--against: exit $? $(cat err.txt)"
[ "$(grep -c ' x [0-9]' table.txt)" = 4 ] || tell "table: $(cat table.txt)"
if command -v jq >jq.txt; then
    jq -e -s 'length == 4 and all(.talkgen_bench == 1 and .median_s > 0 and .least_s <= .q1_s and .q1_s <= .q3_s)' \
        one.jsonl >jq.txt || tell "jq: $(cat jq.txt one.jsonl)"
else
    echo "skip jq: it is not here"
fi

# a report in which everything was a million times faster, then slower: whatever else runs here
for factor in 1000000 0.000001; do
    awk -v f=$factor '{
        n = split("median_s q1_s q3_s", keys, " ")
        for (i = 1; i <= n; i++) {
            match($0, "\"" keys[i] "\":[0-9.eE+-]+")
            at = RSTART + length(keys[i]) + 3
            value = substr($0, at, RSTART + RLENGTH - at)
            $0 = substr($0, 1, at - 1) sprintf("%.9g", value / f) substr($0, RSTART + RLENGTH)
        }
        sub("\"runs\":1,", "\"runs\":5,")
        print
    }' one.jsonl >old.jsonl
    word=$([ $factor = 1000000 ] && echo "4 rows are slower" || echo "0 rows are slower and 4 faster")
    expect 7 "$word" "$talkgen" bench --only $fast --runs 3 --against old.jsonl --progress never
    grep -q "$([ $factor = 1000000 ] && echo slower || echo faster)" out.txt || tell "no mark in: $(cat out.txt)"
done

# every kind of row that is quick: networks on tapes, a person's stages, the job
bench --only kernel/attention-small,kernel/conv-flow,kernel/march,stage/vae,stage/postnet,stage/torso,job/first-frame \
    --runs 1 --json --identity "$person" --threads 2 >kinds.jsonl 2>err.txt || tell "kinds: exit $? $(cat err.txt)"
for name in kernel/attention-small/all kernel/conv-flow/all kernel/march/1 stage/vae stage/postnet stage/torso \
    job/first-frame; do
    key name kinds.jsonl | grep -qxF $name || tell "no $name in: $(key name kinds.jsonl)"
done
grep stage/vae kinds.jsonl >vae.jsonl
[ "$(key threads vae.jsonl)" = 2 ] || tell "threads: $(cat vae.jsonl)"
bench --only kernel/sh/1 --runs 1 --json --cpu-level portable >portable.jsonl || tell "--cpu-level: exit $?"
[ "$(key cpu_level portable.jsonl)" = portable ] || tell "level: $(cat portable.jsonl)"
# alone in a folder, without a recording beside the person: the jobs are left out, with a note
cp "$person" alone.ckpt
bench --only stage/torso,job/first-frame --runs 1 --identity alone.ckpt --encoder "$models/voice.safetensors" \
    >out.txt 2>err.txt || tell "alone: exit $? $(cat err.txt)"
grep -q 'note: job/first-frame is left out' err.txt || tell "no note in: $(cat err.txt)"
grep -q stage/torso out.txt || tell "no stage/torso in: $(cat out.txt)"

# ---- mistakes
expect 2 "--only 'nothing'" bench --only nothing
expect 2 "--runs" bench --runs many
expect 2 "--runs" bench --runs -1
expect 2 "--cpu-level" bench --cpu-level sse
expect 2 "--size" bench --size 64x64
expect 3 missing.jsonl bench --only kernel/sh --against missing.jsonl
echo hello >text.jsonl
expect 4 "text.jsonl: line 1" bench --only kernel/sh --against text.jsonl
expect 4 "no rows" bench --only kernel/sh --against /dev/null
expect 4 "demo.ckpt: line 1" bench --only kernel/sh --against "$person"
sed 's/"talkgen_bench":1/"talkgen_bench":2/' one.jsonl >newer.jsonl
expect 4 "another format" bench --only kernel/sh --against newer.jsonl
expect 4 text.jsonl bench --only stage/vae --identity text.jsonl
expect 3 text.jsonl bench --only job/first-frame --runs 1 --identity "$person" --audio text.jsonl
mkdir -p tmp
TMPDIR=tmp bench --only stage/video --runs 1 --identity "$person" >out.txt || tell "TMPDIR: exit $?"
[ -z "$(ls -A tmp)" ] || tell "left in the temporary folder: $(ls -A tmp)"
TMPDIR=no/such expect 5 "no/such" bench --only kernel/sh

# ---- Ctrl-C
TMPDIR=tmp "$talkgen" bench --only stage/render,job --identity "$person" --progress json >out.txt 2>err.txt &
pid=$!
wait_for 60 says err.txt render
kill -INT $pid
wait $pid
got=$?
[ $got = 130 ] || tell "exit $got after SIGINT"
[ -z "$(ls -A tmp)" ] || tell "left in the temporary folder: $(ls -A tmp)"
finish
