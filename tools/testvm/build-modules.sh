#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# build-modules.sh [-k KERNEL] [ours] [upstream] [upstream-mlx5] [tests]: build kernel modules: ours in
# $BUILD/modules, the upstream virtio driver in $BUILD/upstream, the upstream mlx5 driver in
# $BUILD/upstream-mlx5, those that the kselftests load in $BUILD/test-modules. For another KERNEL than
# stock, the folders are modules-debug etc.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

kernel=stock
if [ "${1:-}" = -k ]; then
	kernel=$2
	shift 2
fi
# kernel | the headers | arguments of make for our modules
# The kernel uml is built without UBSAN, to save time. Its copy of our modules has it: undefined behaviour is
# an invalid instruction there, which stops the kernel.
kernels="
stock	/lib/modules/*/build
iommufd	$BUILD/iommufd-kernel/headers
trixie	$BUILD/trixie-kernel/headers
debug	$BUILD/debug-kernel.build	CONFIG_VFIO_SNAPSHOT_KUNIT_TEST=m
uml	$BUILD/uml-kernel.build		ARCH=um KCFLAGS=-fsanitize=bounds-strict,shift,bool,enum CFLAGS_MODULE=-fsanitize-trap=undefined CONFIG_VFIO_SNAPSHOT_KUNIT_TEST=m CONFIG_VIRTIO_SNAPSHOT_VFIO_PCI=n CONFIG_MLX5_SNAPSHOT_VFIO_PCI=n CONFIG_VFIO_SNAPSHOT_SAMPLE=n
"
row=$(awk -v want="$kernel" '$1 == want' <<<"$kernels")
[ -n "$row" ] || die "there is no kernel $kernel" "the kernels are: $(awk '{ printf "%s ", $1 }' <<<"$kernels")"
read -r _ kdir kernel_arguments <<<"$row"
# The suffix of the folders, and the stamp that the modules depend on.
suffix=-$kernel
base=$BUILD/stamps/$kernel-kernel
[ "$kernel" != stock ] || suffix='' base=$BUILD/stamps/root

tests=$TOP/tools/testing/selftests/vfio_snapshot

# In the root: --kbuild FOLDER VAR=VALUE... makes the modules in FOLDER; --tests FOLDER makes those of
# the kselftests and puts them into FOLDER.
if [ "${1:-}" = --kbuild ]; then
	folder=$2
	shift 2
	# shellcheck disable=SC2086 # a pattern: there is one kernel
	set -- -C $kdir M="$folder" "$@"
	exec make -s -j"$(nproc)" "$@" modules
fi

if [ "${1:-}" = --tests ]; then
	# shellcheck disable=SC2116,SC2086 # a pattern: there is one kernel
	exec make -s -C "$tests" modules KDIR="$(echo $kdir)" MODULES_OUT="$2"
fi

# build NAME SUBFOLDER SOURCE_TREE PARTS VAR=VALUE...: copy PARTS of SOURCE_TREE, build in SUBFOLDER of
# the copy, put the modules into $BUILD/NAME.
build()
{
	local name=$1$suffix sub=$2 from=$3 parts=$4 part
	local tree=$BUILD/$name.build log=$BUILD/logs/build-$name.log
	local -a inputs=()

	shift 4
	for part in $parts; do
		inputs+=("$from/$part")
	done
	if fresh "$name" "$TOP/tools/testvm/build-modules.sh" "$base" "${inputs[@]}" &&
	   compgen -G "$BUILD/$name/*.ko" >/dev/null; then
		return
	fi
	say "building $name (log: $log)"
	rm -rf -- "$tree" "${BUILD:?}/$name" "$BUILD/stamps/$name"
	for part in $parts; do
		mkdir -p "$tree/$(dirname "$part")"
		cp -r "$from/$part" "$tree/$part"
	done
	# Objects in the checkout may be for another kernel.
	find "$tree" \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' \
		-o -name modules.order -o -name Module.symvers \) -delete
	in_root /vfio-snapshot/src/tools/testvm/build-modules.sh -k "$kernel" --kbuild \
		"/vfio-snapshot/build/$name.build/$sub" "$@" >"$log" 2>&1 || {
		cat "$log" >&2
		die "$name does not compile" "see the messages above"
	}
	[ ! -s "$log" ] || cat "$log" >&2
	mkdir -p "$BUILD/$name"
	# With the names that loaded modules have.
	find "$tree" -name '*.ko' | while read -r part; do
		cp "$part" "$BUILD/$name/$(basename "$part" | tr - _)"
	done
	stamp "$name"
}

# Their Makefile builds in a copy.
build_tests()
{
	local name=test-modules$suffix arcs=$TOP/drivers/vfio/pci/snapshot

	if fresh "$name" "$TOP/tools/testvm/build-modules.sh" "$base" "$TOP/include" "$tests/modules" \
		"$tests/Makefile" "$tests/lib/fsm_expect.h" "$arcs"/arcs.[ch] &&
	   compgen -G "$BUILD/$name/*.ko" >/dev/null; then
		return
	fi
	say "building $name"
	rm -rf -- "${BUILD:?}/$name" "$BUILD/stamps/$name"
	in_root /vfio-snapshot/src/tools/testvm/build-modules.sh -k "$kernel" --tests \
		"/vfio-snapshot/build/$name" >"$BUILD/logs/build-$name.log" 2>&1 || {
		cat "$BUILD/logs/build-$name.log" >&2
		die "$name does not compile" "see the messages above"
	}
	stamp "$name"
}

if [ $# = 0 ]; then
	set -- ours tests
	# The upstream drivers are those of the root's kernel.
	[ "$kernel" = trixie ] || set -- "$@" upstream upstream-mlx5
fi
"$TOP/tools/testvm/build-root.sh"
[ "$kernel" = stock ] || "$TOP/tools/testvm/build-$kernel-kernel.sh"
locked modules
mkdir -p "$BUILD/logs"
for what; do
	case $what in
	ours)
		# shellcheck disable=SC2086 # a list
		build modules drivers/vfio/pci/snapshot "$TOP" "drivers include" W=1 \
			CONFIG_VFIO_SNAPSHOT=m CONFIG_VIRTIO_SNAPSHOT_VFIO_PCI=m \
			CONFIG_MLX5_SNAPSHOT_VFIO_PCI=m CONFIG_VFIO_SNAPSHOT_SAMPLE=m $kernel_arguments
		;;
	upstream)
		"$TOP/tools/testvm/build-source.sh"
		build upstream drivers/vfio/pci/virtio "$BUILD/linux-source" drivers/vfio/pci/virtio \
			CONFIG_VIRTIO_VFIO_PCI=m
		;;
	upstream-mlx5)
		"$TOP/tools/testvm/build-source.sh"
		build upstream-mlx5 drivers/vfio/pci/mlx5 "$BUILD/linux-source" drivers/vfio/pci/mlx5 \
			CONFIG_MLX5_VFIO_PCI=m
		;;
	tests)
		build_tests
		;;
	*)
		die "unknown set of modules: $what" "the sets are: ours, upstream, upstream-mlx5, tests"
		;;
	esac
done
