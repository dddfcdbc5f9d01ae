#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The first process of L1 in the test root. Runs the command that vm.sh put into its run folder, then
# powers off. The output goes to the port "output", or to the console hvc0 if interactive; the exit
# status goes into the run folder.
set -u

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# With C.UTF-8 each program opens a dozen files of the locale, and each open is a message over 9p.
export HOME=/root LC_ALL=C
export VFIO_SNAPSHOT_BUILD=/vfio-snapshot/build VFIO_SNAPSHOT_IN_ROOT=1 VFIO_SNAPSHOT_L1=1

# option NAME: the value of vfio_snapshot.NAME=VALUE on the kernel's command line.
option()
{
	sed -n "s/.*vfio_snapshot\.$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

run=/vfio-snapshot/build/run/$(option run)

# port NAME: the device of the virtio-serial port of that name.
port()
{
	for name in /sys/class/virtio-ports/*/name; do
		[ "$(cat "$name" 2>/dev/null)" = "$1" ] || continue
		basename "$(dirname "$name")"
		return
	done
}

cd /
# The modules of other kernels than the root's are in the build folder. For the debug kernel, modprobe
# finds there what is built in.
kernel=$(option kernel)
if [ "$kernel" != stock ]; then
	export NIC_KERNEL="-$kernel"
	mkdir -p "/lib/modules/$(uname -r)"
	mount --bind "/vfio-snapshot/build/$kernel-kernel/modules" "/lib/modules/$(uname -r)"
fi
: >"$run/booted"
if [ -e "$run/interactive" ]; then
	TERM=$(cat "$run/interactive")
	export TERM
	if [ -s "$run/size" ]; then
		read -r rows cols <"$run/size"
		stty rows "$rows" cols "$cols" </dev/hvc0
	fi
	setsid -c sh "$run/command" <>/dev/hvc0 >&0 2>&1
	status=$?
else
	out=
	tries=0
	while [ -z "$out" ] && [ $((tries += 1)) -le 50 ]; do
		out=$(port output)
		[ -n "$out" ] || sleep 0.1
	done
	# A session of its own: a test may kill its process group.
	setsid -w sh "$run/command" </dev/null >"/dev/$out" 2>&1
	status=$?
fi

echo "$status" >"$run/status.tmp"
mv "$run/status.tmp" "$run/status"
sync
exec busybox poweroff -f
