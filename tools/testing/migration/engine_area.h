/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ENGINE_AREA_H
#define ENGINE_AREA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AREA_PAGE		4096
#define AREA_PAGE_WORDS		(AREA_PAGE / sizeof(uint64_t))
/* The distance of two writes, a page and a word, so that the engine reaches all words of all pages. */
#define AREA_STRIDE		(AREA_PAGE + sizeof(uint64_t))

/**
 * struct area - the memory that the engine writes to
 * @pages: its pages, in the order of their guest-physical addresses
 * @n_pages: their number, a power of two
 * @seed: write n is the value @seed + n
 * @inverse: inverse of the stride in words, modulo the number of words
 */
struct area {
	volatile uint64_t **pages;
	size_t n_pages;
	uint64_t seed;
	uint64_t inverse;
};

/* The result of a pass over the area. */
struct area_pass {
	size_t written;		/* words with a value that the engine wrote */
	uint64_t newest;	/* the latest write found */
	size_t wrong;		/* wrong words; the following is the first: */
	size_t wrong_pages;
	size_t page;
	size_t offset;
	uint64_t value;
	uint64_t due;		/* the last write due there before the pass */
	bool due_any;		/* false: none was due, the fill value is expected */
};

/* The caller owns pages[] and must not change it afterwards. */
void area_init(struct area *area, volatile uint64_t **pages, size_t n_pages);

/* Fill each word with a value that the engine never writes. */
void area_fill(struct area *area);

/*
 * Check every word while the engine writes. @before is its count before the pass. Returns true if each
 * word has the last write due to it by then, or a later one. The caller compares pass->newest with the
 * count after the pass.
 */
bool area_check(const struct area *area, uint64_t before, struct area_pass *pass);

/* True if a page next to the area still has the content from area_fill(). */
bool area_page_is_filled(volatile const uint64_t *page, size_t number);
void area_fill_page(volatile uint64_t *page, size_t number);

#endif
