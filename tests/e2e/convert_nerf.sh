#!/bin/sh
# AD-NeRF's and RAD-NeRF's files: converted, told apart, rendered from features.
golden=$(cd "$(dirname "$0")/../golden" && pwd) || exit 1
. "$(dirname "$0")/common"
published=$(dirname "$talkgen")/tests/published
published_torso=$(dirname "$talkgen")/tests/published_torso

run() {
    "$talkgen" "$@" --progress never >out.txt 2>err.txt || tell "failed: $* ($(head -n 3 err.txt))"
}
equal() {
    [ "$1" = "$2" ] || tell "$3: '$1' instead of '$2'"
}
same() {
    cmp -s "$1" "$2" || tell "$1 and $2 differ: $3"
}
differ() {
    cmp -s "$1" "$2" && tell "$1 and $2 are the same: $3"
}

# ---- a recording: cameras, background, eyes
frame() { # NUMBER X Z
    printf '{"img_id": %d, "aud_id": %d, "transform_matrix": [[1,0,0,%s],[0,1,0,0],[0,0,1,%s],[0,0,0,1]]}' "$1" "$1" "$2" "$3"
}
mkdir -p data/ori_imgs
printf '{"focal_len": 60, "cx": 11, "cy": 13, "frames": [%s, %s]}' "$(frame 0 0 0.75)" "$(frame 1 0.02 0.75)" >data/transforms_train.json
printf '{"focal_len": 60, "cx": 11, "cy": 13, "frames": [%s]}' "$(frame 2 0.04 0.75)" >data/transforms_val.json
printf '{"focal_len": 60, "frames": [%s, %s]}' "$(frame 0 -0.05 0.8)" "$(frame 1 -0.04 0.8)" >path.json
ffmpeg -loglevel error -y -f lavfi -i testsrc=s=24x24 -frames:v 1 data/bc.jpg
for n in 0 1 2; do
    for i in $(seq 68); do
        echo "$((i % 7)).5 $((i % (5 + n)))"
    done >data/ori_imgs/$n.lms
done

# ---- features: 12 rows of logits at 50 Hz, and the windows that the published preparation makes of
# them: eight rows of zeros at both ends, 16 rows, stride 2
npy() { # SHAPE DTYPE <DATA
    header="{'descr': '$2', 'fortran_order': False, 'shape': ($1), }"
    printf '\223NUMPY\001\000\166\000%-117s\n' "$header"
    cat
}
ffmpeg -loglevel error -y -f lavfi -i anoisesrc=r=8000:d=1:seed=7 -f f64le noise.raw
row=$((29 * 8))
head -c $((12 * row)) noise.raw >rows.raw
npy 12,29 '<f8' <rows.raw >rows.npy
{
    head -c $((8 * row)) /dev/zero
    cat rows.raw
    head -c $((8 * row)) /dev/zero
} >padded.raw
for n in 0 1 2 3 4 5; do
    dd if=padded.raw bs=$row skip=$((2 * n)) count=16 2>/dev/null
done | npy 6,16,29 '<f8' >aud.npy
head -c $((6 * 16 * 44 * 8)) noise.raw | npy 6,16,44 '<f8' >aud_eo.npy

# ---- RAD-NeRF
rad=$golden/radnerf_head/ngp_ep0001.pth
run convert radnerf --checkpoint "$rad" --dataset data -o rad.ckpt
"$talkgen" info rad.ckpt >out.txt 2>err.txt || tell "info rad.ckpt failed"
grep -q 'talkgen.system  *radnerf' out.txt || tell "info of rad.ckpt: $(head -n 3 out.txt)"
grep -q 'scene.eye_area  *F32  *\[3\]' out.txt || tell "no eye areas in rad.ckpt"
run render --features aud.npy -i rad.ckpt -o rad.framemd5
equal "$(grep -vc '^#' rad.framemd5)" 6 "frames of six windows"
run --features rows.npy -i rad.ckpt -o rad_rows.framemd5
same rad.framemd5 rad_rows.framemd5 "windows made here and windows of the preparation"
run render --features aud.npy -i rad.ckpt -o rad_one.framemd5 -t 1
run render --features aud.npy -i rad.ckpt -o rad_two.framemd5 -t 2
same rad_one.framemd5 rad_two.framemd5 "one and two threads"
run render --features aud.npy -i rad.ckpt -o rad_ref1.framemd5 --march reference -t 1
run render --features aud.npy -i rad.ckpt -o rad_ref2.framemd5 --march reference -t 2
same rad_ref1.framemd5 rad_ref2.framemd5 "reference schedule, one and two threads"
run render --features aud.npy -i rad.ckpt -o big.framemd5 --size 48x48
grep -q 'dimensions 0: 48x48' big.framemd5 || tell "another size"
# poses: recorded ones are not smoothed, as in RAD-NeRF
run render --features aud.npy -i rad.ckpt -o null: --pose-out poses.npy
for pose in still orbit path.json; do
    run render --features aud.npy -i rad.ckpt -o pose.framemd5 --pose $pose -y
    differ rad.framemd5 pose.framemd5 "--pose $pose"
