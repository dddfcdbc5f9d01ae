#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Boot L1 and run a command in it.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

usage()
{
	cat <<-EOF
		usage: vm.sh [-t SECONDS] [-m MB] [-c CPUS] [-q QEMU_ARGS] [-k KERNEL] [-a KERNEL_ARGS] [-n NAME]
		             [-l] [-x] [-w] [-I] [-v VFS] [--no-nic] [--] COMMAND...
		       vm.sh [options] -i [COMMAND...]      interactive, on this terminal

		Boots the L1 virtual machine (the test root, Debian's kernel, our QEMU with the SR-IOV NIC),
		runs COMMAND as root there, streams what it prints, and exits with its status; 124 when
		SECONDS (default 600) are over, 125 when the machine itself failed.
		-l turns the NIC's lab block on (tools/qemu/LAB.md), and that of the ConnectX.
		-x adds the emulated ConnectX (tools/qemu/MLX5.md); -w one whose firmware saves an image as a
		whole, not in chunks.
		-I boots with an instruction counter as the clock: times are repeatable, and virtual.
		VFS is how many VFs each NIC may have (16).
		KERNEL is stock (that of backports, the default), or one of a script build-KERNEL-kernel.sh:
		iommufd (that of backports with IOMMUFD), trixie (Debian 13's own) or debug.
		There the checkout is /vfio-snapshot/src (read-only), the build folder
		/vfio-snapshot/build. The kernel's log goes to logs/vm-NAME.log in the build folder.
	EOF
}

limit=600
boot_limit=300
memory=
cpus=
qemu_args=
kernel=stock
kernel_args=
name=l1
nic=1
lab=
connectx=
icount=
vfs=16
rng="-device virtio-rng-pci"
interactive=
while [ $# -gt 0 ]; do
	case $1 in
	-t) limit=$2; shift ;;
	-m) memory=$2; shift ;;
	-c) cpus=$2; shift ;;
	-q) qemu_args=$2; shift ;;
	-k) kernel=$2; shift ;;
	-a) kernel_args=$2; shift ;;
	-n) name=$2; shift ;;
	-i) interactive=1 ;;
	-l) lab=,x-lab=on ;;
	-x) connectx=,chunks=on ;;
	-w) connectx=,chunks=off ;;
	-I) icount=1 ;;
	-v) vfs=$2; shift ;;
	--no-nic) nic= ;;
	-h | --help) usage; exit 0 ;;
	--) shift; break ;;
	-*) usage >&2; exit 2 ;;
	*) break ;;
	esac
	shift
done
[ -n "$interactive" ] || [ $# -gt 0 ] || { usage >&2; exit 2; }

need_root
here=$TOP/tools/testvm
"$here/build-root.sh"
"$here/build-initramfs.sh"
pf_args=
initramfs=l1/initramfs
case $kernel in
stock | iommufd)
	vmlinuz=l1/vmlinuz
	memory=${memory:-4096}
	;;
trixie)
	vmlinuz=trixie-kernel/vmlinuz
	initramfs=trixie-kernel/initramfs
	memory=${memory:-4096}
	;;
debug)
	vmlinuz=debug-kernel/vmlinuz
	# kmemleak scans all of the memory, so there is little.
	memory=${memory:-1536}
	# kasan_multi_shot: show all reports. log_buf_len: keep all reports in the log. no5lvl: with 5-level
	# paging, KASAN reports any interrupt that arrives while the boot CPU's features are read.
	# slab_debug=F: without it SLUB keeps stale pointers, which hide leaks from kmemleak.
	kernel_args="kasan_multi_shot log_buf_len=4M no5lvl slab_debug=F dma_debug_entries=16384 $kernel_args"
	# Linux's virtio allocates indirect descriptors with GFP_KERNEL under the admin queue's spinlock.
	# lockdep would report that at the PF's probe and then turn itself off.
	pf_args=,indirect_desc=off
	;;
*)
	die "there is no kernel $kernel" "the kernels are: stock, iommufd, trixie, debug"
	;;
esac
[ "$kernel" = stock ] || "$here/build-$kernel-kernel.sh"
if [ -n "$nic" ]; then
	"$here/build-qemu.sh"
	qemu=/vfio-snapshot/build/qemu/qemu-system-x86_64
	nic_args="-device pcie-root-port,id=nicport -device virtio-net-parts-pf,id=nic,bus=nicport,sriov-vfs=$vfs,queue-pairs=4,mac=52:54:00:77:00:01$pf_args$lab"
	# A NIC of the same kind without device parts, to test how the driver treats it.
	nic_args+=" -netdev user,id=plain,restrict=on -device virtio-net-pci,netdev=plain,disable-legacy=on,romfile="
	if [ -n "$connectx" ]; then
		# mlx5_core claims all BARs of the PF; without iomem=relaxed the tests could not map the lab's.
		[ -z "$lab" ] || kernel_args="iomem=relaxed $kernel_args"
		nic_args+=" -device pcie-root-port,id=cxport,chassis=1,slot=1 -device mlx5-vhca-pf,id=connectx,bus=cxport,sriov-vfs=$vfs$connectx$lab"
	fi
else
	qemu=/usr/bin/qemu-system-x86_64
	nic_args=
