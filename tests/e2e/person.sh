#!/bin/sh
# A person of somebody's own: a folder that is looked through before it is trained from, training that is
# killed in every stage and goes on, and the report at its end.
. "$(dirname "$0")/common"
tests=$(dirname "$talkgen")/tests
"$tests/recording" person 150 || exit 1

# ---- looking through: everything that is wrong at once, exit 4, and nothing begun
"$talkgen" train check --data person >out.txt 2>err.txt || tell "a good recording: $(cat out.txt err.txt)"
grep -q '150 frames (135 to train on, 15 held out), 32 x 32, 6.0 s' out.txt || tell "summary: $(cat out.txt)"
cp -r person broken
rm broken/gt_imgs/3.png broken/gt_imgs/4.png broken/landmarks.npy
echo nothing >broken/parsing/7.png
expect 4 'things are wrong' "$talkgen" train all --data broken --voice "$models/voice.safetensors" -o broken.ckpt --progress never
grep -q '^ 1\. ' out.txt && grep -q '^ 3\. ' out.txt || tell "no numbered list: $(cat out.txt)"
grep -q 'gt_imgs: pictures are missing: gt_imgs/3.jpg, gt_imgs/4.jpg' out.txt || tell "missing pictures: $(cat out.txt)"
grep -q 'parsing/7.png' out.txt || tell "unreadable picture: $(cat out.txt)"
grep -q 'no usable landmarks' out.txt || tell "landmarks: $(cat out.txt)"
absent broken.ckpt broken/training
expect 4 'things are wrong' "$talkgen" train all --data broken --dry-run --progress never
expect 4 'wrong' "$talkgen" train check --data nobody --progress never
expect 2 '--data' "$talkgen" train check
"$talkgen" train all --data person --dry-run >out.txt || tell "dry run: $(cat out.txt)"
absent person/training

# ---- landmarks: our own, and lifted from 2-D ones with the head poses
"$talkgen" train check --data person -o own.npy >out.txt && cmp -s own.npy person/landmarks.npy || tell "own landmarks differ"
"$tests/lms" person 0.1 || tell "lms"
mv person/landmarks.npy true.npy
"$talkgen" train check --data person -o lifted.npy >out.txt || tell "lifting: $(cat out.txt)"
grep -q 'motion: ori_imgs' out.txt || tell "motion: $(cat out.txt)"
"$tests/lms" lifted.npy true.npy 1.5 >out.txt || tell "lifted landmarks: $(cat out.txt)"
expect 2 'exists already' "$talkgen" train check --data person -o lifted.npy
mv true.npy person/landmarks.npy

# ---- training, killed with SIGKILL while it trains the head and again at the torso
"$tests/voice" "$models/voice.safetensors" plain.safetensors || tell "no voice without sync expert"
set -- train all --data person --work work --voice plain.safetensors -o person.ckpt --time 24s
# kill_at FILE ARGUMENTS: starts the training and kills it when FILE is there.
kill_at() {
    file=$1
    shift
    "$talkgen" "$@" >out.txt 2>err.txt &
    victim=$!
    until=$(($(date +%s) + 240))
    while [ ! -e "$file" ] && kill -0 $victim 2>/dev/null && [ "$(date +%s)" -lt $until ]; do
        sleep 0.1
    done
    kill -9 $victim 2>/dev/null || tell "it was over before $file was there: $(cat err.txt)"
    wait $victim 2>/dev/null
    [ -e "$file" ] || tell "no $file: $(cat err.txt)"
    absent person.ckpt work/report.html
}
kill_at work/head/head.state "$@"
lines=$(wc -l <work/head/head.csv)
# Ctrl-C: what was trained is kept, and the message says so
"$talkgen" "$@" --progress json >out.txt 2>err.txt &
victim=$!
wait_for 60 says err.txt 'train head'
kill -INT $victim
wait $victim
[ $? = 130 ] || tell "exit code after SIGINT: $(cat err.txt)"
grep -q 'run the same command again to go on' err.txt || tell "after SIGINT: $(cat err.txt)"
absent person.ckpt
kill_at work/torso/torso.state "$@"
[ "$(wc -l <work/head/head.csv)" -ge "$lines" ] || tell "the log of the head became shorter"
head=$(cksum <work/head/head.safetensors)
"$talkgen" "$@" >out.txt 2>err.txt || tell "training: $(cat err.txt)"
grep -q '^head: trained already' out.txt || tell "the head was trained again: $(cat out.txt)"
[ "$(cksum <work/head/head.safetensors)" = "$head" ] || tell "the head changed"
# steps of a log ascend, over all the runs
for log in head torso; do
    awk -F, 'NR > 1 { if ($1 + 0 < last) bad = 1; last = $1 + 0 } END { exit bad }' work/$log/$log.csv ||
        tell "steps of $log.csv go back"
    ls work/$log/sheet_*.png >/dev/null || tell "no contact sheet of the $log"
