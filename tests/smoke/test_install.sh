#!/bin/bash
# test_install.sh BUILD_FOLDER - installs into an empty prefix and builds a ten-line program on what
# is there, once through pkg-config and once through the CMake package.
set -euo pipefail
build=$1
source=$(cd "$(dirname "$0")" && pwd)/package

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >"$work/log"
pc=$(find "$work/prefix" -name atrest.pc)
[ -n "$pc" ] || {
	echo "FAIL: no atrest.pc was installed"
	exit 1
}
PKG_CONFIG_PATH=$(dirname "$pc")
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
export PKG_CONFIG_PATH LD_LIBRARY_PATH

# Words of the flags, so not quoted.
# shellcheck disable=SC2046
${CC:-cc} -std=c11 -Wall -Wextra -Werror -o "$work/by_pkg_config" "$source/ten_lines.c" \
	$(pkg-config --cflags --libs atrest)
said=$("$work/by_pkg_config" "$work/one")
[ "$said" = greeting ] || {
	echo "FAIL: pkg-config: expected \"greeting\", got \"$said\""
	exit 1
}

cmake -G Ninja -S "$source" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" >>"$work/log"
cmake --build "$work/build" >>"$work/log"
said=$("$work/build/ten_lines" "$work/two")
[ "$said" = greeting ] || {
	echo "FAIL: CMake package: expected \"greeting\", got \"$said\""
	exit 1
}

# Every installed header compiles alone, in C and in C++.
while read -r header; do
	for language in c c++; do
		${CC:-cc} -x "$language" -Wall -Wextra -Werror -fsyntax-only \
			-I"$work/prefix/include/atrest" "$header"
	done
done < <(find "$work/prefix/include" -name '*.h')
[ -n "$(find "$work/prefix/share/atrest/plots" -name '*.gp')" ] || {
	echo "FAIL: no plots were installed"
	exit 1
}
echo "built and ran through pkg-config and through the CMake package"
