#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The bench: compares our driver with another one on the same emulated NIC. See Documentation/bench.rst.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../../testvm/lib.sh"

usage()
{
	cat <<-EOF
		usage: run.sh [-d DRIVER] [-p PEER] [-j JOBS] [-n | -N | -a | -r] [SCENARIO...]

		Boots a fresh machine for each scenario, driver and run, and writes bench.json, bench.rst and
		bench.svg to the build folder. With SCENARIOs, runs only these and only prints their figures.

		  -d DRIVER  one of ours: virtio_snapshot_vfio_pci (the default), or mlx5_snapshot_vfio_pci,
		             which writes bench-mlx5.json, ...; any other driver becomes the PEER
		  -p PEER    the driver to compare with (default: the upstream driver)
		  -j JOBS    machines that run at a time (default: 2)
		  -n         no live migrations on the ordinary clock
		  -N         only these live migrations, added to the existing figures
		  -a         adds the SCENARIOs to the existing figures, and makes the page of them
		  -r         only makes the page
	EOF
}

# For each NIC: suffix of the results, our driver, the upstream driver, NIC of l1/nic.sh, options of
# vm.sh, and the scenarios that do not apply.
nics="
-	virtio_snapshot_vfio_pci	virtio_vfio_pci	virtio		-	memory_1g,changed,changed_delay
-mlx5	mlx5_snapshot_vfio_pci		mlx5_vfio_pci	connectx	-x	fragmented
"
RUNS="1 2"
# Options of vm.sh for a scenario
declare -A options=([parallel]="-v 32" [size]="-m 6144" [memory_1g]="-m 6144" [fragmented]="-m 1536")
# Seconds on the host's clock; a shared machine may be very slow.
limit=600
noisy_limit=1800

driver=virtio_snapshot_vfio_pci
peer=
# The checkout as it is at the start; dirty only if files that can change a figure differ.
commit=$(git -C "$TOP" describe --always 2>/dev/null || echo unknown)
git -C "$TOP" diff --quiet HEAD -- drivers include tools/testing/bench tools/qemu \
	tools/testing/selftests/vfio_snapshot/lib 2>/dev/null || commit+=-dirty
asked="make bench"
given=$*
case $given in *-[jnNpa]*) asked="tools/testing/bench/run.sh $given" ;; *-d*) asked+=" DRIVER=${given##*-d }" ;; esac
jobs=2
noisy=1
only_noisy=
add=
only_report=
while [ $# -gt 0 ]; do
	case $1 in
	-d) driver=$2; shift ;;
	-p) peer=$2; shift ;;
	-j) jobs=$2; shift ;;
	-n) noisy= ;;
	-N) only_noisy=1 ;;
	-a) add=1 ;;
	-r) only_report=1 ;;
	-h | --help) usage; exit 0 ;;
	-*) usage >&2; exit 2 ;;
	*) break ;;
	esac
	shift
done

# The driver's row, or the first row for a driver that is in none.
row=$(awk -v name="$driver" 'NF && !first { first = $0 } $2 == name || $3 == name { found = $0 }
	END { print found ? found : first }' <<<"$nics")
read -r suffix ours upstream nic option without <<<"$row"
suffix=${suffix%-}
[ "$option" != - ] || option=
[ "$driver" = "$ours" ] || peer=${peer:-$driver}
peer=${peer:-$upstream}

partial=
if [ $# -gt 0 ]; then
	partial=${add:+--some}
	partial=${partial:---partial}
	noisy=
elif [ -n "$only_report" ]; then
	partial=--some
	noisy=
fi
# Live migrations are measured with the first NIC only.
[ -z "$suffix" ] || noisy=
[ -n "$only_report" ] || "$TOP/tools/testvm/setup.sh" root initramfs source qemu modules bench ${noisy:+migration}

# The scenarios and their numbers of VFs, from the program's usage
declare -A vfs
while read -r name number; do
	vfs[$name]=$number
	[ -n "$partial" ] || case ,$without, in *",$name,"*) ;; *) set -- "$@" "$name" ;; esac
done < <(in_root /vfio-snapshot/build/bench/bin/mig_bench 2>&1 |
	sed -nE 's/^([a-z0-9_]+) .*\(([0-9]+) devices\)$/\1 \2/p')
for name; do
	[ -n "${vfs[$name]:-}" ] || die "there is no scenario $name" "the scenarios are: ${!vfs[*]}"
done

work=$BUILD/bench
raw=$work/raw$suffix
locked bench-run
if [ -n "$only_report" ]; then
	[ -s "$raw/command" ] || die "there are no figures in $raw" "run make bench"
	set --
elif [ -n "$add" ]; then
	mkdir -p "$raw"
	for name; do
		rm -f -- "$raw/$name".*
	done
elif [ -n "$only_noisy" ]; then
	[ -s "$raw/about" ] || die "there are no figures in $raw" "run make bench"
	set --
else
	rm -rf -- "$raw"
	mkdir -p "$raw"
