#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The tests that a new back-end has to pass, on two devices of one kind that are bound to its driver
# and not in use:
#   backend.sh BDF BDF2 [PROGRAM...]
# Prints one TAP document per program and one about the kernel log at the end.
#   KSELFTEST_OUT  folder of the programs
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/testing/selftests/vfio_snapshot/kernel_reports.sh
. "$here/kernel_reports.sh"

[ $# -ge 2 ] || { echo "usage: backend.sh BDF BDF2 [PROGRAM...]" >&2; exit 2; }
first=$1 second=$2
shift 2
# shellcheck disable=SC2046 # a list
[ $# -gt 0 ] || set -- $(echo mig_{probe,arc_query,arcs,reset,stream,fd,precopy,roundtrip,pairs}_test)

limit=300
if is_debug_kernel; then
	limit=900
	export VFIO_SNAPSHOT_SLOW=6
fi
status=0
kernel_log_begin
for program; do
	begin=$SECONDS
	echo "# $program $first $second"
	timeout -k 5 "$limit" "${KSELFTEST_OUT:-$here}/$program" "$first" "$second" || status=1
	echo "# $program took $((SECONDS - begin)) s"
done

echo "TAP version 13"
echo "1..1"
if kernel_log_is_clean; then
	echo "ok 1 the kernel did not complain"
else
	echo "not ok 1 the kernel did not complain"
	status=1
fi
exit $status
