/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events of a migration, enough to draw its timeline.
 *
 * Field	In		What it is
 * device	all		name of the PCI function
 * from, to	arc_*		enum vfio_device_mig_state
 * state	arc_end, reset	the state that the device is in now
 * level	arc_*		level of quiesce: to be reached, and in arc_end
 *				where the device really is
 * result	*_end		0 or a negative errno
 * duration	*_end		ns since its begin, 0 if tracing was off then
 * command	command_*	operation of the back-end
 * arg		command_*	level of quiesce, direction or phase
 * bytes	command_begin	room or payload, where there is one
 *		command_end	what was moved, or estimated
 *		record		payload of the record
 *		data		moved by one read() or write()
 * what		record		queued (to be read), taken (wholly read), loaded
 *				(wholly written, and the device took it)
 * tag		record		VFIO_SNAPSHOT_TAG_*
 * dir		data		save or load
 * total	data		bytes moved in the session so far
 * pending	data		save: bytes queued and not yet read
 * was		reset		the state that the device was in
 * raced	reset		1: a state change was under way
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio_snapshot

#if !defined(VFIO_SNAPSHOT_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VFIO_SNAPSHOT_TRACE_H

#include <linux/tracepoint.h>
#include <linux/vfio_snapshot.h>
#include <uapi/linux/vfio_snapshot.h>

#include "arcs.h"
#include "firmware.h"

#ifndef VFIO_SNAPSHOT_TRACE_ENUMS
#define VFIO_SNAPSHOT_TRACE_ENUMS
enum snapshot_record_what {
	SNAPSHOT_RECORD_QUEUED,
	SNAPSHOT_RECORD_TAKEN,
	SNAPSHOT_RECORD_LOADED,
};
#endif

#define SNAPSHOT_STATES						\
	EM(VFIO_DEVICE_STATE_ERROR, "ERROR")			\
	EM(VFIO_DEVICE_STATE_STOP, "STOP")			\
	EM(VFIO_DEVICE_STATE_RUNNING, "RUNNING")		\
	EM(VFIO_DEVICE_STATE_STOP_COPY, "STOP_COPY")		\
	EM(VFIO_DEVICE_STATE_RESUMING, "RESUMING")		\
	EM(VFIO_DEVICE_STATE_RUNNING_P2P, "RUNNING_P2P")	\
	EM(VFIO_DEVICE_STATE_PRE_COPY, "PRE_COPY")		\
	EM_LAST(VFIO_DEVICE_STATE_PRE_COPY_P2P, "PRE_COPY_P2P")

#define SNAPSHOT_LEVELS					\
	EM(VFIO_SNAPSHOT_RUN, "run")			\
	EM(VFIO_SNAPSHOT_NDMA, "ndma")			\
	EM(VFIO_SNAPSHOT_STOP, "stop")			\
	EM_LAST(VFIO_SNAPSHOT_UNKNOWN, "unknown")

#define SNAPSHOT_DIRS					\
	EM(VFIO_SNAPSHOT_SAVE, "save")			\
	EM_LAST(VFIO_SNAPSHOT_LOAD, "load")

#define SNAPSHOT_RECORD_WHATS				\
	EM(SNAPSHOT_RECORD_QUEUED, "queued")		\
	EM(SNAPSHOT_RECORD_TAKEN, "taken")		\
	EM_LAST(SNAPSHOT_RECORD_LOADED, "loaded")

#undef EM
#undef EM_LAST
#define EM(value, name)		TRACE_DEFINE_ENUM(value);
#define EM_LAST(value, name)	TRACE_DEFINE_ENUM(value);

SNAPSHOT_STATES
SNAPSHOT_LEVELS
SNAPSHOT_COMMANDS
SNAPSHOT_DIRS
SNAPSHOT_RECORD_WHATS
TRACE_DEFINE_ENUM(VFIO_SNAPSHOT_WHOLE);
TRACE_DEFINE_ENUM(VFIO_SNAPSHOT_CHANGED);
TRACE_DEFINE_ENUM(VFIO_SNAPSHOT_AHEAD);
TRACE_DEFINE_ENUM(VFIO_SNAPSHOT_FINAL);

#undef EM
#undef EM_LAST
#define EM(value, name)		{ value, name },
#define EM_LAST(value, name)	{ value, name }

#define show_state(state)	__print_symbolic(state, SNAPSHOT_STATES)
#define show_level(level)	__print_symbolic(level, SNAPSHOT_LEVELS)
#define show_command(command)	__print_symbolic(command, SNAPSHOT_COMMANDS)
#define show_dir(dir)		__print_symbolic(dir, SNAPSHOT_DIRS)
#define show_what(what)		__print_symbolic(what, SNAPSHOT_RECORD_WHATS)
#define show_tag(tag)						\
	__print_symbolic(tag,					\
			 { VFIO_SNAPSHOT_TAG_DEVICE_DATA, "data" },	\
			 { VFIO_SNAPSHOT_TAG_IDENT, "ident" },	\
			 { VFIO_SNAPSHOT_TAG_STOP_COPY_SIZE, "stop_copy_size" }, \
			 { VFIO_SNAPSHOT_TAG_END, "end" })
