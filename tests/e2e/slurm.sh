#!/bin/sh
# scripts/slurm on Slurm itself: one controller and two nodes of this machine, in a folder of their own, with
# tasks preempted, out of time and on a node that is lost.
cd "$(dirname "$0")/../.." && root=$PWD && cd - >/dev/null || exit 1
. "$(dirname "$0")/common"
PATH=$PATH:/usr/sbin:/sbin

skip() {
    echo "skip slurm: $*"
    exit 0
}
[ "$(id -u)" = 0 ] || skip "its daemons want to be started by root"
for program in munged slurmctld slurmd sbatch; do
    command -v $program >/dev/null || skip "$program is not installed"
done

# ---- the cluster
cluster=$(mktemp -d) && chmod 755 "$cluster" || exit 1
export SLURM_CONF=$cluster/slurm.conf
pids=""
# Whatever Slurm started has the cluster's folder in its environment; this shell had not when it began.
down() {
    [ -e "$cluster/up" ] && scancel --user root 2>/dev/null
    # shellcheck disable=SC2086
    kill -TERM $pids 2>/dev/null && sleep 1
    for pid in $pids $(grep -lF "SLURM_CONF=$SLURM_CONF" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3); do
        kill -KILL "$pid" 2>/dev/null
    done
    rm -rf "$cluster"
}
trap down EXIT
trap 'exit 1' INT TERM HUP

configure() { # PORT
    host=$(uname -n | cut -d. -f1)
    cat >"$SLURM_CONF" <<END_OF_CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$1
AuthInfo=socket=$cluster/munge/socket
SlurmUser=root
StateSaveLocation=$cluster/state
SlurmdSpoolDir=$cluster/spool-%n
SlurmctldPidFile=$cluster/slurmctld.pid
SlurmdPidFile=$cluster/slurmd-%n.pid
SlurmctldLogFile=$cluster/slurmctld.log
SlurmdLogFile=$cluster/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$(($1 + 1)) CPUs=1 RealMemory=8192
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$(($1 + 2)) CPUs=1 RealMemory=8192
PartitionName=low Nodes=n1,n2 Default=YES PriorityTier=1 GraceTime=60
PartitionName=high Nodes=n1,n2 PriorityTier=2 PreemptMode=OFF
END_OF_CONF
    # Not used, but looked for; a chroot may have none.
    mkdir -p "$cluster/cgroup"
    printf 'CgroupPlugin=cgroup/v1\nCgroupMountpoint=%s\n' "$cluster/cgroup" >"$cluster/cgroup.conf"
}
daemon() { # NAME COMMAND...
    log=$cluster/$1.out
    shift
    "$@" >"$log" 2>&1 &
    pids="$pids $!"
}
both_idle() {
    [ "$(sinfo -h -t idle -o %D 2>/dev/null)" = 2 ]
}
up() {
    mkdir -m 755 "$cluster/munge" "$cluster/state"
    (umask 077 && head -c 128 /dev/urandom >"$cluster/munge/key")
    daemon munged munged -F --socket="$cluster/munge/socket" --key-file="$cluster/munge/key" \
        --pid-file="$cluster/munge/pid" --log-file="$cluster/munge/log" --seed-file="$cluster/munge/seed"
    configure $((10000 + $(od -An -N2 -tu2 /dev/urandom) % 20000))
    daemon slurmctld slurmctld -D
    daemon slurmd-n1 slurmd -D -N n1
    daemon slurmd-n2 slurmd -D -N n2
    wait_for 30 both_idle
}
up || {
    tail -n 3 "$cluster"/*.out
    skip "the daemons do not start here"
}
touch "$cluster/up"

# ---- one shard, seven shards
short_clips 12
ffmpeg -nostdin -loglevel error -y -stream_loop 1 -i "$speech" -t 24 long.wav
echo '{"id": "long", "audio": "long.wav"}' >>jobs.jsonl
small="--size 32x32"
# shellcheck disable=SC2086
run() { "$talkgen" batch --manifest jobs.jsonl -i "$person" --progress never $small "$@" >out.txt 2>err.txt; }
run --out-dir calm || tell "the undisturbed run: $(cat err.txt)"
hashes calm/report.jsonl >want.txt
[ "$(wc -l <want.txt)" = 13 ] || tell "$(wc -l <want.txt) clips of the undisturbed run"
for k in 0 1 2 3 4 5 6; do
    run --out-dir parts --shard $k/7 || tell "shard $k: $(cat err.txt)"
done
hashes parts/report-*-of-7.jsonl | cmp -s - want.txt || tell "seven shards give other frames"

# ---- the array
export TALKGEN=$talkgen
submit() { # ARRAY MANIFEST OUT: its number into $array
    # shellcheck disable=SC2086
    array=$(sbatch --parsable --array="$1" --cpus-per-task=1 --mem=1G --output="$3-%a.log" "$root/scripts/slurm/batch.sbatch" \
        --manifest "$2" --identity "$person" --out-dir "$3" $small --grace 0s) || tell "sbatch"
}
of_frozen() { # NAME: the variable in the environment of the frozen process
    tr '\0' '\n' <"/proc/$frozen/environ" | sed -n "s/^$1=//p"
}
# Waits until no job is left. Slurm lets a requeued job wait for two minutes, which a test need not; but within
# the second in which it was ended its node would refuse it.
drain() {
    until=$(($(date +%s) + 180))
    while [ "$(date +%s)" -lt $until ]; do
        squeue -h -r -o '%i %r %S' >queue.txt
        [ -s queue.txt ] || return 0
        soon=$(date -d '20 seconds' +%FT%T)
        for job in $(awk -v soon="$soon" '$2 == "BeginTime" && $3 != "N/A" && $3 > soon { print $1 }' queue.txt); do
            scontrol update jobid="$job" starttime=now+2
        done
        sleep 0.1
    done
    tell "jobs that do not end: $(cat queue.txt)"
    scancel --user root
}
about() { # TASK: restarts, state and exit code
    scontrol -o show job "${array}_$1" |
        sed -n 's/.* JobState=\([A-Z]*\) .* Restarts=\([0-9]*\) .* ExitCode=\([0-9:]*\) .*/\2 \1 \3/p'
}
holds() { # FILE TEXT
    grep -qF -- "$2" "$1" || tell "no '$2' in $1: $(cat "$1")"
}

