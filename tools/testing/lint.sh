#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The static checks, as TAP: checkpatch --strict, a build with W=1, the layers of the core, sparse,
# kernel-doc, Kconfig, shellcheck, SPDX lines. They run in the test root, with its kernel's own tools.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../testvm/lib.sh"
# shellcheck source=tools/testing/tap.sh
. "$TOP/tools/testing/tap.sh"

if [ -z "${VFIO_SNAPSHOT_IN_ROOT:-}" ]; then
	"$TOP/tools/testvm/build-source.sh"
	in_root /vfio-snapshot/src/tools/testing/lint.sh
	exit
fi

cd "$TOP"
linux=$BUILD/linux-source
work=$(mktemp -d)
sources()
{
	find "$@" -type f -not -path './build/*' -not -path './.git/*' | LC_ALL=C sort
}

checkpatch()
{
	local allow=

	# The only file that may depend on kernel versions.
	case $1 in
	*/snapshot/compat.h) allow=--ignore=LINUX_VERSION_CODE,CONSTANT_COMPARISON,MACRO_ARG_UNUSED ;;
	# Trace events have their own style.
	*/snapshot/trace.h) allow=--ignore=PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE ;;
	esac
	perl "$linux/scripts/checkpatch.pl" --no-tree --strict --terse --no-summary \
		${allow:+"$allow"} --file "$1"
}

has_spdx()
{
	head -n 3 "$1" | grep -q 'SPDX-License-Identifier: GPL-2.0' || echo "$1: no SPDX line at its top"
}

