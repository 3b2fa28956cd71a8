#!/bin/sh
# Bad input: one clear message, the right exit code, nothing left behind.
. "$(dirname "$0")/common"

# synth OUTPUT OPTIONS...: the main job on one second, in small pictures
synth() {
    output=$1
    shift
    "$talkgen" --identity "$person" -o "$output" --progress never --duration 1 --size 64x64 "$@"
}
# wav BITS FORMAT BYTES: the head of a mono WAV file of 16 kHz (format 1 = integers, 3 = floats)
number() { # little endian, $2 bytes
    value=$1
    for _ in $(seq "$2"); do
        printf "\\$(printf %03o $((value % 256)))"
        value=$((value / 256))
    done
}
wav() {
    printf RIFF && number $(($3 + 36)) 4 && printf 'WAVEfmt ' && number 16 4 && number "$2" 2 && number 1 2
    number 16000 4 && number $((16000 * $1 / 8)) 4 && number $(($1 / 8)) 2 && number "$1" 2
    printf data && number "$3" 4
}

# ---- training on a corpus, or on speech that is made meanwhile: 2
train() {
    "$talkgen" train "$@" --work trained --progress never --time 1s
}
expect 2 "the voice corpus, or --hours" train speech
expect 2 "the data folder of MakeHuman" train speech --hours 1
expect 2 "one of the two" train motion --hours 1 --corpus corpus --actor actor
expect 2 "--hours 0" train motion --hours 0 --actor actor
mkdir corpus
expect 3 "corpus: no clips" train speech --corpus corpus
expect 4 none.safetensors train postnet --data person --voice none.safetensors
"$(dirname "$talkgen")/tests/voice" "$models/voice.safetensors" plain.safetensors || tell "no plain voice"
expect 2 "holds no sync expert" train postnet --data person --voice plain.safetensors
rm -r corpus trained plain.safetensors

# ---- audio: 3
expect 3 missing.wav synth a.mp4 --audio missing.wav
printf 'this is no sound' >text.wav
expect 3 text.wav synth a.mp4 --audio text.wav
: >nothing.wav
expect 3 nothing.wav synth a.mp4 --audio nothing.wav
wav 16 1 0 >empty.wav
expect 3 empty.wav synth a.mp4 --audio empty.wav
expect 3 "$work" synth a.mp4 --audio "$work"
{ # 200 float samples, NaN (00 00 c0 7f) at sample 100
    wav 32 3 800
    head -c 400 /dev/zero
    printf '\000\000\300\177'
    head -c 396 /dev/zero
} >nan.wav
expect 3 "sample 100" synth a.mp4 --audio nan.wav
expect 3 "start" synth a.mp4 --audio "$speech" --start 1h
absent a.mp4

# ---- models: 4
head -c 100000 "$person" >short.ckpt
printf 'PK\003\004\024\000\000\000\000\000archive/data.pkl' >torch.ckpt
printf '\200\002}q\000.' >pickle.ckpt
printf hello >text.ckpt
: >nothing.ckpt
main() { # IDENTITY OPTIONS...
    identity=$1
    shift
    "$talkgen" --audio "$speech" --identity "$identity" -o a.mp4 --progress never "$@"
}
expect 4 short.ckpt main short.ckpt
expect 4 PyTorch main torch.ckpt
expect 4 PyTorch main pickle.ckpt
expect 4 text.ckpt main text.ckpt
expect 4 nothing.ckpt main nothing.ckpt
expect 4 missing.ckpt main missing.ckpt
expect 4 "no talkgen identity" main "$models/voice.safetensors"
expect 4 text.ckpt main "$person" --encoder text.ckpt
expect 4 demo.ckpt main "$person" --encoder "$person"
cp "$person" alone.ckpt
expect 4 "voice" main alone.ckpt
expect 4 text.ckpt "$talkgen" info text.ckpt
absent a.mp4

# ---- input files of single stages: 3
expect 3 m.npy "$talkgen" render --motion m.npy -i "$person" -o a.mp4
cp text.wav m.npy
expect 3 m.npy "$talkgen" render --motion m.npy -i "$person" -o a.mp4
expect 3 m.npy "$talkgen" motion --features m.npy -i "$person" -o l.npy
expect 3 m.npy synth a.mp4 -a "$speech" --pose ./m.npy
expect 3 m.npy synth a.mp4 -a "$speech" --background m.npy
absent a.mp4 l.npy

# ---- usage: 2
expect 2 exists sh -c ': >there.mp4; exec "$@"' sh "$talkgen" -a "$speech" -i "$person" -o there.mp4
[ -s there.mp4 ] && tell "an existing output was touched"
for stage in features motion; do
    : >there.npy
    expect 2 exists "$talkgen" $stage -a "$speech" -i "$person" -o there.npy
    [ -s there.npy ] && tell "an existing output was touched by $stage"
