/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of reasons why a function cannot be migrated, and what to do.
 */
#ifndef WHY_H
#define WHY_H

#include <stdio.h>

#include "function.h"

struct why {
	const char *id;		/* for scripts */
	bool (*holds)(const struct function *f);
	/* Texts with {word}s for facts about the function, see why.c */
	const char *reason;
	const char *next;
	bool even_so;		/* shown even if the driver says that it can be migrated */
};

extern const struct why whys[];
extern const unsigned int nr_whys;

/* The row applies to the function */
bool why_holds(const struct why *why, const struct function *f);
/* Fills in the words of a text */
void why_text(char *out, size_t size, const char *text, const struct function *f);
/* Prints all rows that apply, two lines each */
void why_print(FILE *out, const struct function *f);

#endif /* WHY_H */
