#!/bin/sh
# What a bug report needs, without who and where its writer is.
. "$(dirname "$0")/common"

says() { # says PATTERN FILE
    grep -qE -- "$1" "$2" || tell "no '$1' in $2: $(cat "$2")"
}
mkdir -p somebody/tools/models tmp
cp "$person" "$models/voice.safetensors" somebody/tools/models
cp "$talkgen" somebody/tools/talkgen
export HOME="$PWD/somebody" TMPDIR="$PWD/somebody/tmp"
mkdir "$TMPDIR"
doctor() { # CODE OPTIONS...
    code=$1
    shift
    somebody/tools/talkgen doctor "$@" >out.txt 2>err.txt
    got=$?
    [ "$got" = "$code" ] || tell "exit $got instead of $code: doctor $* ($(cat err.txt))"
}

doctor 0
for line in 'version +[0-9.]+$' 'commit +[0-9a-f]+' 'build +(GNU|Clang) [0-9.]+' 'system .*kernel Linux .*libc ' \
    'processor +[^ ]' 'CPU level +(portable|avx)' 'cuda +(not in this build|no GPU: .|.*, compute capability [0-9])' 'threads +[1-9]' 'processors +online [1-9][0-9]*, usable [1-9]' \
    'memory +total [1-9][0-9]* MiB, left [1-9]' 'libraries .*libavcodec [0-9.]+,.*libzip [0-9]' \
    'encoders .*libx264 (yes|no),.*aac (yes|no)' 'models +demo.ckpt ~/tools/models/demo.ckpt [1-9][0-9]* MiB talkgen identity, voice' \
    'self check +mp4 written and read again, folder ~/tmp$'; do
    says "^$line" out.txt
done
for secret in "$PWD" "$(uname -n)."; do
    grep -qF -- "$secret" out.txt && tell "'$secret' is told: $(grep -F -- "$secret" out.txt)"
done
[ -z "$(ls -A "$TMPDIR")" ] || tell "doctor leaves $(ls -A "$TMPDIR")"

doctor 0 --json --threads 1 --cpu-level portable
for member in '"version":' '"build":' '"cpu_level":.*"portable"' '"threads":.*1,' '"total_bytes":.*[0-9]' '"libx264":.*(true|false)' \
    '"path":.*"~/tools/models/demo.ckpt"' '"mp4":.*"written and read again"'; do
    says "$member" out.txt
done

# ---- what is wrong is said with the rest
rm somebody/tools/models/voice.safetensors
: >somebody/tools/models/demo.ckpt
TMPDIR=$PWD/nowhere
expect 5 nowhere somebody/tools/talkgen doctor
says '^models .*demo.ckpt cannot be read, voice.safetensors not found' out.txt
says '^self check +mp4 failed' out.txt
says '^libraries ' out.txt
finish
