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

# 4 seconds, 44.1 kHz stereo.
ffmpeg -loglevel error -y -i "$speech" -t 4 -ar 44100 -ac 2 speech.wav
run -a speech.wav -i "$person" -o a.mp4
grep -q 'frames/s, real-time factor .* peak memory .* seed 42' out.txt || tell "closing line: $(cat out.txt)"
equal "$(probe a.mp4 v codec_name)" h264 codec
equal "$(probe a.mp4 v pix_fmt)" yuv420p "pixel format"
equal "$(probe a.mp4 v color_space)" bt709 "colour space"
equal "$(probe a.mp4 v color_range)" tv "colour range"
equal "$(probe a.mp4 v r_frame_rate)" 25/1 "frame rate"
equal "$(probe a.mp4 a codec_name)" aac "sound"
equal "$(probe a.mp4 a sample_rate)" 44100 "sample rate"
equal "$(probe a.mp4 a channels)" 2 "channels"
equal "$(ffprobe -loglevel error -count_frames -select_streams v -show_entries stream=nb_read_frames -of default=nw=1:nk=1 a.mp4)" 100 "frames"

# The same seed, one and two threads, run twice: the same frames; another seed: others.
run -a speech.wav -i "$person" -o one.framemd5 -t 1
run -a speech.wav -i "$person" -o two.framemd5 -t 2
run -a speech.wav -i "$person" -o again.framemd5 -t 2
run -a speech.wav -i "$person" -o other.framemd5 -s 43
cmp -s one.framemd5 two.framemd5 || tell "frames differ between 1 and 2 threads"
cmp -s two.framemd5 again.framemd5 || tell "frames differ between two runs"
cmp -s one.framemd5 other.framemd5 && tell "another seed makes the same frames"

# Stage by stage equals the whole.
run features -a speech.wav -i "$person" -o f.npy
run motion --features f.npy -i "$person" -o m.npy --pose-out p.npy
run motion -a speech.wav -i "$person" -o m2.npy
run render --motion m2.npy --pose p.npy -i "$person" -o stages.framemd5
cmp -s one.framemd5 stages.framemd5 || tell "motion and render do not make the frames of synth"

# Other ways out.
run -a speech.wav -i "$person" -o - --duration 0.2 && head -c 9 out.txt | grep -q YUV4MPEG2 || tell "no y4m on stdout"
run -a speech.wav -i "$person" -o 'f_%03d.png' --duration 0.2
[ "$(ls f_*.png | wc -l)" = 5 ] || tell "$(ls f_*.png | wc -l) pictures instead of 5"
run -a speech.wav -i "$person" -o null: --duration 0.2 --size 128x128 --background '#204060' --pose orbit

# Odd recordings: 1 to 639 samples make one frame; 8 kHz, 96 kHz and six channels work; MP3 works.
for n in 1 200 639; do
    ffmpeg -loglevel error -y -f lavfi -i sine=r=16000:f=200 -af "atrim=end_sample=$n" n$n.wav
    run -a n$n.wav -i "$person" -o n$n.framemd5
    [ "$(grep -vc '^#' n$n.framemd5)" = 1 ] || tell "$n samples make $(grep -vc '^#' n$n.framemd5) frames"
done
for rate in 8000 96000; do
    ffmpeg -loglevel error -y -i "$speech" -t 1 -ar $rate r$rate.wav
    run -a r$rate.wav -i "$person" -o r$rate.mp4
    [ "$(grep -c 1.00 out.txt)" = 1 ] || tell "$rate Hz: $(cat out.txt)"
done
ffmpeg -loglevel error -y -i "$speech" -t 1 -ac 6 -ar 48000 six.wav
run -a six.wav -i "$person" -o six.mp4
equal "$(probe six.mp4 a channels)" 6 "six channels"
ffmpeg -loglevel error -y -i "$speech" -t 1 three.mp3
run -a three.mp3 -i "$person" -o three.mp4
finish
