#!/bin/sh
# scripts/parallel by GNU parallel over ssh: two names of this machine, whose ssh server knows a user of its own.
# A killed shard, hosts that do not answer, and clips that fail.
cd "$(dirname "$0")/../.." && root=$PWD && cd - >/dev/null || exit 1
. "$(dirname "$0")/common"
PATH=$PATH:/usr/sbin:/sbin
parallel --version 2>/dev/null | grep -q GNU || {
    echo "skip parallel: GNU parallel is not installed"
    exit 0
}

# ---- the hosts
server=""
trap '[ -z "$server" ] || kill "$server" 2>/dev/null' EXIT
trap 'exit 1' INT TERM HUP
export PARALLEL_HOME=$work/parallel
hosts_of() { # PORT: a server for both names
    mkdir -p home/.ssh && chmod 700 home home/.ssh
    ssh-keygen -q -t ed25519 -N '' -f key && cp key.pub home/.ssh/authorized_keys
    dropbearkey -t ed25519 -f hostkey >/dev/null 2>&1
    echo "renderer:x:$(id -u):$(id -g)::$work/home:/bin/sh" >passwd # this user, but for the home folder
    echo "renderer:x:$(id -g):" >group
    LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=$work/passwd NSS_WRAPPER_GROUP=$work/group \
        dropbear -F -E -s -r hostkey -P "$work/pid" -p "127.0.0.1:$1" -p "127.0.0.2:$1" >server.txt 2>&1 &
    server=$!
    cat >config <<END_OF_CONFIG
Host anna
    HostName 127.0.0.1
Host berta
    HostName 127.0.0.2
Host gone
    HostName 127.0.0.3
Host *
    Port $1
    User renderer
    IdentityFile $work/key
    IdentitiesOnly yes
    UserKnownHostsFile $work/known
    StrictHostKeyChecking no
    LogLevel ERROR
END_OF_CONFIG
    export PARALLEL_SSH="ssh -F $work/config -o BatchMode=yes"
    for _ in $(seq 50); do
        # shellcheck disable=SC2086
        $PARALLEL_SSH anna true 2>ssh.txt && $PARALLEL_SSH berta true 2>ssh.txt && return 0
        sleep 0.1
    done
    return 1
}
reach=no
if ! command -v dropbear >/dev/null || ! command -v ssh >/dev/null; then
    echo "skip ssh hosts: dropbear or ssh is not installed; this machine alone"
elif hosts_of $((10000 + $(od -An -N2 -tu2 /dev/urandom) % 20000)); then
    reach=yes
else
    cat server.txt ssh.txt
    echo "skip ssh hosts: no server can be reached; this machine alone"
fi
[ $reach = yes ] && printf 'anna\nberta\n' >hosts || echo : >hosts

# ---- one shard
short_clips 12
ffmpeg -nostdin -loglevel error -y -stream_loop 1 -i "$speech" -t 24 long.wav
echo '{"id": "long", "audio": "long.wav"}' >>jobs.jsonl
small="--size 32x32 --progress never"
# shellcheck disable=SC2086
"$talkgen" batch --manifest jobs.jsonl -i "$person" --out-dir calm $small >out.txt 2>err.txt ||
    tell "the undisturbed run: $(cat err.txt)"
hashes calm/report.jsonl >want.txt
[ "$(wc -l <want.txt)" = 13 ] || tell "$(wc -l <want.txt) clips of the undisturbed run"

# ---- seven, over the hosts
export TALKGEN=$talkgen
spread() { # CODE HOSTS MANIFEST OUT
    # shellcheck disable=SC2086
    "$root/scripts/parallel/batch" "$2" 7 --manifest "$3" --identity "$person" --out-dir "$4" $small >out.txt 2>err.txt
    got=$?
    [ $got = "$1" ] && return 0
    tell "exit $got instead of $1: $* ($(cat out.txt err.txt))"
    return 1
}
same() { # OUT
    hashes "$1"/report-*-of-7.jsonl | cmp -s - want.txt || tell "$1: other frames"
}
total() { # WORD: the numbers before it in the shards' last lines, added up
    sed -n "s/^shard.* \([0-9]*\) $1,.*/\1/p" out.txt | awk '{ s += $1 } END { print s + 0 }'
}
spread 0 hosts jobs.jsonl spread
same spread
for host in $(cat hosts); do
    grep -q "^shard [0-6] on $host, .*: exit 0" out.txt || tell "no shard on $host: $(cat out.txt)"
done
[ "$(total rendered)" = 13 ] || tell "$(total rendered) clips rendered: $(cat out.txt)"
spread 0 hosts jobs.jsonl spread
same spread
[ "$(total rendered) $(total "complete before")" = "0 13" ] || tell "again: $(cat out.txt)"
"$talkgen" verify --out-dir spread --manifest jobs.jsonl >out.txt 2>err.txt || tell "verify: $(cat out.txt)"
absent

# ---- a shard is killed while it writes, and tried again
spread 0 hosts jobs.jsonl killed &
spreading=$!
if freeze killed long; then
    shard=$(tr '\0' ' ' <"/proc/$frozen/cmdline" | sed 's/.*--shard \([0-6]\).*/\1/')
    kill -KILL "$frozen"
    echo "shard $shard was killed"
fi
wait $spreading || tell "a shard was killed"
grep -q 'temporary files* of a run that was killed removed' err.txt || tell "nothing to clear away: $(cat err.txt)"
same killed
absent

# ---- what fails for good says so: a clip, lines of the manifest, the program, hosts
{ cat jobs.jsonl && echo '{"id": "broken", "audio": "nowhere.wav"}'; } >mixed.jsonl
spread 10 hosts mixed.jsonl mixed
same mixed
grep -q 'nowhere.wav: cannot read' err.txt || tell "a clip that fails: $(cat err.txt)"
echo '{"id": "k1"}' | cat jobs.jsonl - >wrong.jsonl
spread 2 hosts wrong.jsonl no
grep -q '^wrong.jsonl:14' err.txt || tell "a wrong line: $(cat err.txt)"
[ -e no ] && tell "a wrong manifest made a folder"
if [ $reach = yes ]; then
    printf 'anna\ngone\n' >hosts
    spread 0 hosts jobs.jsonl halved
    same halved
    grep -q 'connect to host' err.txt || tell "a host that is gone: $(cat err.txt)"
    echo gone >hosts
    spread 75 hosts jobs.jsonl no
    grep -q '^shard 6 on gone, .*: exit 255, not done: run again' out.txt || tell "no host: $(cat out.txt)"
fi
finish