done
run render --features aud.npy -i rad.ckpt -o pose.framemd5 --pose poses.npy -y
same rad.framemd5 pose.framemd5 "poses from a file"
run render --features aud.npy -i rad.ckpt -o smooth.framemd5 --pose-smooth 7
differ rad.framemd5 smooth.framemd5 "smoothed poses"
# backgrounds
for background in '#ff0000' data/bc.jpg; do
    run render --features aud.npy -i rad.ckpt -o bg.framemd5 --background "$background" -y
done
same rad.framemd5 bg.framemd5 "the recording's background by name and as a file"
run render --features aud.npy -i rad.ckpt -o 'rgba_%02d.png' --background transparent
equal "$(ls rgba_*.png | wc -l)" 6 "pictures with alpha"
equal "$(ffprobe -loglevel error -show_entries stream=pix_fmt -of default=nw=1:nk=1 rgba_00.png)" rgba "pixels of a picture with alpha"
# put over green they are the pictures over green, within rounding
run render --features aud.npy -i rad.ckpt -o 'green_%02d.png' --background '#008000'
ffmpeg -y -f lavfi -i color=0x008000:s=24x24,format=gbrp -i rgba_00.png -i green_00.png -lavfi \
    '[1:v]format=gbrap[p];[0:v][p]overlay=format=gbrp:shortest=1,format=gbrp[a];[2:v]format=gbrp[b];[a][b]psnr' \
    -frames:v 1 -f null - 2>psnr.txt
psnr=$(sed -n 's/.*average:\([0-9.inf]*\) .*/\1/p' psnr.txt | tail -n 1)
echo "with alpha over green against green: ${psnr:-none} dB"
awk -v x="$psnr" 'BEGIN { exit !(x == "inf" || x + 0 >= 45) }' || tell "alpha over green: '$psnr' dB"
for out in t.mp4 t.npy t.framemd5; do
    expect 2 transparency "$talkgen" render --features aud.npy -i rad.ckpt -o $out --background transparent --progress never
done
absent t.mp4 t.npy t.framemd5
run render --features aud.npy -i rad.ckpt -o frames.npy
equal "$(wc -c <frames.npy)" $((128 + 6 * 24 * 24 * 3 * 4)) "bytes of float32 frames"

# ---- RAD-NeRF's torso: the golden one under RAD-NeRF's names beside this head
torso() { # FILE.pth [without|wide NAME | mean NUMBER]
    "$published_torso" "$golden" "$@" || tell "no $*"
}
torso torso.pth
"$talkgen" info torso.pth >out.txt
grep -q 'RAD-NeRF head and torso' out.txt || tell "info of torso.pth: $(head -n 1 out.txt)"
run convert radnerf --checkpoint torso.pth --dataset data -o torso.ckpt
"$published_torso" "$golden" same torso.ckpt >out.txt || tell "the torso's tensors: $(cat out.txt)"
"$published_torso" "$golden" same rad.ckpt >out.txt && tell "a head passes for the golden torso"
run render --features aud.npy -i torso.ckpt -o torso.npy
run render --features aud.npy -i torso.ckpt -o torso.framemd5
# Bytes that differ from those of the head alone: the stored torso reaches from row 14 of 24 down and
# lies between columns 5 and 18, in every frame.
cmp -l frames.npy torso.npy | awk '
    { pixel = int(($1 - 129) / 12); row = int(pixel % 576 / 24); column = pixel % 24 }
    { seen[int(pixel / 576), row] = 1 }
    row < 14 || column < 5 || column > 18 { outside++ }
    END { for (frame = 0; frame < 6; frame++) for (row = 14; row < 24; row++) rows += seen[frame, row]
          print rows + 0, outside + 0 }' >region.txt
