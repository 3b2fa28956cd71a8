#!/bin/sh
# GeneFace's published files to a person: converted, looked at, spoken with; wrong files are named.
golden=$(cd "$(dirname "$0")/../golden" && pwd) || exit 1
. "$(dirname "$0")/common"
published=$(dirname "$talkgen")/tests/published
"$published" . || exit 1
large=$golden/hubert_large_tiny
"$talkgen" convert hubert --weights "$large/pytorch_model.bin" -o encoder.safetensors --progress never 2>note.txt ||
    exit 1
evil=$PWD/evil.ckpt

run() {
    "$talkgen" "$@" --progress never >out.txt 2>err.txt || tell "failed: $* ($(head -n 3 err.txt))"
}
says() { # says TEXT FILE
    grep -qF -- "$1" "$2" || tell "no '$1' in $2"
}
same() {
    cmp -s "$1" "$2" || tell "$1 and $2 differ"
}
differ() {
    cmp -s "$1" "$2" && tell "$1 and $2 are the same"
}
# convert OUTPUT OPTIONS...: a person of the tiny networks
convert() {
    output=$1
    shift
    "$talkgen" convert geneface --hubert encoder.safetensors --dataset may --progress never -o "$output" "$@"
}
# of_data DATASET
of_data() {
    "$talkgen" convert geneface --hubert encoder.safetensors --postnet postnet.ckpt --torso $ckpt --progress never \
        -o bad.ckpt --dataset "$1"
}
torso() { # a folder as training leaves it
    mkdir -p "$1"
    cp "$golden/$2/model_ckpt_steps_1.ckpt" "$1/model_ckpt_steps_250000.ckpt"
}
torso torso lm3d_radnerf_torso
printf 'work_dir: checkpoints/May/lm3d_radnerf_torso\nbase_config: [egs/none.yaml]\ngrid_type: tiledgrid\n' >torso/config.yaml
ckpt=torso/model_ckpt_steps_250000.ckpt
ffmpeg -loglevel error -y -i "$speech" -t 0.8 speech.wav

# ---- converted, looked at, spoken with
convert tiny.ckpt --postnet postnet.ckpt --torso $ckpt >out.txt 2>err.txt || tell "convert: $(cat err.txt)"
[ -s err.txt ] && tell "convert remarked: $(cat err.txt)"
"$talkgen" info tiny.ckpt >info.txt
for text in '"landmark_space":"idexp"' '"clamp_std":2.5' '"path":"encoder.safetensors"' talkgen.vae \
    '"grid_type":"tiledgrid"' 'motion.vae.decoder.out_proj.weight' 'scene.poses' '[8,4,4]' 'motion.lle' '[8,144]'; do
    says "$text" info.txt
done
grep -q 'motion.vae.encoder' info.txt && tell "the VAE's encoder, which only training needs"
grep -q 'render.torso.torso_individual_codes  *F32  *\[1,8\]' info.txt || tell "more than one row of individual codes"
run -a speech.wav -i tiny.ckpt -o a.framemd5
[ "$(grep -vc '^#' a.framemd5)" = 20 ] || tell "$(grep -vc '^#' a.framemd5) frames instead of 20, beyond the 8 poses"
run motion -a speech.wav -i tiny.ckpt -o m.npy
says "displacements" out.txt
echo '[["AA",0,0.4],["M",0.4,0.8]]' >phones.json
expect 3 idexp "$talkgen" eval lipsync --motion m.npy --phones phones.json --audio speech.wav
run render --motion m.npy -i tiny.ckpt -o stages.framemd5
same a.framemd5 stages.framemd5
run features -a speech.wav -i tiny.ckpt -o f.npy
run motion --features f.npy -i tiny.ckpt -o m2.npy
same m.npy m2.npy
run -a speech.wav -i tiny.ckpt -o null: --pose still --background '#204060' --temperature 1

# ---- limits of the motion
run motion -a speech.wav -i tiny.ckpt -o same.npy --clamp-std 2.5 --smooth 0.2 --lle 0
same m.npy same.npy
for option in "--clamp-std 0.2" "--clamp-std 0" "--smooth 0" "--smooth 0.9" "--lle 0.5"; do
    # shellcheck disable=SC2086
    run motion -a speech.wav -i tiny.ckpt -o other.npy -y $option
    differ m.npy other.npy
done
run -a speech.wav -i "$person" -o null: --duration 0.2 --size 64x64 --clamp-std 3 --smooth 0
expect 2 "--lle 0.5" "$talkgen" -a speech.wav -i "$person" -o null: --lle 0.5 --progress never
expect 2 "--smooth" "$talkgen" -a speech.wav -i tiny.ckpt -o null: --smooth 1 --progress never

