#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# best-match.sh DEVICE MODULES_ALIAS: the module that vfio_pci aliases name for DEVICE, a folder in
# /sys/bus/pci/devices or the text of its modalias file. Of all aliases that match, the one with the
# fewest wildcards counts: what libvirt does since 10.0. It knows nothing of any driver.
set -eu

modalias=$1
[ ! -d "$1" ] || modalias=$(cat "$1/modalias")
modalias=vfio_${modalias}
best=
fewest=
while read -r _ pattern module; do
	# shellcheck disable=SC2053 # a pattern
	[[ $modalias == $pattern ]] || continue
	wildcards=${pattern//[^*]/}
	if [ -z "$best" ] || [ ${#wildcards} -lt "$fewest" ]; then
		best=$module
		fewest=${#wildcards}
	fi
done < <(grep '^alias vfio_pci:' "$2")
[ -n "$best" ] || { echo "no alias matches $modalias" >&2; exit 1; }
echo "$best"