equal "$(cat region.txt)" "60 0" "rows changed by the torso, and changes outside of it"
# where it is looked for: above the smaller of density_thresh_torso and the stored mean
printf 'density_thresh_torso: 0.6\n' >threshold.yaml
torso mean.pth mean 0.6
run convert radnerf --checkpoint torso.pth --dataset data --config threshold.yaml -o threshold.ckpt
run render --features aud.npy -i threshold.ckpt -o threshold.framemd5
same torso.framemd5 threshold.framemd5 "a threshold above a mean of zero"
run convert radnerf --checkpoint mean.pth --dataset data --config threshold.yaml -o mean.ckpt
run render --features aud.npy -i mean.ckpt -o mean.framemd5
differ torso.framemd5 mean.framemd5 "a threshold of 0.6"
for name in individual_codes_torso density_grid_torso torso_deform_net.net.0.weight torso_deform_net.net.1.weight \
    torso_deform_net.net.2.weight torso_encoder.embeddings torso_net.net.0.weight torso_net.net.1.weight \
    torso_net.net.2.weight; do
    torso lacking.pth without $name
    expect 4 "tensor $name is missing" "$talkgen" convert radnerf --checkpoint lacking.pth --dataset data -o x.ckpt
    torso wide.pth wide $name
    # one more code makes the net too narrow
    wrong_one=$(echo $name | sed 's/individual_codes_torso/torso_deform_net.net.0.weight/')
    expect 4 "tensor $wrong_one has shape" "$talkgen" convert radnerf --checkpoint wide.pth --dataset data -o x.ckpt
done
torso lacking.pth without torso_encoder.offsets # the layout is then that of the published size
expect 4 "[555520, 2]" "$talkgen" convert radnerf --checkpoint lacking.pth --dataset data -o x.ckpt
torso wide.pth wide torso_encoder.offsets
expect 4 "torso_encoder.offsets has shape [18]" "$talkgen" convert radnerf --checkpoint wide.pth --dataset data -o x.ckpt

# ---- RAD-NeRF's configuration: what no tensor tells
printf 'max_steps: 4\n' >steps.yaml
printf '{"max_steps": 4}' >steps.json
printf 'scale: 5\noffset: [0, 0.1, 0]\n' >camera.yaml
printf 'max_steps: 0\n' >none.yaml
for config in steps.yaml steps.json camera.yaml; do
    run convert radnerf --checkpoint torso.pth --dataset data --config $config -o $config.ckpt
    run render --features aud.npy -i $config.ckpt -o $config.framemd5 --march reference
done
run render --features aud.npy -i torso.ckpt -o defaults.framemd5 --march reference
same steps.yaml.framemd5 steps.json.framemd5 "configurations in YAML and in JSON"
differ steps.yaml.framemd5 defaults.framemd5 "--config with four steps"
differ camera.yaml.framemd5 defaults.framemd5 "--config with another scale"
"$talkgen" info camera.yaml.ckpt >out.txt
grep -q '"camera_scale":5' out.txt || tell "scale of camera.yaml"

