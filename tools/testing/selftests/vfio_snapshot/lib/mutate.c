// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mutate.h"

#define SKIP_MAX 0x100000	/* largest unknown record that is skipped, in bytes */

static const uint32_t tags[] = { TAG_DATA, TAG_IDENT, TAG_END, 0x77, 1,
				 0x534e4944, 0xffffffff };

static uint32_t any_tag(struct rng *rng)
{
	return tags[rng_below(rng, sizeof(tags) / sizeof(tags[0]))];
}

static struct piece *any_piece(struct sketch *s, struct rng *rng)
{
	static struct piece none;

	if (s->nr)
		return &s->p[rng_below(rng, s->nr)];
	blob_free(&none.data);
	return &none;
}

static struct piece *piece_with(struct sketch *s, uint32_t tag, struct rng *rng)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (s->p[i].tag == tag && s->p[i].data.len)
			return &s->p[i];
	return any_piece(s, rng);
}

/* Inserts an empty record before record @at; without room, returns the last record */
static struct piece *insert(struct sketch *s, unsigned int at)
{
	if (s->nr == MAX_PIECES)
		return &s->p[s->nr - 1];
	memmove(&s->p[at + 1], &s->p[at], (s->nr - at) * sizeof(s->p[0]));
	memset(&s->p[at], 0, sizeof(s->p[0]));
	s->nr++;
	return &s->p[at];
}

static void fill(struct piece *p, uint32_t tag, uint32_t flags, size_t len)
{
	static uint8_t ballast[SKIP_MAX + 1];

	p->tag = tag;
	p->flags = flags;
	p->size = len;
	p->data.len = 0;
	blob_add(&p->data, ballast, len);
}

static void copy_piece(struct piece *to, const struct piece *from)
{
	struct blob data = {};

	blob_copy(&data, &from->data);
	blob_free(&to->data);
	*to = *from;
	to->data = data;
}

/* Lengths */

static void size_is_wrong(struct sketch *s, struct rng *rng)
{
	struct piece *p = any_piece(s, rng);
	const uint64_t sizes[] = { p->size - 1, p->size + 1, p->size + 16,
				   p->size * 2, p->size << 32,
				   rng_below(rng, 2 * p->size + 64) };

	p->size = sizes[rng_below(rng, sizeof(sizes) / sizeof(sizes[0]))];
}

static void size_is_zero(struct sketch *s, struct rng *rng)
{
	any_piece(s, rng)->size = 0;
}

static void size_is_huge(struct sketch *s, struct rng *rng)
{
	static const uint64_t sizes[] = { (1u << 30) + 1, 1ull << 31, 1ull << 32,
					  1ull << 63, UINT64_MAX - 15, UINT64_MAX };

	any_piece(s, rng)->size = sizes[rng_below(rng, sizeof(sizes) / sizeof(sizes[0]))];
}

static void size_is_the_largest(struct sketch *s, struct rng *rng)
{
	piece_with(s, TAG_DATA, rng)->size = 1u << 30;
}

static void payload_is_longer(struct sketch *s, struct rng *rng)
{
	static const uint8_t more[64];
	struct piece *p = any_piece(s, rng);

	blob_add(&p->data, more, 1 + rng_below(rng, sizeof(more)));
	p->size = p->data.len;
}

static void payload_is_shorter(struct sketch *s, struct rng *rng)
{
	struct piece *p = any_piece(s, rng);

	p->data.len = rng_below(rng, p->data.len);
	p->size = p->data.len;
}

static void zero_size_record(struct sketch *s, struct rng *rng)
{
	fill(insert(s, rng_below(rng, s->nr + 1)), any_tag(rng),
	     rng_below(rng, 2), 0);
}

/* Tags and flags */

static void tag_is_another(struct sketch *s, struct rng *rng)
{
	any_piece(s, rng)->tag = any_tag(rng);
}

static void tag_bit_is_flipped(struct sketch *s, struct rng *rng)
{
	any_piece(s, rng)->tag ^= 1u << rng_below(rng, 32);
}

static void optional_is_flipped(struct sketch *s, struct rng *rng)
{
	any_piece(s, rng)->flags ^= RECORD_OPTIONAL;
}

static void unknown_flag(struct sketch *s, struct rng *rng)
{
	any_piece(s, rng)->flags ^= 1u << (1 + rng_below(rng, 31));
}

/* Order */

static void two_are_swapped(struct sketch *s, struct rng *rng)
{
	struct piece *a = any_piece(s, rng), *b = any_piece(s, rng), c = *a;

	*a = *b;
	*b = c;
}

static void order_is_reversed(struct sketch *s, struct rng *rng)
{
	unsigned int i;

	(void)rng;
	for (i = 0; i < s->nr / 2; i++) {
		struct piece c = s->p[i];

		s->p[i] = s->p[s->nr - 1 - i];
		s->p[s->nr - 1 - i] = c;
	}
}

