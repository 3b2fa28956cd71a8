#!/bin/sh
# Full disks: exit 5, a message with path and bytes, nothing half-written, and the next run completes.
#
# A tmpfs gives out pages of 4 KiB and no byte more, so what fills it must be many pages long for its end to
# come at many places: a movie, a sidecar with long tags, the report and the events of hundreds of clips, and
# clips beside each other. Where only one file grows, the size of the disk tells what the message must say.
. "$(dirname "$0")/common"

disks=${TALKGEN_DISKS:-20} # more: a long test
page=4096
mkdir -p disk
umount_disk() {
    mountpoint -q disk && umount disk
}
trap umount_disk EXIT
if ! mount -t tmpfs -o size=64k tmpfs disk 2>/dev/null; then
    echo "skip full disks: mounting a tmpfs is not permitted here"
    finish
fi
batch() { # MANIFEST OUT OPTIONS...
    manifest=$1
    folder=$2
    shift 2
    "$talkgen" batch --manifest "$manifest" -i "$person" --out-dir "$folder" --progress never --size 32x32 "$@" \
        >out.txt 2>err.txt
}
random() { # a whole number below $1
    echo $(($(od -An -N4 -tu4 /dev/urandom) % $1))
}
pages_of() { # FILE, rounded up
    echo $((($(stat -c %s "$1") + page - 1) / page))
}
# one_of ROUND OF MOST: a random number of pages from 1 to MOST - 1, another in each of OF rounds
one_of() {
    low=$((($1 * ($3 - 1)) / $2))
    high=$((($1 + 1) * ($3 - 1) / $2))
    echo $((low + 1 + $(random $((high - low)))))
}

# ---- what the files are when there is room
for seconds in 2 3 5 7 12; do
    ffmpeg -nostdin -loglevel error -y -i "$speech" -t $seconds $seconds.wav
    echo "{\"id\": \"s$seconds\", \"audio\": \"$seconds.wav\"}"
done >jobs.jsonl
echo '{"id": "long", "audio": "12.wav"}' >movie.jsonl
tags=$(seq 90000 | tr '\n' ' ')
echo "{\"id\": \"tagged\", \"audio\": \"2.wav\", \"tags\": {\"n\": \"$tags\"}}" >sidecar.jsonl
for i in $(seq 800); do
    echo "{\"id\": \"m$i\", \"audio\": \"missing.wav\"}"
done >lines.jsonl
for kind in jobs movie sidecar; do
    batch $kind.jsonl calm-$kind --report $kind.report || tell "$kind with room: $(cat err.txt)"
done
batch lines.jsonl calm-lines --report lines.report --events lines.events
[ $? = 10 ] || tell "800 missing recordings: $(tail -n 3 err.txt)"
movie=$(find calm-movie -name '*.mp4')
tagged=$(find calm-sidecar -name '*.mp4')

# full PATH BYTES: the run has ended at a full disk, and says so; BYTES may be empty
full() {
    [ $code = 5 ] || tell "exit $code on a full disk: $(tail -n 3 err.txt)"
    message=$(grep '^talkgen: ' err.txt)
    grep -q '^  try: free some space' err.txt || tell "no way out: $message"
    bytes=$(echo "$message" | sed -n "s|^talkgen: $1: cannot write after \([0-9]*\) \(of [0-9]* \)*bytes: No space left on device\$|\1|p")
    [ -n "$bytes" ] || tell "not where and after how many bytes: $message"
    [ -z "${2:-}" ] || [ "$bytes" = "$2" ] || tell "after $bytes bytes instead of $2: $message"
    echo "$bytes" >>places.txt
}
# whole CALM: what has its name is what it is with room
whole() {
    for clip in $(find disk -name '*.mp4'); do
        cmp -s "$clip" "$1/${clip#disk/}" || tell "half-written: $clip"
    done
    for text in $(find disk -name '*.json'); do
        [ "$(tail -c 2 "$text")" = "}" ] || tell "half-written: $text"
    done
    absent
}
# completes MANIFEST REPORT OPTIONS...: with more room
completes() {
    mount -o remount,size=16m disk
    manifest=$1
    report=$2
    shift 2
    batch "$manifest" disk "$@" || tell "after the disk was made larger: $(cat err.txt)"
    hashes "$report" >want.txt
    hashes report.jsonl | cmp -s - want.txt || tell "other frames after a full disk"
}
whole_lines() { # FILE: of JSON
    [ -z "$(tail -c 1 "$1" | tr -d '\n')" ] || tell "half a line at the end of $1"
    [ "$(grep -cv '^{"event":"[a-z_]*",.*}$' "$1")" = 0 ] || tell "half a line in $1"
}

