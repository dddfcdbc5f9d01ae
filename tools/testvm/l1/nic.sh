# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The NIC in L1, for tests to source: its address, its VFs, their drivers. NIC=connectx selects the
# emulated ConnectX (vm.sh -x).

[ "${NIC:-}" != connectx ] || NIC_VENDOR=0x15b3
NIC_BUILD=${VFIO_SNAPSHOT_BUILD:-/vfio-snapshot/build}
NIC_PCI=/sys/bus/pci
# Folders of modules have this suffix for kernels other than that of backports (see init.sh):
# build/modules-debug, build/upstream-debug, build/modules-trixie, ...
NIC_KERNEL=${NIC_KERNEL:-}

nic_die()
{
	echo "nic: $*" >&2
	return 1
}

# nic_wait SECONDS CMD...: until CMD succeeds.
nic_wait()
{
	_tries=$(($1 * 20))
	shift
	until "$@"; do
		[ $((_tries -= 1)) -gt 0 ] || return 1
		sleep 0.05
	done
}

# The PF: the only device of its vendor that can have VFs.
nic_pf()
{
	for _dev in "$NIC_PCI"/devices/*; do
		[ -e "$_dev/sriov_totalvfs" ] || continue
		[ "$(cat "$_dev/vendor")" = "${NIC_VENDOR:-0x1af4}" ] || continue
		echo "${_dev##*/}"
		return
	done
	nic_die "no SR-IOV device here (was vm.sh run with --no-nic?)"
}

nic_has_netdev()
{
	[ -n "$(ls "$NIC_PCI/devices/$1"/virtio*/net 2>/dev/null)" ]
}

# nic_netdev BDF: the name of its network interface.
nic_netdev()
{
	for _net in "$NIC_PCI/devices/$1"/virtio*/net/*; do
		[ -e "$_net" ] || continue
		echo "${_net##*/}"
		return
	done
	return 1
}

nic_has_driver()
{
	[ -e "$NIC_PCI/devices/$1/driver" ]
}

# Brings the PF up with the address 10.77.0.1/24. virtio_net must drive it before VFs are created, as
# that needs the admin queue.
nic_up_virtio() # PF
{
	modprobe virtio_net || return 1
	nic_wait 20 nic_has_netdev "$1" || nic_die "virtio_net did not take $1" || return 1
	_nic_if=$(nic_netdev "$1")
	ip addr replace 10.77.0.1/24 dev "$_nic_if" && ip link set "$_nic_if" up
}

nic_up_connectx() # PF
{
	modprobe mlx5_core || return 1
	nic_wait 20 nic_has_driver "$1" || nic_die "mlx5_core did not take $1"
}

# nic_up NVFS: bring up the PF and create NVFS VFs without a driver.
nic_up()
{
	_nic_pf=$(nic_pf) || return 1
	case ${NIC_VENDOR:-} in
	0x15b3) nic_up_connectx "$_nic_pf" || return 1 ;;
	*) nic_up_virtio "$_nic_pf" || return 1 ;;
	esac

	[ "$(cat "$NIC_PCI/devices/$_nic_pf/sriov_numvfs")" != "$1" ] || return 0
	echo 0 >"$NIC_PCI/devices/$_nic_pf/sriov_numvfs"
	echo 0 >"$NIC_PCI/devices/$_nic_pf/sriov_drivers_autoprobe"
	echo "$1" >"$NIC_PCI/devices/$_nic_pf/sriov_numvfs" || nic_die "cannot create $1 VFs (see dmesg)"
}

# nic_vf N: the address of VF N.
nic_vf()
{
	_nic_pf=$(nic_pf) || return 1
	[ -e "$NIC_PCI/devices/$_nic_pf/virtfn$1" ] || nic_die "there is no VF $1" || return 1
	basename "$(readlink "$NIC_PCI/devices/$_nic_pf/virtfn$1")"
}

# nic_load DRIVER: load its modules.
nic_load()
{
	case $1 in
	virtio-pci) _kos= ;;
	virtio_vfio_pci) _kos="upstream$NIC_KERNEL/virtio_vfio_pci.ko" ;;
	mlx5_vfio_pci) _kos="upstream-mlx5$NIC_KERNEL/mlx5_vfio_pci.ko" ;;
	virtio_snapshot_vfio_pci)
		_kos="modules$NIC_KERNEL/vfio_snapshot.ko modules$NIC_KERNEL/virtio_snapshot_vfio_pci.ko"
		;;
	mlx5_snapshot_vfio_pci)
		_kos="modules$NIC_KERNEL/vfio_snapshot.ko modules$NIC_KERNEL/mlx5_snapshot_vfio_pci.ko"
		;;
	vfio-pci) modprobe vfio-pci; return ;;
	*)
		# A module in build/peers, or one of this kernel.
		_kos="peers$NIC_KERNEL/$1.ko"
		[ -e "$NIC_BUILD/$_kos" ] || _kos=
		[ -n "$_kos" ] || modprobe "$1" || nic_die "unknown driver $1" || return 1
		;;
	esac
	[ -z "$_kos" ] || modprobe -a vfio-pci-core vfio_iommu_type1 || return 1
	for _ko in $_kos; do
		_name=${_ko##*/}
		[ ! -d "/sys/module/${_name%.ko}" ] || continue
		insmod "$NIC_BUILD/$_ko" || return 1
	done
}

# nic_bind BDF DRIVER
nic_bind()
{
	nic_load "$2" || return 1
	nic_unbind "$1" || return 1
	echo "$2" >"$NIC_PCI/devices/$1/driver_override"
	echo "$1" >"$NIC_PCI/drivers_probe"
	[ -e "$NIC_PCI/drivers/$2/$1" ] || nic_die "$2 did not take $1 (see dmesg)"
}

# nic_unbind BDF
nic_unbind()
{
	[ ! -e "$NIC_PCI/devices/$1/driver" ] || echo "$1" >"$NIC_PCI/devices/$1/driver/unbind"
	echo >"$NIC_PCI/devices/$1/driver_override"
}
