#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Build the test root, a Debian trixie with all that the tests need, in $BUILD/root. The host needs only
# apt-get; debootstrap is installed if it is missing.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

SUITE=trixie
BACKPORTS=trixie-backports
here=$TOP/tools/testvm
new=$BUILD/root.tmp

# The mirror of this machine, or nothing if apt has no plain Debian archive; debootstrap then uses its
# default.
host_mirror()
{
	local uri list

	# shellcheck disable=SC2016 # apt expands these
	uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 2>/dev/null |
		awk '$3 == "main" && $2 !~ /[-\/]/ && $1 ~ /\/debian\/?$|^mirror\+file:/ { print $1; exit }')
	case $uri in
	mirror+file:*)
		list=${uri#mirror+file:}
		uri=$(awk '/^https?:/ { print $1; exit }' "/${list##/}" 2>/dev/null) || uri=
		;;
	esac
	case $uri in
	http:* | https:*) printf '%s\n' "${uri%/}" ;;
	esac
}

# debootstrap needs apt's proxy, too, as a variable.
apt_proxy()
{
	local value

	for scheme in http https; do
		value=
		eval "$(apt-config shell value "Acquire::$scheme::Proxy")"
		case $value in
		http*) export "${scheme}_proxy=$value" ;;
		esac
	done
}

need_debootstrap()
{
	command -v debootstrap >/dev/null && return
	say "installing debootstrap on this machine"
	command -v apt-get >/dev/null ||
		die "debootstrap and apt-get are missing" "install debootstrap by hand"
	{
		apt-get update
		DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
			debootstrap ca-certificates
	} >"$BUILD/logs/debootstrap-install.log" 2>&1 || {
		tail -n 5 "$BUILD/logs/debootstrap-install.log" >&2
		die "cannot install debootstrap" \
		    "check this machine's network and apt sources, then run the same command again"
	}
}

# run WHAT NEXT_STEP CMD...: run CMD with its output in the log; show the last lines if it fails.
run()
{
	local what=$1 next=$2

	shift 2
	"$@" >>"$log" 2>&1 && return
	tail -n 15 "$log" >&2
	die "$what (log: $log)" "$next"
}

# To save time and space: no manuals, translations, fsync, daemons or initial RAM disk.
configure()
{
	local mirror=$1

	cat >"$new/etc/apt/sources.list" <<-EOF
		deb $mirror $SUITE main
		deb $mirror $BACKPORTS main
		deb-src $mirror $SUITE main
	EOF
	cat >"$new/etc/apt/apt.conf.d/01lean" <<-EOF
		Acquire::Languages "none";
		Acquire::Retries "3";
		APT::Install-Recommends "false";
		APT::Sandbox::User "root";
		Dpkg::Use-Pty "false";
	EOF
	cat >"$new/etc/dpkg/dpkg.cfg.d/01lean" <<-EOF
		force-unsafe-io
		path-exclude=/usr/share/doc/*
		path-exclude=/usr/share/man/*
		path-exclude=/usr/share/locale/*
		path-exclude=/usr/share/info/*
	EOF
	printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d"
	chmod +x "$new/usr/sbin/policy-rc.d"
	echo vfio-snapshot >"$new/etc/hostname"
	# The kernel package would build an initial RAM disk (twice); build-initramfs.sh builds ours.
	run "dpkg-divert failed" "see the log" enter dpkg-divert --local --no-rename \
		--divert /usr/bin/dracut.unused --add /usr/bin/dracut
	ln -s true "$new/usr/bin/dracut"
}

install_packages()
{
	local gone
	local -a pkgs

	mapfile -t pkgs < <(grep -v -e '^#' -e '^$' "$here/packages")
	gone=$(comm -13 <(enter apt-cache pkgnames | sort) <(printf '%s\n' "${pkgs[@]}" | sort))
	[ -z "$gone" ] || die "the mirror no longer has: ${gone//$'\n'/ }" \
		"replace it in tools/testvm/packages"
	run "the packages could not be installed" \
	    "find the package in apt's message; tools/testvm/packages lists all" \
	    enter apt-get install -y -t "$BACKPORTS" "${pkgs[@]}"
}

enter()
{
	unshared sh "$here/enter-root.sh" "$new" "$TOP" "$BUILD" "$@"
}

need_root
locked root
mkdir -p "$BUILD/logs"
if fresh root "$here/build-root.sh" "$here/packages" && [ -d "$ROOT" ]; then
	exit 0
fi
need_space 5000
apt_proxy
need_debootstrap

log=$BUILD/logs/build-root.log
: >"$log"
rm -rf -- "$new"
mirror=$(host_mirror)
include=
case $mirror in https:*) include=--include=ca-certificates ;; esac

say "running debootstrap $SUITE from ${mirror:-its default mirror} (log: $log)"
run "debootstrap failed" \
    "check the network and the mirror in this machine's apt sources, then run the same command again" \
    unshared debootstrap --variant=minbase ${include:+"$include"} "$SUITE" "$new" ${mirror:+"$mirror"}
[ -n "$mirror" ] || mirror=$(awk '$1 == "deb" { print $2; exit }' "$new/etc/apt/sources.list")
configure "$mirror"

say "fetching package lists"
run "the mirror does not answer, or has no $BACKPORTS" \
    "check the network and the mirror in this machine's apt sources" enter apt-get update
say "installing kernel, QEMU and build tools (fetches about 500 MB)"
install_packages
enter apt-get clean

rm -f "$BUILD/stamps/root"
rm -rf -- "$ROOT"
mv -- "$new" "$ROOT"
stamp root
say "done: $ROOT"
