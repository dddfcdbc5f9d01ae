#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Debian's kernel has no IOMMUFD, but dirty tracking and the devices' own files (cdev) need it. Build
# IOMMUFD, and VFIO with it, as modules for that kernel from the root's linux-source. $BUILD/iommufd-kernel
# gets modules, the folder for L1 that has them in place of Debian's VFIO, and headers, to build other
# modules against them.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

here=$TOP/tools/testvm
out=$BUILD/iommufd-kernel
log=$BUILD/logs/build-iommufd-kernel.log
# The options that Debian's kernel lacks.
options="IOMMUFD=m IOMMUFD_DRIVER_CORE=m IOMMUFD_DRIVER=y INTERVAL_TREE_SPAN_ITER=y VFIO_DEVICE_CDEV=y
	VFIO_DEBUGFS=y"
# The headers in which they make a difference. For what vmlinux shares with modules they must make none:
# vmlinux uses only iommufd.h, which has only functions that depend on them, and sched/user.h, which has
# locked_vm for CONFIG_NET, too.
known="iommufd.h iova_bitmap.h sched/user.h vfio.h"

# ---- in the root ----

check_headers()
{
	local names found

	# shellcheck disable=SC2086 # a list
	names=$(printf '%s\n' $options | sed 's/=.*//' | paste -sd '|')
	found=$(cd "$1" && grep -rlwE "CONFIG_($names)" include arch/x86/include | sort | xargs)
	found=${found//include\/linux\//}
	[ "$found" = "$known" ] || {
		echo "error: the options matter in the headers $found, and not only in $known"
		return 1
	}
}

# A copy of Debian's headers, with the options.
configure()
{
	local option name

	cp -rL "$1" "$out/headers"
	sed -i "s,^KBUILD_OUTPUT=.*,KBUILD_OUTPUT=$out/headers," "$out/headers/Makefile"
	cd "$out/headers/include"
	for option in $options; do
		name=CONFIG_${option%=*}
		echo "$name=${option#*=}" >>config/auto.conf
		[ "${option#*=}" = y ] || name+=_MODULE
		echo "#define $name 1" >>generated/autoconf.h
	done
}

compile()
{
	mkdir -p "$out/source"
	cd "$out/source"
	cp -r "$BUILD/linux-source/drivers/iommu" "$BUILD/linux-source/drivers/vfio" .
	# For INTERVAL_TREE_SPAN_ITER. Without its exports, as vmlinux has most of them.
	sed '/^EXPORT_SYMBOL/d' "$BUILD/linux-source/lib/interval_tree.c" >iommu/iommufd/interval_tree.c
	# iova_bitmap.c is no module, as IOMMUFD_DRIVER would put it into vmlinux.
	cat >>iommu/iommufd/Makefile <<-EOF
		iommufd-y += interval_tree.o
		iommufd_driver-y += iova_bitmap.o
	EOF
	echo 'obj-m := iommu/iommufd/ vfio/' >Kbuild
	make -s -j"$(nproc)" -C "$out/headers" M="$out/source" modules
	# Other modules use the symbols of these, not those of Debian's VFIO.
	sed -i '/\tdrivers\/vfio\//d' "$out/headers/Module.symvers"
	cat Module.symvers >>"$out/headers/Module.symvers"
}

# L1 mounts the folder over /lib/modules/RELEASE, so the link to Debian's modules goes through $BUILD/root.
install()
{
	local release=$1 modules=$out/tree/lib/modules/$1

	mkdir -p "$modules/updates"
	find "$out/source" -name '*.ko' -exec cp {} "$modules/updates" \;
	ln -s "$ROOT/usr/lib/modules/$release/kernel" "$modules/kernel"
	cp "/lib/modules/$release"/modules.{order,builtin,builtin.modinfo} "$modules"
	depmod -b "$out/tree" "$release"
	ln -s "tree/lib/modules/$release" "$out/modules"
}

if [ "${1:-}" = --build ]; then
	set -- /lib/modules/*
	configure "$1/build"
	check_headers "$1/source"
	compile
	install "${1##*/}"
	exit
fi

# ---- on the host ----

need_root
"$here/build-root.sh"
"$here/build-source.sh"
locked iommufd-kernel
mkdir -p "$BUILD/logs"
if fresh iommufd-kernel "$here/build-iommufd-kernel.sh" "$BUILD/stamps/source" &&
   [ -e "$out/modules/modules.dep" ]; then
	exit 0
fi
say "building IOMMUFD and VFIO for Debian's kernel (log: $log)"
rm -rf -- "$out" "$BUILD/stamps/iommufd-kernel"
mkdir "$out"
in_root /vfio-snapshot/src/tools/testvm/build-iommufd-kernel.sh --build >"$log" 2>&1 || {
	tail -n 15 "$log" >&2
	die "cannot build IOMMUFD and VFIO (log: $log)" "see the messages above"
}
stamp iommufd-kernel
