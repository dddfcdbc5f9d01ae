/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TAP for the unit tests. A test is a function that calls CHECK(); main() passes a
 * table of them to tap_run().
 */
#ifndef TAP_H
#define TAP_H

#include <stdio.h>

struct tap_test {
	const char *name;
	void (*run)(void);
};

#define TAP_TEST(fn) { #fn, fn }

static unsigned int tap_failures;

/* More failures than this in one test say nothing new. */
#define TAP_MAX_MESSAGES 20

#define CHECK(cond, ...)						\
	do {								\
		if (cond)						\
			break;						\
		if (tap_failures++ < TAP_MAX_MESSAGES) {		\
			printf("# %s:%d: not so: %s: ", __FILE__,	\
			       __LINE__, #cond);			\
			printf(__VA_ARGS__);				\
			printf("\n");					\
		}							\
	} while (0)

static inline int tap_run(const struct tap_test *tests, unsigned int nr)
{
	unsigned int i, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%u\n", nr);
	for (i = 0; i < nr; i++) {
		tap_failures = 0;
		tests[i].run();
		printf("%sok %u %s\n", tap_failures ? "not " : "", i + 1,
		       tests[i].name);
		failed += !!tap_failures;
	}
	return !!failed;
}

#endif /* TAP_H */
