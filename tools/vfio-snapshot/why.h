/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why a function cannot be migrated, and what to do: a table.
 */
#ifndef WHY_H
#define WHY_H

#include <stdio.h>

#include "function.h"

struct why {
	const char *id;		/* for scripts */
	bool (*holds)(const struct function *f);
	/* With {word} for what is known of the function, see why.c */
	const char *reason;
	const char *next;
	bool even_so;		/* although the driver says that it can be migrated */
};

extern const struct why whys[];
extern const unsigned int nr_whys;

/* Whether a row is to be told of a function */
bool why_holds(const struct why *why, const struct function *f);
/* A text of a row with its words filled in */
void why_text(char *out, size_t size, const char *text, const struct function *f);
/* All rows that hold, two lines each */
void why_print(FILE *out, const struct function *f);

#endif /* WHY_H */
