#!/bin/sh
# The main job: properties of the MP4, determinism, odd recordings, stages that equal the whole.
. "$(dirname "$0")/common"

run() {
    "$talkgen" "$@" --progress never >out.txt 2>err.txt || tell "failed: $* ($(head -n 3 err.txt))"
}
# probe FILE STREAM ENTRY
probe() {
    ffprobe -loglevel error -select_streams "$2" -show_entries "stream=$3" -of default=nw=1:nk=1 "$1" | head -n 1
}
equal() {
    [ "$1" = "$2" ] || tell "$3: '$1' instead of '$2'"
}
# within A B LIMIT WHAT: |A - B| <= LIMIT
within() {
    awk -v a="${1:-none}" -v b="${2:-none}" -v limit="$3" \
        'BEGIN { if (a == "none" || b == "none") exit 1; d = a - b; exit !(d <= limit && -d <= limit) }' ||
        tell "$4: '$1' and '$2' are more than $3 apart"
}
frames_of() { # lines of a .framemd5 that are frames
    grep -vc '^#' "$1"
}
small="--size 64x64"

# ---- 4 seconds of 44.1 kHz stereo: what is in the file
ffmpeg -loglevel error -y -i "$speech" -t 4 -ar 44100 -ac 2 speech.wav
run -a speech.wav -i "$person" -o a.mp4
grep -Eq '^a.mp4: 4.00 s, [0-9.]+ frames/s, real-time factor [0-9.]+, peak memory [0-9]+ MiB, seed 42' out.txt ||
    tell "closing line: $(cat out.txt)"
equal "$(probe a.mp4 v codec_name)" h264 codec
equal "$(probe a.mp4 v pix_fmt)" yuv420p "pixel format"
for entry in color_space color_primaries color_transfer; do
    equal "$(probe a.mp4 v $entry)" bt709 $entry
done
equal "$(probe a.mp4 v color_range)" tv "colour range"
equal "$(probe a.mp4 v r_frame_rate)" 25/1 "frame rate"
equal "$(probe a.mp4 a codec_name)" aac "sound"
equal "$(probe a.mp4 a sample_rate)" 44100 "sample rate"
equal "$(probe a.mp4 a channels)" 2 "channels"
equal "$(ffprobe -loglevel error -count_frames -select_streams v -show_entries stream=nb_read_frames -of default=nw=1:nk=1 a.mp4)" 100 "frames"
head -c 64 a.mp4 | grep -q ftyp || tell "no MP4"
[ "$(grep -abo moov a.mp4 | head -n 1 | cut -d: -f1)" -lt "$(grep -abo mdat a.mp4 | head -n 1 | cut -d: -f1)" ] ||
    tell "the index is not in front (faststart)"

# ---- decoded against rendered: at least 38 dB
run -a speech.wav -i "$person" -o 'f_%03d.png'
equal "$(ls f_*.png | wc -l)" 100 "pictures"
ffmpeg -y -i a.mp4 -framerate 25 -i f_%03d.png -lavfi \
    '[0:v]scale=in_color_matrix=bt709:in_range=tv,format=gbrp[a];[1:v]format=gbrp[b];[a][b]psnr' -f null - 2>psnr.txt
psnr=$(sed -n 's/.*average:\([0-9.inf]*\) .*/\1/p' psnr.txt)
echo "decoded against rendered: ${psnr:-none} dB"
awk -v x="$psnr" 'BEGIN { exit !(x == "inf" || x + 0 >= 38) }' || tell "decoded against rendered: '$psnr' dB"
rm -f f_*.png

# ---- in time at both ends: two clicks stay where they were, within 20 ms
click='if(between(t,0.5,0.54)+between(t,5.4,5.44),0.5*sin(2*PI*880*t),0)'
ffmpeg -loglevel error -y -f lavfi -i "aevalsrc='$click':s=48000:d=6" clicks.wav
clicks() { # times at which silence ends
    ffmpeg -hide_banner -i "$1" -af silencedetect=noise=-30dB:d=0.2 -f null - 2>&1 |
        sed -n 's/.*silence_end: \([0-9.]*\).*/\1/p'
}
run -a clicks.wav -i "$person" -o clicks.mp4 $small
equal "$(clicks clicks.mp4 | wc -l)" "$(clicks clicks.wav | wc -l)" clicks
for n in 1 2; do
    within "$(clicks clicks.mp4 | sed -n ${n}p)" "$(clicks clicks.wav | sed -n ${n}p)" 0.02 "click $n"
done
run -a clicks.wav -i "$person" -o late.mp4 $small --start 5 --duration 0.8
within "$(clicks late.mp4 | head -n 1)" 0.4 0.02 "click after --start"
equal "$(probe late.mp4 v nb_frames)" 20 "frames of --duration"
for file in a.mp4 clicks.mp4 late.mp4; do
    within "$(probe $file v start_time)" 0 0.001 "$file, first frame"
    within "$(probe $file a start_time)" 0 0.02 "$file, begin of the sound"
    within "$(probe $file v duration)" "$(probe $file a duration)" 0.02 "$file, end of pictures and sound"
done

# ---- the same seed, one and two threads, run twice: the same frames; another seed: others
run -a speech.wav -i "$person" -o one.framemd5 -t 1
run -a speech.wav -i "$person" -o two.framemd5 -t 2
run -a speech.wav -i "$person" -o again.framemd5 -t 2
run -a speech.wav -i "$person" -o other.framemd5 -s 43
equal "$(frames_of one.framemd5)" 100 "lines of .framemd5"
cmp -s one.framemd5 two.framemd5 || tell "frames differ between 1 and 2 threads"
cmp -s two.framemd5 again.framemd5 || tell "frames differ between two runs"
cmp -s one.framemd5 other.framemd5 && tell "another seed makes the same frames"

