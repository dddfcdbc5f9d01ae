#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The tests of vfio-snapshot that need no device: OUTPUT holds the program, built with ASan and
# UBSan; TAP.
set -eu

here=$(cd -- "$(dirname -- "$0")" && pwd)
top=$(cd -- "$here/../../.." && pwd)
export PATH="${OUTPUT:?}:$PATH" LC_ALL=C.UTF-8
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tools/vfio-snapshot/tests/says.sh
. "$here/says.sh"
# shellcheck source=tools/vfio-snapshot/tests/fake.sh
. "$here/fake.sh"

tap_begin

# info
mkdir "$work/streams"
while IFS='|' read -r name text; do
	status=1
	[ "$text" != complete ] || status=0
	t "info: $name" says "$status" "$text" vfio-snapshot info "$work/streams/$name"
	t "info: $name as JSON" json "j['complete'] == (not $status)" \
		vfio-snapshot info --json "$work/streams/$name"
done < <(python3 "$here/streams.py" "$work/streams")

# cuts.c tries every byte in one process. The command starts for every 499th only, as that takes longer.
every_cut_is_incomplete()
{
	local objects=$OUTPUT/tools/vfio-snapshot size at

	gcc -O1 -g -Wall -Wextra -fsanitize=address,undefined -fno-sanitize-recover=all -I"$here/.." \
		-I"$top/drivers/vfio/pci/snapshot" -I"$top/tools/include" -I"$top/include/uapi" -I"$top/include" \
		-o "$work/cuts" "$here/cuts.c" "$objects"/{reader,parts}.o "$OUTPUT/drivers/vfio/pci/snapshot/format.o" &&
		"$work/cuts" "$work"/streams/{good,two-images,connectx,optional-skipped} || return 1
	size=$(stat -c %s "$work/streams/good")
	for ((at = 0; at < size; at += 499)); do
		head -c "$at" "$work/streams/good" >"$work/cut"
		says 1 incomplete vfio-snapshot info "$work/cut" || return 1
	done
}
t "info: a stream that is cut anywhere is incomplete" every_cut_is_incomplete
t "info: the parts of the device are named" json \
	"[p['name'] for p in j['record_list'][1]['parts']][:3] ==
	 ['device features', 'driver features', 'common configuration'] and
	 j['record_list'][1]['parts'][0]['features'] == 'MAC MQ VERSION_1 ADMIN_VQ' and
	 j['record_list'][1]['parts'][5]['value'] == '52:54:00:77:00:02'" \
	vfio-snapshot info --json "$work/streams/good"
t "info: a stream of a ConnectX says what the last image needs" json \
	"j['ident'] == {'version': 1, 'device': '15b3:101e', 'backend': 'mlx5'} and
	 [r['kind'] for r in j['record_list']] ==
	 ['IDENT', 'STOP_COPY_SIZE', 'DEVICE_DATA', 'DEVICE_DATA', 'END'] and
	 j['record_list'][1]['stop_copy_size'] == 8 << 20 and
	 not any('parts' in r for r in j['record_list'])" \
	vfio-snapshot info --json "$work/streams/connectx"
t "info: so does one of mlx5_vfio_pci, and nothing in it is taken for VIRTIO's" json \
	"j['ident'] is None and j['record_list'][0]['stop_copy_size'] == 0x123456789 and
	 not any('parts' in r for r in j['record_list'])" \
	vfio-snapshot info --json "$work/streams/connectx-upstream"
t "info: in words" says 0 "the last image needs 8388608 bytes" vfio-snapshot info "$work/streams/connectx"
from_pipe()
{
	vfio-snapshot info - <"$work/streams/good" | grep -q complete
}
t "info: from standard input" from_pipe
t "info: a file that is not there" says 1 "No such file" vfio-snapshot info "$work/none"

fuzz()
{
	mkdir -p "$work/corpus"
	for stream in "$work"/streams/*; do
		{ printf '\0'; head -c 3000 "$stream"; } >"$work/corpus/${stream##*/}"
	done
	{ printf '\1'; head -c 12000 "$here/trace.txt"; } >"$work/corpus/trace"
	cd "$work"
	clang -g -O1 -Wall -Wextra -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-D_GNU_SOURCE -I"$here/.." -I"$top/drivers/vfio/pci/snapshot" -I"$top/tools/include" \
		-I"$top/include/uapi" -I"$top/include" -o fuzz "$here/fuzz.c" "$here"/../{reader,parts,trace,history,svg,terminal,json}.c \
		"$top/drivers/vfio/pci/snapshot/format.c" &&
		./fuzz -seed=1 -runs="${RUNS:-60000}" -max_len=4096 -timeout=10 corpus
}
t "info, timeline: ${RUNS:-60000} hostile files" fuzz

