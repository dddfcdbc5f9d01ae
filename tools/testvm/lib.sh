# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What every script of the test bed shares. Sourced by bash scripts.

TOP=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${VFIO_SNAPSHOT_BUILD:-$TOP/build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
ROOT=$BUILD/root

# Ctrl-C ends the script, not only the step that runs: no error message is due then.
trap 'echo >&2; exit 130' INT

# Progress, on stderr: stdout belongs to the command's own output.
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
		die "this needs root (chroot and mounts in a namespace of its own)" \
		    "run the same command as root, for example with sudo"
}

# need_space MEGABYTES: in the file system of the build folder.
need_space()
{
	local free

	free=$(df -Pm -- "$BUILD" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$1" ] ||
		die "$BUILD has $free MB free, $1 MB are needed" \
		    "make room, or point VFIO_SNAPSHOT_BUILD at a folder on a larger disk"
}

# One builder of a kind at a time; the lock goes with the process.
locked()
{
	mkdir -p "$BUILD" || die "cannot create $BUILD" \
		"point VFIO_SNAPSHOT_BUILD at a folder that can be written"
	exec 9>"$BUILD/.$1.lock"
	flock -n 9 && return
	say "waiting for another run of the same step"
	flock 9
}

# unshared CMD...: run CMD with mounts and processes of its own. They end with it, and with the
# calling shell however that dies (a signal included).
unshared()
{
	(exec_unshared "$@")
}

exec_unshared()
{
	exec setpriv --pdeathsig KILL \
		unshare --mount --propagation private --pid --fork --kill-child -- "$@"
}

# in_root CMD...: run CMD in the test root (see enter-root.sh). Nothing it mounts is seen outside.
in_root()
{
	(exec_in_root "$@")
}

# The same in place of the calling (sub)shell, for a CMD in the background: killing that process
# kills everything in it.
exec_in_root()
{
	[ -z "${VFIO_SNAPSHOT_IN_ROOT:-}" ] || exec "$@"
	need_root
	[ -d "$ROOT" ] || die "there is no test root in $ROOT" "run tools/testvm/build-root.sh"
	exec_unshared sh "$TOP/tools/testvm/enter-root.sh" "$ROOT" "$TOP" "$BUILD" "$@"
}

# Content hash of the inputs: files, folders (recursively, without what a build leaves in them), or
# =STRING taken literally.
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
			# The same name for the same file, in the root and outside of it.
			case $file in
			"$BUILD"/*) printf 'build/%s ' "${file#"$BUILD"/}" ;;
			*) printf '%s ' "${file#"$TOP"/}" ;;
			esac
			sha256sum <"$file"
		done
	done | sha256sum | cut -d' ' -f1
}

declare -A _hash_of

# fresh NAME INPUT...: true when NAME was stamped with these very inputs. The hash is kept for
# stamp: an input that changes while the step runs leaves the stamp stale, not wrong.
fresh()
{
	local name=$1

	shift
	_hash_of[$name]=$(_hash "$@")
	[ "$(cat "$BUILD/stamps/$name" 2>/dev/null)" = "${_hash_of[$name]}" ]
}

# stamp NAME [INPUT...]: record that NAME was built (from INPUT, if fresh was not asked before).
stamp()
{
	local name=$1

	shift
	[ -n "${_hash_of[$name]:-}" ] || _hash_of[$name]=$(_hash "${@:?stamp needs inputs}")
	mkdir -p "$BUILD/stamps"
	printf '%s\n' "${_hash_of[$name]}" >"$BUILD/stamps/$name.tmp"
	mv -f "$BUILD/stamps/$name.tmp" "$BUILD/stamps/$name"
}
