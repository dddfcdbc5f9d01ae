#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The demonstration, in L1: a live migration there and back, shown as a timeline.
set -eu

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

cat <<'TEXT'

A Linux guest with the stock virtio-net driver exchanges TCP data with this machine through a
virtual function of the NIC.  Unmodified QEMU moves it, running, to the other virtual function
and back.

TEXT
exec "$here/run.sh" --plan demo "$@"