/* What an argument means depends on the command. */
#define show_arg(command, arg)	__print_symbolic(SNAPSHOT_ARG(command, arg), SNAPSHOT_ARGS)

TRACE_EVENT(vfio_snapshot_arc_begin,
	TP_PROTO(const char *device, u8 from, u8 to, u8 level),
	TP_ARGS(device, from, to, level),
	TP_STRUCT__entry(
		__string(device, device)
		__field(u8, from)
		__field(u8, to)
		__field(u8, level)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->from = from;
		__entry->to = to;
		__entry->level = level;
	),
	TP_printk("device=%s from=%s to=%s level=%s", __get_str(device),
		  show_state(__entry->from), show_state(__entry->to),
		  show_level(__entry->level))
);

TRACE_EVENT(vfio_snapshot_arc_end,
	TP_PROTO(const char *device, u8 from, u8 to, u8 state, u8 level, int result,
		 u64 duration),
	TP_ARGS(device, from, to, state, level, result, duration),
	TP_STRUCT__entry(
		__string(device, device)
		__field(u8, from)
		__field(u8, to)
		__field(u8, state)
		__field(u8, level)
		__field(int, result)
		__field(u64, duration)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->from = from;
		__entry->to = to;
		__entry->state = state;
		__entry->level = level;
		__entry->result = result;
		__entry->duration = duration;
	),
	TP_printk("device=%s from=%s to=%s state=%s level=%s result=%d duration=%llu",
		  __get_str(device), show_state(__entry->from),
		  show_state(__entry->to), show_state(__entry->state),
		  show_level(__entry->level), __entry->result, __entry->duration)
);

TRACE_EVENT(vfio_snapshot_command_begin,
	TP_PROTO(const char *device, u8 command, u8 arg, u64 bytes),
	TP_ARGS(device, command, arg, bytes),
	TP_STRUCT__entry(
		__string(device, device)
		__field(u8, command)
		__field(u8, arg)
		__field(u64, bytes)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->command = command;
		__entry->arg = arg;
		__entry->bytes = bytes;
	),
	TP_printk("device=%s command=%s arg=%s bytes=%llu", __get_str(device),
		  show_command(__entry->command),
		  show_arg(__entry->command, __entry->arg), __entry->bytes)
);

TRACE_EVENT(vfio_snapshot_command_end,
	TP_PROTO(const char *device, u8 command, u8 arg, u64 bytes, int result,
		 u64 duration),
	TP_ARGS(device, command, arg, bytes, result, duration),
	TP_STRUCT__entry(
		__string(device, device)
		__field(u8, command)
		__field(u8, arg)
		__field(int, result)
		__field(u64, bytes)
		__field(u64, duration)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->command = command;
		__entry->arg = arg;
		__entry->result = result;
		__entry->bytes = bytes;
		__entry->duration = duration;
	),
	TP_printk("device=%s command=%s arg=%s bytes=%llu result=%d duration=%llu",
		  __get_str(device), show_command(__entry->command),
		  show_arg(__entry->command, __entry->arg), __entry->bytes,
		  __entry->result, __entry->duration)
);

TRACE_EVENT(vfio_snapshot_record,
	TP_PROTO(const char *device, u8 what, u32 tag, u64 bytes),
	TP_ARGS(device, what, tag, bytes),
	TP_STRUCT__entry(
		__string(device, device)
		__field(u8, what)
		__field(u32, tag)
		__field(u64, bytes)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->what = what;
		__entry->tag = tag;
		__entry->bytes = bytes;
	),
	TP_printk("device=%s what=%s tag=%s bytes=%llu", __get_str(device),
		  show_what(__entry->what), show_tag(__entry->tag), __entry->bytes)
);

TRACE_EVENT(vfio_snapshot_data,
	TP_PROTO(const char *device, u8 dir, ssize_t bytes, u64 total, u64 pending),
	TP_ARGS(device, dir, bytes, total, pending),
	TP_STRUCT__entry(
		__string(device, device)
		__field(u8, dir)
		__field(ssize_t, bytes)
		__field(u64, total)
		__field(u64, pending)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->dir = dir;
		__entry->bytes = bytes;
		__entry->total = total;
		__entry->pending = pending;
	),
	TP_printk("device=%s dir=%s bytes=%zd total=%llu pending=%llu",
		  __get_str(device), show_dir(__entry->dir), __entry->bytes,
		  __entry->total, __entry->pending)
);

TRACE_EVENT(vfio_snapshot_reset,
	TP_PROTO(const char *device, u8 was, u8 state, bool raced),
	TP_ARGS(device, was, state, raced),
	TP_STRUCT__entry(
		__string(device, device)
		__field(u8, was)
		__field(u8, state)
		__field(bool, raced)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->was = was;
		__entry->state = state;
		__entry->raced = raced;
	),
	TP_printk("device=%s was=%s state=%s raced=%d", __get_str(device),
		  show_state(__entry->was), show_state(__entry->state),
		  __entry->raced)
);

#endif /* VFIO_SNAPSHOT_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