done
[ -s person.ckpt ] || tell "no person"
"$talkgen" info person.ckpt | grep -q '"smooth":0[,}]' || tell "its motion is smoothed: $("$talkgen" info person.ckpt | sed -n 1,4p)"
grep -q 'no postnet.*holds no sync expert' err.txt || tell "why there is no postnet: $(cat err.txt)"
absent work/draft.ckpt
expect 2 'exists already' "$talkgen" "$@"

# ---- the report: one file that needs no other
page=work/report.html
for what in '<svg' 'data:video/mp4;base64,' 'data:image/png;base64,' 'held-out torso' 'pyramid distance' 'mouth that never moves'; do
    grep -qF "$what" $page || tell "the report lacks $what"
done
grep -oE '(src|href|poster)="?[^d"][^"]{0,20}' $page && tell "the report points elsewhere"
ffprobe -v error -show_entries stream=codec_name,width,height -of csv=p=0 work/comparison.mp4 >out.txt
grep -q '^h264,96,32' out.txt && grep -q '^aac' out.txt || tell "comparison.mp4: $(cat out.txt)"

# the film plays in a browser, to its end: the title of a copy of the page tells
if command -v chromium >/dev/null && command -v curl >/dev/null && ! sanitized; then
    cat $page - >play.html <<'END'
<script>const v = document.querySelector('video'); v.muted = true; v.loop = false;
v.onerror = () => document.title = 'error ' + v.error.message;
v.onended = () => document.title = 'ended ' + v.videoWidth + 'x' + v.videoHeight;
v.play().catch(e => document.title = 'error ' + e)</script>
END
    chromium --headless --no-sandbox --disable-gpu --autoplay-policy=no-user-gesture-required \
        --remote-debugging-port=0 --user-data-dir="$work/chromium" "file://$work/play.html" >chromium.txt 2>&1 &
    browser=$!
    title=
    until=$(($(date +%s) + 120))
    while [ "$(date +%s)" -lt $until ] && kill -0 $browser 2>/dev/null; do
        sleep 0.5
        port=$(head -n 1 chromium/DevToolsActivePort 2>/dev/null) || continue
        title=$(curl -s "http://127.0.0.1:$port/json" | grep -oE '"(ended|error)[^"]*"') && break
    done
    kill $browser
    wait $browser 2>/dev/null
    [ "$title" = '"ended 96x32"' ] || tell "the film in a browser: $title"
else
    echo "skip the film in a browser: no chromium and curl, or a sanitizer"
fi

# ---- measures, as a table and as JSON
"$talkgen" eval person --identity person.ckpt --data person --frames 4 --progress never >out.txt || tell "eval person"
for what in head face hair mouth torso all control 'four seeds'; do
    grep -q "$what" out.txt || tell "eval person lacks $what"
done
"$talkgen" eval person --identity person.ckpt --data person --frames 4 --json --progress never >out.json || tell "eval --json"
for what in regions psnr_db ssim pyramid_distance flicker landmark_distance_px diversity_mm jitter_mm gap_corr; do
    grep -q "\"$what\"" out.json || tell "JSON lacks $what"
done
"$talkgen" eval psnr --identity person.ckpt --data person --progress never >out.txt || tell "eval psnr"
grep -q '^control' out.txt || tell "eval psnr: $(cat out.txt)"

# ---- other pictures for a person who is there: her postnet, this recording, these fields
"$talkgen" train assemble --init "$models/demo.ckpt" --data person --voice "$models/voice.safetensors" --work work -o both.ckpt >out.txt ||
    tell "assemble: $(cat out.txt)"
for file in "$models/demo.ckpt" both.ckpt; do
    "$talkgen" info "$file" | grep '^  motion.postnet' | sort >"$(basename "$file").txt"
done
[ -s both.ckpt.txt ] && cmp -s demo.ckpt.txt both.ckpt.txt || tell "the postnet is another one"
"$talkgen" info both.ckpt | grep -q '"width":32,' || tell "not the recording's pictures"

# ---- a voice with its judge: a postnet of one's own, by voices made here
if "$talkgen" studio 2>&1 | grep -q 'without the studio'; then
    echo "skip the postnet by voices of the studio: this binary has none"
else
    "$talkgen" train all --data person --work adapted --voice "$models/voice.safetensors" -o adapted.ckpt --time 12s >out.txt 2>err.txt ||
        tell "training with a postnet: $(cat err.txt)"
    grep -q '^postnet: [1-9]' out.txt || tell "no postnet was trained: $(cat out.txt err.txt)"
    "$talkgen" info adapted.ckpt | grep -q '^  motion.postnet' || tell "the person has no postnet"
fi

finish
