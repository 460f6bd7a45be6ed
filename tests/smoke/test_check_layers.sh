#!/bin/bash
# Plants one violation after the other in a small tree; check-layers must name each, and must be
# silent about the tree without them.
set -euo pipefail
check=$(cd "$(dirname "$0")/../.." && pwd)/scripts/check-layers

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/{ciphers,store,workloads,cli} "$tree"/harness/{analysis,micro,output,targets} \
	"$tree"/tests/unit
cd "$tree"
for header in ciphers/cipher.h ciphers/prf.h ciphers/cipher_internal.h store/store.h store/block.h \
	store/inspect.h workloads/workload.h harness/run.h harness/output/samples.h; do
	echo "/* $header */" >"$header"
done
printf '#include "ciphers/cipher.h"\n#include <openssl/evp.h>\n' >ciphers/cipher_openssl.c
printf '#include "store/block.h"\n#include "ciphers/prf.h"\n#include <jansson.h>\n' >store/block.c
printf '#include <highwayhash/c_bindings.h>\n' >store/hash.c
printf '#include "store/store.h"\n#include <nats/nats.h>\n' >harness/targets/target_nats.c
printf '#include "store/inspect.h"\n' >harness/targets/target_store.c
printf '#include "store/block.h"\n' >harness/micro/micro_block.c
printf '#include "harness/output/samples.h"\n' >harness/analysis/stats.c
printf '#include "harness/run.h"\n#include "store/inspect.h"\n' >cli/main.c
# Made at build time.
touch harness/version.h.in harness/build_info.cmake
printf '#include "harness/version.h"\n#include "harness/build_info.h"\n' >harness/run.c
printf '#include "store/block.h"\n#include <sodium.h>\n#include <cmocka.h>\n' >tests/unit/test_block.c

failed=0
"$check" "$tree" || {
	echo "FAIL: the clean tree is refused"
	failed=1
}

# plant FILE LINE - the violation must be found, and gone again without it.
plant() {
	local file=$1 line=$2 said status=0
	[ ! -e "$file" ] || cp "$file" kept
	printf '%s\n' "$line" >>"$file"
	said=$("$check" "$tree") || status=$?
	if [ "$status" -ne 1 ] || [[ $said != *"$file"* ]]; then
		echo "FAIL: $file: $line: status $status, said: $said"
		failed=1
	fi
	if [ -e kept ]; then mv kept "$file"; else rm "$file"; fi
}

plant ciphers/cipher_openssl.c '#include "store/store.h"'
plant workloads/workload_ops.c '#include "ciphers/prf.h"'
plant store/store.c '#include "harness/run.h"'
plant store/store.c '#include "ciphers/cipher_internal.h"'
plant store/store.c '#include <openssl/sha.h>'
plant store/block.c '#include <highwayhash/c_bindings.h>'
plant harness/run.c '#include "store/block.h"'
plant harness/run.c '#include "store/inspect.h"'
plant harness/targets/target_store.c '#include "store/block.h"'
plant harness/run.c '#include <nats/nats.h>'
plant harness/analysis/verdict.c '#include "store/store.h"'
plant harness/run.c '  #  include "cli/options.h"'
plant cli/cmd_run.c '#include "ciphers/prf.h"'
plant cli/cmd_run.c '#include <sodium.h>'
plant cli/cmd_run.c '#include "options.h"'
plant cli/cmd_run.c '#include <store/store.h>'
plant cli/cmd_run.c '#include "harness/missing.h"'
plant tests/unit/block.c '/* the name of store/block.c again */'
plant harness/micro/micro_hash.cc '/* C++ */'

[ "$failed" -eq 0 ] && echo "19 planted violations found, the clean tree passes"
exit "$failed"
