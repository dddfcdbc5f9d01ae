/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a resuming data fd must make of a stream: a second reading of the rules
 * that the uAPI header states and struct snapshot_parser's documentation gives
 * errnos for. It sees the stream as a whole and shares no code with the driver.
 * Plain C: the fuzzer of the parser is built with it as well.
 */
#ifndef JUDGE_H
#define JUDGE_H

#include <stddef.h>
#include <stdint.h>

#define IDENT_LEN 32
#define END_LEN 16

struct judge_rules {
	uint64_t max_data;	/* bytes of the largest record of device data */
	uint64_t max_skip;	/* and of the largest unknown one that is skipped */
	const uint8_t *ident;	/* IDENT_LEN bytes that the IDENT record must hold */
	/* Device data that the firmware takes; NULL when it takes anything */
	const uint8_t *state;
	size_t state_len;
};

struct verdict {
	int err;		/* errno of the write with the last byte of the first @at, or 0 */
	size_t at;
	int end;		/* without @err: errno of leaving RESUMING behind the stream, or 0 */
	uint64_t loads;		/* records of device data in front of @at */
	uint64_t loaded;	/* bytes of device data in them */
	/* Where a record of device data ends that the firmware may refuse, or 0 */
	size_t unsure;
};

struct verdict judge_stream(const uint8_t *data, size_t len,
			    const struct judge_rules *rules);

#endif /* JUDGE_H */
