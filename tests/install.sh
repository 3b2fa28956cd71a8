#!/bin/sh
# Installs a build into a folder and compiles the example of the C API against what was installed.
#   install.sh BUILD PREFIX [MODELS]
set -eu
build=$1
models=$(cd "${3:-$(dirname "$0")/../models}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$2"
cmake --install "$build" --prefix "$2" >/dev/null
prefix=$(cd "$2" && pwd)
"$prefix/bin/talkgen" help man | cmp - "$prefix/share/man/man1/talkgen.1"
"$prefix/bin/talkgen" help bash-completion | cmp - "$prefix/share/bash-completion/completions/talkgen"
# The models are found from anywhere.
(cd / && "$prefix/bin/talkgen" doctor --json) >"$prefix/doctor.json"
for name in demo.ckpt voice.safetensors; do
    grep -q "share/talkgen/models/$name" "$prefix/doctor.json"
done
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name talkgen.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046
cc -std=c11 -Wall -Wextra -Werror "$here/example.c" -o "$prefix/example" $(pkg-config --cflags --libs talkgen)
test "$(pkg-config --modversion talkgen)" = "$("$prefix/bin/talkgen" version | sed -n '1s/talkgen //p')"
"$prefix/example" "$models/demo.ckpt" "$models/demo.flac" "$prefix/example.framemd5"
"$prefix/bin/talkgen" -a "$models/demo.flac" -i "$models/demo.ckpt" -o "$prefix/tool.framemd5" --duration 1
cmp "$prefix/example.framemd5" "$prefix/tool.framemd5"
for header in "$prefix"/include/talkgen/*.h; do # every public header stands alone, in C and in C++
    for language in c c++; do
        echo "#include <talkgen/$(basename "$header")>" |
            cc -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags talkgen) -x $language -
    done
done
