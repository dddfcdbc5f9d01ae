/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ENGINE_AREA_H
#define ENGINE_AREA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AREA_PAGE		4096
#define AREA_PAGE_WORDS		(AREA_PAGE / sizeof(uint64_t))
/* From one write to the next: a page and a word further, so that all words of all pages get their turn. */
#define AREA_STRIDE		(AREA_PAGE + sizeof(uint64_t))

/**
 * struct area - the memory that the engine writes to
 * @pages: its pages, in the order of their guest-physical addresses
 * @n_pages: how many: a power of two
 * @seed: write n is the value @seed + n
 * @inverse: of the stride in words, modulo the words of the area
 */
struct area {
	volatile uint64_t **pages;
	size_t n_pages;
	uint64_t seed;
	uint64_t inverse;
};

/* What a pass over the area saw. */
struct area_pass {
	size_t written;		/* words with a value of the engine's */
	uint64_t newest;	/* the latest write that was seen */
	size_t wrong;		/* words that are not what they have to be; the first of them: */
	size_t wrong_pages;
	size_t page;
	size_t offset;
	uint64_t value;
	uint64_t due;		/* the write that was due there by the count before the pass */
	bool due_any;		/* false: none was, what it was filled with had to be there */
};

/* pages[] is the caller's; before is the only time it may have other content. */
void area_init(struct area *area, volatile uint64_t **pages, size_t n_pages);

/* Give each word a value that the engine does not write. */
void area_fill(struct area *area);

/*
 * Look at every word, while the engine writes; @before is its count from before. True when each word
 * is the last write that was due to it by then, or a later one. Whether pass->newest is one that has
 * been made, the count from after tells.
 */
bool area_check(const struct area *area, uint64_t before, struct area_pass *pass);

/* True for a page as area_fill() leaves pages: for one beside the area. */
bool area_page_is_filled(volatile const uint64_t *page, size_t number);
void area_fill_page(volatile uint64_t *page, size_t number);

#endif
