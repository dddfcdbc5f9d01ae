#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Compile the driver against the headers of every kernel in Debian, as TAP: W=1, without a warning. Only
# the VIRTIO back-end may be left out, if the kernel lacks what it needs. Debian's 6.12 has kzalloc_obj()
# from a later kernel. Other kernels up to 6.19 lack it, so its users are also compiled without it.
set -eu
# shellcheck source=tools/testing/install/lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=tools/testing/tap.sh
. "$TOP/tools/testing/tap.sh"

# ---- in a root ----

# build RELEASE MAKE_ARGUMENT...: a copy of the driver in $tree/src.
build()
{
	local kernel=$1

	shift
	make -s -j"$(nproc)" -C "/lib/modules/$kernel/build" M="$tree/src/drivers/vfio/pci/snapshot" W=1 \
		CONFIG_VFIO_SNAPSHOT=m CONFIG_VIRTIO_SNAPSHOT_VFIO_PCI=m CONFIG_MLX5_SNAPSHOT_VFIO_PCI=m "$@"
}

case ${1:-} in
--compile | --without)
	tree=$(mktemp -d)
	mkdir "$tree/src"
	cp -r "$TOP/drivers" "$TOP/include" "$tree/src/"
	find "$tree" \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' \) -delete
	;;
esac

case ${1:-} in
# --compile RELEASE MODULE...: print the compiler's messages; fail unless exactly these modules are built.
--compile)
	build "$2" modules
	shift 2
	diff <(printf '%s.ko\n' "$@" | sort) <(find "$tree" -name '*.ko' -printf '%f\n' | sort)
	exit
	;;
# --without RELEASE: the same for the files that use kzalloc_obj(), with a kernel that lacks it.
--without)
	# The compiler reads this before compat.h, which is in the Makefiles' flags.
	printf '#include <linux/slab.h>\n#undef kzalloc_obj\n' >"$tree/without.h"
	cd "$tree/src/drivers/vfio/pci/snapshot"
	# The kernel's macro may be called without flags, which no file does today.
	cat >>dirty.c <<-EOF
		int *probe(void);
		int *probe(void) { return kzalloc_obj(int); }
	EOF
	mapfile -t users < <(grep -l kzalloc_obj -- *.c mlx5/*.c)
	build "$2" KCFLAGS="-include $tree/without.h" "${users[@]/%.c/.o}"
	ls "${users[@]/%.c/.o}" >/dev/null
	exit
	;;
esac

# ---- on the host ----

# in_newer CMD...: like in_root, in the root with the newer kernels.
in_newer()
{
	(ROOT=$NEWER && exec_in_root "$@")
}

# compile ENTER... -- SUITE RELEASE
compile()
{
	local what='core, ConnectX and VIRTIO back-ends'
	local -a enter=() modules=(vfio_snapshot mlx5_snapshot_vfio_pci virtio_snapshot_vfio_pci)

	while [ "$1" != -- ]; do
		enter+=("$1")
		shift
	done
	if ! printf '6.13\n%s\n' "$3" | sort -CV; then
		what="core and ConnectX back-end; without that of VIRTIO, which needs Linux 6.13"
		unset 'modules[2]'
	fi
	t "$2: $3: $what" quiet "${enter[@]}" \
		/vfio-snapshot/src/tools/testing/install/check-kernels.sh --compile "$3" "${modules[@]}"
}

layer=$(new_layer kernels)
trap 'rm -rf --one-file-system -- "$layer"' EXIT
mapfile -t trixie < <(in_layer "$layer" cat /kernels)
mapfile -t newer <"$NEWER/kernels"
tap_begin $((${#trixie[@]} + ${#newer[@]} + 1))
for kernel in "${trixie[@]}"; do
	# shellcheck disable=SC2086 # suite and release
	compile in_layer "$layer" -- $kernel
done
t "${trixie[0]/ /: }: what uses kzalloc_obj(), if the kernel lacks it" quiet in_layer "$layer" \
	/vfio-snapshot/src/tools/testing/install/check-kernels.sh --without "${trixie[0]#* }"
for kernel in "${newer[@]}"; do
	# shellcheck disable=SC2086
	compile in_newer -- $kernel
done
tap_end
