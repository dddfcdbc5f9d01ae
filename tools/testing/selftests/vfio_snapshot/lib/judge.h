/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a resuming data fd must answer to a stream: a second implementation of
 * the rules in the uAPI header and of the errnos of struct snapshot_parser. It
 * sees the whole stream and shares no code with the driver. Plain C, as the
 * parser's fuzzer is built with it.
 */
#ifndef JUDGE_H
#define JUDGE_H

#include <stddef.h>
#include <stdint.h>

#define IDENT_LEN 32
#define END_LEN 16

struct judge_rules {
	uint64_t max_data;	/* the largest record of device data, in bytes */
	uint64_t max_skip;	/* the largest unknown optional record, in bytes */
	const uint8_t *ident;	/* expected payload of the IDENT record, IDENT_LEN bytes */
	/* The only device data that the firmware accepts; NULL: it accepts any */
	const uint8_t *state;
	size_t state_len;
};

struct verdict {
	int err;		/* errno of the write that contains byte @at - 1, or 0 */
	size_t at;
	int end;		/* if @err is 0: errno of leaving RESUMING after the stream, or 0 */
	uint64_t loads;		/* records of device data before @at */
	uint64_t loaded;	/* bytes of device data in those records */
	/* End of a record of device data that the firmware may refuse, or 0 */
	size_t unsure;
};

struct verdict judge_stream(const uint8_t *data, size_t len,
			    const struct judge_rules *rules);

#endif /* JUDGE_H */
