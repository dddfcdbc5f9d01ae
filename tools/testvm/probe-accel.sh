#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# probe-accel.sh QEMU: print the accelerator and CPU options for L1. It chooses KVM only if our kernel
# reaches userspace with it, as some hosts have a /dev/kvm that creates virtual CPUs and then hangs. The
# answer is kept for this host kernel and this QEMU.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

qemu=$1
limit=20
# avx and bmi are slow to emulate and not needed. With svm and npt, which max has, L1 has KVM.
tcg="-accel tcg,thread=multi -cpu max,-avx,-avx2,-bmi1,-bmi2"
kvm="-accel kvm -cpu host"

name=accel-${qemu//\//-}
locked "$name"
# Our devices do not affect how QEMU runs a CPU, so they are no input.
if fresh "$name" "$TOP/tools/testvm/probe-accel.sh" "$BUILD/stamps/root" "$BUILD/stamps/qemu-tree" \
	"=$(uname -r)" "=$([ -c /dev/kvm ] && echo kvm)" && [ -s "$BUILD/l1/$name" ]; then
	cat "$BUILD/l1/$name"
	exit 0
fi

kvm_works()
{
	[ -c /dev/kvm ] || { say "no /dev/kvm"; return 1; }
	in_root "$qemu" -accel help 2>/dev/null | grep -qx kvm ||
		{ say "${qemu##*/} was built without KVM"; return 1; }
	say "trying KVM (at most $limit s)"
	# shellcheck disable=SC2086 # a list of options
	in_root timeout -k 2 "$limit" "$qemu" -nodefaults -no-user-config -display none -no-reboot \
		-L /usr/share/seabios -L /usr/share/qemu \
		-M q35,kernel-irqchip=split $kvm -smp 2 -m 512 -device intel-iommu,intremap=on \
		-kernel /vfio-snapshot/build/l1/vmlinuz -initrd /vfio-snapshot/build/l1/initramfs \
		-append "console=ttyS0 panic=-1 vfio_snapshot.probe" -serial stdio </dev/null \
		>"$BUILD/logs/$name.log" 2>&1 || true
	grep -q "vfio-snapshot: the probe reached userspace" "$BUILD/logs/$name.log"
}

mkdir -p "$BUILD/l1" "$BUILD/logs"
if kvm_works; then
	say "KVM works"
	answer=$kvm
else
	say "using TCG: slower, but works everywhere"
	answer=$tcg
fi
printf '%s\n' "$answer" >"$BUILD/l1/$name"
stamp "$name"
printf '%s\n' "$answer"
