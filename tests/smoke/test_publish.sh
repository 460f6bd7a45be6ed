#!/bin/bash
# publish: what is copied where, whose figures README.md shows, and that a published run is never its own source.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
# shellcheck source=/dev/null
. "$(dirname "$0")/expect.sh"

# A tree with the script, an invented program and an invented run.
mkdir -p "$work/scripts" "$work/build/release/cli" "$work/run/plots"
cp "$root/scripts/publish" "$work/scripts"
cat >"$work/build/release/cli/atrest" <<'END'
#!/bin/bash
case $1 in
report) printf 'The sentence.\n\nworkload arm\nrow none\n\nnote\n' ;;
size) printf 'The advice.\n\na node needs\ncores 1\n\nnote\n' ;;
esac
END
chmod +x "$work/build/release/cli/atrest"
for file in samples.csv summary.csv transfer.csv workload.ini plots/overhead.png; do
	echo "$file" >"$work/run/$file"
done
printf '{\n"host": "mine",\n"dir": "x=/home/me",\n"device": "/dev/vda"\n}\n' >"$work/run/machine.json"
readme() {
	printf 'before\n<!-- begin %s -->\nold\n<!-- end %s -->\nafter\n' published published size size
}
readme >"$work/README.md"

expect 2 'usage: publish DIR NAME' "$work/scripts/publish" run
expect 2 'usage: publish DIR NAME' "$work/scripts/publish" none example
expect 0 'published: results/published/other' "$work/scripts/publish" run other
expect 0 '' cmp "$work/README.md" <(readme)
expect 0 '' grep -q '"device": "/dev/vda"' "$work/results/published/other/machine.json"
expect 1 '' grep -qE 'mine|/home' "$work/results/published/other/machine.json"
expect 0 'published: results/published/example, README.md' "$work/scripts/publish" run example
expect 0 '> The sentence.' cat "$work/README.md"
expect 0 'row none' cat "$work/README.md"
# Folded; within HTML Markdown begins behind an empty line.
expect 0 $'<details><summary>every cell</summary>\n\n```\nworkload arm\nrow none\n```\n\n</details>\n<!-- end published -->' \
	cat "$work/README.md"
expect 0 '> The advice.' cat "$work/README.md"
expect 1 '' grep -q '^old$' "$work/README.md"
expect 2 'is what would be replaced' "$work/scripts/publish" results/published/example example
expect 2 'is what would be replaced' "$work/scripts/publish" results/published/../published/example/ example
expect 0 '' cmp "$work/run/plots/overhead.png" "$work/results/published/example/plots/overhead.png"

[ "$failed" -eq 0 ] && echo "what is published is what was asked for"
exit "$failed"
