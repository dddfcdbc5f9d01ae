#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In L1, with the Debian packages installed: test aliases, driverctl, libvirt and removal, as TAP.
set -eu
# shellcheck source=tools/testing/install/lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=tools/testing/tap.sh
. "$TOP/tools/testing/tap.sh"

# Changes go into a layer in memory.
if [ "${1:-}" != --inside ]; then
	layer=/tmp/layer
	lower=$BUILD/installed/upper:$PACKAGING/upper:/
	[ ! -e "$BUILD/installed/root/etc" ] || lower=$BUILD/installed/root
	mkdir $layer
	mount -t tmpfs -o size=50% tmpfs $layer
	mkdir $layer/{upper,work,root}
	mount -t overlay -o "lowerdir=$lower,upperdir=$layer/upper,workdir=$layer/work" overlay $layer/root
	for dir in proc sys dev vfio-snapshot/src vfio-snapshot/build; do
		mount --rbind "/$dir" "$layer/root/$dir"
	done
	for dir in tmp run; do
		mount -t tmpfs tmpfs $layer/root/$dir
	done
	exec chroot $layer/root /vfio-snapshot/src/tools/testing/install/l1.sh --inside
fi

# shellcheck source=tools/testvm/l1/nic.sh
. "$TOP/tools/testvm/l1/nic.sh"

driver=virtio_snapshot_vfio_pci
aliases=/lib/modules/$(uname -r)/modules.alias
virsh="virsh -q -c qemu:///system"

driver_of()
{
	basename "$(readlink "/sys/bus/pci/devices/$1/driver")"
}

# matches DEVICE MODULE
matches()
{
	local got

	got=$("$INSTALL/best-match.sh" "/sys/bus/pci/devices/$1" "$aliases")
	echo "$got"
	[ "$got" = "$2" ]
}

by_driverctl()
{
	modprobe $driver
	driverctl --nosave set-override "$vf" $driver
	[ "$(driver_of "$vf")" = $driver ]
	driverctl --nosave unset-override "$vf" || :
	nic_unbind "$vf"
	modprobe -r $driver
}

# Starts what would start at boot. The daemon's defaults need systemd, for control groups, and a
# security driver.
start_libvirt()
{
	# A static device node of the module, on a machine with udev.
	modprobe vfio
	cat >>/etc/libvirt/qemu.conf <<-EOF
		cgroup_controllers = []
		namespaces = []
		security_driver = "none"
		stdio_handler = "file"
		user = "root"
		group = "root"
	EOF
	LIBVIRT_LOG_OUTPUTS=1:file:/tmp/libvirtd.log libvirtd --daemon
	$virsh version
}

# The definition names no driver.
define()
{
	cat >/tmp/guest.xml <<-EOF
		<domain type='qemu'>
		  <name>guest</name>
		  <memory unit='MiB'>64</memory>
		  <os><type arch='x86_64' machine='q35'>hvm</type></os>
		  <features><acpi/></features>
		  <devices>
		    <emulator>/usr/bin/qemu-system-x86_64</emulator>
		    <controller type='usb' model='none'/>
		    <memballoon model='none'/>
		    <hostdev mode='subsystem' type='pci' managed='yes'>
		      <source>
		        <address domain='0x${vf:0:4}' bus='0x${vf:5:2}' slot='0x${vf:8:2}' function='0x${vf:11}'/>
		      </source>
		      <rom bar='off'/>
		    </hostdev>
		  </devices>
		</domain>
	EOF
	$virsh define /tmp/guest.xml
}

start_guest()
{
	[ ! -e /sys/module/$driver ] || { echo "$driver is loaded"; return 1; }
	$virsh start guest || { tail -n 20 /tmp/libvirtd.log; return 1; }
	[ "$(driver_of "$vf")" = $driver ]
	$virsh domstate guest | grep running
	$virsh qemu-monitor-command guest --hmp info pci | grep 1af4:1041
}

stop_guest()
{
	$virsh destroy guest
	! driver_of "$vf" | grep $driver
}

# depmod reads all modules of a kernel, which takes minutes under emulation. So the packages are removed
# from a kernel that has only the loaded modules.
few_modules()
{
	local tree=/tmp/few name file kernel

	kernel=/lib/modules/$(uname -r)
	while read -r name _; do
		file=$(modinfo -n "$name")
		case $file in
		"$kernel"/kernel/*) install -D "$file" "$tree/${file#"$kernel/kernel/"}" ;;
		esac
	done </proc/modules
	mount --bind "$tree" "$kernel/kernel"
}

remove()
{
	modprobe -r $driver
	few_modules
	dpkg --purge vfio-snapshot-dkms vfio-snapshot
	! find /lib/modules /var/lib/dkms /usr/src -name '*snapshot*' ! -name 'dm-snapshot*' | grep . &&
		! grep $driver "$aliases" &&
		! modprobe $driver
}

tap_begin
t "the NIC has two VFs" nic_up 2
vf=$(nic_vf 0)
t "the best match of a VF is our driver" matches "$vf" $driver
t "the best match of the PCI bridge above the NIC is vfio-pci" \
	matches "$(basename "$(dirname "$(readlink -f "/sys/bus/pci/devices/$(nic_pf)")")")" vfio_pci
t "driverctl binds the VF" by_driverctl
t "libvirt runs" start_libvirt
t "a guest with the VF as managed hostdev is defined" define
t "the guest starts, and libvirt loads and chooses our driver" start_guest
t "the guest stops, and libvirt releases the VF" stop_guest
t "removing the packages leaves nothing" remove
tap_end
