#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# layer.sh LAYER PACKAGING ROOT TOP BUILD CMD...: in_layer runs this as the first process of new mount
# and pid namespaces. It runs CMD in LAYER, an overlay on the layer PACKAGING, which is an overlay on
# ROOT. The changes that CMD makes stay in LAYER/upper.
set -eu

layer=$1 packaging=$2 root=$3 top=$4 build=$5
shift 5

lower=$root
if [ "$layer" != "$packaging" ]; then
	lower=$packaging/upper:$root
	# A file system without overlays: see below.
	[ ! -e "$packaging/root/etc" ] || lower=$packaging/root
fi
mkdir -p "$layer/upper" "$layer/work" "$layer/root"
if [ ! -e "$layer/root/etc" ] && ! mount -t overlay overlay \
	-o "lowerdir=$lower,upperdir=$layer/upper,workdir=$layer/work" "$layer/root" 2>/dev/null; then
	# Without overlays (as in some containers), a layer is a copy of the layers below.
	cp -a --reflink=auto "${lower#*:}/." "$layer/root/"
fi
exec sh "$top/tools/testvm/enter-root.sh" "$layer/root" "$top" "$build" "$@"
