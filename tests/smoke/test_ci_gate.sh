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
# shellcheck source=/dev/null
. "$(dirname "$0")/expect.sh"

gate() {
	expect "$1" "$2" "$work/tree/scripts/ci-gate" "${@:3}"
}

# A small repository: the scripts, and in its head a build that fails at once.
mkdir -p "$work/tree"
cp -r "$root/scripts" "$work/tree/scripts"
printf '#!/bin/bash\n' >"$work/tree/scripts/install-packages"
tree() {
	git -C "$work/tree" -c user.name=test -c user.email=test@example.org "$@"
}
tree init --quiet
mkdir "$work/tree/workloads"
cp "$root/workloads/publish-1k.ini" "$work/tree/workloads"
tree add scripts workloads
tree commit --quiet -m one
printf 'no project(\n' >"$work/tree/CMakeLists.txt"
tree add CMakeLists.txt
tree commit --quiet -m two

gate 2 'found 0 commits, expected BASE_REF [HEAD_REF]'
gate 2 'found 3 commits' a b c
gate 2 "'nosuch' is not a commit here" nosuch
gate 2 "'nosuch' is not a commit here" HEAD nosuch
gate 2 "unknown option '--margins'" --margins 5 HEAD
gate 2 '--seconds expects a value' HEAD --seconds
gate 2 "--seconds: found '0'" --seconds 0 HEAD
gate 2 "--margin: found '-5'" --margin -5 HEAD
gate 2 "--margin: found '0.0'" --margin 0.0 HEAD
gate 2 'nothing is left to do' --no-clock --no-counts HEAD
gate 2 "--workload: 'publish-2k' is neither a ready workload of HEAD nor a file" --workload publish-2k HEAD
gate 2 'is there already' -o "$work" HEAD
gate 2 'is not a directory' -o "$work/none/out" HEAD
gate 2 'none is not a directory' --junit "$work/none/out.xml" HEAD
gate 2 'none is not a directory' --markdown "$work/none/out.md" HEAD
gate 2 '--no-clock: --junit and --markdown are of the clock' --no-clock --junit "$work/out.xml" HEAD
gate 2 '--no-clock: --junit and --markdown are of the clock' --no-clock --markdown "$work/out.md" HEAD
gate 4 'has no atrest-count yet' HEAD~1 HEAD
gate 4 'does not build' --no-counts HEAD HEAD
gate 0 'ci-gate [OPTION ...] BASE_REF [HEAD_REF]' --help

# Logs of a build that failed are kept where that is asked for.
gate 4 'does not build' --no-counts -o "$work/kept" HEAD
[ -s "$work/kept/build-base.log" ] || {
	echo "FAIL: no log was kept"
	failed=1
}
left=$(tree worktree list | wc -l)$(find "$work/tree" -name build)
[ "$left" = 1 ] || {
	echo "FAIL: left behind: $left"
	failed=1
}

# Both builds are a script that says what the test wrote: of each of the two measurements the verdicts of aes and
# of chachapoly, the exit code of compare, and that of the run. So is what compares counts.
tree rm --quiet CMakeLists.txt
mkdir -p "$work/says" "$work/tree/harness/micro"
touch "$work/tree/harness/micro/count.c"
cat >"$work/tree/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.19)
project(fake NONE)
file(COPY ${CMAKE_SOURCE_DIR}/atrest DESTINATION ${CMAKE_BINARY_DIR}/cli)
add_custom_target(atrest)
add_custom_target(atrest-count)
END
cat >"$work/tree/CMakePresets.json" <<'END'
{"version": 2,
 "configurePresets": [{"name": "release", "generator": "Ninja", "binaryDir": "${sourceDir}/build/release"}],
 "buildPresets": [{"name": "release", "configurePreset": "release"}]}
END
cat >"$work/tree/atrest" <<'END'
#!/bin/bash
last=${!#}
case " $* " in
*' slice '*) echo '{"protocol": 9}' ;;
*' --dry-run '*)
	[ ! -e "$SAYS/plan" ] || { cat "$SAYS/plan" >&2 && exit "$(cat "$SAYS/plan.code")"; }
	printf '"rounds": 4,\n"estimated_s": 1\n'
	;;