submit 0-6 jobs.jsonl array
if freeze array long; then
    task=$(of_frozen SLURM_ARRAY_TASK_ID)
    node=$(of_frozen SLURMD_NODENAME)
    sbatch --partition=high --nodelist="$node" --output=high.log --wrap "echo on $node" >out.txt || tell "sbatch of the other job"
    drain
    echo "task $task was preempted on $node: $(about "$task")"
    for k in 0 1 2 3 4 5 6; do
        want="$([ $k = "$task" ] && echo 1 || echo 0) COMPLETED 0:0"
        [ "$(about $k)" = "$want" ] || tell "task $k: '$(about $k)' instead of '$want': $(cat array-$k.log)"
    done
    holds high.log "on $node"
    holds "array-$task.log" "stopped with exit code 75"
    holds "array-$task.log" "0 failed, 0 left" # of the second run, in the log of the first
fi
hashes array/report-*-of-7.jsonl | cmp -s - want.txt || tell "the array gives other frames"
"$talkgen" verify --out-dir array --manifest jobs.jsonl >out.txt 2>err.txt || tell "verify: $(cat out.txt)"
absent

# ---- what a time limit sends, a signal before there is anybody to take it, and an input that no restart helps
{ cat jobs.jsonl && echo '{"id": "broken", "audio": "nowhere.wav"}'; } >mixed.jsonl
# ended OUT RESTARTS RESTARTS: both tasks after so many restarts, and every good clip there
ended() {
    for k in 0 1; do
        outcome="COMPLETED 0:0"
        grep -q '"id":"broken"' "$1/report-$k-of-2.jsonl" && outcome="FAILED 10:0"
        restarts=$([ $k = 0 ] && echo "$2" || echo "$3")
        [ "$(about $k)" = "$restarts $outcome" ] ||
            tell "$1, task $k: '$(about $k)' instead of '$restarts $outcome': $(cat "$1-$k.log")"
    done
    hashes "$1"/report-*-of-2.jsonl | cmp -s - want.txt || tell "$1: other frames"
    absent
}
cat >early <<'END'
#!/bin/sh
[ "$SLURM_ARRAY_TASK_ID$SLURM_RESTART_COUNT" = 0 ] && kill -TERM $$
exec "$PROGRAM" "$@"
END
chmod +x early
export PROGRAM=$talkgen
TALKGEN=$work/early
submit 0-1 mixed.jsonl late
if freeze late long; then
    late=$(of_frozen SLURM_ARRAY_TASK_ID)
    before=$(of_frozen SLURM_RESTART_COUNT)
    scancel --signal=USR1 "${array}_$late"
    kill -CONT "$frozen"
    drain
    echo "task $late was out of time after ${before:-0} restarts, task 0 stopped early"
    ended late $((1 + (late == 0))) $((late == 1))
fi

# ---- a node is lost, the other one takes over
TALKGEN=$talkgen
submit 0-1 mixed.jsonl lost
if freeze lost long; then
    lost=$(of_frozen SLURM_ARRAY_TASK_ID)
    node=$(of_frozen SLURMD_NODENAME)
    scontrol update nodename="$node" state=down reason=lost
    kill -KILL "$frozen"
    drain
    echo "task $lost was on $node, which was lost"
    ended lost $((lost == 0)) $((lost == 1))
fi

# ---- a task that is cancelled stays so
submit 0-1 jobs.jsonl cancelled
if freeze cancelled long; then
    cancelled=$(of_frozen SLURM_ARRAY_TASK_ID)
    scancel "${array}_$cancelled"
    drain
    about "$cancelled" | grep -q '^0 CANCELLED ' || tell "a cancelled task: $(about "$cancelled"), $(cat "cancelled-$cancelled.log")"
    absent
fi
[ $wrong = 0 ] || tail -n 100 "$cluster"/slurm*.log
finish
