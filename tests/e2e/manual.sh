#!/bin/sh
# The manual page and bash's completion against what help says of every command and option.
. "$(dirname "$0")/common"

"$talkgen" help man >talkgen.1 || tell "help man fails"
"$talkgen" help bash-completion >talkgen.bash || tell "help bash-completion fails"
commands=$("$talkgen" help | sed -n '/^commands:/,$s/^  \([a-z]*\) .*/\1/p' | grep -v '^help$')
[ "$(echo "$commands" | wc -l)" -ge 15 ] || tell "commands of help: $commands"
options_of() { # "-a --audio" a line
    "$talkgen" help "$1" | sed -n 's/^  \(-.\)*,*  *\(--[a-z0-9-]*\).*/\1 \2/p'
}

# ---- the page: sections of commands, an entry for each option, the topics
roff() { # TEXT as it stands in the page
    printf '%s\n' "$1" | sed 's/-/\\-/g'
}
for command in $commands; do
    grep -qxF ".SS $command" talkgen.1 || tell "no section of $command"
    sed -n "/^\.SS $command\$/,/^\.S[SH] /p" talkgen.1 >section.txt
    options_of "$command" | sed 's/.* //' | while read -r name; do
        grep -qE -- "$(roff "$name" | sed 's/\\/\\\\/g')(,|\.|\$)" section.txt || echo "$command lacks $name"
        grep -qF -- "$(roff "$name" | sed 's/^\(..\)*/\\fB&/')\\fR" talkgen.1 || echo "no entry of $name"
    done >missing.txt
    [ -s missing.txt ] && tell "the page: $(cat missing.txt)"
done
for topic in formats manifest exit-codes; do
    "$talkgen" help $topic | head -n 1 | sed 's/-/\\-/g; s/'"'"'/\\(aq/g' >line.txt
    grep -qxFf line.txt talkgen.1 || tell "the page lacks $topic: $(cat line.txt)"
done
if command -v mandoc >/dev/null; then
    mandoc -Tlint -Wwarning talkgen.1 >lint.txt 2>&1 || tell "mandoc: $(cat lint.txt)"
else
    echo "skip mandoc: it is not here"
fi
if command -v man >/dev/null && command -v groff >/dev/null; then
    man --warnings -E UTF-8 -l -Tutf8 -Z ./talkgen.1 >page.txt 2>lint.txt
    [ -s page.txt ] && [ ! -s lint.txt ] || tell "man: $(cat lint.txt)"
else
    echo "skip man: it or groff is not here"
fi

# ---- the completion, asked as bash asks
if ! command -v bash >/dev/null; then
    echo "skip completion: bash is not here"
    finish
fi
cat >ask.bash <<'END'
source ./talkgen.bash || exit 1
[[ $(complete -p talkgen) == *_talkgen* ]] || exit 1
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_talkgen talkgen "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
END
answer() { # WORDS...: what may stand for the last of them
    bash ask.bash "$@" 2>err.txt | sort
    [ -s err.txt ] && tell "completion of $*: $(cat err.txt)"
}
# completes WANT WORDS...: exactly these
completes() {
    want=$(printf '%s\n' $1 | sort)
    shift
    got=$(answer "$@")
    [ "$got" = "$want" ] || tell "completion of '$*': '$(echo $got)' instead of '$(echo $want)'"
}
for command in $commands; do
    completes "$(options_of "$command" | tr ' ' '\n' | grep . ; echo --help)" talkgen "$command" -
done
completes "$(options_of synth | tr ' ' '\n' | grep . ; echo --help)" talkgen -
completes "$commands help" talkgen ''
completes "synth studio" talkgen s
completes "$commands formats manifest exit-codes man bash-completion" talkgen help ''
completes "speech motion behaviour postnet head torso all check report assemble" talkgen train ''
completes "hubert" talkgen convert hu
completes "auto always never json" talkgen synth --progress ''
completes "always auto" talkgen --progress a
completes "fast" talkgen render --march = f
: >"two words.wav" && mkdir -p folder/below && : >folder/a.wav
[ "$(answer talkgen -a two)" = "two words.wav" ] || tell "a name with a space: $(answer talkgen -a two)"
completes "folder/below folder/a.wav" talkgen batch --manifest folder/
completes "folder/below" talkgen batch --out-dir folder/
completes "folder/below folder/a.wav" talkgen info folder/
completes "" talkgen synth --seed ''
finish