*' run '*)
	while [ "$1" != -o ]; do
		[ "$1" != --rounds ] || echo "$2" >"$SAYS/rounds"
		shift
	done
	mkdir "$2"
	[ -e "$SAYS/slow" ] || exit "$(cat "$SAYS/${2##*/}.run" 2>/dev/null || echo 0)"
	# What a run does that is told to stop: its stores go first.
	trap 'sleep 0.3; rm "$2/stores"; exit 130' TERM INT
	touch "$2/stores"
	while :; do sleep 0.1; done
	;;
*' --json '*) cat "$SAYS/${last##*/}" && exit "$(cat "$SAYS/${last##*/}.code")" ;;
*' --markdown '*) echo "of ${last##*/}" ;;
*)
	while [ $# -gt 1 ]; do
		[ "$1" != --junit ] || echo "of ${last##*/}" >"$2"
		shift
	done
	exit "$(cat "$SAYS/${last##*/}.code")"
	;;
esac
END
cat >"$work/tree/scripts/count-instructions" <<'END'
#!/bin/bash
[ "$1" != --compare ] || exit "$(cat "$SAYS/counts.code")"
END
chmod +x "$work/tree/atrest"
tree add .
tree commit --quiet -m three
export SAYS=$work/says

# says FOLDER CODE AES CHACHAPOLY
says() {
	local arms=(aes chachapoly) verdicts=("$3" "$4") i
	echo "$2" >"$work/says/$1.code"
	for i in 0 1; do
		[ -z "${verdicts[i]}" ] || printf ' "%s": "%s",\n' workload publish-1k arm "${arms[i]}" \
			metric time_ns_per_msg verdict "${verdicts[i]}"
	done >"$work/says/$1"
}

says run 0 same same
gate 0 'clock: passed' --no-counts HEAD
says run 1 worse same
gate 1 'clock: FAILED' --no-counts HEAD
# Of what is measured again only what was open counts, whatever the rest says by chance.
says run 3 inconclusive same
for verdict in 'same 0 passed' 'better 0 passed' 'inconclusive 3 inconclusive' 'worse 1 FAILED'; do
	read -r again code word <<<"$verdict"
	says run-again 1 "$again" worse
	gate "$code" "clock: $word" --no-counts HEAD
done
# What is open comes with what was shown, and with what to do.
says run-again 3 inconclusive same
gate 3 'nothing was shown by counts (--no-counts); to decide it: a quieter runner, or more rounds with --seconds 160 (now 40)' \
	--no-counts HEAD
gate 3 'within 3 % was not shown' --no-counts --margin 3 HEAD
echo 0 >"$work/says/counts.code"
export GITHUB_STEP_SUMMARY=$work/summary.md
gate 3 'instructions per message were compared and passed; to decide it: ' HEAD
unset GITHUB_STEP_SUMMARY
expect 0 'to decide it: a quieter runner' cat "$work/summary.md"
# What is not told is not passed.
says run-again 0 '' same
gate 3 'publish-1k aes time_ns_per_msg: inconclusive' --no-counts HEAD
says run-again 0 '' ''
gate 2 'has no rows' --no-counts HEAD
says run-again 4 same same
gate 4 '' --no-counts HEAD
says run 3 '' ''
gate 3 'clock: inconclusive' --no-counts HEAD

# ran FOLDER CODE - what the run itself ends with.
ran() {
	echo "$2" >"$work/says/$1.run"
}
says run 0 same same
for codes in '1 1' '5 1' '2 2' '3 0' '4 4' '137 4' '130 130'; do
	ran run "${codes% *}"
	gate "${codes#* }" '' --no-counts HEAD
done
ran run 5
gate 1 'FAILED: not every slice was valid' --no-counts HEAD
ran run 4
gate 4 'the run ended with exit code 4' --no-counts HEAD
ran run 0
# The second one's, too.
says run 3 inconclusive same
says run-again 0 same same
ran run-again 1
gate 1 'clock: FAILED' --no-counts HEAD
ran run-again 4
gate 4 'the run ended with exit code 4' --no-counts HEAD
ran run-again 0

# What cannot be planned is told in the words of who planned it.
echo 'error: mine.ini:3: no such key' >"$work/says/plan"
for codes in '2 2' '4 4' '1 4'; do
	echo "${codes% *}" >"$work/says/plan.code"
	gate "${codes#* }" 'error: mine.ini:3: no such key' --no-counts HEAD
done
rm "$work/says/plan"
# Not more rounds than a run may have.
gate 0 '10000 rounds' --no-counts --seconds 99999 HEAD

# same FILE TEXT - what that file has, before it goes.
same() {
	if [ "$(cat "$1" 2>&1)" != "$2" ]; then
		echo "FAIL: $1: $(cat "$1" 2>&1), expected $2"
		failed=1
	fi
	rm -f "$1"
}
gate 0 'clock: passed' --no-counts --junit "$work/out.xml" --markdown "$work/out.md" HEAD
same "$work/out.xml" 'of run'
same "$work/out-again.xml" 'of run-again'
same "$work/out.md" $'of run\nof run-again'

# The worst of both is the gate's: not comparable, failed, inconclusive, passed.
for codes in '0 0 0' '1 0 1' '0 1 1' '0 3 3' '1 3 1' '4 1 4' '4 3 4' '2 1 2'; do
	read -r counts clock code <<<"$codes"
	echo "$counts" >"$work/says/counts.code"
	says run "$clock" "$([ "$clock" -eq 3 ] && echo inconclusive || echo same)" same
	says run-again 3 inconclusive same
	gate "$code" 'clock: ' HEAD
done

# Told to stop, it waits for the run, which takes its stores away.
touch "$work/says/slow"
"$work/tree/scripts/ci-gate" --no-counts -o "$work/stopped" HEAD >"$work/stopped.log" 2>&1 &
gate=$!
for _ in {1..300}; do
	[ -z "$(find "$work/tree/build" -name stores 2>/dev/null)" ] || break
	sleep 0.1
done
kill -TERM "$gate"
status=0
wait "$gate" || status=$?
rm "$work/says/slow"
if [ "$status" -ne 143 ] || [ ! -d "$work/stopped/run" ] || [ -e "$work/stopped/run/stores" ]; then
	echo "FAIL: stopped: status $status, $(find "$work/stopped")"
	failed=1
fi

# What README says to paste is the example.
if [ "$(sed -n '/^on: pull_request$/,/^```$/p' "$root/README.md" | sed '$d')" != \
	"$(grep -v '^#' "$root/scripts/ci-gate.example.yml")" ]; then
	echo "FAIL: the workflow in README.md is not scripts/ci-gate.example.yml"
	failed=1
fi

[ "$failed" -eq 0 ] && echo "exit codes and lines are as they should be"
exit "$failed"