# ---- the encoder inside, another name, a moved folder, the processed folder of the recording
convert inside.ckpt --postnet postnet.ckpt --torso $ckpt --embed --name May || tell "convert --embed"
mkdir -p elsewhere && mv inside.ckpt elsewhere/
run -a speech.wav -i elsewhere/inside.ckpt -o inside.framemd5
same a.framemd5 inside.framemd5
cp tiny.ckpt elsewhere/
expect 4 encoder.safetensors "$talkgen" -a speech.wav -i elsewhere/tiny.ckpt -o null: --progress never
run -a speech.wav -i elsewhere/tiny.ckpt -o moved.framemd5 --encoder encoder.safetensors
same a.framemd5 moved.framemd5
# another file under its name, told by its size and by its hash; with --encoder it is taken all the same
cp letters.safetensors elsewhere/encoder.safetensors
expect 4 "is another one ($(wc -c <letters.safetensors) bytes)" "$talkgen" -a speech.wav -i elsewhere/tiny.ckpt \
    -o null: --progress never
hash=$("$talkgen" info encoder.safetensors | sed -n 's/.*talkgen.hash *\([0-9a-f]*\).*/\1/p')
other=$(echo "$hash" | tr 0123456789abcdef 123456789abcdef0)
sed "s/$hash/$other/" encoder.safetensors >elsewhere/encoder.safetensors
expect 4 "is another one (md5 $other)" "$talkgen" -a speech.wav -i elsewhere/tiny.ckpt -o null: --progress never
run -a speech.wav -i elsewhere/tiny.ckpt -o moved.framemd5 -y --encoder elsewhere/encoder.safetensors
same a.framemd5 moved.framemd5
expect 4 none.safetensors "$talkgen" -a speech.wav -i tiny.ckpt -o null: --encoder none.safetensors --progress never
expect 4 "takes 48" "$talkgen" -a speech.wav -i tiny.ckpt -o null: --encoder letters.safetensors --progress never
"$talkgen" convert geneface --hubert encoder.safetensors --dataset processed --postnet postnet.ckpt --torso $ckpt \
    -o processed.ckpt --progress never || tell "convert of the processed folder"
run motion -a speech.wav -i processed.ckpt -o processed.npy --pose-out processed_pose.npy
run motion -a speech.wav -i tiny.ckpt -o other.npy -y --pose-out pose.npy
same m.npy processed.npy
same pose.npy processed_pose.npy

# ---- pitch, other switches, a head alone, an inherited configuration
convert pitch.ckpt --postnet postnet_pitch.ckpt --torso $ckpt || tell "convert with pitch"
run motion -a speech.wav -i pitch.ckpt -o pitch.npy
ffmpeg -loglevel error -y -f lavfi -i sine=r=16000:f=200:d=0.8 sine.wav
run motion -a sine.wav -i pitch.ckpt -o sine.npy
differ pitch.npy sine.npy
expect 2 pitch "$talkgen" motion --features f.npy -i pitch.ckpt -o x.npy --progress never
mkdir -p egs/bases egs/May
printf 'grid_type: hashgrid\nmax_steps: 16\n' >egs/bases/base.yaml
printf 'base_config:\n  - egs/bases/base.yaml\ninfer_lm3d_clamp_std: 3.0\n' >egs/May/lm3d.yaml
convert hash.ckpt --postnet postnet.ckpt --torso $ckpt --config egs/May/lm3d.yaml || tell "convert with --config"
"$talkgen" info hash.ckpt >info.txt
says '"grid_type":"hashgrid"' info.txt
says '"clamp_std":3' info.txt
run render --motion m.npy -i hash.ckpt -o hash.framemd5
differ a.framemd5 hash.framemd5
torso aware lm3d_radnerf_torso_aware
convert aware.ckpt --postnet postnet.ckpt --torso aware/model_ckpt_steps_250000.ckpt 2>err.txt || tell "convert head-aware"
says "no config.yaml beside it" err.txt
"$talkgen" info aware.ckpt >info.txt
says '"torso_head_aware":true' info.txt
run render --motion m.npy -i aware.ckpt -o null:
torso head lm3d_radnerf_head
convert head.ckpt --postnet postnet.ckpt --head head/model_ckpt_steps_250000.ckpt --config torso/config.yaml || tell "convert a head"
run render --motion m.npy -i head.ckpt -o null:

# ---- windows of two frames, a volume of two cascades: the switches from the configuration, the rest from tensors
printf 'cond_win_size: 2\ngrid_type: hashgrid\ngrid_interpolation_type: smoothstep\n' >two.yaml
convert two.ckpt --postnet postnet.ckpt --head "$golden/lm3d_radnerf_hash/model_ckpt_steps_1.ckpt" --config two.yaml ||
    tell "convert lm3d_radnerf_hash"
"$talkgen" info two.ckpt >info.txt
says '"bound":2' info.txt
run -a speech.wav -i two.ckpt -o null: --size 32x32

