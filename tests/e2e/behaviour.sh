#!/bin/sh
# Head and blinks made from speech with the shipped person: the same frames at any number of threads and
# in parts, other seeds move otherwise, nothing leaves the recording's range, and what is missing is said.
. "$(dirname "$0")/common"

run() {
    "$talkgen" "$@" --progress never >out.txt 2>err.txt || tell "failed: $* ($(head -n 3 err.txt))"
}
same() {
    cmp -s "$1" "$2" || tell "$1 and $2 differ"
}
differ() {
    cmp -s "$1" "$2" && tell "$1 and $2 are equal"
}
auto="--pose auto --blink auto"

# ---- half speech, half silence
ffmpeg -loglevel error -y -i "$speech" -t 3 -af apad=pad_dur=3 -ar 16000 -ac 1 talk.wav

# ---- poses and landmarks: threads, seed, clip, the older name of the option
run motion -a talk.wav -i "$person" -o a.npy --pose-out pa.npy $auto -t 1
run motion -a talk.wav -i "$person" -o b.npy --pose-out pb.npy $auto -t 3
same a.npy b.npy
same pa.npy pb.npy
run motion -a talk.wav -i "$person" -o b.npy --pose-out pb.npy --pose auto --eyes auto -y
same a.npy b.npy
run motion -a talk.wav -i "$person" -o c.npy --pose-out pc.npy $auto --seed 7
differ pa.npy pc.npy
run motion -a talk.wav -i "$person" -o d.npy --pose-out pd.npy $auto --clip-id other
differ pa.npy pd.npy
run motion -a talk.wav -i "$person" -o e.npy --pose-out pe.npy $auto --pose-gain 0 --blink-gain 0
differ pa.npy pe.npy
# with no gain the head does not move: all poses are the first one
tail -c +129 pe.npy | head -c 64 >one
tail -c 64 pe.npy | cmp -s - one || tell "--pose-gain 0 moves"
tail -c +129 pa.npy | head -c 64 >one
tail -c 64 pa.npy | cmp -s - one && tell "--pose auto does not move"

# ---- pictures: threads, and parts that are those of the whole
run -a talk.wav -i "$person" -o all.framemd5 --size 64x64 $auto -t 1
run -a talk.wav -i "$person" -o all2.framemd5 --size 64x64 $auto -t 2
same all.framemd5 all2.framemd5
run -a talk.wav -i "$person" -o part.framemd5 --size 64x64 $auto --frames 50:150
grep -v '^#' part.framemd5 | sed 's/.* //' >part.txt
grep -v '^#' all.framemd5 | sed -n '51,150p' | sed 's/.* //' >whole.txt
same part.txt whole.txt
# made poses as a file are the same pictures
run motion -a talk.wav -i "$person" -o m.npy --pose-out mp.npy $auto
run render --motion m.npy --pose mp.npy -a talk.wav -i "$person" -o r.framemd5 --size 64x64
grep -v '^#' r.framemd5 | sed 's/.* //' >r.txt
grep -v '^#' all.framemd5 | sed 's/.* //' >a.txt
same r.txt a.txt

# ---- batch: the same frames as alone, and its options belong to the job
echo '{"id": "k", "audio": "talk.wav", "pose": "auto", "seed": 42}' >jobs.jsonl
run batch --manifest jobs.jsonl -i "$person" --out-dir out --size 64x64 --blink auto
run batch --manifest jobs.jsonl -i "$person" --out-dir out --size 64x64 --blink auto
grep -q " 1 complete before" out.txt err.txt || tell "not skipped: $(cat out.txt err.txt)"

# ---- into another voice file: the model of one, the rest of the other, so the same frames
run train behaviour --init "$models/voice.safetensors" --voice "$models/voice.safetensors" -o moved.safetensors
cmp -s moved.safetensors "$models/voice.safetensors" || {
    run motion -a talk.wav -i "$person" --encoder moved.safetensors -o f.npy --pose-out pf.npy $auto
    same a.npy f.npy
    same pa.npy pf.npy
}

# ---- what is missing
expect 2 "--voice" "$talkgen" train behaviour --init "$models/voice.safetensors" -o x.safetensors
expect 4 "train behaviour" "$talkgen" train behaviour --init "$person" --voice "$models/voice.safetensors" -o x.safetensors
expect 2 "--audio" "$talkgen" render --motion m.npy -i "$person" --pose auto -o x.mp4
expect 2 "--blink" "$talkgen" -a talk.wav -i "$person" --blink sometimes -o x.mp4
expect 2 "--pose" "$talkgen" -a talk.wav -i "$person" --pose sometimes -o x.mp4
expect 2 "--gaze" "$talkgen" -a talk.wav -i "$person" --gaze sometimes -o x.mp4
expect 2 "corpus" "$talkgen" train behaviour --work w
expect 3 "corpus.json" "$talkgen" train behaviour --work w --corpus nowhere
absent x.mp4 x.safetensors
finish
