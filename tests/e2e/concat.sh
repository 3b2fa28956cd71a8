#!/bin/sh
# One clip by several workers, and what every output says of itself.
. "$(dirname "$0")/common"

small="--size 48x48"
run() {
    "$talkgen" "$@" --progress never >out.txt 2>err.txt || tell "failed: $* ($(head -n 3 err.txt))"
}
decoded() { # hash of the decoded pictures
    ffmpeg -nostdin -loglevel error -i "$1" -map 0:v -f framemd5 - | grep -v '^#' | md5sum | cut -d' ' -f1
}
equal() {
    [ "$1" = "$2" ] || tell "$3: '$1' instead of '$2'"
}
ffmpeg -nostdin -loglevel error -y -i "$speech" -t 5.3 -ar 22050 a.wav

# ---- parts, rendered in any order, are the whole
run -a a.wav -i "$person" -o whole.mp4 --frames 0: $small
run -a a.wav -i "$person" -o p2.mp4 --frames 100:400 $small
run -a a.wav -i "$person" -o p0.mp4 --frames 0:50 $small --threads 1
run -a a.wav -i "$person" -o p1.mp4 --frames 50:100 $small
run concat p2.mp4 p0.mp4 p1.mp4 --audio a.wav -o joined.mp4
grep -q '^joined.mp4: 5.32 s, 133 frames of 3 parts' out.txt || tell "closing line: $(cat out.txt)"
equal "$(decoded joined.mp4)" "$(decoded whole.mp4)" "pictures of the joined video"
run -a a.wav -i "$person" -o plain.mp4 $small
equal "$(ffprobe -loglevel error -select_streams v -show_entries stream=nb_frames -of csv=p=0 plain.mp4)" 133 frames
sound() {
    ffmpeg -nostdin -loglevel error -i "$1" -map 0:a -f md5 -
}
equal "$(sound joined.mp4)" "$(sound plain.mp4)" "sound of the joined video"
for range in 0:50 50:100 100:; do
    run -a a.wav -i "$person" -o part.framemd5 --frames $range $small -y
    grep -v '^#' part.framemd5
done >parts.txt
run -a a.wav -i "$person" -o whole.framemd5 $small
grep -v '^#' whole.framemd5 | cmp -s - parts.txt || tell "painted frames of parts differ from those of the whole"
run -a a.wav -i "$person" -o 'f_%d.png' --frames 130: $small
equal "$(echo f_*.png)" "f_130.png f_131.png f_132.png" "numbers of pictures"

# ---- what does not fit is refused, and says what is missing
expect 3 "frame 100" "$talkgen" concat p0.mp4 p2.mp4 -o no.mp4
expect 3 "frames 100 to 132 are missing" "$talkgen" concat p0.mp4 p1.mp4 -o no.mp4
expect 3 "another part has" "$talkgen" concat p0.mp4 p1.mp4 p0.mp4 -o no.mp4
expect 3 "not the part of a clip" "$talkgen" concat plain.mp4 -o no.mp4
run -a a.wav -i "$person" -o q1.mp4 --frames 50:100 $small --seed 7
expect 3 "another job" "$talkgen" concat p0.mp4 q1.mp4 p2.mp4 -o no.mp4
expect 3 "text.mp4" sh -c 'echo text >text.mp4; exec "$@"' sh "$talkgen" concat text.mp4 -o no.mp4
expect 3 "missing.wav" "$talkgen" concat p0.mp4 p1.mp4 p2.mp4 --audio missing.wav -o no.mp4
expect 2 "exists" "$talkgen" concat p0.mp4 p1.mp4 p2.mp4 -o joined.mp4
expect 2 "group of pictures" "$talkgen" -a a.wav -i "$person" -o no.mp4 --frames 10:50 $small
expect 2 "frames 0 to 132" "$talkgen" -a a.wav -i "$person" -o no.mp4 --frames 150:200 $small
expect 2 "--frames" "$talkgen" -a a.wav -i "$person" -o no.mp4 --frames 50:20 $small
expect 2 "--frames" "$talkgen" -a a.wav -i "$person" -o no.mp4 --frames 50 $small
expect 2 "no parts" "$talkgen" concat -o no.mp4
absent no.mp4

# ---- every output says that it is synthetic
source=http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia
for file in plain.mp4 joined.mp4 p1.mp4; do
    ffprobe -loglevel error -show_entries format_tags -of default=nw=1 $file >tags.txt
    grep -q '^TAG:title=Synthetic' tags.txt || tell "no title in $file: $(cat tags.txt)"
    grep -q '^TAG:comment=.*trainedAlgorithmicMedia.*talkgen.*job [0-9a-f]\{32\}$' tags.txt || tell "no comment in $file: $(cat tags.txt)"
    equal "$(grep -abo "DigitalSourceType=\"$source\"" $file | wc -l)" 1 "XMP in $file"
done
equal "$(grep -ao 'talkgen:Job="[0-9a-f]*"' joined.mp4)" "$(grep -ao 'talkgen:Job="[0-9a-f]*"' plain.mp4)" "job of parts and whole"
grep -aq "$source" f_130.png || tell "no XMP in a PNG"
run -a a.wav -i "$person" -o b.mkv --duration 1 $small
ffprobe -loglevel error -show_entries format_tags b.mkv | grep -q trainedAlgorithmicMedia || tell "no tags in Matroska"
if command -v exiftool >/dev/null; then
    exiftool -XMP-iptcExt:DigitalSourceType plain.mp4 f_130.png >tags.txt
    equal "$(grep -c trainedAlgorithmicMedia tags.txt)" 2 "exiftool: $(cat tags.txt)"
else
    echo "skip exiftool: it is not here"
fi

# ---- verify tells an output that was stripped of it
echo '{"id": "v", "audio": "a.wav", "duration_s": 0.2, "out": "v.mp4"}' >jobs.jsonl
run batch --manifest jobs.jsonl -i "$person" --out-dir renders $small
"$talkgen" verify --out-dir renders >out.txt || tell "verify: $(cat out.txt)"
at=$(grep -abo DigitalSourceType renders/v.mp4 | head -n 1 | cut -d: -f1)
printf X | dd of=renders/v.mp4 bs=1 seek=$((at + 30)) conv=notrunc 2>/dev/null
sed -i "s/\"md5\":.*\"$(grep -A4 '"output"' renders/v.mp4.json | sed -n 's/.*"md5":.*"\([0-9a-f]*\)".*/\1/p')\"/\"md5\": \"$(md5sum <renders/v.mp4 | cut -d' ' -f1)\"/" renders/v.mp4.json
"$talkgen" verify --out-dir renders >out.txt 2>err.txt
equal $? 7 "verify of a stripped output"
grep -q '^untagged' out.txt || tell "verify of a stripped output: $(cat out.txt)"
finish
