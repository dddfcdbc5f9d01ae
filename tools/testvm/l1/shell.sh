#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The shell of "make vm": brings the NIC up, binds two VFs to our driver, sources the helpers.
set -u
here=$(dirname -- "$(readlink -f -- "$0")")
# shellcheck source=tools/testvm/l1/nic.sh
. "$here/nic.sh"

nic_up 4 && for vf in 0 1; do
	nic_bind "$(nic_vf "$vf")" virtio_snapshot_vfio_pci
done

cat <<TEXT

This is L1. The checkout is /vfio-snapshot/src, the build folder /vfio-snapshot/build.
The NIC: PF $(nic_pf), its network interface $(nic_netdev "$(nic_pf)") is 10.77.0.1
VFs:$(for vf in 0 1 2 3; do printf ' %s' "$(nic_vf "$vf")"; done), the first two bound to virtio_snapshot_vfio_pci
Shell functions: nic_vf N, nic_bind BDF DRIVER, nic_unbind BDF
"exit" ends the machine.

TEXT
cd /vfio-snapshot/src || exit
exec bash --rcfile <(echo ". $here/nic.sh; PS1='L1:\w# '") -i
