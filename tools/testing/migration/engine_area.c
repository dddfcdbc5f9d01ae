// SPDX-License-Identifier: GPL-2.0-only
/*
 * The expected content of the memory that the engine of an emulated ConnectX writes to.
 *
 * Write n goes to the word n * stride (modulo the number of words). The stride is odd in words and the
 * number of words is a power of two, so each word is written once in every round of that many writes,
 * and the index of a word determines which writes can have set it.
 */
#include "engine_area.h"

#define FILL		0xf111000000000000ull	/* | the word's number */
#define NEVER		(1ull << 62)		/* more than all writes of a test */
#define STRIDE_WORDS	(AREA_STRIDE / sizeof(uint64_t))

void area_init(struct area *area, volatile uint64_t **pages, size_t n_pages)
{
	uint64_t inverse = STRIDE_WORDS;
	int i;

	area->pages = pages;
	area->n_pages = n_pages;
	/* Newton's iteration: 3 bits are right at first, and each step doubles that. */
	for (i = 0; i < 5; i++)
		inverse *= 2 - STRIDE_WORDS * inverse;
	area->inverse = inverse;
}

void area_fill_page(volatile uint64_t *page, size_t number)
{
	size_t i;

	for (i = 0; i < AREA_PAGE_WORDS; i++)
		page[i] = FILL | (number * AREA_PAGE_WORDS + i);
}

bool area_page_is_filled(volatile const uint64_t *page, size_t number)
{
	size_t i;

	for (i = 0; i < AREA_PAGE_WORDS; i++)
		if (page[i] != (FILL | (number * AREA_PAGE_WORDS + i)))
			return false;
	return true;
}

void area_fill(struct area *area)
{
	size_t i;

	for (i = 0; i < area->n_pages; i++)
		area_fill_page(area->pages[i], i);
}

static void note_wrong(const struct area *area, size_t word, uint64_t value, uint64_t before,
		       struct area_pass *pass)
{
	uint64_t words = area->n_pages * AREA_PAGE_WORDS;
	uint64_t first = word * area->inverse & (words - 1);

	if (pass->wrong++)
		return;
	pass->page = word / AREA_PAGE_WORDS;
	pass->offset = word % AREA_PAGE_WORDS * sizeof(uint64_t);
	pass->value = value;
	pass->due_any = before > first;
	pass->due = pass->due_any ? first + (before - 1 - first) / words * words : 0;
}

bool area_check(const struct area *area, uint64_t before, struct area_pass *pass)
{
	uint64_t words = area->n_pages * AREA_PAGE_WORDS, mask = words - 1;
	uint64_t word = 0, first = 0;
	size_t page, i;

	*pass = (struct area_pass){0};
	for (page = 0; page < area->n_pages; page++) {
		volatile const uint64_t *at = area->pages[page];
		size_t wrong = pass->wrong;

		for (i = 0; i < AREA_PAGE_WORDS; i++, word++, first = (first + area->inverse) & mask) {
			uint64_t value = at[i], n = value - area->seed;

			if (n < NEVER && (n & mask) == first && n + words >= before) {
				pass->written++;
				pass->newest = n > pass->newest ? n : pass->newest;
			} else if (value != (FILL | word) || first < before) {
				note_wrong(area, word, value, before, pass);
			}
		}
		pass->wrong_pages += pass->wrong != wrong;
	}
	return !pass->wrong;
}