# ---- RAD-NeRF that hears: an encoder with as many letters, named or inside
ffmpeg -loglevel error -y -i "$speech" -t 1 -ar 16000 speech.wav
"$published" . || exit 1
hear() { # OUTPUT OPTIONS...
    output=$1
    shift
    "$talkgen" convert radnerf --checkpoint torso.pth --dataset data --progress never -o "$output" "$@"
}
run features --encoder letters.safetensors --logits -a speech.wav -o letters.npy
hear ear.ckpt --hubert letters.safetensors --name Ear || tell "convert radnerf --hubert"
"$talkgen" info ear.ckpt >out.txt
grep -q '"name":"Ear"' out.txt || tell "--name"
grep -q '"path":"letters.safetensors"' out.txt || tell "the encoder that ear.ckpt names"
grep -q 'speech\.' out.txt && tell "ear.ckpt holds what it names"
run -a speech.wav -i ear.ckpt -o ear.framemd5
run render --features letters.npy -i torso.ckpt -o stages.framemd5
grep -v '^#' ear.framemd5 | cut -d , -f 6 >ear.md5
grep -v '^#' stages.framemd5 | cut -d , -f 6 >stages.md5
equal "$(wc -l <ear.md5)" 25 "frames of one second"
same ear.md5 stages.md5 "frames of a person who hears and of their logits"
hear inside.ckpt --hubert letters.safetensors --embed || tell "convert radnerf --embed"
"$talkgen" info inside.ckpt >out.txt
grep -q 'speech.lm_head.weight *F[0-9]* *\[29,16\]' out.txt || tell "no CTC head in inside.ckpt"
mkdir -p elsewhere
cp ear.ckpt inside.ckpt elsewhere/
run -a speech.wav -i elsewhere/inside.ckpt -o inside.framemd5
same ear.framemd5 inside.framemd5 "the encoder beside the person and inside"
expect 4 letters.safetensors "$talkgen" -a speech.wav -i elsewhere/ear.ckpt -o a.mp4 --progress never
cp other.safetensors elsewhere/letters.safetensors # as many bytes, another md5
expect 4 "is another one (md5" "$talkgen" -a speech.wav -i elsewhere/ear.ckpt -o a.mp4 --progress never
run -a speech.wav -i elsewhere/ear.ckpt -o moved.framemd5 --encoder letters.safetensors
same ear.framemd5 moved.framemd5 "--encoder with the encoder of the conversion"
run -a speech.wav -i elsewhere/inside.ckpt -o moved.framemd5 --encoder other.safetensors -y
differ ear.framemd5 moved.framemd5 "--encoder in the place of the one inside"
"$talkgen" convert hubert --weights "$golden/hubert_large_tiny/pytorch_model.bin" -o large.safetensors --progress never 2>err.txt
"$talkgen" convert hubert --weights "$golden/hubert_base_tiny/pytorch_model.bin" -o base.safetensors --progress never 2>err.txt
expect 4 "gives 32 logits" hear x.ckpt --hubert large.safetensors
expect 4 "gives 0 logits" hear x.ckpt --hubert base.safetensors
expect 4 none.safetensors hear x.ckpt --hubert none.safetensors
expect 4 logits "$talkgen" -a speech.wav -i ear.ckpt -o a.mp4 --encoder large.safetensors --progress never
expect 2 "--embed has nothing" hear x.ckpt --embed
expect 2 "does not take --postnet" hear x.ckpt --postnet torso.pth
expect 4 max_steps hear x.ckpt --config none.yaml
expect 3 nowhere.yaml hear x.ckpt --config nowhere.yaml
expect 2 "does not take --hubert" "$talkgen" convert adnerf --head "$golden/adnerf_orig/000001_head.tar" --dataset data \
    --hubert letters.safetensors -o x.ckpt

# ---- AD-NeRF: head alone, head and torso, GeneFace's way of storing it
ad=$golden/adnerf_orig
run convert adnerf --head "$ad/000001_head.tar" --torso "$ad/000001_body.tar" --dataset data -o ad.ckpt
run convert adnerf --head "$ad/000001_head.tar" --dataset data -o ad_head.ckpt
head -c $((2 * 16 * 29 * 8)) noise.raw | npy 2,16,29 '<f8' >short.npy
run render --features short.npy -i ad.ckpt -o ad1.framemd5 -t 1
run render --features short.npy -i ad.ckpt -o ad2.framemd5 -t 2
equal "$(grep -vc '^#' ad1.framemd5)" 2 "frames of two windows"
same ad1.framemd5 ad2.framemd5 "AD-NeRF, one and two threads"
run render --features short.npy -i ad_head.ckpt -o ad_head.framemd5
differ ad1.framemd5 ad_head.framemd5 "with and without torso"
run render --features short.npy -i ad.ckpt -o 'ad_%02d.png' --background transparent
run --features short.npy --audio speech.wav -i ad_head.ckpt -o ad.mp4
equal "$(ffprobe -loglevel error -select_streams a -show_entries stream=codec_name -of default=nw=1:nk=1 ad.mp4)" aac "sound beside features"

