#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# check.sh [SUITE...]: set up what is needed, run the suites (all of them when none is named), sum
# up their TAP. The last line is "N passed, N failed", with ", N skipped" where some were.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../testvm/lib.sh"

src=/vfio-snapshot/src
# suite | where it runs (root: the test root; vm: L1) | its command
suites="
lint			root	$src/tools/testing/lint.sh
unit			root	make -s -C $src/tools/testing/unit check OUTPUT=/vfio-snapshot/build/unit-root
nic			root	$src/tools/qemu/tests/run.sh
kselftest		vm	$src/tools/testing/selftests/vfio_snapshot/run.sh
migration		vm	env DRIVER=virtio_snapshot_vfio_pci $src/tools/testing/migration/run.sh
migration-upstream	vm	env DRIVER=virtio_vfio_pci $src/tools/testing/migration/run.sh
"
declare -A limit=([lint]=300 [unit]=120 [nic]=300 [kselftest]=600 [migration]=400 [migration-upstream]=400)

# lookup SUITE: its place and command.
lookup()
{
	printf '%s\n' "$suites" | awk -v want="$1" '$1 == want { $1 = ""; print; found = 1 } END { exit !found }'
}

run_suite()
{
	local name=$1 where command

	read -r where command <<<"$(lookup "$name")"
	# shellcheck disable=SC2086 # a command with arguments
	case $where in
	root) in_root timeout -k 5 "${limit[$name]}" $command ;;
	vm) "$TOP/tools/testvm/vm.sh" -n "$name" -t "${limit[$name]}" -- $command ;;
	esac
}

# tap_sum STATUS: passed, failed, skipped of the TAP on stdin. A document must have a plan and
# keep to it; a suite must have a document, and must not fail without a failed test.
tap_sum()
{
	awk -v status="$1" '
		function finish()
		{
			if (documents && (plan < 0 || plan != seen))
				failed++
			plan = -1
			seen = 0
		}
		BEGIN { plan = -1 }
		/^TAP version 1[34]/ { finish(); documents++ }
		/^1\.\.[0-9]+/ {
			plan = substr($1, 4) + 0
			if (plan == 0 && tolower($0) ~ /# *skip/)
				skipped++
		}
		/^ok [0-9]/ { seen++; if (tolower($0) ~ /# *skip/) skipped++; else passed++ }
		/^not ok [0-9]/ { seen++; failed++ }
		/^Bail out!/ { failed++ }
		END {
			finish()
			if (!documents || (status != 0 && !failed))
				failed++
			print passed + 0, failed + 0, skipped + 0
		}'
}

[ $# -gt 0 ] || mapfile -t all < <(printf '%s\n' "$suites" | awk 'NF { print $1 }')
[ $# -gt 0 ] || set -- "${all[@]}"
for name; do
	lookup "$name" >/dev/null || die "there is no suite $name" \
		"the suites are: $(printf '%s\n' "$suites" | awk 'NF { printf "%s ", $1 }')"
done

passed=0
failed=0
skipped=0
table=
begin=$SECONDS

# account SUITE SECONDS PASSED FAILED SKIPPED
account()
{
	passed=$((passed + $3))
	failed=$((failed + $4))
	skipped=$((skipped + $5))
	table+=$(printf '%-20s %5d passed %4d failed %4d skipped %6d s' "$1" "$3" "$4" "$5" "$2")$'\n'
}

if "$TOP/tools/testvm/setup.sh"; then
	account set-up $((SECONDS - begin)) 0 0 0
	mkdir -p "$BUILD/logs"
	for name; do
		log=$BUILD/logs/check-$name.log
		start=$SECONDS
		echo
		echo "=== $name"
		run_suite "$name" 2>&1 | tee "$log" && status=0 || status=${PIPESTATUS[0]}
		# shellcheck disable=SC2046 # three numbers
		account "$name" $((SECONDS - start)) $(tap_sum "$status" <"$log")
	done
else
	account set-up $((SECONDS - begin)) 0 1 0
fi

printf '\n%s%d s in all; logs in %s\n' "$table" $((SECONDS - begin)) "$BUILD/logs"
printf '%d passed, %d failed' "$passed" "$failed"
[ "$skipped" = 0 ] || printf ', %d skipped' "$skipped"
echo
[ "$failed" = 0 ]
