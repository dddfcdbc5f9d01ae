#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# best-match.sh DEVICE MODULES_ALIAS: print the module that the vfio_pci aliases give for DEVICE, a folder
# in /sys/bus/pci/devices or the text of its modalias file. Like libvirt since 10.0, it takes the
# matching alias with the fewest wildcards and knows no driver by name.
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
