#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Build the debug kernel, the root's linux-source with KASAN, lockdep, kmemleak and fault injection,
# into $BUILD/debug-kernel: vmlinuz, config, release, and modules (the lists that modprobe reads; all is
# built in). Modules are built against $BUILD/debug-kernel.build, which is kept.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

here=$TOP/tools/testvm
# What the machine needs, and what the tests need.
parts=("$here/debug-kernel.config" "$TOP/tools/testing/selftests/vfio_snapshot/config")
out=$BUILD/debug-kernel
tree=$BUILD/debug-kernel.build
log=$BUILD/logs/build-debug-kernel.log
# Number of objects in the build, for the progress display.
objects=1400

# ---- in the root ----

# All Kconfig files and Makefiles, but only sources that may be enabled: a third of the files.
unpack()
{
	local archive name

	set -- /usr/src/linux-source-*.tar.xz
	archive=$1
	name=${archive##*/}
	name=${name%.tar.xz}
	tar -xJf "$archive" -C "$tree" --strip-components=1 --exclude-from=- <<-EOF
		$name/Documentation/*/*
		$name/arch/[!x]*/*.[chS]
		$name/arch/[!x]*/*.dts*
		$name/drivers/gpu/*.[ch]
		$name/drivers/infiniband/*.[ch]
		$name/drivers/media/*.[ch]
		$name/drivers/net/ethernet/[!m]*/*.[ch]
		$name/drivers/net/wireless/*.[ch]
		$name/drivers/scsi/*.[ch]
		$name/drivers/staging/*.[ch]
		$name/drivers/usb/*.[ch]
		$name/sound/*.[ch]
		$name/tools/perf
		$name/tools/testing
	EOF
}

# kconfig silently drops options that are unknown or lack a dependency, so each requested option is
# looked up in the result. Options of our own Kconfig files are for modules that are built later.
configure()
{
	local lost

	cd "$tree"
	make -s tinyconfig
	scripts/kconfig/merge_config.sh -m -Q .config "${parts[@]}" >/dev/null
	make -s olddefconfig
	lost=$({
		find "$TOP/drivers" -name Kconfig -exec awk '$1 == "config" { print "ours CONFIG_" $2 }' {} +
		awk '/^CONFIG_/ { sub("=", " "); print "has", $0 }' .config
		awk '/^CONFIG_/ { sub("=", " "); print "wanted", $0 }' "${parts[@]}"
	} | awk '
		{ value = $3 == "n" ? "" : $3 }
		$1 == "ours" { ours[$2] = 1 }
		$1 == "has" { has[$2] = value }
		$1 == "wanted" && !($2 in ours) && has[$2] != value { print $2 "=" $3 }')
	[ -z "$lost" ] || {
		echo "error: the kernel's configuration does not take:" "${lost//$'\n'/ }"
		return 1
	}
}

compile()
{
	cd "$tree"
	make -s -j"$(nproc)" bzImage modules
}

install()
{
	cd "$tree"
	rm -rf -- "$out.tmp"
	mkdir -p "$out.tmp"
	make -s kernelrelease >"$out.tmp/release"
	make -s INSTALL_MOD_PATH="$out.tmp/root" modules_install
	mv "$out.tmp/root/lib/modules/$(cat "$out.tmp/release")" "$out.tmp/modules"
	rm -rf -- "$out.tmp/root" "$out.tmp"/modules/{build,source}
	cp .config "$out.tmp/config"
	cp arch/x86/boot/bzImage "$out.tmp/vmlinuz"
	# Building modules does not need these.
	find . \( -name '*.[oa]' -o -name '.*.cmd' -o -name '.tmp_vmlinux*' -o -name 'vmlinux*' \) \
		-not -path './scripts/*' -type f -delete
}

case ${1:-} in
unpack | configure | compile | install)
	[ -n "${VFIO_SNAPSHOT_IN_ROOT:-}" ] ||
		die "$1 is a step of this script" "run it without arguments"
	"$1"
	exit
	;;
esac

# ---- on the host ----

# step NAME: one of the above.
step()
{
	in_root "/vfio-snapshot/src/tools/testvm/build-debug-kernel.sh" "$1" >>"$log" 2>&1 && return
	grep -E -B 2 -A 8 'error:|Error ' "$log" >&2 || tail -n 15 "$log" >&2
	die "building the debug kernel failed in the step '$1' (log: $log)" "see the messages above"
}

# Shows the progress of the compiler every minute while the step runs.
watched()
{
	local worker progress=0

	step "$1" &
	worker=$!
	while kill -0 "$worker" 2>/dev/null; do
		sleep 1
		[ $((++progress % 60)) = 0 ] || continue
		say "$(find "$tree" -name '*.o' | wc -l) of about $objects files"
	done
	wait "$worker"
}

need_root
"$TOP/tools/testvm/build-root.sh"
locked debug-kernel
mkdir -p "$BUILD/logs"
if fresh debug-kernel "$here/build-debug-kernel.sh" "${parts[@]}" "$BUILD/stamps/root" &&
   [ -f "$out/vmlinuz" ]; then
	exit 0
fi
need_space 2500
: >"$log"
say "unpacking the kernel's source (log: $log)"
rm -rf -- "$out" "$tree" "$BUILD/stamps/debug-kernel"
mkdir "$tree"
step unpack
step configure
say "compiling the debug kernel (7 minutes on 2 cores)"
watched compile
step install
mv "$out.tmp" "$out"
stamp debug-kernel
say "done: $(cat "$out/release")"
