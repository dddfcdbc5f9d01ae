#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Unpack the parts of the root's linux-source that builds and tests use into $BUILD/linux-source.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

PARTS=(
	Documentation/sphinx
	drivers/iommu/iommu-pages.h
	drivers/iommu/iommu-priv.h
	drivers/iommu/iommufd
	drivers/vfio
	drivers/virtio
	lib/interval_tree.c
	scripts/checker-valid.sh
	scripts/checkpatch.pl
	scripts/const_structs.checkpatch
	scripts/spelling.txt
	tools/docs
	tools/lib/python
	tools/testing/selftests/kselftest
	tools/testing/selftests/kselftest.h
	tools/testing/selftests/kselftest_harness.h
	tools/testing/selftests/lib.mk
)

locked source
if fresh source "$TOP/tools/testvm/build-source.sh" "$BUILD/stamps/root" &&
   [ -d "$BUILD/linux-source" ]; then
	exit 0
fi

set -- "$ROOT"/usr/src/linux-source-*.tar.xz
[ -f "$1" ] || die "the test root has no kernel source" \
	"delete $ROOT and run tools/testvm/build-root.sh again"
name=${1##*/}
name=${name%.tar.xz}
say "unpacking parts of $name (15 s)"
rm -rf -- "$BUILD/linux-source.tmp"
mkdir "$BUILD/linux-source.tmp"
in_root tar -xJf "/usr/src/$name.tar.xz" -C /vfio-snapshot/build/linux-source.tmp \
	--strip-components=1 "${PARTS[@]/#/$name/}" ||
	die "cannot unpack $name.tar.xz" "see tar's message: a part may have moved in this kernel"
rm -rf -- "$BUILD/linux-source"
mv "$BUILD/linux-source.tmp" "$BUILD/linux-source"
stamp source
