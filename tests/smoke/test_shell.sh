#!/bin/bash
# The shell scripts pass shellcheck.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v shellcheck >/dev/null || {
	echo "SKIP shellcheck: it is not installed"
	exit 77
}
mapfile -t scripts < <(grep -rlE '^#!/bin/(ba)?sh' scripts tests .ci --exclude-dir=fixtures)
shellcheck "${scripts[@]}"
echo "${#scripts[@]} scripts pass"