# kbuild VAR=VALUE...: build a fresh copy, so that every warning shows.
kbuild()
{
	rm -rf "$work/tree"
	mkdir "$work/tree"
	cp -r drivers include "$work/tree/"
	find "$work/tree" -type f ! -name '*.[ch]' ! -name Makefile ! -name Kbuild ! -name Kconfig -delete
	make -s -j"$(nproc)" -C /lib/modules/*/build M="$work/tree/drivers/vfio/pci/snapshot" \
		CONFIG_VFIO_SNAPSHOT=m CONFIG_VIRTIO_SNAPSHOT_VFIO_PCI=m CONFIG_MLX5_SNAPSHOT_VFIO_PCI=m \
		CONFIG_VFIO_SNAPSHOT_SAMPLE=m "$@" modules
}

core=drivers/vfio/pci/snapshot

# After a kbuild.
layers()
{
	python3 tools/testing/layers.py "$core" "$work/tree/$core"
}

# Upward calls and includes in a copy of the core: layers.py must report each of them.
planted()
{
	local copy=$work/planted report symbol want

	rm -rf "$copy"
	mkdir "$copy"
	cp "$core"/*.[ch] "$work/tree/$core"/*.o "$copy/"
	symbol=$(nm -g --defined-only "$copy/stream.o" | awk '$2 == "T" { print $3; exit }')
	printf 'void %s(void);\nvoid up(void);\nvoid up(void) { %s(); }\n' "$symbol" "$symbol" |
		gcc -x c -c -o "$copy/buffer.o" -
	echo '#include "device.h"' >>"$copy/ranges.h"
	touch "$copy/device.h" "$copy/new.c"
	report=$(python3 tools/testing/layers.py "$copy" "$copy") || true
	for want in "buffer.c (layer 2) -> stream.c ($symbol) (layer 4)" \
		"ranges.h (pure) -> device.h (layer 6)" "new.c: say in which layer it is"; do
		grep -qF "$want" <<<"$report" || printf 'not reported: %s\n%s\n' "$want" "$report"
	done
}

# Debian's sparse does not know __typeof_unqual__ (__typeof__ differs only in the qualifiers), nor that
# the length of a string literal is constant, which MODULE_INFO asserts. The headers package lacks the
# script that tests sparse for the former.
sparse()
{
	local script

	for script in /usr/src/linux-headers-*-common/scripts; do
		cp "$linux/scripts/checker-valid.sh" "$script/"
	done
	cat >"$work/sparse" <<-'EOF'
		#!/bin/sh
		exec sparse -D__typeof_unqual__=__typeof__ '-D__builtin_strlen(s)=(sizeof(s)-1)' "$@"
	EOF
	chmod +x "$work/sparse"
	kbuild C=2 CHECK="$work/sparse" CF=-D__CHECK_ENDIAN__
}

kernel_doc()
{
	"$linux/tools/docs/kernel-doc" -Wall -none "$@"
}

# Put our Kconfig into that of VFIO, choose each driver as the only one, and print what it lacks.
# All other symbols of the kernel are on, except IOMMUFD_DRIVER: our drivers must select it, because a
# kernel without it cannot report dirty pages.
kconfig()
{
	local tree=$work/kconfig conf driver want symbol

	conf=$(echo /usr/lib/linux-kbuild-*/scripts/kconfig/conf)
	mkdir -p "$tree/drivers" "$tree/virt/lib"
	cp -r "$linux/drivers/vfio" "$tree/drivers/"
	cp -r "$core" "$tree/drivers/vfio/pci/"
	cat Kconfig >>"$tree/drivers/vfio/pci/Kconfig"
	: >"$tree/virt/lib/Kconfig"
	{
		printf 'config MODULES\n\tdef_bool y\n\tmodules\n'
		printf 'config IOMMUFD_DRIVER\n\tbool\n'
		for symbol in PCI MMU IOMMUFD MLX5_CORE VIRTIO_PCI KUNIT EVENTFD IOMMU_API INTERVAL_TREE \
			IRQ_BYPASS_MANAGER; do
			printf 'config %s\n\tdef_bool y\n' "$symbol"
		done
		echo 'source "drivers/vfio/Kconfig"'
	} >"$tree/Kconfig"
	while read -r driver; do
		printf 'CONFIG_VFIO=y\nCONFIG_%s=m\n' "$driver" >"$tree/.config"
		(cd "$tree" && "$conf" --olddefconfig Kconfig) 2>&1 | grep -v '^#' || true
		for want in "$driver=m" VFIO_SNAPSHOT=m VFIO_PCI_CORE=m IOMMUFD_DRIVER=y; do
			grep -qx "CONFIG_$want" "$tree/.config" || echo "$driver: no $want"
		done
	done < <(awk '$1 == "config" { name = $2 } $1 == "tristate" && NF > 1 { print name }' \
		"$core"/Kconfig "$core"/*/Kconfig)
}

mapfile -t kernel_files < <(sources ./drivers ./include \
	./tools/testing/selftests/vfio_snapshot/modules | grep '\.[ch]$')
mapfile -t scripts < <(sources . | while read -r file; do
	if head -n 3 "$file" | grep -qE '^#!.*[/ ](ba|da)?sh( |$)|^# shellcheck shell='; then
		echo "$file"
	fi
done)
mapfile -t licensed < <(sources . | grep -E '(\.(c|h|sh|py|mak|config)|/(Makefile|Kconfig|Kbuild|config|meson\.build))$')

tap_begin $((${#kernel_files[@]} + ${#scripts[@]} + 7))
for file in "${kernel_files[@]}"; do
	t "checkpatch ${file#./}" quiet checkpatch "$file"
done
t "build with W=1" quiet kbuild W=1
t "no file of the core uses a layer above its own" quiet layers
t "the check of the layers reports what is planted" quiet planted
t "sparse" quiet sparse
t "kernel-doc" quiet kernel_doc include/linux/vfio_snapshot.h
t "Kconfig: each driver has what it needs in a kernel tree" quiet kconfig
for file in "${scripts[@]}"; do
	t "shellcheck ${file#./}" quiet shellcheck -x -P SCRIPTDIR:. "$file"
done
spdx()
{
	local file

	for file in "${licensed[@]}"; do
		has_spdx "$file"
	done
}
t "SPDX line in every source file" quiet spdx
rm -rf "$work"
tap_end
