#!/bin/bash
# size-check with a program in the place of atrest: what is refused, which exit code comes first, and
# that paths are those of the caller.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
check=$root/scripts/size-check
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
# shellcheck source=/dev/null
. "$root/tests/smoke/expect.sh"

cd "$work"
mkdir bin
# "run ... --target T -o DIR" and "size --result DIR ..." exit as the files T.run and T.size say.
cat >bin/atrest <<'PROGRAM'
#!/bin/bash
what=$1
while [ $# -gt 0 ]; do
	case $1 in
	--target) target=$2 ;;
	-o) dir=$2 ;;
	--result) dir=$2 ;;
	esac
	shift
done
if [ "$what" = run ]; then
	mkdir -p "$dir"
	echo "$target" >"$dir/target"
else
	target=$(cat "$dir/target")
	echo "a table of $target"
fi
exit "$(cat "$CODES/$target.$what" 2>/dev/null || echo 0)"
PROGRAM
chmod +x bin/atrest
mkdir codes
export CODES=$work/codes ATREST=bin/atrest # as it is called from here

expect 2 "--target: found ''" "$check" --target ''
expect 2 "--target: found ','" "$check" --target ,
expect 2 "--target needs a value" "$check" --target
expect 2 "--rounds: found '0'" "$check" --rounds 0
expect 2 "--rounds: found 'many'" "$check" --rounds many
expect 2 "unknown option '--slow'" "$check" --slow
expect 2 "$work/bin/none is not there" env ATREST=bin/none "$check"
expect 4 "" "$check" --keep bin/atrest/kept
expect 0 "size-check [OPTION ...]" "$check" --help

expect 0 "a table of store" "$check" --target store --keep kept
[ -f kept/store/result/target ] || {
	echo "FAIL: --keep kept is not below the folder where it was said"
	failed=1
}

# codes STORE.RUN STORE.SIZE NATS.RUN NATS.SIZE - how they end
codes() {
	echo "$1" >codes/store.run
	echo "$2" >codes/store.size
	echo "$3" >codes/nats:1.run
	echo "$4" >codes/nats:1.size
}

both=("$check" --target 'store,nats:1')
codes 0 0 0 0 && expect 0 "a table of nats:1" "${both[@]}"
codes 0 1 0 0 && expect 1 "a table of nats:1" "${both[@]}"
codes 0 2 0 1 && expect 2 "a table of nats:1" "${both[@]}"
codes 0 1 0 4 && expect 4 "" "${both[@]}"
codes 0 5 0 4 && expect 5 "" "${both[@]}"
codes 0 3 0 1 && expect 1 "" "${both[@]}"
# 1 is a line of a table that is out; where there is no table it is not.
codes 1 0 0 0 && expect 4 "store: the run failed (exit 1), no table" "${both[@]}"
codes 1 0 0 0 && expect 4 "a table of nats:1" "${both[@]}"
codes 2 0 0 1 && expect 2 "store: the run failed (exit 2), no table" "${both[@]}"
codes 130 0 0 0 && expect 130 "the run failed (exit 130)" "${both[@]}"

[ "$failed" -eq 0 ] && echo "exit codes and paths are as they should be"
exit "$failed"
