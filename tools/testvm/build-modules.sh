#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# build-modules.sh [ours] [upstream]: build the kernel modules against the root's kernel:
# ours into $BUILD/modules, the upstream virtio driver, our peer, into $BUILD/upstream.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

# kbuild FOLDER VAR=VALUE...: make the modules in FOLDER; runs in the root.
if [ "${1:-}" = --kbuild ]; then
	folder=$2
	shift 2
	set -- -C /lib/modules/*/build M="$folder" "$@"
	exec make -s -j"$(nproc)" "$@" modules
fi

# build NAME SUBFOLDER SOURCE_TREE PARTS VAR=VALUE...: copy PARTS of SOURCE_TREE, build in SUBFOLDER of
# the copy, leave the modules in $BUILD/NAME.
build()
{
	local name=$1 sub=$2 from=$3 parts=$4 part
	local tree=$BUILD/$name.build log=$BUILD/logs/build-$name.log
	local -a inputs=()

	shift 4
	for part in $parts; do
		inputs+=("$from/$part")
	done
	if fresh "$name" "$TOP/tools/testvm/build-modules.sh" "$BUILD/stamps/root" "${inputs[@]}" &&
	   compgen -G "$BUILD/$name/*.ko" >/dev/null; then
		return
	fi
	say "building $name (log: $log)"
	rm -rf -- "$tree" "${BUILD:?}/$name" "$BUILD/stamps/$name"
	for part in $parts; do
		mkdir -p "$tree/$(dirname "$part")"
		cp -r "$from/$part" "$tree/$part"
	done
	# Objects of a build in the checkout are of another kernel, perhaps.
	find "$tree" \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' \
		-o -name modules.order -o -name Module.symvers \) -delete
	in_root /vfio-snapshot/src/tools/testvm/build-modules.sh --kbuild \
		"/vfio-snapshot/build/$name.build/$sub" "$@" >"$log" 2>&1 || {
		cat "$log" >&2
		die "$name does not compile" "see the messages above"
	}
	[ ! -s "$log" ] || cat "$log" >&2
	mkdir -p "$BUILD/$name"
	# Named as the kernel names them once loaded.
	find "$tree" -name '*.ko' | while read -r part; do
		cp "$part" "$BUILD/$name/$(basename "$part" | tr - _)"
	done
	stamp "$name"
}

[ $# -gt 0 ] || set -- ours upstream
"$TOP/tools/testvm/build-root.sh"
locked modules
mkdir -p "$BUILD/logs"
for what; do
	case $what in
	ours)
		build modules drivers/vfio/pci/snapshot "$TOP" "drivers include" W=1 \
			CONFIG_VFIO_SNAPSHOT=m CONFIG_VIRTIO_SNAPSHOT_VFIO_PCI=m
		;;
	upstream)
		"$TOP/tools/testvm/build-source.sh"
		build upstream drivers/vfio/pci/virtio "$BUILD/linux-source" drivers/vfio/pci/virtio \
			CONFIG_VIRTIO_VFIO_PCI=m
		;;
	*)
		die "unknown set of modules: $what" "the sets are: ours, upstream"
		;;
	esac
done
