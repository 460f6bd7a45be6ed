#!/bin/bash
# test_gate.sh clock|counts|same [N] - the gate held to its promise, on this machine; by hand, for an hour.
#
#   clock    a head whose aes arm takes 10 % longer per operation fails by the clock
#   counts   one with a tenth more instructions in the cipher call, a hundredth of a publish, fails by counts;
#            one whose workers speak another protocol is not compared
#   same     two identical builds through the gate, N times (20): it never says "failed"; how often it is sure
#            of that is printed
#
# Works in a clone of the last commit: what is not committed is not tested.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
command -v valgrind >/dev/null || {
	echo "SKIP valgrind: it is not installed"
	exit 77
}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/atrest-gate-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
tree=$work/tree
git clone --quiet --local "$root" "$tree"
# The same sources are compiled once where there is ccache; the gate itself does not need it.
! command -v ccache >/dev/null ||
	export CMAKE_C_COMPILER_LAUNCHER=ccache CCACHE_BASEDIR=$work CCACHE_NOHASHDIR=1
failed=0

git_tree() {
	git -C "$tree" -c user.name=test -c user.email=test@example.org "$@"
}

# expect STATUSES TEXT NAME OPTION ... - the gate's exit code is one of these, and it says so.
expect() {
	local statuses=$1 text=$2 name=$3 got=0 began=$SECONDS
	shift 3
	"$tree/scripts/ci-gate" -o "$work/$name" "$@" >"$work/$name.out" 2>&1 || got=$?
	if [[ " $statuses " != *" $got "* ]] || ! grep -qE "$text" "$work/$name.out"; then
		echo "FAIL: $name: status $got (expected $statuses and \"$text\")"
		cat "$work/$name.out"
		failed=1
	fi
	echo "$name: exit code $got after $((SECONDS - began)) s"
	grep -E '^(counts|clock|dearer|measured again)|worse$' "$work/$name.out" | sed 's/^/  /' || true
}

# Ten per cent of the time since the last append returned, waited for after each append under aes; not of
# the time between two slices.
slow_aes() {
	sed -i -e 's/^#include "harness\/generator.h"/&\n#include "harness\/measure\/clock.h"/' \
		-e 's/^struct target_place {/static int slow_aes;\nstatic uint64_t slow_last_ns;\n\n&/' \
		-e 's/^\tout->cipher = atr_cipher_find(.*/&\n\tslow_aes = strcmp(from->cipher, "aes") == 0;/' \
		-e 's/^\tenum atr_status status = atr_store_append(.*/&\n\tif (slow_aes) {\n\t\tuint64_t now = clock_ns(), took = now - slow_last_ns, until = now + (took < 1000000 ? took \/ 10 : 0);\n\t\twhile (slow_last_ns != 0 \&\& now < until)\n\t\t\tnow = clock_ns();\n\t\tslow_last_ns = now;\n\t}/' \
		"$tree/harness/targets/target_store.c"
}

# A loop of about a tenth of the instructions that enciphering a record takes.
dear_cipher() {
	sed -i 's/^\tint continues = offset == s->next;$/&\n\n\tfor (volatile size_t i = 0; s->cipher->seal != NULL \&\& i < bytes \/ 27; i++)\n\t\t;/' \
		"$tree/ciphers/cipher.c"
}

# A sed that finds nothing makes an empty commit, which fails.
clock() {
	slow_aes
	git_tree commit --quiet -am "slower"
	expect 1 ' aes .* worse$' clock --no-counts HEAD~1
}

counts() {
	dear_cipher
	git_tree commit --quiet -am "dearer"
	expect 1 'dearer: seal, aes openssl' counts --no-clock HEAD~1
	# Workers that speak another protocol cannot be arms of one run.
	sed -i 's/^\(#define ORDERS_PROTOCOL *\)[0-9]*/\11000/' "$tree/harness/orders.h"
	git_tree commit --quiet -am "protocol"
	expect 4 'of head 1000: they cannot be arms of one run' protocol --no-counts HEAD~1
}

# A minute each: 20 s, and 40 s of what was not decided. How many pass depends on how quiet the machine is.
same() {
	local n i passed=0
	n=${1:-20}
	for ((i = 1; i <= n; i++)); do
		expect '0 3' 'clock: ' "same-$i" --no-counts --seconds 20 HEAD
		! grep -q 'clock: passed' "$work/same-$i.out" || passed=$((passed + 1))
		rm -rf "$work/same-$i"
	done
	echo "passed $passed of $n, the others were inconclusive"
}

case "${1:-}" in
clock) clock ;;
counts) counts ;;
same) same "${2:-20}" ;;
*)
	echo "usage: test_gate.sh clock|counts|same [N]" >&2
	exit 2
	;;
esac
[ "$failed" -eq 0 ] && echo "the gate keeps its promise"
exit "$failed"
