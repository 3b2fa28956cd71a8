#!/bin/sh
# The plug pulled at random moments: nothing lost, nothing half-written, nothing done twice.
. "$(dirname "$0")/common"

small="--size 32x32"
clips=${TALKGEN_CLIPS:-24} # more of both: a long test
rounds=${TALKGEN_KILLS:-10}
short_clips "$clips"
batch() { # OUT OPTIONS...
    folder=$1
    shift
    "$talkgen" batch --manifest jobs.jsonl -i "$person" --out-dir "$folder" --progress never $small "$@" >out.txt 2>err.txt
}
began=$(date +%s%N)
batch calm || tell "the undisturbed run: $(cat err.txt)"
most=$((($(date +%s%N) - began) / 500000 / rounds)) # ms until a kill at most: clips last for about all of them
hashes calm/report.jsonl >want.txt
[ "$(wc -l <want.txt)" = $clips ] || tell "$(wc -l <want.txt) clips of the undisturbed run"

# ---- kill -9, at moments that /dev/urandom chooses, most of them while a clip is being written
random() { # a whole number below $1
    echo $(($(od -An -N4 -tu4 /dev/urandom) % $1))
}
kills=0
writing=0
for round in $(seq $rounds); do
    "$talkgen" batch --manifest jobs.jsonl -i "$person" --out-dir killed --progress never $small >out.txt 2>err.txt &
    pid=$!
    wait_for 10 writing_in killed # it loads, and looks at what is complete
    sleep "$(random $most | awk '{ printf "%.3f", $1 / 1000 }')"
    kill -STOP $pid 2>/dev/null || break
    writing_in killed && writing=$((writing + 1))
    kill -KILL $pid
    wait $pid 2>/dev/null
    kills=$((kills + 1))
    # every output that has its name is whole, whatever moment it was
    find killed -name '*.mp4' -printf '%p %T@ %s\n' 2>/dev/null >>seen.txt
    find killed -name '*.mp4' 2>/dev/null | while read -r clip; do
        cmp -s "$clip" "calm/${clip#killed/}" || echo "$clip"
    done >half.txt
    [ -s half.txt ] && tell "half-written after kill $round: $(cat half.txt)"
done
echo "$kills kills, $writing of them while a clip was being written, $(find killed -name '*.mp4' | wc -l) of $clips clips by then"
[ $kills -ge 5 ] || tell "only $kills kills"
[ $writing -ge $((kills / 2)) ] || tell "only $writing of $kills kills hit a clip"
batch killed || tell "the last run: $(cat err.txt)"
find killed -name '*.mp4' -printf '%p %T@ %s\n' >>seen.txt
hashes killed/report.jsonl | cmp -s - want.txt || tell "killed runs give other frames"
twice=$(sort -u seen.txt | cut -d' ' -f1 | uniq -d)
[ -z "$twice" ] || tell "rendered again after they were complete: $twice"
"$talkgen" verify --out-dir killed --manifest jobs.jsonl >out.txt 2>err.txt || tell "verify: $(cat out.txt)"
absent

# ---- a run that waits for another takes over when that one is killed
ffmpeg -nostdin -loglevel error -y -i "$speech" -t 8 long.wav
echo '{"id": "long", "audio": "long.wav"}' >one.jsonl
"$talkgen" batch --manifest one.jsonl -i "$person" --out-dir heir --progress never >out.txt 2>err.txt &
pid=$!
wait_for 60 writing_in heir
kill -STOP $pid
"$talkgen" batch --manifest one.jsonl -i "$person" --out-dir heir --progress never $small >out2.txt 2>err2.txt &
second=$!
wait_for 60 says err2.txt 'another run is at' || tell "a run that waits does not say so: $(cat err2.txt)"
kill -KILL $pid
wait $pid 2>/dev/null
wait $second || tell "the run that waited: $(cat err2.txt)"
grep -q '1 rendered' out2.txt || tell "the run that waited: $(cat out2.txt)"
absent
finish
