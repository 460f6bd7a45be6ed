# Sourced by tests of scripts, which set failed=0 before and end with it.

# expect STATUS TEXT COMMAND ... - that exit status, and that text in what it says.
expect() {
	local status=$1 text=$2 said got=0
	shift 2
	said=$("$@" 2>&1) || got=$?
	if [ "$got" -ne "$status" ] || [[ $said != *"$text"* ]]; then
		echo "FAIL: $*: status $got (expected $status), said: $said (expected: $text)"
		failed=1
	fi
}
