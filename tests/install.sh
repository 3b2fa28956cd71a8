#!/bin/sh
# Installs a build into a folder and compiles the example of the C API against what was installed.
#   install.sh BUILD PREFIX
set -eu
build=$1
prefix=$(mkdir -p "$2" && cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$prefix"
cmake --install "$build" --prefix "$prefix" >/dev/null
export PKG_CONFIG_PATH="$(dirname "$(find "$prefix" -name talkgen.pc)")"
sed -i "s#^prefix=.*#prefix=$prefix#" "$PKG_CONFIG_PATH/talkgen.pc"
cc -std=c11 -Wall -Wextra -Werror "$here/example.c" -o "$prefix/example" $(pkg-config --static --cflags --libs talkgen)
"$prefix/bin/talkgen" version
cd "$here/.."
"$prefix/example" models/demo.ckpt models/demo.flac "$prefix/example.framemd5"
test -s "$prefix/example.framemd5"