# ---- the vanilla renderer of the paper
small="-a speech.wav --size 16x16 --duration 0.2"
torso nerf lm3d_nerf_torso
torso nerf_head lm3d_nerf_head
printf 'n_samples_per_ray: 16\nn_samples_per_ray_fine: 8\nwork_dir: checkpoints/May/lm3d_nerf_torso\n' >nerf/config.yaml
convert vanilla.ckpt --postnet postnet.ckpt --torso nerf/model_ckpt_steps_250000.ckpt || tell "convert vanilla"
"$talkgen" info vanilla.ckpt >info.txt
for text in '"renderer":"vanilla"' '"clamp_std":2,' '"smooth":0,' '"n_samples_per_ray":16' scene.torso_pose; do
    says "$text" info.txt
done
# shellcheck disable=SC2086
expect 2 --torso-features "$talkgen" $small -i vanilla.ckpt -o null: --progress never
# shellcheck disable=SC2086
run $small -i vanilla.ckpt -o vanilla.framemd5 --torso-features deepspeech.npy
convert both.ckpt --postnet postnet.ckpt --torso nerf/model_ckpt_steps_250000.ckpt \
    --head nerf_head/model_ckpt_steps_250000.ckpt || tell "convert vanilla with another head"
# shellcheck disable=SC2086
run $small -i both.ckpt -o both.framemd5 --torso-features deepspeech.npy
differ vanilla.framemd5 both.framemd5
convert vhead.ckpt --postnet postnet.ckpt --head nerf_head/model_ckpt_steps_250000.ckpt --config nerf/config.yaml ||
    tell "convert a vanilla head"
# shellcheck disable=SC2086
run $small -i vhead.ckpt -o null:

# ---- wrong files: 4, naming tensor, found and expected
expect 4 "audio2motion_task.model.mel_encoder.0.weight" convert bad.ckpt --torso $ckpt \
    --postnet "$golden/postnet/model_ckpt_steps_1.ckpt"
expect 4 "HuBERT" convert bad.ckpt --torso $ckpt --postnet "$golden/hubert_base_tiny/pytorch_model.bin"
expect 4 "no PyTorch file" convert bad.ckpt --torso $ckpt --postnet encoder.safetensors
expect 4 "the file holds: GeneFace postnet" convert bad.ckpt --torso postnet.ckpt --postnet postnet.ckpt
expect 4 "the file holds: GeneFace RAD-NeRF renderer, head" convert bad.ckpt --torso head/model_ckpt_steps_250000.ckpt --postnet postnet.ckpt \
    --config torso/config.yaml
expect 4 "os.system" convert bad.ckpt --torso $ckpt --postnet "$evil"
[ -e executed ] && tell "a pickle was executed"
head -c 100000 postnet.ckpt >short.ckpt
expect 4 "short.ckpt" convert bad.ckpt --torso $ckpt --postnet short.ckpt
sed 's/block2.1.conv_block.0.bias/block2.1.conv_block.0.gone/' postnet.ckpt >lacks.ckpt
expect 4 "model.block2.1.conv_block.0.bias is missing" convert bad.ckpt --torso $ckpt --postnet lacks.ckpt
head -c 300000 $ckpt >short.ckpt
expect 4 "short.ckpt" convert bad.ckpt --torso short.ckpt --postnet postnet.ckpt --config torso/config.yaml
printf 'desired_resolution: 1024\n' >coarse.yaml
expect 4 "ambient_embedder" convert bad.ckpt --torso $ckpt --postnet postnet.ckpt --config coarse.yaml
printf 'grid_type: [\n' >broken.yaml
expect 3 "broken.yaml" convert bad.ckpt --torso $ckpt --postnet postnet.ckpt --config broken.yaml
expect 4 "takes 48" "$talkgen" convert geneface --hubert "$models/voice.safetensors" --dataset may --postnet postnet.ckpt \
    --torso $ckpt -o bad.ckpt --progress never
for data in "$work/torso" postnet.ckpt "$golden" absent; do
    expect 4 "$(basename "$data")" of_data "$data"
done
rm processed/idexp_lm3d_std.npy
expect 4 idexp_lm3d_std.npy of_data processed
expect 2 "tiny.ckpt exists" convert tiny.ckpt --torso $ckpt --postnet postnet.ckpt
expect 2 "--postnet" convert bad.ckpt --torso $ckpt
expect 2 "does not take --checkpoint" convert bad.ckpt --torso $ckpt --postnet postnet.ckpt --checkpoint $ckpt
expect 4 none.safetensors "$talkgen" convert geneface --hubert none.safetensors --dataset may --postnet postnet.ckpt \
    --torso $ckpt -o bad.ckpt --progress never
expect 3 none.yaml convert bad.ckpt --torso $ckpt --postnet postnet.ckpt --config none.yaml
expect 4 lm_encoder convert bad.ckpt --postnet postnet.ckpt --torso nerf/model_ckpt_steps_250000.ckpt --head postnet.ckpt
absent bad.ckpt
finish