static void one_is_lost(struct sketch *s, struct rng *rng)
{
	unsigned int at = rng_below(rng, s->nr);

	if (!s->nr)
		return;
	blob_free(&s->p[at].data);
	s->nr--;
	memmove(&s->p[at], &s->p[at + 1], (s->nr - at) * sizeof(s->p[0]));
}

static void one_comes_twice(struct sketch *s, struct rng *rng)
{
	unsigned int from = rng_below(rng, s->nr);
	unsigned int at = rng_below(rng, s->nr + 1);
	struct piece *p;

	if (!s->nr || s->nr == MAX_PIECES)
		return;
	p = insert(s, at);
	copy_piece(p, &s->p[from + (from >= at)]);
}

/* As many images as pre-copy may send. END counts them. */
static void device_data_comes_again(struct sketch *s, struct rng *rng)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (s->p[i].tag == TAG_DATA)
			break;
	if (i < s->nr && s->nr < MAX_PIECES)
		copy_piece(insert(s, i), &s->p[i + 1]);
	(void)rng;
	sketch_mend_end(s);
}

/* A whole record inside the payload of another, as if two streams were mixed */
static void one_is_within_another(struct sketch *s, struct rng *rng)
{
	struct piece *outer = any_piece(s, rng), *inner = any_piece(s, rng);
	size_t at = rng_below(rng, outer->data.len + 1);
	struct blob mixed = {};

	blob_add(&mixed, outer->data.data, at);
	record_add(&mixed, inner->tag, inner->flags, inner->data.data, inner->data.len);
	blob_add(&mixed, outer->data.data + at, outer->data.len - at);
	blob_free(&outer->data);
	outer->data = mixed;
}

static void device_data_is_cut_in_two(struct sketch *s, struct rng *rng)
{
	struct piece *p = piece_with(s, TAG_DATA, rng), *rest;
	unsigned int i = p - s->p;
	size_t at;

	if (i >= s->nr || s->nr == MAX_PIECES || p->data.len < 2)
		return;
	at = 1 + rng_below(rng, p->data.len - 1);
	rest = insert(s, i + 1);
	rest->tag = p->tag;
	rest->flags = p->flags;
	blob_add(&rest->data, s->p[i].data.data + at, s->p[i].data.len - at);
	rest->size = rest->data.len;
	s->p[i].data.len = at;
	s->p[i].size = at;
	sketch_mend_end(s);
}

/* Unknown records */

static void unknown_optional(struct sketch *s, struct rng *rng)
{
	static const size_t lens[] = { 1, 15, 16, 17, 4095, 70000, SKIP_MAX };

	fill(insert(s, 1 + rng_below(rng, s->nr)), 0x77 + rng_below(rng, 9),
	     RECORD_OPTIONAL, lens[rng_below(rng, sizeof(lens) / sizeof(lens[0]))]);
	sketch_mend_end(s);
}

static void unknown_optional_too_large(struct sketch *s, struct rng *rng)
{
	fill(insert(s, rng_below(rng, s->nr)), 0x77, RECORD_OPTIONAL,
	     SKIP_MAX + 1);
}

static void unknown_mandatory(struct sketch *s, struct rng *rng)
{
	fill(insert(s, rng_below(rng, s->nr)), 0x77, 0,
	     1 + rng_below(rng, 64));
}

/* Contents */

static void flip(struct piece *p, struct rng *rng)
{
	if (p->data.len)
		p->data.data[rng_below(rng, p->data.len)] ^= 1u << rng_below(rng, 8);
}

static void ident_bit_is_flipped(struct sketch *s, struct rng *rng)
{
	flip(piece_with(s, TAG_IDENT, rng), rng);
}

static void end_bit_is_flipped(struct sketch *s, struct rng *rng)
{
	flip(piece_with(s, TAG_END, rng), rng);
}

static void device_data_bit_is_flipped(struct sketch *s, struct rng *rng)
{
	flip(piece_with(s, TAG_DATA, rng), rng);
}

/* After the end, and missing parts */

static void junk_behind(struct sketch *s, struct rng *rng)
{
	uint8_t junk[48];
	size_t i;

	for (i = 0; i < sizeof(junk); i++)
		junk[i] = rng_next(rng);
	blob_add(&s->tail, junk, 1 + rng_below(rng, sizeof(junk)));
}

static void the_stream_twice(struct sketch *s, struct rng *rng)
{
	struct blob all = {};

	(void)rng;
	sketch_to(s, &all);
	blob_add(&s->tail, all.data, all.len);
	blob_free(&all);
}

static size_t border(const struct sketch *s, unsigned int record)
{
	size_t at = 0;
	unsigned int i;

	for (i = 0; i < record; i++)
		at += RECORD_HEADER + s->p[i].data.len;
	return at;
}

