#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# dirty.sh [DRIVER...]: dirty tracking by the emulated ConnectX, by default with the upstream driver and
# with ours. One TAP document per driver. Needs a kernel with IOMMUFD.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- mlx5_vfio_pci mlx5_snapshot_vfio_pci
status=0
for driver; do
	NIC=connectx DRIVER=$driver "$here/run.sh" mig_dirty_test || status=1
done
exit $status