turns=$(((disks + 4) / 5))
for round in $(seq 0 $((disks - 1))); do
    turn=$((round / 5))
    rm -f report.jsonl
    umount_disk
    case $((round % 5)) in
    0)
        size=$(one_of $turn $turns "$(pages_of "$movie")")
        mount -t tmpfs -o size=$((size * page)) tmpfs disk
        batch movie.jsonl disk --report report.jsonl
        code=$?
        full 'disk/[^ ]*/long.mp4' $((size * page))
        whole calm-movie
        completes movie.jsonl movie.report --report report.jsonl
        ;;
    1)
        size=$(one_of $turn $turns "$(pages_of "$tagged.json")")
        mount -t tmpfs -o size=$(((size + $(pages_of "$tagged")) * page)) tmpfs disk
        batch sidecar.jsonl disk --report report.jsonl
        code=$?
        full 'disk/[^ ]*/tagged.mp4.json' $((size * page))
        [ -z "$(find disk -name 'tagged*')" ] || tell "a clip without its sidecar: $(find disk)"
        absent
        completes sidecar.jsonl sidecar.report --report report.jsonl
        ;;
    2)
        size=$(one_of $turn $turns "$(pages_of lines.report)")
        mount -t tmpfs -o size=$((size * page)) tmpfs disk
        batch lines.jsonl calm-lines --report disk/report.jsonl
        code=$?
        full disk/report.jsonl $((size * page))
        [ -z "$(ls -A disk)" ] || tell "half a report: $(ls -A disk)"
        mount -o remount,size=16m disk
        batch lines.jsonl calm-lines --report disk/report.jsonl
        [ $? = 10 ] || tell "after the disk was made larger: $(tail -n 3 err.txt)"
        [ "$(wc -l <disk/report.jsonl)" = 801 ] || tell "$(wc -l <disk/report.jsonl) lines in a report of 800 clips"
        ;;
    3)
        size=$(one_of $turn $turns "$(pages_of lines.events)")
        mount -t tmpfs -o size=$((size * page)) tmpfs disk
        batch lines.jsonl calm-lines --report report.jsonl --events disk/events.jsonl
        code=$?
        full disk/events.jsonl $((size * page))
        [ "$(wc -l <report.jsonl)" = 801 ] || tell "clips were lost with their events: $(wc -l <report.jsonl)"
        whole_lines disk/events.jsonl
        mount -o remount,size=16m disk
        printf '{"event":"job_st' >>disk/events.jsonl # what a run that is killed may leave
        batch lines.jsonl calm-lines --report report.jsonl --events disk/events.jsonl
        [ $? = 10 ] || tell "after the disk was made larger: $(tail -n 3 err.txt)"
        tail -n 1 disk/events.jsonl | grep -q '"event":"run_summary"' || tell "no end in the events"
        grep -v '^{"event":"job_st$' disk/events.jsonl >events.txt
        whole_lines events.txt
        ;;
    4)
        all=$(find calm-jobs -type f | while read -r file; do pages_of "$file"; done | awk '{ n += $1 } END { print n }')
        size=$(one_of $turn $turns "$all")
        mount -t tmpfs -o size=$((size * page)) tmpfs disk
        batch jobs.jsonl disk --report disk/report.jsonl
        code=$?
        full 'disk/[^ ]*'
        whole calm-jobs
        completes jobs.jsonl jobs.report --report report.jsonl
        ;;
    esac
done
echo "$(wc -l <places.txt) full disks at $(sort -u places.txt | wc -l) different bytes, $(sort -n places.txt | head -n 1) to $(sort -n places.txt | tail -n 1)"
[ "$(wc -l <places.txt)" = "$disks" ] || tell "not every disk was full"
[ "$(sort -u places.txt | wc -l)" -ge $((2 * disks / 3)) ] || tell "full at too few different bytes: $(sort -n places.txt | tr '\n' ' ')"
finish
