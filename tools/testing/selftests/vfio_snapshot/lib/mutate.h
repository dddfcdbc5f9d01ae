/* SPDX-License-Identifier: GPL-2.0-only */
/* Changes to a stream as a list of records. The changed list becomes a stream again. */
#ifndef MUTATE_H
#define MUTATE_H

#include "records.h"
#include "rng.h"

#define MAX_PIECES 24

/* A record. @size is the size in its header, whatever @data holds. */
struct piece {
	uint32_t tag;
	uint32_t flags;
	uint64_t size;
	struct blob data;
};

struct sketch {
	struct piece p[MAX_PIECES];
	unsigned int nr;
	struct blob tail;	/* bytes after the last record */
	bool cut;		/* the stream ends after @len bytes */
	size_t len;
};

struct mutation {
	const char *name;
	void (*apply)(struct sketch *s, struct rng *rng);
};

extern const struct mutation mutations[];
extern const unsigned int nr_mutations;

int sketch_from(struct sketch *s, const struct blob *stream);
/* Corrects an END record: its count and length match the records before it */
void sketch_mend_end(struct sketch *s);
int sketch_to(const struct sketch *s, struct blob *stream);
void sketch_free(struct sketch *s);

#endif /* MUTATE_H */
