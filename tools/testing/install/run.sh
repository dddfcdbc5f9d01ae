#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Install the Debian packages on Debian 13, upgrade its kernel, remove them; install with make. As TAP,
# in a temporary layer on the test root.
set -eu
# shellcheck source=tools/testing/install/lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=tools/testing/tap.sh
. "$TOP/tools/testing/tap.sh"

if [ "${1:-}" != --inside ]; then
	layer=$(new_layer install)
	trap 'rm -rf --one-file-system -- "$layer"' EXIT
	in_layer "$layer" /vfio-snapshot/src/tools/testing/install/run.sh --inside
	exit
fi

# Debian 13's own kernel, and that of backports.
read -r _ own < <(grep '^trixie ' /kernels)
read -r _ new < <(grep '^trixie-backports ' /kernels)
vf=pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00
connectx=pci:v000015B3d0000101Esv000015B3sd00000008bc02sc00i00
other=pci:v00008086d000010D3sv00001AF4sd00001100bc02sc00i00

files()
{
	find /lib/modules /usr /etc /var/lib/dkms -xdev ! -path '/var/lib/dkms/mok.*' ! -path '/usr/src/*/*' | LC_ALL=C sort
}

ours()
{
	find "/lib/modules/$1" -name '*snapshot*.ko*' ! -name 'dm-*'
}

aliases()
{
	grep 'snapshot_vfio_pci$' "/lib/modules/$1/modules.alias"
}

install_packages()
{
	apt-get -q install -y /vfio-snapshot/build/deb/*.deb 2>&1 | tee /tmp/install.log
}

says_why()
{
	grep "kernel $own is older than 6.13: no driver of VIRTIO" /tmp/install.log &&
		grep 'next step: .*trixie-backports' /tmp/install.log
}

# Does what dpkg does when the headers of another kernel are installed.
upgrade_kernel()
{
	ln -s "$build" "/lib/modules/$new/build"
	"/var/lib/dpkg/info/linux-headers-$new.postinst" configure
	dkms status
	dkms status vfio-snapshot -k "$new" | grep ': installed$'
}

# built_for KERNEL MODULE...: exactly these modules are built.
built_for()
{
	local kernel=$1

	shift
	ours "$kernel"
	[ "$(ours "$kernel" | wc -l)" = $# ]
	modinfo -k "$kernel" "$@" | tee /tmp/modinfo
	[ "$(grep -c "^vermagic: *$kernel " /tmp/modinfo)" = $# ]
}

# matches KERNEL MODALIAS MODULE
matches()
{
	local got

	got=$("$INSTALL/best-match.sh" "$2" "/lib/modules/$1/modules.alias")
	echo "$got"
	[ "$got" = "$3" ]
}

purge()
{
	apt-get -q purge -y vfio-snapshot-dkms vfio-snapshot
	files >/tmp/after
	diff /tmp/before /tmp/after && ! aliases "$new"
}

modules_install()
{
	mkdir /tmp/src
	cp -r "$TOP/Makefile" "$TOP/drivers" "$TOP/include" /tmp/src/
	make -s -C /tmp/src clean VFIO_SNAPSHOT_BUILD=/tmp/none
	make -C /tmp/src -j"$(nproc)" modules KDIR="/lib/modules/$new/build"
	make -C /tmp/src modules_install KDIR="/lib/modules/$new/build"
	aliases "$new"
}

tap_begin
build=$(readlink "/lib/modules/$new/build")
files >/tmp/before
rm "/lib/modules/$new/build"

t "lintian reports nothing" lintian --allow-root --fail-on error,warning,info /vfio-snapshot/build/deb/*.changes
t "install on Debian 13 with its own kernel, $own" install_packages
t "the core and the ConnectX back-end are built for $own" built_for "$own" vfio_snapshot mlx5_snapshot_vfio_pci
t "a message says why the VIRTIO back-end is not built, and what to do" says_why
t "for $own, the best match of a ConnectX VF is our driver" matches "$own" "$connectx" mlx5_snapshot_vfio_pci
t "for $own, the best match of a VIRTIO network device is vfio-pci" matches "$own" "$vf" vfio_pci
t "the command vfio-snapshot works" vfio-snapshot --help
t "installing the headers of $new, of backports, builds and installs the modules" upgrade_kernel
t "all modules are built for $new" built_for "$new" vfio_snapshot mlx5_snapshot_vfio_pci virtio_snapshot_vfio_pci
t "vfio_pci aliases" aliases "$new"
t "the best match of a VIRTIO network device is our driver" matches "$new" "$vf" virtio_snapshot_vfio_pci
t "that of a ConnectX VF too" matches "$new" "$connectx" mlx5_snapshot_vfio_pci
t "the best match of another device is vfio-pci" matches "$new" "$other" vfio_pci
t "purge leaves nothing" purge
t "after purge, the best match of a VIRTIO network device is vfio-pci" matches "$new" "$vf" vfio_pci
t "make modules, make modules_install" modules_install
t "the best match of a VIRTIO network device is our driver again" matches "$new" "$vf" virtio_snapshot_vfio_pci
t "that of a ConnectX VF too" matches "$new" "$connectx" mlx5_snapshot_vfio_pci
tap_end
