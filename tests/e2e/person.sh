#!/bin/sh
# A person of somebody's own: a folder that is looked through before it is trained from.
. "$(dirname "$0")/common"
tests=$(dirname "$talkgen")/tests
"$tests/recording" person 150 || exit 1

# ---- looking through: everything that is wrong at once, exit 4, and nothing begun
"$talkgen" train check --data person >out.txt 2>err.txt || tell "a good recording: $(cat out.txt err.txt)"
grep -q '150 frames (135 to train on, 15 held out), 32 x 32, 6.0 s' out.txt || tell "summary: $(cat out.txt)"
cp -r person broken
rm broken/gt_imgs/3.png broken/gt_imgs/4.png broken/landmarks.npy
echo nothing >broken/parsing/7.png
expect 4 'things are wrong' "$talkgen" train all --data broken -o broken.ckpt --progress never
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

finish