# explain
messages=$top/tools/docs/messages.py
page=$top/Documentation/admin-guide/troubleshooting.rst
# Each message is a part of a literal of the page, and for each literal explain knows a line that the
# drivers may log.
every_message()
{
	quiet python3 -B "$messages" "$top" || return 1
	python3 -B "$messages" "$top" lines >"$work/lines"
	vfio-snapshot explain --json <"$work/lines" >"$work/explained" || return 1
	diff <(python3 -B "$messages" "$top" literals | sort) <(python3 -c 'import json, sys
print(*sorted({row["message"] for line in json.load(sys.stdin) for row in line["explained"]}), sep="\n")' \
		<"$work/explained" | grep -vE '^-[0-9]+$' | LC_ALL=C.UTF-8 sort)
}
t "explain: every message of the drivers" every_message
every_errno()
{
	local number name

	while read -r number name; do
		says 0 "    $name: " vfio-snapshot explain \
			"migration: stream refused: $number, no firmware command failed; state RESUMING" || return 1
		json "'$number' not in [e['message'] for e in j[0]['explained']]" vfio-snapshot explain --json \
			"migration: stream refused: $number, firmware command load, status 0x10; state RESUMING" || return 1
	done < <(sed -n '/^   \* - -[0-9]*$/{s/.* -/-/;N;s/\n *- / /;p}' "$page")
	[ "${number+read}" ]
}
t "explain: every errno" every_errno
t "explain: the causes of a line, and nothing else" json \
	"[e['message'][:9] for e in j[0]['explained']] == ['migration', 'firmware '] and len(j) == 1" \
	vfio-snapshot explain --json \
	"[  7.5] x 0000:00:01.1: migration: RUNNING -> STOP failed: -5, firmware command load, status 0; state ERROR"
t "explain: a message of QEMU" says 0 "turn postcopy off" vfio-snapshot explain \
	"qemu: 0000:3b:00.1: VFIO migration is not supported with postcopy migration"
t "explain: a message that has two lines on the page" says 0 "bind the variant driver: setup.rst" \
	vfio-snapshot explain "0000:3b:00.1: VFIO migration is not supported in kernel"
t "explain: a cause is not a line" says 1 "no line is in" vfio-snapshot explain "no firmware command failed"
t "explain: an unknown line" says 1 "no line is in" vfio-snapshot explain "usb 1-1: reset"
from_log()
{
	printf '%s\n' "usb 1-1: reset" "x: migration: lost contact with the firmware" "last line" |
		vfio-snapshot explain >"$work/explained" && [ "$(wc -l <"$work/explained")" = 2 ] &&
		head -n 1 "$work/explained" | grep -qx "x: migration: lost contact with the firmware"
}
t "explain: the lines that it knows, from standard input" from_log
t "explain: standard input without lines" says 1 "no line is in" vfio-snapshot explain
unreadable()
{
	! vfio-snapshot explain <"$work" 2>"$work/error" && grep -q "cannot read the lines" "$work/error"
}
t "explain: lines that cannot be read" unreadable

# list
fake_list()
{
	VFIO_SNAPSHOT_ROOT=$work/fake vfio-snapshot list --json "$FAKE_VF"
}
fake_host "$work/fake"
t "list: a VF that can be migrated" json \
	"j[0]['migratable'] == 'yes' and j[0]['flags'] == ['stop-copy', 'p2p', 'pre-copy'] and not j[0]['why']" \
	fake_list
t "list: with exit code 0" ends 0 env "VFIO_SNAPSHOT_ROOT=$work/fake" vfio-snapshot list "$FAKE_VF"
while IFS='|' read -r id actions; do
	fake_row "$work/fake" "$actions"
	state=no
	[ "$id" != in-use ] || state="in use"
	t "list: $id" json "j[0]['migratable'] == '$state' and '$id' in [w['id'] for w in j[0]['why']] and
		not any(c in w['reason'] + w['next'] for c in '?{}' for w in j[0]['why'])" fake_list
	t "list: $id ends with 3" ends 3 env "VFIO_SNAPSHOT_ROOT=$work/fake" vfio-snapshot list "$FAKE_VF"
done < <(fake_rows)
every_row_is_tested()
{
	diff <(sed -n 's/^\t{ "\([a-z-]*\)", [a-z_]*,$/\1/p' "$here/../why.c" | sort) \
		<(fake_rows | cut -d'|' -f1 | sort -u)
}
fake_row "$work/fake" "fake_connectx; echo '0 7 1' >\"\$fake/probe/$FAKE_VF\""
t "list: a VF of a ConnectX, with the pages it writes to" json \
	"j[0]['migratable'] == 'yes' and not j[0]['why'] and j[0]['firmware'] == '28.36.1010' and
	 j[0]['migration_driver'] == 'mlx5_snapshot_vfio_pci' and
	 j[0]['flags'] == ['stop-copy', 'p2p', 'pre-copy', 'dirty-tracking']" fake_list
newer_firmware()
{
	for version in 16.36.1011 22.37.14 28.43.2566; do
		fake_row "$work/fake" "fake_connectx; echo $version >\"\$pf/infiniband/mlx5_0/fw_ver\""
		json "j[0]['migratable'] == 'yes' and j[0]['firmware'] == '$version'" fake_list || return 1
	done
	fake_row "$work/fake" "fake_connectx; rm -r \"\$pf/infiniband\""
	json "j[0]['migratable'] == 'yes' and j[0]['firmware'] is None" fake_list
}
t "list: newer firmware, and firmware that is not known" newer_firmware
fake_row "$work/fake" fake_connectx
echo 6.12.107 >"$fake/proc/sys/kernel/osrelease"
mv "$fake/lib/modules/7.3.4" "$fake/lib/modules/6.12.107"
t "list: a ConnectX on Debian 13's own kernel" json "j[0]['migratable'] == 'yes' and not j[0]['why']" fake_list
t "list: every row of the table has its test" every_row_is_tested
in_no_other_order()
{
	fake_row "$work/fake" "fake_bind $FAKE_PF ''; fake_bind $FAKE_VF virtio-pci"
	json "[w['id'] for w in j[0]['why']] == ['pf-without-driver', 'wrong-driver']" fake_list
}
t "list: several reasons, in the order in which to put them right" in_no_other_order
t "list: no such function" says 1 "no PCI function 0000:99:00.0" vfio-snapshot list 99:00.0

# timeline, watch
same()
{
	diff "$1" <("${@:2}")
}
svg_of()
{
	vfio-snapshot timeline --from "$here/trace.txt" --svg "$work/timeline.svg" >/dev/null &&
		cat "$work/timeline.svg"
}
t "timeline: of a recorded migration" same "$here/timeline.txt" vfio-snapshot timeline --from "$here/trace.txt"
t "timeline: the picture in the documentation is what it draws" \
	same "$top/Documentation/images/timeline.svg" svg_of
t "timeline: which is XML" python3 -c \
	"import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])" "$top/Documentation/images/timeline.svg"
t "timeline: the parts of a blackout are its whole" json \
	"len(j['blackouts']) == 1 and j['blackouts'][0]['destination'] and
	 all(abs(b['firmware_ms'] + b['driver_ms'] + b['elsewhere_ms'] - b['for_ms']) < .01 and
	     min(b['firmware_ms'], b['driver_ms'], b['elsewhere_ms']) >= 0 for b in j['blackouts'])" \
	vfio-snapshot timeline --json --from "$here/trace.txt"
source_only()
{
	local source

	source=$(sed -n 's/.*device=\([^ ]*\) from=RUNNING to=PRE_COPY .*/\1/p' "$here/trace.txt" | head -n 1)
	grep -F "$source" "$here/trace.txt" >"$work/source.txt"
	json "len(j['devices']) == 1 and j['blackouts'][0]['destination'] is None" \
		vfio-snapshot timeline --json --from "$work/source.txt"
}
t "timeline: of the source host alone" source_only
t "timeline: a trace without our events" says 1 "no events" vfio-snapshot timeline --from /dev/null
t "watch: of the same trace" same "$here/watch.txt" vfio-snapshot watch --from "$here/trace.txt"
watch_lines()
{
	vfio-snapshot watch --json --from "$here/trace.txt" |
		python3 -c 'import json, sys
lines = [json.loads(line) for line in sys.stdin]
assert {"arc_end", "data"} <= {line["event"] for line in lines}'
}
t "watch: a JSON object a line" watch_lines

# the command line
t "no subcommand" ends 2 vfio-snapshot
t "an unknown subcommand" ends 2 vfio-snapshot frobnicate
t "an unknown option" ends 2 vfio-snapshot list --nothing
t "an option of another subcommand" ends 2 vfio-snapshot list --svg x
t "too few arguments" ends 2 vfio-snapshot save 00:01.0
t "no number" ends 2 vfio-snapshot timeline --record soon
for command in arcs bind unbind watch; do
	t "$command: not an address" ends 2 vfio-snapshot "$command" 1.2.3.4
done
output_is_full()
{
	ends 1 vfio-snapshot info "$work/streams/good" >/dev/full
}
t "output that cannot be written" output_is_full

documented()
{
	local word

	for word in $(vfio-snapshot --help | grep -oE '^  vfio-snapshot [a-z]+|--[a-z]+' | awk '{ print $NF }' | sort -u); do
		case $word in
		--*) grep -q "Fl \\\\-${word#--}" "$here/../vfio-snapshot.8" ;;
		*) grep -q "^\\.It Cm $word\$" "$here/../vfio-snapshot.8" ;;
		esac || { echo "the manual page does not know $word"; return 1; }
	done
	! command -v mandoc >/dev/null || mandoc -T lint -W warning "$here/../vfio-snapshot.8"
}
t "the manual page has every subcommand and option" documented

# completed LINE WORD...: that is offered.
completed()
{
	local want

	want=$(printf '%s\n' "${@:2}" | sort)
	diff <(echo "$want") <(
		# shellcheck source=tools/vfio-snapshot/completion.bash
		. "$here/../completion.bash"
		COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=' :'
		_vfio_snapshot
		printf '%s\n' "${COMPREPLY[@]}" | sort
	)
}
t "completion: subcommands" completed "vfio-snapshot " list bind unbind arcs save restore info explain watch timeline
t "completion: of one" completed "vfio-snapshot un" unbind
t "completion: options" completed "vfio-snapshot timeline --r" --record
t "completion: files" completed "vfio-snapshot info $here/ho" "$here/host.sh"

tap_end
