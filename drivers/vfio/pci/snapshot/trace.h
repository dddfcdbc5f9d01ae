/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events of a migration, enough to draw its timeline. Enumerations are recorded by
 * name: a filter compares strings.
 *
 * Field	In		What it is
 * device	all		name of the PCI function
 * from, to	arc_*		states, as snapshot_state_name() has them
 * state	arc_end, reset	the state that the device is in now
 * level	arc_*		level of quiesce: to be reached, and in arc_end
 *				where the device really is
 * result	*_end		0 or a negative errno
 * duration	*_end		ns since its begin, 0 if tracing was off then
 * command	command_*	operation of the back-end
 * arg		command_*	level of quiesce, direction, extent or phase
 * bytes	command_begin	room or payload, where there is one
 *		command_end	what was moved, or estimated
 *		record		payload of the record
 *		data		moved by one read() or write()
 * what		record		queued (to be read), taken (wholly read), loaded
 *				(wholly written, and the device took it)
 * tag		record		VFIO_SNAPSHOT_TAG_*, a number
 * dir		data		save or load
 * total	data		bytes moved in the session so far
 * pending	data		save: bytes queued and not yet read
 * was		reset		the state that the device was in
 * raced	reset		1: a command may have crossed it, or the device was not at
 *				RUN; quiesce(RUN) was sent
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio_snapshot

#if !defined(VFIO_SNAPSHOT_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VFIO_SNAPSHOT_TRACE_H

#include <linux/tracepoint.h>
#include <uapi/linux/vfio_snapshot.h>

#include "arcs.h"
#include "firmware.h"

TRACE_EVENT(vfio_snapshot_arc_begin,
	TP_PROTO(const struct snapshot_fw *fw, const struct snapshot_arc *arc),
	TP_ARGS(fw, arc),
	TP_STRUCT__entry(
		__string(device, dev_name(fw->sdev->core.vdev.dev))
		__string(from, snapshot_state_name(arc->from))
		__string(to, snapshot_state_name(arc->to))
		__string(level, snapshot_commands[SNAPSHOT_CMD_QUIESCE].args[arc->level])
	),
	TP_fast_assign(
		__assign_str(device);
		__assign_str(from);
		__assign_str(to);
		__assign_str(level);
	),
	TP_printk("device=%s from=%s to=%s level=%s", __get_str(device), __get_str(from),
		  __get_str(to), __get_str(level))
);

TRACE_EVENT(vfio_snapshot_arc_end,
	TP_PROTO(const struct snapshot_fw *fw, const struct snapshot_arc *arc, u8 state,
		 u8 level, int result, u64 began),
	TP_ARGS(fw, arc, state, level, result, began),
	TP_STRUCT__entry(
		__string(device, dev_name(fw->sdev->core.vdev.dev))
		__string(from, snapshot_state_name(arc->from))
		__string(to, snapshot_state_name(arc->to))
		__string(state, snapshot_state_name(state))
		__string(level, snapshot_commands[SNAPSHOT_CMD_QUIESCE].args[level])
		__field(int, result)
		__field(u64, duration)
	),
	TP_fast_assign(
		__assign_str(device);
		__assign_str(from);
		__assign_str(to);
		__assign_str(state);
		__assign_str(level);
		__entry->result = result;
		__entry->duration = began ? ktime_get_ns() - began : 0;
	),
	TP_printk("device=%s from=%s to=%s state=%s level=%s result=%d duration=%llu",
		  __get_str(device), __get_str(from), __get_str(to), __get_str(state),
		  __get_str(level), __entry->result, __entry->duration)
);

TRACE_EVENT(vfio_snapshot_command_begin,
	TP_PROTO(const struct snapshot_fw *fw, u64 bytes),
	TP_ARGS(fw, bytes),
	TP_STRUCT__entry(
		__string(device, dev_name(fw->sdev->core.vdev.dev))
		__string(command, snapshot_commands[fw->command].name)
		__string(arg, snapshot_commands[fw->command].args[fw->arg])
		__field(u64, bytes)
	),
	TP_fast_assign(
		__assign_str(device);
		__assign_str(command);
		__assign_str(arg);
		__entry->bytes = bytes;
	),
	TP_printk("device=%s command=%s arg=%s bytes=%llu", __get_str(device),
		  __get_str(command), __get_str(arg), __entry->bytes)
);

