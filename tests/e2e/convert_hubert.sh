#!/bin/sh
# Published speech encoders to encoder files, by the command line: convert, look, check, use; exit codes.
golden=$(cd "$(dirname "$0")/../golden" && pwd) || exit 1
. "$(dirname "$0")/common"

convert() { # WEIGHTS OUTPUT OPTIONS...
    weights=$1
    output=$2
    shift 2
    "$talkgen" convert hubert --weights "$weights" -o "$output" --progress never "$@"
}
shape() { # the shape in a .npy's header
    head -c 128 "$1" | tail -c +11 | sed -n "s/.*'shape': (\([0-9, ]*\)).*/\1/p" | tr -d ' '
}

for case in base large; do
    convert "$golden/hubert_${case}_tiny/pytorch_model.bin" $case.safetensors 2>note.txt ||
        tell "convert of $case: $(cat note.txt)"
    grep -q '3 layers, 48 wide, 4 heads' note.txt || tell "note of $case: $(cat note.txt)"
    "$talkgen" info $case.safetensors >info.txt || tell "info of $case"
    grep -q 'talkgen encoder' info.txt || tell "info of $case: $(head -n 1 info.txt)"
    "$talkgen" info $case.safetensors --check >out.txt || tell "info --check of $case"
    "$talkgen" features --encoder $case.safetensors -a "$speech" -o $case.npy --duration 1.5 --progress never \
        >out.txt || tell "features of $case"
    [ "$(shape $case.npy)" = 74,48 ] || tell "features of $case: $(cat out.txt)"
done
features() { # OUTPUT OPTIONS...
    output=$1
    shift
    "$talkgen" features -a "$speech" -o "$output" --duration 1.5 --progress never "$@"
}
features logits.npy --encoder large.safetensors --logits >out.txt
[ "$(shape logits.npy)" = 74,32 ] || tell "logits: $(cat out.txt)"
features even.npy --encoder large.safetensors --frames25 >out.txt
[ "$(shape even.npy)" = 37,48 ] || tell "25 rows per second: $(cat out.txt)"
# Row 0 and row 1 of the one are rows 0 and 2 of the other; 128 bytes of header, 192 bytes a row.
for pair in 0:0 1:2 36:72; do
    tail -c +$((129 + 192 * ${pair%:*})) even.npy | head -c 192 >a.bin
    tail -c +$((129 + 192 * ${pair#*:})) large.npy | head -c 192 >b.bin
    cmp -s a.bin b.bin || tell "row ${pair%:*} at 25 Hz is not row ${pair#*:}"
done
expect 4 "no CTC head" features x.npy --encoder base.safetensors --logits

# ---- the file is not what it says: 4
head -c -1 large.safetensors >changed.safetensors
printf '\001' >>changed.safetensors
expect 4 "its data has md5" "$talkgen" info changed.safetensors --check
expect 4 "states no hash" "$talkgen" info "$models/voice.safetensors" --check
head -c 200000 large.safetensors >short.safetensors
expect 4 truncated features x.npy --encoder short.safetensors

# ---- not a speech encoder: 4, and what it is
model=$golden/hubert_large_tiny/pytorch_model.bin
expect 4 "holds talkgen identity" convert "$person" x.safetensors
expect 4 "holds talkgen encoder" convert large.safetensors x.safetensors
head -c 100000 "$model" >short.bin
expect 4 short.bin convert short.bin x.safetensors
printf '\200\002cos\nsystem\nX\016\000\000\000touch executed\205R.' >evil.bin
expect 4 os.system convert evil.bin x.safetensors
absent executed
expect 4 missing.bin convert missing.bin x.safetensors
expect 4 "PyTorch" features x.npy --encoder "$model"
cp "$model" alone.bin
expect 4 "number of heads" convert alone.bin x.safetensors
expect 4 "conv_bias" convert alone.bin x.safetensors --config "$golden/hubert_base_tiny/config.json"
absent x.safetensors x.npy

# ---- an encoder without a motion model does not serve the shipped person: 4
expect 4 "no motion model" "$talkgen" -a "$speech" -i "$person" --encoder large.safetensors -o x.mp4 --progress never
absent x.mp4

# ---- usage: 2, output: 5
expect 2 "--weights" "$talkgen" convert hubert -o x.safetensors
expect 2 "--output" "$talkgen" convert hubert --weights "$model"
: >there.safetensors
expect 2 exists convert "$model" there.safetensors
[ -s there.safetensors ] && tell "an existing output was touched"
convert "$model" there.safetensors -y 2>note.txt || tell "-y does not replace: $(cat note.txt)"
cmp -s there.safetensors large.safetensors || tell "the same weights give another file"
expect 5 "no/such" convert "$model" no/such/x.safetensors
mkdir -p disk
if mount -t tmpfs -o size=64k tmpfs disk 2>/dev/null; then
    expect 5 disk/x.safetensors convert "$model" disk/x.safetensors
    [ -z "$(ls -A disk)" ] || tell "a full disk keeps $(ls -A disk)"
    umount disk
else
    echo "skip full disk: mounting a tmpfs is not permitted here"
fi
finish