fi
if [ -z "$only_noisy$only_report" ]; then
	echo "$asked" >"$raw/command"
	# All machines get the same build, even if the checkout is built again meanwhile.
	rm -rf -- "$work/built$suffix"
	mkdir -p "$work/built$suffix/bench"
	cp -r -- "$BUILD/modules" "$BUILD"/upstream "$BUILD"/upstream-mlx5 "$work/built$suffix"
	[ ! -d "$BUILD/peers" ] || cp -r -- "$BUILD/peers" "$work/built$suffix"
	cp -r -- "$work/bin" "$work/built$suffix/bench"
fi
bench=/vfio-snapshot/src/tools/testing/bench

driver_of() # ours|upstream
{
	[ "$1" = ours ] && echo "$ours" || echo "$peer"
}

# one SCENARIO WHO RUN: runs a scenario and keeps its output, with how it ended.
one()
{
	local name=$1 who=$2 run=$3 status=0 start=$SECONDS
	local file=$raw/$name.$who.$run

	# shellcheck disable=SC2086 # a list
	setpriv --pdeathsig TERM "$TOP/tools/testvm/vm.sh" -n "bench$suffix-$name-$who-$run" -t "$limit" -I -l \
		$option ${options[$name]:-} -- \
		env VFIO_SNAPSHOT_BUILD="/vfio-snapshot/build/bench/built$suffix" \
		"$bench/scenario.sh" "$name" "$nic" "$(driver_of "$who")" "${vfs[$name]}" >"$file.tmp" 2>"$file.err" || status=$?
	grep -q '^# end ' "$file.tmp" || {
		tail -n 3 "$file.err" | sed 's/^/# /' >>"$file.tmp"
		[ "$status" = 124 ] && echo "# end hung" || echo "# end $status"
	} >>"$file.tmp"
	echo "# commit $commit" >>"$file.tmp"
	mv "$file.tmp" "$file"
	say "$name, $(driver_of "$who"), run $run: $(grep -c '^bench ' "$file") figures," \
		"ended with $(sed -n 's/^# end //p' "$file"), $((SECONDS - start)) s"
}

report()
{
	in_root env -C "$bench" PYTHONDONTWRITEBYTECODE=1 python3 -m report "$@" \
		${suffix:+--nic "${suffix#-}"} "/vfio-snapshot/build/bench/raw$suffix" /vfio-snapshot/build
}

# Waits until another machine may run.
free_job()
{
	while [ "$(jobs -pr | wc -l)" -ge "$jobs" ]; do
		wait -n || true
	done
}

# Ten migrations of a guest, on the ordinary clock.
one_noisy() # WHO
{
	local who=$1 driver status=0 start=$SECONDS

	driver=$(driver_of "$who")
	setpriv --pdeathsig TERM "$TOP/tools/testvm/vm.sh" -n "bench-noisy-$who" -t "$noisy_limit" -- env DRIVER="$driver" \
		/vfio-snapshot/src/tools/testing/migration/run.sh --plan ten \
		>"$raw/noisy.$who.log" 2>&1 || status=$?
	[ "$status" != 0 ] || cp "$BUILD/logs/migration-1-$driver/timeline.json" "$raw/noisy.$who.json"
	say "ten migrations, $driver: ended with $status, $((SECONDS - start)) s"
}

trap 'kill $(jobs -pr) 2>/dev/null || true' EXIT
[ $# = 0 ] || say "$# scenarios, two drivers, two runs: $(($# * 4)) machines, $jobs at a time"
for name; do
	for run in $RUNS; do
		for who in ours upstream; do
			free_job
			one "$name" "$who" "$run" &
		done
	done
done
wait
# If two boots disagree, more boots decide which one is right.
while [ -z "$only_report" ] && more=$(report --again) && [ -n "$more" ]; do
	while read -r name who run; do
		free_job
		one "$name" "$who" "$run" </dev/null &
	done <<<"$more"
	wait
done
# One at a time, as other load on the host changes their result.
if [ -n "$noisy" ]; then
	one_noisy ours
	one_noisy upstream
fi

[ -n "$only_noisy" ] || {
	echo "machine $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors"
	echo "host Linux $(uname -r)"
	echo "kernel $(sed -n 's/^# kernel //p' "$raw"/* | head -n 1)"
	in_root "/vfio-snapshot/build/qemu/qemu-system-x86_64" --version | sed -n '1s/^QEMU emulator version /qemu QEMU /p'
	echo "commit $(sed -n 's/^# commit //p' "$raw"/* | sort -u | paste -sd " ")"
	echo "date $(date -u +%Y-%m-%d)"
	echo "command $(cat "$raw/command")"
	echo "ours $ours"
	echo "peer $peer"
} >"$raw/about"
status=0
# shellcheck disable=SC2086 # one option or none
report $partial || status=$?
say "took $SECONDS s; the output of each machine is in $raw"
exit "$status"
