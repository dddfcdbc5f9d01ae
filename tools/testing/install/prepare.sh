#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# prepare.sh packaging: build the layer with Debian's packaging tools, libvirt and the kernels of trixie
# and trixie-backports. prepare.sh newer: build the root with the kernels of forky and sid. Up-to-date
# results are kept.
set -eu
# shellcheck source=tools/testing/install/lib.sh
. "$(dirname -- "$0")/lib.sh"

TOOLS=(build-essential debhelper dh-dkms dkms debootstrap lintian libvirt-daemon
	libvirt-daemon-driver-qemu libvirt-clients driverctl)

# ---- in the layer, in the root ----

# headers_of SUITE: the package that linux-headers-amd64 of SUITE depends on.
headers_of()
{
	local version

	version=$(apt-cache madison linux-headers-amd64 |
		awk -v suite="$1/main" '$6 == suite { print $3; exit }')
	apt-cache show "linux-headers-amd64=$version" |
		sed -n 's/^Depends:.*[ ,]\(linux-headers-[0-9][^ ,]*\).*/\1/p'
}

# kernels SUITE...: install their headers, write "SUITE RELEASE" lines into /kernels.
kernels()
{
	local suite
	local -a headers=()

	for suite; do
		headers+=("$(headers_of "$suite")")
		[ -n "${headers[-1]}" ] || { echo "$suite has no linux-headers-amd64"; return 1; }
		echo "$suite ${headers[-1]#linux-headers-}"
	done >/kernels
	apt-get -q install -y "${headers[@]}"
}

install_packaging()
{
	apt-get -q update
	apt-get -q install -y "${TOOLS[@]}"
	kernels trixie trixie-backports
	apt-get clean
}

install_newer()
{
	apt-get -q update
	apt-get -q install -y make
	kernels forky sid
	apt-get clean
}

case ${1:-} in
install_*)
	[ -n "${VFIO_SNAPSHOT_IN_ROOT:-}" ] ||
		die "$1 is a step of this script" "run it without arguments"
	"$1"
	exit
	;;
esac

# ---- on the host ----

# logged WHAT CMD...: run CMD with its output in the log; if it fails, die with WHAT.
logged()
{
	local what=$1

	shift
	"$@" >>"$log" 2>&1 || {
		tail -n 15 "$log" >&2
		die "$what (log: $log)" "check the network and the mirror"
	}
}

build_packaging()
{
	if fresh packaging "$INSTALL/prepare.sh" "$INSTALL/layer.sh" "$BUILD/stamps/root" &&
	   [ -d "$PACKAGING" ]; then
		return
	fi
	say "installing Debian's packaging tools, libvirt and trixie's kernel (log: $log)"
	: >"$log"
	rm -rf --one-file-system -- "$PACKAGING" "$BUILD/stamps/packaging"
	logged "the packages could not be installed" \
		in_layer "$PACKAGING" /vfio-snapshot/src/tools/testing/install/prepare.sh install_packaging
	stamp packaging
}

build_newer()
{
	local mirror new=$NEWER.tmp

	if fresh newer "$INSTALL/prepare.sh" "$BUILD/stamps/root" && [ -d "$NEWER" ]; then
		return
	fi
	mirror=$(awk '$1 == "deb" { print $2; exit }' "$ROOT/etc/apt/sources.list")
	say "building a small sid for the kernels of forky and sid (log: $log)"
	: >"$log"
	rm -rf --one-file-system -- "$new" "$NEWER" "$BUILD/stamps/newer"
	logged "debootstrap failed" in_layer "$PACKAGING" debootstrap --variant=minbase \
		sid /vfio-snapshot/build/newer-root.tmp "$mirror"
	cp "$ROOT"/etc/apt/apt.conf.d/01lean "$new/etc/apt/apt.conf.d/"
	cp "$ROOT"/etc/dpkg/dpkg.cfg.d/01lean "$new/etc/dpkg/dpkg.cfg.d/"
	# The release file of an outdated mirror has expired, but its signature is valid.
	echo 'Acquire::Check-Valid-Until "false";' >>"$new/etc/apt/apt.conf.d/01lean"
	printf "deb $mirror %s main\n" sid forky >"$new/etc/apt/sources.list"
	(
		ROOT=$new
		logged "the headers could not be installed" \
			in_root /vfio-snapshot/src/tools/testing/install/prepare.sh install_newer
	)
	mv -- "$new" "$NEWER"
	stamp newer
}

need_root
"$TOP/tools/testvm/build-root.sh"
locked install
mkdir -p "$BUILD/logs"
for what in packaging "$@"; do
	log=$BUILD/logs/build-$what-root.log
	case $what in
	packaging | newer) "build_$what" ;;
	*) die "unknown root: $what" "the roots are: packaging, newer" ;;
	esac
done
