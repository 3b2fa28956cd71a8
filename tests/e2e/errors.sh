#!/bin/sh
# Bad input: one clear message, the right exit code, nothing left behind.
. "$(dirname "$0")/common"

# synth OUTPUT OPTIONS...: the main job on one second
synth() {
    output=$1
    shift
    "$talkgen" --identity "$person" -o "$output" --progress never --duration 1 "$@"
}

expect 3 "missing.wav" synth a.mp4 --audio missing.wav
printf 'this is no sound' >text.wav
expect 3 "text.wav" synth a.mp4 --audio text.wav
ffmpeg -loglevel error -f lavfi -i anullsrc=r=16000:cl=mono -t 0 -c:a pcm_s16le empty.wav
expect 3 "empty.wav" synth a.mp4 --audio empty.wav
# 32-bit float WAV of 200 samples, NaN (00 00 c0 7f) at sample 100
{
    printf 'RIFF\104\003\000\000WAVEfmt \020\000\000\000\003\000\001\000\200\076\000\000\000\372\000\000\004\000\040\000data\040\003\000\000'
    head -c 400 /dev/zero
    printf '\000\000\300\177'
    head -c 396 /dev/zero
} >nan.wav
expect 3 "100" synth a.mp4 --audio nan.wav
absent a.mp4

audio="--audio $speech"
head -c 100000 "$person" >short.ckpt
expect 4 "short.ckpt" "$talkgen" $audio --identity short.ckpt -o a.mp4
printf 'PK\003\004\024\000\000\000\000\000archive/data.pkl' >torch.ckpt
expect 4 "PyTorch" "$talkgen" $audio --identity torch.ckpt -o a.mp4
printf 'hello' >text.ckpt
expect 4 "text.ckpt" "$talkgen" $audio --identity text.ckpt -o a.mp4
expect 4 "missing.ckpt" "$talkgen" $audio --identity missing.ckpt -o a.mp4
expect 4 "" "$talkgen" $audio --identity "$person" --encoder text.ckpt -o a.mp4
cp "$person" alone.ckpt
expect 4 "voice" "$talkgen" $audio --identity alone.ckpt -o a.mp4
absent a.mp4

expect 5 "no/such" synth no/such/folder/a.mp4 $audio
expect 2 "exists" sh -c ': >there.mp4; exec "$@"' sh "$talkgen" $audio --identity "$person" -o there.mp4
[ -s there.mp4 ] && tell "an existing output was touched"
expect 2 "--identiy" "$talkgen" --identiy x
expect 2 "twice" synth a.mp4 $audio --seed 1 --seed 2
expect 2 "--seed" synth a.mp4 $audio --seed many
expect 2 "--size" synth a.mp4 $audio --size 256
expect 2 "aspect" synth a.mp4 $audio --size 256x128
expect 2 "--pose" synth a.mp4 $audio --pose nowhere
expect 2 "--background" synth a.mp4 $audio --background '#12345'
expect 2 "both given" "$talkgen" motion $audio --features f.npy -i "$person" -o m.npy
expect 2 "unknown command" "$talkgen" snyth
expect 2 "missing" "$talkgen" --identity "$person" -o a.mp4
expect 2 "eyes" synth a.mp4 $audio --eyes wide
expect 2 "--cpu-level" synth a.mp4 $audio --cpu-level sse
expect 2 "--progress" "$talkgen" $audio -i "$person" -o a.mp4 --progress loud
absent a.mp4 m.npy

# A full disk.
mkdir -p disk
if mount -t tmpfs -o size=64k tmpfs disk 2>/dev/null; then
    expect 5 "disk/a.mp4" synth disk/a.mp4 $audio
    [ -z "$(ls -A disk)" ] || tell "a full disk keeps $(ls -A disk)"
    umount disk
else
    echo "skip full disk: mounting a tmpfs is not permitted here"
fi

# Ctrl-C
"$talkgen" --audio "$speech" --identity "$person" -o killed.mp4 --progress never 2>err.txt &
pid=$!
sleep 1
kill -INT $pid
wait $pid
got=$?
[ $got = 130 ] || tell "exit $got instead of 130 after SIGINT"
absent killed.mp4
finish