done
expect 2 "--identiy" "$talkgen" --identiy x
expect 2 "--identity" "$talkgen" --identiy x
expect 2 "--hours" synth a.mp4 -a "$speech" --hours 1
expect 2 twice synth a.mp4 -a "$speech" --seed 1 --seed 2
expect 2 "--seed" synth a.mp4 -a "$speech" --seed many
expect 2 "--seed" synth a.mp4 -a "$speech" --seed
expect 2 "--size" "$talkgen" -a "$speech" -i "$person" -o a.mp4 --size 256
expect 2 aspect "$talkgen" -a "$speech" -i "$person" -o a.mp4 --size 256x128
expect 2 "--duration" "$talkgen" -a "$speech" -i "$person" -o a.mp4 --duration -3
expect 2 "--temperature" synth a.mp4 -a "$speech" --temperature hot
expect 2 "--fps 30" synth a.mp4 -a "$speech" --fps 30
expect 2 "--pose" synth a.mp4 -a "$speech" --pose nowhere
expect 2 "--background" synth a.mp4 -a "$speech" --background '#12345'
expect 2 "both given" "$talkgen" motion -a "$speech" --features f.npy -i "$person" -o m2.npy
expect 2 "unknown command" "$talkgen" snyth
expect 2 "synth" "$talkgen" snyth
expect 2 missing "$talkgen" --identity "$person" -o a.mp4
expect 2 missing "$talkgen" --audio "$speech" -o a.mp4
expect 2 missing "$talkgen" --audio "$speech" --identity "$person"
expect 2 "eyes" synth a.mp4 -a "$speech" --eyes wide
expect 2 "--cpu-level" synth a.mp4 -a "$speech" --cpu-level sse
expect 2 "--precision" synth a.mp4 -a "$speech" --precision bf16
expect 2 "--progress" "$talkgen" -a "$speech" -i "$person" -o a.mp4 --progress loud
expect 2 "unexpected argument" synth a.mp4 -a "$speech" b.wav
expect 2 "a.xyz" synth a.xyz -a "$speech"
absent a.mp4 m2.npy

# ---- output: 5
expect 5 "no/such" synth no/such/folder/a.mp4 -a "$speech"
expect 5 "/proc/a.mp4" synth /proc/a.mp4 -a "$speech"
expect 5 "text.wav/a.mp4" synth text.wav/a.mp4 -a "$speech"
expect 5 "no/such" "$talkgen" features -a "$speech" -i "$person" -o no/such/f.npy
"$talkgen" -a "$speech" -i "$person" -o - --duration 4 --size 64x64 --progress never 2>err.txt | head -c 100 >out.txt
grep -q '^  expected: ' err.txt || tell "a closed pipe: $(cat err.txt)"
# a listing whose reader has left ends as every listing does: without a word, 141 for the shell
for command in "info $person" doctor "help synth"; do
    {
        sleep 0.5
        # shellcheck disable=SC2086
        "$talkgen" $command 2>err.txt
        echo $? >code.txt
    } | true
    [ "$(cat code.txt)" = 141 ] || tell "$command into a closed pipe: exit $(cat code.txt)"
    [ -s err.txt ] && tell "$command into a closed pipe: $(cat err.txt)"
done
if [ -w /dev/full ]; then
    expect 5 "" sh -c '"$@" >/dev/full' sh "$talkgen" -a "$speech" -i "$person" -o - --duration 1 --size 64x64
    expect 5 "standard output" sh -c '"$@" >/dev/full' sh "$talkgen" doctor
else
    echo "skip /dev/full: it is not here"
fi
mkdir -p disk
if mount -t tmpfs -o size=8k tmpfs disk 2>/dev/null; then
    for name in a.mp4 a.y4m f_%03d.png; do
        expect 5 disk/ synth disk/$name -a "$speech"
        [ -z "$(ls -A disk)" ] || tell "a full disk keeps $(ls -A disk)"
    done
    for stage in features motion; do
        expect 5 disk/s.npy "$talkgen" $stage -a "$speech" -i "$person" -o disk/s.npy --duration 2
        [ -z "$(ls -A disk)" ] || tell "a full disk keeps $(ls -A disk)"
    done
    umount disk
else
    echo "skip full disk: mounting a tmpfs is not permitted here"
fi

# ---- not enough memory: 6, and the process ends although OpenBLAS still waits for memory
# little KIB COMMAND...: with so much address space and 60 s
little() {
    (ulimit -v "$1" && shift && timeout -s KILL 60 "$@" >out.txt 2>err.txt)
    got=$?
}
if sanitized; then
    echo "skip little memory: a sanitizer's shadow takes more address space"
else
    little 350000 "$talkgen" -a "$speech" -i "$person" -o little.mp4
    [ $got = 6 ] || tell "exit $got in 350 MB: $(cat err.txt)"
    grep -q "memory" err.txt || tell "in 350 MB: $(cat err.txt)"
    grep -q '^  expected: ' err.txt && grep -q '^  try: ' err.txt || tell "not three parts in 350 MB: $(cat err.txt)"
    absent little.mp4
    little 350000 "$talkgen" --version
    [ $got = 0 ] || tell "exit $got of --version in 350 MB: $(cat err.txt)"
fi

# ---- Ctrl-C: 130; the first progress event says that frames are under way
for signal in INT TERM; do
    : >$signal.txt
    "$talkgen" --audio "$speech" --identity "$person" -o killed.mp4 --progress json 2>$signal.txt &
    pid=$!
    wait_for 60 says $signal.txt render
    ls -A | grep -q killed || tell "nothing was being written"
    kill -$signal $pid
    wait $pid
    got=$?
    [ $got = "$([ $signal = INT ] && echo 130 || echo 75)" ] || tell "exit $got after SIG$signal"
    [ $signal = TERM ] || grep -q 'nothing left behind' $signal.txt || tell "after SIGINT: $(cat $signal.txt)"
    absent killed.mp4
done
finish
