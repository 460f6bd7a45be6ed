#!/bin/bash
# get-nats-server without a network: what it says, and its exit codes.
set -euo pipefail
get=$(cd "$(dirname "$0")/../.." && pwd)/scripts/get-nats-server

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache
unset NATS_SERVER
failed=0

# expect STATUS TEXT COMMAND ... - one line that holds TEXT, and that exit status.
expect() {
	local status=$1 text=$2 said got=0
	shift 2
	said=$("$@" 2>&1) || got=$?
	if [ "$got" -ne "$status" ] || [[ $said != *"$text"* ]] || [[ $said == *$'\n'* ]]; then
		echo "FAIL: $*: status $got (expected $status), said: $said (expected: $text)"
		failed=1
	fi
}

expect 2 'expected one argument' "$get"
expect 2 '"latest" is not a version' "$get" latest
expect 4 "NATS_SERVER=$work/none is not an executable" env NATS_SERVER="$work/none" "$get" newest
expect 0 /bin/true env NATS_SERVER=/bin/true "$get" 2.9.10

# A cached binary is found without any package tool, and nothing else is.
mkdir -p "$work/bin" "$work/cache/atrest/nats-server-9.8.7"
for tool in bash cat find; do
	ln -s "$(command -v "$tool")" "$work/bin/$tool"
done
cp /bin/true "$work/cache/atrest/nats-server-9.8.7/nats-server"
expect 0 "$work/cache/atrest/nats-server-9.8.7/nats-server" env PATH="$work/bin" "$get" 9.8.7
expect 4 'there is no apt-get here' env PATH="$work/bin" "$get" 9.8.6
echo 9.8.7 >"$work/cache/atrest/newest"
expect 0 "$work/cache/atrest/nats-server-9.8.7/nats-server" env PATH="$work/bin" "$get" newest
echo 9.8.7 >"$work/cache/atrest/distribution"
expect 0 "$work/cache/atrest/nats-server-9.8.7/nats-server" env PATH="$work/bin" "$get" distribution

# A mirror that does not answer.
mkdir -p "$work/etc/sources.list.d"
echo "deb http://127.0.0.1:9/debian bookworm main" >"$work/etc/sources.list"
printf '%s\n' "Dir::Etc::sourcelist \"$work/etc/sources.list\";" \
	"Dir::Etc::sourceparts \"$work/etc/sources.list.d\";" >"$work/apt.conf"
expect 4 'no Debian mirror was reached' env APT_CONFIG="$work/apt.conf" "$get" 9.8.6

# Packages of an invented mirror: one without the program, one whose copy is interrupted. Neither leaves anything.
mkdir "$work/fake"
cat >"$work/fake/apt-get" <<'END'
#!/bin/bash
case " $* " in
*' --print-uris '*) echo "'http://mirror.example/debian/dists/sid/InRelease' x 0" ;;
*' download '*) touch nats-server.deb ;;
esac
END
printf '#!/bin/bash\necho "nats-server | 9.8.6-1 | mirror"\n' >"$work/fake/apt-cache"
printf '#!/bin/bash\necho amd64\n' >"$work/fake/dpkg"
# shellcheck disable=SC2016 # of that shell
printf '#!/bin/bash\nmkdir "$3"\n[ ! -e "%s" ] || cp /bin/true "$3/nats-server"\n' "$work/whole" >"$work/fake/dpkg-deb"
chmod +x "$work"/fake/*
# nothing_left STATUS TEXT - after such a call.
nothing_left() {
	local said got=0
	said=$(PATH="$work/fake:$PATH" "$get" 9.8.6 2>&1) || got=$?
	if [ "$got" -ne "$1" ] || [[ $said != *"$2"* ]] || [ -n "$(find "$work/cache/atrest" -name 'unpack*')" ]; then
		echo "FAIL: status $got (expected $1), said: $said (expected: $2), $(find "$work/cache")"
		failed=1
	fi
}
nothing_left 4 'nats-server 9.8.6-1 holds no nats-server program'
touch "$work/whole"
# shellcheck disable=SC2016 # of that shell
printf '#!/bin/bash\nlast=${!#}\n[ "${last%%/unpack*}" = "$last" ] || kill -TERM "$PPID"\nexec /bin/cp "$@"\n' \
	>"$work/fake/cp"
chmod +x "$work/fake/cp"
nothing_left 143 ''
rm "$work/fake/cp"
nothing_left 0 "$work/cache/atrest/nats-server-9.8.6/nats-server"

[ "$failed" -eq 0 ] && echo "exit codes and lines are as they should be"
exit "$failed"