# distances: of the recording's configuration, else around the mean distance 0.75
"$talkgen" info ad.ckpt >out.txt
grep -q '"near":0.55' out.txt && grep -q '"far":1.15' out.txt || tell "near and far of the mean distance"
printf 'expname = a\nnear = 0.5\nfar = 1.25\n' >data/HeadNeRF_config.txt
run convert adnerf --torso "$golden/adnerf_torso/model_ckpt_steps_1.ckpt" --dataset data -o ad_gf.ckpt
"$talkgen" info "$golden/adnerf_torso/model_ckpt_steps_1.ckpt" >out.txt
grep -q "GeneFace's AD-NeRF renderer, torso" out.txt || tell "info of GeneFace's AD-NeRF: $(head -n 1 out.txt)"
"$talkgen" info ad_gf.ckpt >out.txt
grep -q '"near":0.5,"far":1.25' out.txt || tell "near and far of HeadNeRF_config.txt"
run render --features short.npy -i ad_gf.ckpt -o null:

# ---- what is refused, and how
expect 2 DeepSpeech "$talkgen" --audio speech.wav -i ad.ckpt -o a.mp4 --progress never
expect 3 '[6,16,44]' "$talkgen" render --features aud_eo.npy -i rad.ckpt -o a.mp4 --progress never
expect 3 none.npy "$talkgen" render --features none.npy -i rad.ckpt -o a.mp4 --progress never
expect 2 logits "$talkgen" render --motion rows.npy -i rad.ckpt -o a.mp4 --progress never
expect 2 landmarks "$talkgen" render --features aud.npy -i "$person" -o a.mp4 --progress never
expect 2 march "$talkgen" render --features aud.npy -i rad.ckpt -o a.mp4 --march slow --progress never
expect 2 torso-features "$talkgen" render --features aud.npy --torso-features aud.npy -i rad.ckpt -o a.mp4 --progress never
expect 2 pose-smooth "$talkgen" render --features aud.npy -i rad.ckpt -o a.mp4 --pose-smooth 4 --progress never
expect 4 'HuBERT encoder' "$talkgen" convert radnerf --checkpoint "$golden/hubert_base_tiny/pytorch_model.bin" --dataset data -o x.ckpt
expect 4 'AD-NeRF head' "$talkgen" convert radnerf --checkpoint "$ad/000001_head.tar" --dataset data -o x.ckpt
expect 4 'RAD-NeRF head' "$talkgen" convert adnerf --head "$rad" --dataset data -o x.ckpt
expect 4 'a torso' "$talkgen" convert adnerf --head "$ad/000001_body.tar" --dataset data -o x.ckpt
expect 4 'a head' "$talkgen" convert adnerf --head "$ad/000001_head.tar" --torso "$ad/000001_head.tar" --dataset data -o x.ckpt
head -c 300000 "$rad" >short.pth
expect 4 short.pth "$talkgen" convert radnerf --checkpoint short.pth --dataset data -o x.ckpt
expect 4 "$person" "$talkgen" convert radnerf --checkpoint "$person" --dataset data -o x.ckpt
expect 3 nowhere "$talkgen" convert radnerf --checkpoint "$rad" --dataset nowhere -o x.ckpt
expect 3 nowhere "$talkgen" convert adnerf --head "$ad/000001_head.tar" --dataset nowhere -o x.ckpt
mkdir -p broken && cp data/bc.jpg broken/
echo '{"focal_len": 60, "frames": [{"transform_matrix": [[1,0,0],[0,1,0],[0,0,1]]}]}' >broken/transforms_train.json
expect 3 'frames[0]' "$talkgen" convert radnerf --checkpoint "$rad" --dataset broken -o x.ckpt
expect 2 checkpoint "$talkgen" convert radnerf --dataset data -o x.ckpt
expect 2 dataset "$talkgen" convert radnerf --checkpoint "$rad" -o x.ckpt
expect 2 'exists already' "$talkgen" convert radnerf --checkpoint "$rad" --dataset data -o rad.ckpt
absent x.ckpt a.mp4
finish
