#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Boots User Mode Linux in the test root, runs the KUnit tests of the core there, and prints TAP.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../../.." && pwd)
build=/vfio-snapshot/build

# Its root is that of the host, and its first process is this script. Output is on the host's stdout, with
# the reports of the kernel.
if [ $$ != 1 ]; then
	exec "$build/uml-kernel/vmlinuz" mem=512M stderr=1 rootfstype=hostfs rw init="$here/kunit.sh" \
		loglevel=4 con=null con0=fd:0,fd:1 </dev/null
fi

# shellcheck source=tools/testing/tap.sh
. "$top/tools/testing/tap.sh"
# shellcheck source=tools/testing/selftests/vfio_snapshot/kernel_reports.sh
. "$here/kernel_reports.sh"

cases=$(cat "$top"/drivers/vfio/pci/snapshot/kunit/*_test.c | grep -c KUNIT_CASE)
suites="stream walk fault"

# Each test, with what KUnit printed before the result
show_results() # SUITE
{
	local line status output=

	while IFS= read -r line; do
		case $line in
		"    ok "* | "    not ok "*)
			status=0
			[[ $line != *"not ok "* ]] || status=1
			line=${line#*ok }
			tap_result "$status" "kunit $1: ${line#* }" "$output"
			output=
			;;
		*)
			output+=$line$'\n'
			;;
		esac
	done <"/sys/kernel/debug/kunit/vfio_snapshot_$1/results"
}

load()
{
	insmod "$build/modules-uml/vfio_snapshot.ko" && insmod "$build/modules-uml/vfio_snapshot_kunit.ko"
}

unload()
{
	rmmod vfio_snapshot_kunit && rmmod vfio_snapshot
}

export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t debugfs debugfs /sys/kernel/debug
mount -t tmpfs tmpfs /tmp
# In the root's own folder, kmsg would be the host's.
mount -t tmpfs tmpfs /dev
mknod /dev/kmsg c 1 11
mknod /dev/null c 1 3
stty -opost <&1
# With the four checks at the end
tap_begin $((cases + 4))
kernel_log_begin
leaks_begin
load
for suite in $suites; do
	show_results "$suite"
done
t "the modules unload" unload
t "lockdep is still on" lockdep_is_on
t "nothing leaked" nothing_leaked
t "the kernel did not complain" kernel_log_is_clean
tap_end || true
exec busybox poweroff -f