# ---- stage by stage is the whole, to the last bit
run features -a speech.wav -i "$person" -o f.npy
run motion --features f.npy -i "$person" -o m.npy --pose-out p.npy --gaze-out g.npy
run motion -a speech.wav -i "$person" -o m2.npy
cmp -s m.npy m2.npy || tell "motion from stored features differs from motion from sound"
run eval march --motion m.npy --pose p.npy -i "$person" --frames 2
psnr=$(awk '$1 == "head" { print $2 }' out.txt)
echo "fast against exhaustive, head: ${psnr:-none} dB"
awk -v x="$psnr" 'BEGIN { exit !(x + 0 >= 40) }' || tell "fast against exhaustive: '$psnr' dB in the head"
expect 2 "a range of frames" "$talkgen" eval march --motion m.npy -i "$person" --frames 0:2
run render --motion m.npy --pose p.npy --gaze g.npy -i "$person" -o stages.framemd5
cmp -s one.framemd5 stages.framemd5 || tell "features, motion and render do not make the frames of synth"

# ---- the same of another person, with all that can be made from the speech
other="-i $models/dev.ckpt"
run -a speech.wav $other $small --pose auto --blink auto -o eyes.framemd5 --gaze-out g2.npy
run motion -a speech.wav $other --pose auto --blink auto -o m3.npy --pose-out p3.npy --gaze-out g3.npy
cmp -s g2.npy g3.npy || tell "synth and motion write another gaze"
run render --motion m3.npy --pose p3.npy --gaze g3.npy $other $small -o stages3.framemd5
cmp -s eyes.framemd5 stages3.framemd5 || tell "motion, poses and gaze do not make the frames of synth"
run render --motion m3.npy --pose p3.npy --gaze still $other $small -o still.framemd5
cmp -s eyes.framemd5 still.framemd5 && tell "eyes that look straight on make the same frames"

# ---- other ways out
run -a speech.wav -i "$person" -o - --duration 0.2 $small
head -c 9 out.txt | grep -q YUV4MPEG2 || tell "no y4m on stdout"
run -a speech.wav -i "$person" -o a.y4m --duration 0.2 $small
cmp -s out.txt a.y4m && tell "the closing line is missing on stdout"
equal "$(ffprobe -loglevel error -count_frames -show_entries stream=nb_read_frames -of default=nw=1:nk=1 a.y4m)" 5 "frames of y4m"
run -a speech.wav -i "$person" -o frames.npy --duration 0.2 $small
equal "$(wc -c <frames.npy)" $((128 + 5 * 64 * 64 * 3 * 4)) "bytes of frames.npy"
run -a speech.wav -i "$person" -o null: --duration 0.2 $small --background '#204060' --pose orbit
run -a speech.wav -i "$person" -o null: --duration 0.2 $small --pose still --eyes still --temperature 0
run -a speech.wav -i "$person" -o a.mp4 --duration 0.2 $small -y
equal "$(probe a.mp4 v nb_frames)" 5 "frames after -y"

# ---- odd recordings: 1 to 639 samples make one frame; 8 kHz, 96 kHz, six channels; MP3, M4A
for n in 1 2 79 200 399 400 639; do
    ffmpeg -loglevel error -y -f lavfi -i sine=r=16000:f=200 -af "atrim=end_sample=$n" n$n.wav
    run -a n$n.wav -i "$person" -o n$n.framemd5 $small
    equal "$(frames_of n$n.framemd5)" 1 "frames of $n samples"
done
run -a n1.wav -i "$person" -o n1.mp4 $small
equal "$(probe n1.mp4 v nb_frames)" 1 "frames of 1 sample in MP4"
for rate in 8000 96000; do
    ffmpeg -loglevel error -y -i "$speech" -t 1 -ar $rate r$rate.wav
    run -a r$rate.wav -i "$person" -o r$rate.mp4 $small
    equal "$(probe r$rate.mp4 v nb_frames)" 25 "frames at $rate Hz"
    equal "$(probe r$rate.mp4 a sample_rate)" $rate "sample rate"
done
ffmpeg -loglevel error -y -i "$speech" -t 1 -ac 6 -ar 48000 six.wav
run -a six.wav -i "$person" -o six.mp4 $small
equal "$(probe six.mp4 a channels)" 6 "six channels"
for kind in mp3 m4a ogg mp4; do
    ffmpeg -loglevel error -y -i "$speech" -t 1 $([ $kind = ogg ] && echo -c:a libvorbis) in.$kind
    run -a in.$kind -i "$person" -o from_$kind.mp4 $small
    within "$(probe from_$kind.mp4 v nb_frames)" 25 2 "frames from $kind" # the codec pads
done

# ---- a minute in less than 1 GB
ffmpeg -loglevel error -y -stream_loop -1 -i "$speech" -t 60 minute.wav
run -a minute.wav -i "$person" -o minute.mp4 $small
equal "$(probe minute.mp4 v nb_frames)" 1500 "frames of a minute"
memory=$(sed -n 's/.*peak memory \([0-9]*\) MiB.*/\1/p' out.txt)
echo "a minute: $memory MiB"
[ "${memory:-9999}" -lt 954 ] || tell "a minute took $memory MiB"
finish
