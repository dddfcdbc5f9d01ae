/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A stream as a list of records, changed in ways that know what a record is,
 * and put together again.
 */
#ifndef MUTATE_H
#define MUTATE_H

#include "records.h"
#include "rng.h"

#define MAX_PIECES 24

/* A record; @size is what its header says, whatever is in @data */
struct piece {
	uint32_t tag;
	uint32_t flags;
	uint64_t size;
	struct blob data;
};

struct sketch {
	struct piece p[MAX_PIECES];
	unsigned int nr;
	struct blob tail;	/* bytes behind the last record */
	bool cut;		/* only so many bytes of it all are left */
	size_t len;
};

struct mutation {
	const char *name;
	void (*apply)(struct sketch *s, struct rng *rng);
};

extern const struct mutation mutations[];
extern const unsigned int nr_mutations;

int sketch_from(struct sketch *s, const struct blob *stream);
/* The END record, if there is one, says what is in front of it */
void sketch_mend_end(struct sketch *s);
int sketch_to(const struct sketch *s, struct blob *stream);
void sketch_free(struct sketch *s);

#endif /* MUTATE_H */
