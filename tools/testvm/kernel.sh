# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# To be sourced by scripts that build a kernel from the root's linux-source, into $BUILD/$kernel: vmlinuz,
# config, release, and modules (the lists that modprobe reads; all is built in). Modules are built against
# $BUILD/$kernel.build, which is kept. The script is build-$kernel.sh, and sets:
#   kernel   the name of the kernel
#   parts    files with its options, on top of tinyconfig
#   image    where make puts the kernel; the name is the target, too
#   objects  number of objects in the build, for the progress display
#   about    what the compiler needs, for the same
#   ARCH     the architecture, if it is not this machine's
: "${kernel:?}" "${parts[0]:?}" "${image:?}" "${objects:?}" "${about:?}"

out=$BUILD/$kernel
tree=$BUILD/$kernel.build
log=$BUILD/logs/build-$kernel.log

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
		$name/arch/[!ux]*/*.[chS]
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
# "make tinyconfig" and merge_config.sh have the same result, but start kconfig four times. Each start
# probes the compiler, for 8 seconds.
configure()
{
	local lost

	cd "$tree" || return
	cat kernel/configs/tiny-base.config kernel/configs/tiny.config >tiny.config
	[ ! -e "arch/${ARCH:-x86}/configs/tiny.config" ] || cat "arch/${ARCH:-x86}/configs/tiny.config" >>tiny.config
	make -s KCONFIG_ALLCONFIG=tiny.config allnoconfig
	cat "${parts[@]}" >>.config
	make -s olddefconfig 2>/dev/null
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
	cd "$tree" || return
	make -s -j"$(nproc)" "${image##*/}" modules
}

install()
{
	cd "$tree" || return
	rm -rf -- "$out.tmp"
	mkdir -p "$out.tmp"
	make -s kernelrelease >"$out.tmp/release"
	make -s INSTALL_MOD_PATH="$out.tmp/root" modules_install
	mv "$out.tmp/root/lib/modules/$(cat "$out.tmp/release")" "$out.tmp/modules"
	rm -rf -- "$out.tmp/root" "$out.tmp"/modules/{build,source}
	cp .config "$out.tmp/config"
	cp "$image" "$out.tmp/vmlinuz"
	# Building modules does not need these.
	find . \( -name '*.[oa]' -o -name '.*.cmd' -o -name '.tmp_vmlinux*' -o -name 'vmlinux*' \) \
		-not -path './scripts/*' -type f -delete
}

# ---- on the host ----

# step NAME: one of the above.
step()
{
	in_root "/vfio-snapshot/src/tools/testvm/build-$kernel.sh" "$1" >>"$log" 2>&1 && return
	grep -E -B 2 -A 8 'error:|Error ' "$log" >&2 || tail -n 15 "$log" >&2
	die "building $kernel failed in the step '$1' (log: $log)" "see the messages above"
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

# build_kernel [STEP]
build_kernel()
{
	case ${1:-} in
	unpack | configure | compile | install)
		[ -n "${VFIO_SNAPSHOT_IN_ROOT:-}" ] ||
			die "$1 is a step of this script" "run it without arguments"
		"$1"
		return
		;;
	esac
	need_root
	"$TOP/tools/testvm/build-root.sh"
	locked "$kernel"
	mkdir -p "$BUILD/logs"
	if fresh "$kernel" "$0" "${BASH_SOURCE[0]}" "${parts[@]}" "$BUILD/stamps/root" &&
	   [ -f "$out/vmlinuz" ]; then
		return
	fi
	need_space 2500
	: >"$log"
	say "unpacking the kernel's source (log: $log)"
	rm -rf -- "$out" "$tree" "$BUILD/stamps/$kernel"
	mkdir "$tree"
	step unpack
	step configure
	say "compiling $kernel ($about)"
	watched compile
	step install
	mv "$out.tmp" "$out"
	stamp "$kernel"
	say "done: $(cat "$out/release")"
}