static void cut_at(struct sketch *s, size_t len)
{
	s->cut = true;
	s->len = len;
}

static void cut_at_a_border(struct sketch *s, struct rng *rng)
{
	cut_at(s, border(s, rng_below(rng, s->nr)));
}

static void cut_beside_a_border(struct sketch *s, struct rng *rng)
{
	size_t at = border(s, rng_below(rng, s->nr + 1));

	cut_at(s, at && rng_below(rng, 2) ? at - 1 : at + 1);
}

static void cut_in_a_header(struct sketch *s, struct rng *rng)
{
	cut_at(s, border(s, rng_below(rng, s->nr)) + 1 +
		  rng_below(rng, RECORD_HEADER - 1));
}

static void cut_anywhere(struct sketch *s, struct rng *rng)
{
	cut_at(s, rng_below(rng, border(s, s->nr)));
}

static void no_records_of_ours(struct sketch *s, struct rng *rng)
{
	unsigned int i, kept = 0;

	(void)rng;
	for (i = 0; i < s->nr; i++) {
		if (s->p[i].tag == TAG_IDENT || s->p[i].tag == TAG_END)
			blob_free(&s->p[i].data);
		else
			s->p[kept++] = s->p[i];
	}
	s->nr = kept;
}

static void end_is_mended(struct sketch *s, struct rng *rng)
{
	(void)rng;
	sketch_mend_end(s);
}

#define MUTATION(_name) { #_name, _name }

const struct mutation mutations[] = {
	MUTATION(size_is_wrong),
	MUTATION(size_is_zero),
	MUTATION(size_is_huge),
	MUTATION(size_is_the_largest),
	MUTATION(payload_is_longer),
	MUTATION(payload_is_shorter),
	MUTATION(zero_size_record),
	MUTATION(tag_is_another),
	MUTATION(tag_bit_is_flipped),
	MUTATION(optional_is_flipped),
	MUTATION(unknown_flag),
	MUTATION(two_are_swapped),
	MUTATION(order_is_reversed),
	MUTATION(one_is_lost),
	MUTATION(one_comes_twice),
	MUTATION(device_data_comes_again),
	MUTATION(one_is_within_another),
	MUTATION(device_data_is_cut_in_two),
	MUTATION(unknown_optional),
	MUTATION(unknown_optional_too_large),
	MUTATION(unknown_mandatory),
	MUTATION(ident_bit_is_flipped),
	MUTATION(end_bit_is_flipped),
	MUTATION(device_data_bit_is_flipped),
	MUTATION(junk_behind),
	MUTATION(the_stream_twice),
	MUTATION(cut_at_a_border),
	MUTATION(cut_beside_a_border),
	MUTATION(cut_in_a_header),
	MUTATION(cut_anywhere),
	MUTATION(no_records_of_ours),
	MUTATION(end_is_mended),
};

const unsigned int nr_mutations = sizeof(mutations) / sizeof(mutations[0]);

int sketch_from(struct sketch *s, const struct blob *stream)
{
	struct records rs;
	unsigned int i;
	int ret;

	memset(s, 0, sizeof(*s));
	ret = records_parse(&rs, stream);
	for (i = 0; !ret && i < rs.nr; i++) {
		struct piece *p = &s->p[s->nr++];

		p->tag = rs.r[i].tag;
		p->flags = rs.r[i].flags;
		p->size = rs.r[i].size;
		ret = blob_add(&p->data, stream->data + rs.r[i].at + RECORD_HEADER,
			       p->size);
	}
	return ret;
}

void sketch_mend_end(struct sketch *s)
{
	unsigned int i;
	uint64_t end[2];

	for (i = 0; i < s->nr; i++)
		if (s->p[i].tag == TAG_END && s->p[i].data.len == sizeof(end))
			break;
	if (i == s->nr)
		return;
	end[0] = htole64(i);
	end[1] = htole64(border(s, i));
	memcpy(s->p[i].data.data, end, sizeof(end));
}

int sketch_to(const struct sketch *s, struct blob *stream)
{
	unsigned int i;
	int ret = 0;

	stream->len = 0;
	for (i = 0; !ret && i < s->nr; i++)
		ret = record_add_header(stream, s->p[i].tag, s->p[i].flags,
					s->p[i].size) ?:
		      blob_add(stream, s->p[i].data.data, s->p[i].data.len);
	if (!ret)
		ret = blob_add(stream, s->tail.data, s->tail.len);
	if (s->cut && s->len < stream->len)
		stream->len = s->len;
	return ret;
}

void sketch_free(struct sketch *s)
{
	while (s->nr)
		blob_free(&s->p[--s->nr].data);
	blob_free(&s->tail);
}
