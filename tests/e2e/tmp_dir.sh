#!/bin/sh
# --tmp-dir: what grows on one disk and ends on another is the same file, and nothing stays on either, whatever
# stops it.
. "$(dirname "$0")/common"

ffmpeg -nostdin -loglevel error -y -i "$speech" -t 2 a.wav
ffmpeg -nostdin -loglevel error -y -i "$speech" -t 12 long.wav
mkdir -p here
other=$(mktemp -d -p /dev/shm 2>/dev/null) || other=$work/here # another file system, where there is one
mkdir -p scratch disk
leave() {
    rmdir "$other" 2>/dev/null
    for mounted in scratch disk; do
        mountpoint -q $mounted && umount $mounted
    done
}
trap leave EXIT
nothing_in() {
    [ -z "$(ls -A "$1")" ] || tell "left in a temporary folder: $(ls -A "$1")"
}
small="-i $person --size 32x32 --progress never"
run() {
    "$talkgen" "$@" >out.txt 2>err.txt || tell "failed: $* ($(cat err.txt))"
}

# ---- the same bytes
for kind in mp4 mkv y4m framemd5; do
    run -a a.wav $small -o beside.$kind
    for place in here "$other"; do
        # shellcheck disable=SC2086
        run -a a.wav $small -o away.$kind --tmp-dir "$place" -y
        cmp -s beside.$kind away.$kind || tell "another $kind by $place"
        nothing_in "$place"
    done
done
run -a a.wav $small -o p0.mp4 --frames 0:50 --tmp-dir "$other"
run concat p0.mp4 --audio a.wav -o whole.mp4 --tmp-dir "$other"
run concat p0.mp4 --audio a.wav -o plain.mp4
cmp -s whole.mp4 plain.mp4 || tell "another joined movie"
nothing_in "$other"
echo '{"id": "a", "audio": "a.wav"}' >jobs.jsonl
run batch --manifest jobs.jsonl --out-dir b $small --tmp-dir "$other"
run batch --manifest jobs.jsonl --out-dir b $small
grep -q '1 complete before' out.txt || tell "a clip by another disk is not complete: $(cat out.txt)"
run verify --out-dir b --manifest jobs.jsonl
nothing_in "$other"
absent

# ---- what cannot be
expect 5 "nowhere: cannot write: No such file" "$talkgen" -a a.wav $small -o no.mp4 --tmp-dir nowhere
expect 5 "a.wav: cannot write: Not a directory" "$talkgen" -a a.wav $small -o no.mp4 --tmp-dir a.wav
expect 5 "no/where.mp4: cannot write" "$talkgen" -a a.wav $small -o no/where.mp4 --tmp-dir "$other"
for out in no_%05d.png - null:; do
    expect 2 "nothing of it grows in --tmp-dir" "$talkgen" -a a.wav $small -o "$out" --tmp-dir "$other"
done
absent no.mp4 no

# ---- killed while it grows: the folder of the output has an empty file, which the next run removes
sed 's/a.wav/long.wav/' jobs.jsonl >long.jsonl
"$talkgen" batch --manifest long.jsonl --out-dir k -i "$person" --progress never --tmp-dir "$other" >out.txt 2>err.txt &
pid=$!
has_open() { # PROCESS FOLDER: a file in it
    find "/proc/$1/fd" -lname "$2/*" 2>/dev/null | grep -q .
}
wait_for 60 has_open $pid "$other" || tell "nothing grows in the temporary folder"
kill -KILL $pid
wait $pid 2>/dev/null
nothing_in "$other"
[ "$(find k -name '*.part' -size 0 | wc -l)" = 1 ] || tell "not one empty file: $(find k -type f)"
run batch --manifest jobs.jsonl --out-dir k $small --tmp-dir "$other"
absent

# ---- either disk full
if mount -t tmpfs -o size=40k tmpfs scratch 2>/dev/null && mount -t tmpfs -o size=60k tmpfs disk; then
    expect 5 "out.mp4, in scratch: cannot write after 40960 bytes: No space left" "$talkgen" -a long.wav $small \
        -o out.mp4 --tmp-dir scratch
    nothing_in scratch
    absent out.mp4
    run -a long.wav $small -o out.mp4
    expect 5 "disk/out.mp4: cannot write after 61440 of $(stat -c %s out.mp4) bytes: No space left" "$talkgen" \
        -a long.wav $small -o disk/out.mp4 --tmp-dir "$other"
    nothing_in disk
    nothing_in "$other"
else
    echo "skip full disks: mounting a tmpfs is not permitted here"
fi
finish