fi
if [ -n "$icount" ]; then
	# One instruction takes 2 ns. The fast string instructions are off, as each byte they move would
	# count as an instruction.
	accel="-accel tcg,thread=single -icount shift=1,sleep=off -cpu max,-fsrm,-erms"
	cpus=1
	# A fixed seed and date make runs repeatable.
	accel+=" -seed 1 -rtc base=2026-01-01,clock=vm"
	rng=
	kernel_args="nokaslr norandmaps $kernel_args"
else
	accel=$("$here/probe-accel.sh" "$qemu")
fi
# TCG runs one vCPU. With several, a reset of a VF, which changes the memory map, can misdirect an MMIO
# write of another vCPU: QEMU 10.0's iotlb_to_section() looks up the old map's index in the new map's
# tables. A lost end-of-interrupt then freezes the machine.
case $accel in
*tcg*) cpus=${cpus:-1} ;;
*) cpus=${cpus:-2} ;;
esac

mkdir -p "$BUILD/run" "$BUILD/logs"
# Delete what killed runs left.
for run in "$BUILD"/run/*.*; do
	kill -0 "${run##*.}" 2>/dev/null || rm -rf -- "$run"
done
run=$BUILD/run/$name.$$
mkdir "$run"
log=$BUILD/logs/vm-$name.log
console=$run/console
trap 'rm -rf -- "$run"' EXIT

# The command goes into a file, as the kernel's command line could not hold its quoting.
port=virtserialport,name=output
if [ -n "$interactive" ]; then
	port=virtconsole
	printf '%s\n' "${TERM:-dumb}" >"$run/interactive"
	if [ -t 0 ]; then
		stty size >"$run/size"
		tty=$(stty -g)
	fi
fi
printf '%q ' "${@:-bash}" >"$run/command"
echo >>"$run/command"

# no_timer_check: on a busy machine, the timer does not tick within the few milliseconds that the
# kernel gives it before it panics.
# shellcheck disable=SC2086 # lists of options
set -- "$qemu" -nodefaults -no-user-config -display none -no-reboot \
	-L /usr/share/seabios -L /usr/share/qemu \
	-M q35,kernel-irqchip=split $accel -smp "$cpus" -m "$memory" \
	-device intel-iommu,intremap=on \
	-kernel "/vfio-snapshot/build/$vmlinuz" -initrd "/vfio-snapshot/build/$initramfs" \
	-append "console=ttyS0 loglevel=7 panic=-1 intel_iommu=on pci=realloc tsc=reliable no_timer_check vfio_snapshot.run=${run##*/} vfio_snapshot.kernel=$kernel $kernel_args" \
	-chardev "file,id=console,path=/vfio-snapshot/build/run/${run##*/}/console" \
	-serial chardev:console \
	-fsdev local,id=root,path=/vfio-snapshot/root,readonly=on,security_model=passthrough,multidevs=remap \
	-device virtio-9p-pci,fsdev=root,mount_tag=root \
	-fsdev local,id=src,path=/vfio-snapshot/src,readonly=on,security_model=passthrough,multidevs=remap \
	-device virtio-9p-pci,fsdev=src,mount_tag=src \
	-fsdev local,id=build,path=/vfio-snapshot/build,security_model=passthrough,multidevs=remap \
	-device virtio-9p-pci,fsdev=build,mount_tag=build \
	-device virtio-serial-pci -chardev stdio,id=output,signal=off \
	-device "$port,chardev=output" \
	$rng $nic_args $qemu_args

# fail WHAT STATUS: show the end of the kernel's log and the reason, exit with STATUS.
fail()
{
	cp -f "$console" "$log" 2>/dev/null || true
	tail -n 25 "$log" >&2 2>/dev/null || true
	printf '[vm.sh] error: %s (the kernel log is above; all of it: %s)\n' "$1" "$log" >&2
	exit "$2"
}

stop_vm()
{
	kill -KILL "$vm" 2>/dev/null || true
	wait "$vm" $reader 2>/dev/null || true
}

start=$SECONDS
reader=
: >"$console"
if [ -n "$interactive" ]; then
	# On a descriptor of its own, as a background job's standard input is /dev/null.
	exec 3<&0
	exec_in_root "$@" <&3 &
else
	# QEMU makes its standard output non-blocking; cat keeps that from the caller's. The input is a
	# fifo that never ends, as QEMU disconnects the port at the end of its input.
	mkfifo "$run/input" "$run/output"
	cat <"$run/output" &
	reader=$!
	exec_in_root "$@" 0<>"$run/input" >"$run/output" &
fi
vm=$!
trap 'stop_vm; [ -z "${tty:-}" ] || stty "$tty"; rm -rf -- "$run"' EXIT
trap 'exit 143' TERM HUP

while kill -0 "$vm" 2>/dev/null; do
	if [ ! -e "$run/booted" ] && [ $((SECONDS - start)) -ge "$boot_limit" ]; then
		stop_vm
		fail "L1 did not reach userspace in $boot_limit seconds" 125
	fi
	if [ $((SECONDS - start)) -ge "$limit" ] && [ -z "$interactive" ]; then
		stop_vm
		fail "time limit of $limit seconds reached" 124
	fi
	sleep 0.1
done
qemu_status=0
wait "$vm" || qemu_status=$?
[ -z "$reader" ] || wait "$reader"
cp -f "$console" "$log"
[ -e "$run/status" ] || {
	[ -s "$console" ] || fail "QEMU ended with status $qemu_status before the kernel started" 125
	fail "L1 went down before its command ended (QEMU's exit status $qemu_status)" 125
}
exit "$(cat "$run/status")"
