# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Shared by the scripts of the test bed; bash scripts source it.

TOP=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${VFIO_SNAPSHOT_BUILD:-$TOP/build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
ROOT=$BUILD/root

# Ctrl-C ends the whole script, without an error message.
trap 'echo >&2; exit 130' INT

# Progress goes to stderr; stdout is for the output of commands.
say()
{
	printf '[%s] %s\n' "${0##*/}" "$*" >&2
}

# die WHAT NEXT_STEP
die()
{
	printf '[%s] error: %s\n' "${0##*/}" "$1" >&2
	[ $# -lt 2 ] || printf '[%s] next step: %s\n' "${0##*/}" "$2" >&2
	exit 1
}

need_root()
{
	[ "$(id -u)" = 0 ] ||
		die "this needs root, for chroot and for mounts in its own namespace" \
		    "run the same command as root, for example with sudo"
}

# need_space MEGABYTES: in the file system of the build folder.
need_space()
{
	local free

	free=$(df -Pm -- "$BUILD" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$1" ] ||
		die "$BUILD has $free MB free, but needs $1 MB" \
		    "free some space, or set VFIO_SNAPSHOT_BUILD to a folder on a larger disk"
}

# locked NAME: one process at a time runs the step; the lock ends with the process.
locked()
{
	mkdir -p "$BUILD" || die "cannot create $BUILD" \
		"set VFIO_SNAPSHOT_BUILD to a folder that you can write to"
	exec 9>"$BUILD/.$1.lock"
	flock -n 9 && return
	say "waiting for another run of the same step"
	flock 9
}

# unshared CMD...: run CMD in its own mount and pid namespace. All of it ends with CMD and with the
# calling shell, even if a signal kills that.
unshared()
{
	(exec_unshared "$@")
}

exec_unshared()
{
	exec setpriv --pdeathsig KILL \
		unshare --mount --propagation private --pid --fork --kill-child -- "$@"
}

# in_root CMD...: run CMD in the test root (see enter-root.sh). Its mounts are not visible outside.
in_root()
{
	(exec_in_root "$@")
}

# The same, but replaces the calling (sub)shell: for a CMD in the background, as killing that process
# then kills all of it.
exec_in_root()
{
	[ -z "${VFIO_SNAPSHOT_IN_ROOT:-}" ] || exec "$@"
	need_root
	[ -d "$ROOT" ] || die "there is no test root in $ROOT" "run tools/testvm/build-root.sh"
	exec_unshared sh "$TOP/tools/testvm/enter-root.sh" "$ROOT" "$TOP" "$BUILD" "$@"
}

# Content hash of the inputs: files, folders (recursively, without build products), or =STRING, which
# is hashed itself.
_hash()
{
	local input file
	local -a not_built=(! -name '*.o' ! -name '*.ko' ! -name '*.mod' ! -name '*.mod.c'
		! -name '.*.cmd' ! -name modules.order ! -name Module.symvers ! -name '*.pyc')

	for input; do
		case $input in
		=*)
			printf '%s\n' "$input"
			continue
			;;
		esac
		[ -e "$input" ] || { printf 'missing %s\n' "${input##*/}"; continue; }
		find -L "$input" -type f "${not_built[@]}" -print0 | LC_ALL=C sort -z | while IFS= read -r -d '' file; do
			# A file has the same name inside and outside of the root.
			case $file in
			"$BUILD"/*) printf 'build/%s ' "${file#"$BUILD"/}" ;;
			*) printf '%s ' "${file#"$TOP"/}" ;;
			esac
			sha256sum <"$file"
		done
	done | sha256sum | cut -d' ' -f1
}

declare -A _hash_of

# fresh NAME INPUT...: true if NAME was stamped with the same inputs. Keeps the hash for stamp, so
# an input that changes while the step runs makes the stamp stale, not wrong.
fresh()
{
	local name=$1

	shift
	_hash_of[$name]=$(_hash "$@")
	[ "$(cat "$BUILD/stamps/$name" 2>/dev/null)" = "${_hash_of[$name]}" ]
}

# stamp NAME [INPUT...]: record that NAME was built, from the inputs of fresh or else from INPUT.
stamp()
{
	local name=$1

	shift
	[ -n "${_hash_of[$name]:-}" ] || _hash_of[$name]=$(_hash "${@:?stamp needs inputs}")
	mkdir -p "$BUILD/stamps"
	printf '%s\n' "${_hash_of[$name]}" >"$BUILD/stamps/$name.tmp"
	mv -f "$BUILD/stamps/$name.tmp" "$BUILD/stamps/$name"
}
