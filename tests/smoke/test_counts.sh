#!/bin/bash
# count-instructions PROGRAM: the same twice, to 1 %; and what --compare says of files, good and bad.
set -euo pipefail
count=$(cd "$(dirname "$0")/../.." && pwd)/scripts/count-instructions
program=$1
command -v valgrind >/dev/null || {
	echo "SKIP valgrind: it is not installed"
	exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
# shellcheck source=/dev/null
. "$(dirname "$0")/expect.sh"

"$count" "$program" aes >"$work/one.csv"
"$count" "$program" aes >"$work/two.csv"
expect 0 '7 counts, none dearer by more than 1 %' "$count" --compare "$work/one.csv" "$work/two.csv"
expect 0 'append' "$count" --compare "$work/two.csv" "$work/one.csv"

# Of a count that is ended nothing is left: no valgrind, no folder, no word.
mkdir "$work/tmp"
counting() {
	local file
	for file in /proc/[0-9]*/cmdline; do
		if [[ $(tr '\0' ' ' 2>/dev/null <"$file") == *"callgrind-out-file=$work/tmp/"* ]]; then
			echo "$file"
		fi
	done 2>/dev/null
}
TMPDIR=$work/tmp "$count" "$program" >"$work/ended" 2>&1 &
job=$!
for _ in {1..100}; do
	[ -z "$(counting)" ] || break
	sleep 0.1
done
[ -n "$(counting)" ] || {
	echo "FAIL: nothing was counting"
	failed=1
}
kill -TERM "$job"
status=0
wait "$job" || status=$?
if [ "$status" -ne 143 ] || [ -n "$(counting)$(ls "$work/tmp")" ] || [ -s "$work/ended" ]; then
	echo "FAIL: ended: status $status, left $(counting) $(ls "$work/tmp"), said: $(cat "$work/ended")"
	failed=1
fi

# Invented files: what counts is between 0.9 and 1.1 %, in either direction.
file() {
	printf '# atrest-counts v1\n# processor=1\n# libcrypto.so.3=%s\n' "${2:-1}"
	printf 'operation,cipher,provider,count,instructions,per_message\n'
	printf 'append,aes,openssl,1000,5000000,5000.0\nseal,aes,openssl,1000,%d,1.0\n# rows=2\n' "$1"
}
file 1000000 >"$work/base"
file 1009000 >"$work/near"
file 1011000 >"$work/dear"
file 1000000 2 >"$work/library"
expect 0 'none dearer' "$count" --compare "$work/base" "$work/near"
expect 1 'dearer: seal, aes openssl: 1000.0 -> 1011.0 instructions per message (+1.10 %)' \
	"$count" --compare "$work/base" "$work/dear"
expect 0 'cheaper' "$count" --compare "$work/dear" "$work/base"
expect 4 'libcrypto.so.3 differs' "$count" --compare "$work/base" "$work/library"

# Nothing malformed or cut passes, on either side.
bad() {
	expect "$1" "$2" "$count" --compare "$work/base" "$work/bad"
	expect "$1" "" "$count" --compare "$work/bad" "$work/base"
}
for lines in 0 1 2 3 4 5 6; do
	head -n $lines "$work/base" >"$work/bad"
	bad 2 ''
done
for change in '1s/counts/count/' '2s/=.*//' '4s/count,/counts,/' '5s/5000000/x/' '5s/5000000/0/' '5s/,5000.0//' \
	'5s/1000,/0,/' '7s/2/3/' '5p' '7p'; do
	sed "$change" "$work/base" >"$work/bad"
	bad 2 ''
done
sed '1s/v1/v2/' "$work/base" >"$work/bad"
bad 4 'expected "# atrest-counts v1"'
sed '6d; 7s/2/1/' "$work/base" >"$work/bad"
expect 4 'seal,aes,openssl is missing' "$count" --compare "$work/base" "$work/bad"
expect 2 'cannot be read' "$count" --compare "$work/base" "$work/none"
expect 2 'expected BASE.csv HEAD.csv' "$count" --compare "$work/base"
expect 2 'no such program' "$count" "$work/none"
expect 2 "no cipher 'rot13'" "$count" "$program" rot13

[ "$failed" -eq 0 ] && echo "counts are the same twice, and files are told apart"
exit "$failed"