TRACE_EVENT(vfio_snapshot_command_end,
	TP_PROTO(const struct snapshot_fw *fw, u64 bytes, int result),
	TP_ARGS(fw, bytes, result),
	TP_STRUCT__entry(
		__string(device, dev_name(fw->sdev->core.vdev.dev))
		__string(command, snapshot_commands[fw->command].name)
		__string(arg, snapshot_commands[fw->command].args[fw->arg])
		__field(int, result)
		__field(u64, bytes)
		__field(u64, duration)
	),
	TP_fast_assign(
		__assign_str(device);
		__assign_str(command);
		__assign_str(arg);
		__entry->result = result;
		__entry->bytes = bytes;
		__entry->duration = fw->began ? ktime_get_ns() - fw->began : 0;
	),
	TP_printk("device=%s command=%s arg=%s bytes=%llu result=%d duration=%llu",
		  __get_str(device), __get_str(command), __get_str(arg), __entry->bytes,
		  __entry->result, __entry->duration)
);

TRACE_EVENT(vfio_snapshot_record,
	TP_PROTO(const struct snapshot_fw *fw, const char *what, u32 tag, u64 bytes),
	TP_ARGS(fw, what, tag, bytes),
	TP_STRUCT__entry(
		__string(device, dev_name(fw->sdev->core.vdev.dev))
		__string(what, what)
		__field(u32, tag)
		__field(u64, bytes)
	),
	TP_fast_assign(
		__assign_str(device);
		__assign_str(what);
		__entry->tag = tag;
		__entry->bytes = bytes;
	),
	TP_printk("device=%s what=%s tag=%s bytes=%llu", __get_str(device), __get_str(what),
		  __print_symbolic(__entry->tag, { VFIO_SNAPSHOT_TAG_DEVICE_DATA, "data" },
				   { VFIO_SNAPSHOT_TAG_IDENT, "ident" },
				   { VFIO_SNAPSHOT_TAG_STOP_COPY_SIZE, "stop_copy_size" },
				   { VFIO_SNAPSHOT_TAG_END, "end" }),
		  __entry->bytes)
);

TRACE_EVENT(vfio_snapshot_data,
	TP_PROTO(const struct snapshot_fw *fw, bool saving, ssize_t bytes, u64 total,
		 u64 pending),
	TP_ARGS(fw, saving, bytes, total, pending),
	TP_STRUCT__entry(
		__string(device, dev_name(fw->sdev->core.vdev.dev))
		__string(dir, saving ? "save" : "load")
		__field(ssize_t, bytes)
		__field(u64, total)
		__field(u64, pending)
	),
	TP_fast_assign(
		__assign_str(device);
		__assign_str(dir);
		__entry->bytes = bytes;
		__entry->total = total;
		__entry->pending = pending;
	),
	TP_printk("device=%s dir=%s bytes=%zd total=%llu pending=%llu", __get_str(device),
		  __get_str(dir), __entry->bytes, __entry->total, __entry->pending)
);

TRACE_EVENT(vfio_snapshot_reset,
	TP_PROTO(const struct snapshot_fw *fw, u8 was, u8 state, bool raced),
	TP_ARGS(fw, was, state, raced),
	TP_STRUCT__entry(
		__string(device, dev_name(fw->sdev->core.vdev.dev))
		__string(was, snapshot_state_name(was))
		__string(state, snapshot_state_name(state))
		__field(bool, raced)
	),
	TP_fast_assign(
		__assign_str(device);
		__assign_str(was);
		__assign_str(state);
		__entry->raced = raced;
	),
	TP_printk("device=%s was=%s state=%s raced=%d", __get_str(device), __get_str(was),
		  __get_str(state), __entry->raced)
);

#endif /* VFIO_SNAPSHOT_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
