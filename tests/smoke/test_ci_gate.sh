#!/bin/bash
# ci-gate: what it says of bad arguments, its exit codes, and that nothing is left behind.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
git -C "$root" rev-parse --verify --quiet HEAD >/dev/null || {
	echo "SKIP git: this is no clone"
	exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

expect() {
	local status=$1 text=$2 said got=0
	shift 2
	said=$("$work/tree/scripts/ci-gate" "$@" 2>&1) || got=$?
	if [ "$got" -ne "$status" ] || [[ $said != *"$text"* ]]; then
		echo "FAIL: ci-gate $*: status $got (expected $status), said: $said (expected: $text)"
		failed=1
	fi
}

# A small repository: the scripts, and in its head a build that fails at once.
mkdir -p "$work/tree"
cp -r "$root/scripts" "$work/tree/scripts"
printf '#!/bin/bash\n' >"$work/tree/scripts/install-packages"
tree() {
	git -C "$work/tree" -c user.name=test -c user.email=test@example.org "$@"
}
tree init --quiet
tree add scripts
tree commit --quiet -m one
printf 'no project(\n' >"$work/tree/CMakeLists.txt"
tree add CMakeLists.txt
tree commit --quiet -m two

expect 2 'found 0 commits, expected BASE_REF [HEAD_REF]'
expect 2 'found 3 commits' a b c
expect 2 "'nosuch' is not a commit here" nosuch
expect 2 "'nosuch' is not a commit here" HEAD nosuch
expect 2 "unknown option '--margins'" --margins 5 HEAD
expect 2 '--seconds expects a value' HEAD --seconds
expect 2 "--seconds: found '0'" --seconds 0 HEAD
expect 2 "--margin: found '-5'" --margin -5 HEAD
expect 2 "--margin: found '0.0'" --margin 0.0 HEAD
expect 2 'nothing is left to do' --no-clock --no-counts HEAD
expect 2 'is there already' -o "$work" HEAD
expect 2 'is not a directory' -o "$work/none/out" HEAD
expect 4 'has no atrest-count yet' HEAD~1 HEAD
expect 4 'does not build' --no-counts HEAD HEAD
expect 0 'ci-gate [OPTION ...] BASE_REF [HEAD_REF]' --help

# Logs of a build that failed are kept where that is asked for.
expect 4 'does not build' --no-counts -o "$work/kept" HEAD
[ -s "$work/kept/build-base.log" ] || {
	echo "FAIL: no log was kept"
	failed=1
}
left=$(tree worktree list | wc -l)$(find "$work/tree/build" -mindepth 1 | head -n 1)
[ "$left" = 1 ] || {
	echo "FAIL: left behind: $left"
	failed=1
}

# What README says to paste is the example.
if [ "$(sed -n '/^on: pull_request$/,/^```$/p' "$root/README.md" | sed '$d')" != \
	"$(grep -v '^#' "$root/scripts/ci-gate.example.yml")" ]; then
	echo "FAIL: the workflow in README.md is not scripts/ci-gate.example.yml"
	failed=1
fi

[ "$failed" -eq 0 ] && echo "exit codes and lines are as they should be"
exit "$failed"
