#!/bin/bash
# nats-cluster: three real servers, ready for three replicas; ended by their records alone.
set -euo pipefail
scripts=$(cd "$(dirname "$0")/../.." && pwd)/scripts
cluster=$scripts/nats-cluster
unset NATS_SERVER

said=$("$scripts/get-nats-server" newest 2>&1) || {
	echo "SKIP ${said##*$'\n'}"
	exit 77
}
work=$(mktemp -d)
folder=
strangers=()
finish() {
	[ -z "$folder" ] || "$cluster" stop "$folder" || true
	[ ${#strangers[@]} -eq 0 ] || kill -KILL "${strangers[@]}" 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT

fail() {
	echo "FAIL: $*"
	exit 1
}

# expect STATUS TEXT COMMAND ...
expect() {
	local status=$1 text=$2 said got=0
	shift 2
	said=$("$@" 2>&1) || got=$?
	[[ $got -eq $status && $said == *"$text"* ]] ||
		fail "$*: status $got (expected $status), said: $said (expected: $text)"
}

expect 0 'prints two lines' "$cluster" --help
expect 2 'expected CIPHER' "$cluster"
expect 2 '"des" is not a cipher' "$cluster" des
expect 2 'is not a directory' "$cluster" aes newest "$work/none"
expect 2 'is not the folder of a cluster' "$cluster" stop "$work"
[ -d "$work" ] || fail "a folder of others was removed"
expect 2 'expected letters and digits' env ATREST_CLUSTER_KEY='a"b' "$cluster" aes newest "$work"
expect 4 'a server ended' env NATS_SERVER=/bin/true "$cluster" aes newest "$work"
[ -z "$(ls "$work")" ] || fail "a cluster that did not start left $(ls "$work")"

key=ThisIsTheKeyOfTheTest1
mapfile -t said < <(ATREST_CLUSTER_KEY=$key "$cluster" aes newest "$work")
[ ${#said[@]} -eq 2 ] || fail "said: ${said[*]}"
folder=${said[1]}
[[ ${said[0]} =~ ^nats://127.0.0.1:[0-9]+,nats://127.0.0.1:[0-9]+,nats://127.0.0.1:[0-9]+$ ]] ||
	fail "addresses: ${said[0]}"
pids=()
for node in 1 2 3; do
	read -r pid _ <"$folder/$node/nats-server.pid"
	pids+=("$pid")
	kill -0 "$pid" || fail "server $node does not run"
	[ -d "$folder/$node/store/jetstream" ] || fail "server $node has no store"
	! tr '\0' '\n' <"/proc/$pid/cmdline" | grep -q "$key" || fail "the key is an argument"
	grep -qz "$key" "/proc/$pid/environ" || fail "server $node has not its key"
done
! grep -rqF "$key" "$folder" || fail "the key is in a file"

# One that is dead already, and a number that is another's by now.
kill -KILL "${pids[1]}"
strangers=("${pids[2]}")
sed -i 's/ / 1/' "$folder/3/nats-server.pid"
"$cluster" stop "$folder"
[ ! -e "$folder" ] || fail "the folder is still there"
folder=
case $(sed 's/.*) //' "/proc/${pids[0]}/stat" 2>/dev/null) in
'' | Z*) ;;
*) fail "server 1 still runs" ;;
esac
kill -0 "${pids[2]}" || fail "a process was ended that is not of the record"
echo "three servers, ready and gone"
