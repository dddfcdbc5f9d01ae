#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Install the Debian packages on Debian 13, upgrade its kernel, remove them; install with make. As
# TAP, in a throw-away layer on the test root.
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

nothing_for_own()
{
	! ours "$own" | grep . &&
		grep "kernel $own is older than 6.13" /tmp/install.log &&
		grep 'next step: .*trixie-backports' /tmp/install.log
}

# What dpkg does when the headers of a further kernel come.
upgrade_kernel()
{
	ln -s "$build" "/lib/modules/$new/build"
	"/var/lib/dpkg/info/linux-headers-$new.postinst" configure
	dkms status
	dkms status vfio-snapshot -k "$new" | grep ': installed$'
}

for_new()
{
	modinfo -k "$new" vfio_snapshot virtio_snapshot_vfio_pci | tee /tmp/modinfo
	[ "$(grep -c "^vermagic: *$new " /tmp/modinfo)" = 2 ]
}

# matches MODALIAS MODULE
matches()
{
	local got

	got=$("$INSTALL/best-match.sh" "$1" "/lib/modules/$new/modules.alias")
	echo "$got"
	[ "$got" = "$2" ]
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

t "lintian has nothing to say" lintian --allow-root --fail-on error,warning,info /vfio-snapshot/build/deb/*.changes
t "install on Debian 13 with its own kernel, $own" install_packages
t "nothing is built for that, and it is said why, and what to do" nothing_for_own
t "the command is there" vfio-snapshot --help
t "the headers of the kernel of backports come, $new: the modules are built and installed" upgrade_kernel
t "they are for that kernel" for_new
t "vfio_pci aliases" aliases "$new"
t "the best match of a VIRTIO network device is our driver" matches "$vf" virtio_snapshot_vfio_pci
t "the best match of another device is vfio-pci" matches "$other" vfio_pci
t "purge: nothing is left" purge
t "then the best match is vfio-pci" matches "$vf" vfio_pci
t "make modules, make modules_install" modules_install
t "the best match is our driver again" matches "$vf" virtio_snapshot_vfio_pci
tap_end
