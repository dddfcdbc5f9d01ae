// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stream format: records byte by byte, and the parser with streams that are
 * split, cut off, damaged or wrong.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/array_size.h>

#include "format.h"

#include "tap.h"

#define MAX_DATA 4096
#define HEADER 16
#define OPTIONAL 1

struct bytes {
	u8 b[2 * SNAPSHOT_SKIP_MAX];
	size_t len;
};

static struct bytes stream, other, loaded;
static struct vfio_snapshot_ident me;

static void copy(struct bytes *to, const struct bytes *from)
{
	to->len = from->len;
	memcpy(to->b, from->b, from->len);
}

/* Streams are built by hand, not by the functions under test. */
static void put(struct bytes *s, u64 value, unsigned int size)
{
	unsigned int i;

	for (i = 0; i < size; i++)
		s->b[s->len++] = value >> (8 * i);
}

static void put_header(struct bytes *s, u64 size, u32 flags, u32 tag)
{
	put(s, size, 8);
	put(s, flags, 4);
	put(s, tag, 4);
}

static void put_record(struct bytes *s, u32 tag, u32 flags, size_t size, u8 seed)
{
	size_t i;

	put_header(s, size, flags, tag);
	for (i = 0; i < size; i++)
		s->b[s->len++] = seed + i * 7;
}

static void put_ident(struct bytes *s)
{
	static const char name[24] = "backend";

	put_header(s, 32, OPTIONAL, 0x44494e53);
	put(s, 1, 2);
	put(s, 0, 2);
	put(s, 0x1af4, 2);
	put(s, 0x1041, 2);
	memcpy(s->b + s->len, name, sizeof(name));
	s->len += sizeof(name);
}

static void put_end(struct bytes *s, u64 records, u64 length)
{
	put_header(s, 16, OPTIONAL, 0x444e4553);
	put(s, records, 8);
	put(s, length, 8);
}

/* Offsets of the headers in a stream of this driver */
static const size_t data_sizes[] = { 100, 1, 257 };
static size_t headers[ARRAY_SIZE(data_sizes) + 2];

static void our_stream(struct bytes *s)
{
	unsigned int i, n = 0;

	s->len = 0;
	headers[n++] = s->len;
	put_ident(s);
	for (i = 0; i < ARRAY_SIZE(data_sizes); i++) {
		headers[n++] = s->len;
		put_record(s, 0, 0, data_sizes[i], i);
	}
	headers[n++] = s->len;
	put_end(s, 4, s->len);
}

static void upstream_stream(struct bytes *s)
{
	unsigned int i;

	s->len = 0;
	for (i = 0; i < ARRAY_SIZE(data_sizes); i++)
		put_record(s, 0, 0, data_sizes[i], i);
}

static bool into_is_inside(const struct snapshot_parser *p)
{
	const u8 *from = p->in_header ? (const u8 *)&p->header :
					(const u8 *)&p->body;
	size_t size = p->in_header ? sizeof(p->header) : sizeof(p->body);

	return p->into >= from && p->room <= size &&
	       p->into + p->room <= from + size;
}

struct outcome {
	int err;	/* of feeding; 0: the parser took all bytes */
	size_t taken;	/* bytes before the error */
	int finish;	/* of finishing, after feeding without an error */
	unsigned int loads;
};

static void do_load(struct snapshot_parser *p, size_t record, struct outcome *o)
{
	CHECK(loaded.len - record == p->size, "%zu bytes of a record of %llu",
	      loaded.len - record, (unsigned long long)p->size);
	CHECK(p->size && p->size <= p->max_data, "a load of %llu",
	      (unsigned long long)p->size);
	o->loads++;
	snapshot_parser_loaded(p);
}

/* Feeds @chunk bytes at a time, as write() does; device data goes to @loaded. */
static struct outcome consume(const u8 *data, size_t len, size_t chunk)
{
	struct snapshot_parser p;
	struct outcome o = {};
	size_t record = 0;

	loaded.len = 0;
	snapshot_parser_init(&p, MAX_DATA, &me);
	while (o.taken < len) {
		size_t n = len - o.taken;

		n = n < chunk ? n : chunk;
		CHECK(p.room, "no room, yet nothing to load");
		n = n < p.room ? n : p.room;

		switch (p.want) {
		case SNAPSHOT_WANT_BYTES:
			CHECK(into_is_inside(&p), "writes beside its buffer");
			memcpy(p.into, data + o.taken, n);
			break;
		case SNAPSHOT_WANT_DATA:
			memcpy(loaded.b + loaded.len, data + o.taken, n);
			loaded.len += n;
			break;
		case SNAPSHOT_WANT_SKIP:
			CHECK(p.room <= SNAPSHOT_SKIP_MAX, "skips %llu",
			      (unsigned long long)p.room);
			break;
		default:
			CHECK(false, "want %d is not to be fed", p.want);
			o.err = -EIO;
			return o;
		}
		o.err = snapshot_parser_feed(&p, n);
		if (o.err)
			return o;
		o.taken += n;
		if (p.want == SNAPSHOT_WANT_LOAD) {
			do_load(&p, record, &o);
			record = loaded.len;
		}
	}
	o.finish = snapshot_parser_finish(&p);
	return o;
}

static struct outcome consume_all(const struct bytes *s)
{
	return consume(s->b, s->len, s->len);
}

static bool accepted(struct outcome o)
{
	return !o.err && !o.finish;
}

/* The device data in each of the two streams above */
static bool loaded_all(unsigned int loads)
{
	size_t at = 0, i, k;

	if (loads != ARRAY_SIZE(data_sizes))
		return false;
	for (i = 0; i < ARRAY_SIZE(data_sizes); i++)
		for (k = 0; k < data_sizes[i]; k++)
			if (loaded.b[at++] != (u8)(i + k * 7))
				return false;
	return at == loaded.len;
}

static void headers_are_little_endian_on_the_wire(void)
{
	static const u8 want[16] = { 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23,
				     0x01, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct vfio_snapshot_record r;

	memset(&r, 0xff, sizeof(r));
	snapshot_record_fill(&r, VFIO_SNAPSHOT_TAG_DEVICE_DATA,
			     0x0123456789abcdefULL);
	CHECK(sizeof(r) == HEADER, "%zu", sizeof(r));
	CHECK(!memcmp(&r, want, sizeof(want)), "device data header");
}

static void made_records_are_the_ones_written_by_hand(void)
{
	struct vfio_snapshot_record r;
	struct vfio_snapshot_ident ident;

	other.len = 0;
	put_ident(&other);
	snapshot_record_fill(&r, VFIO_SNAPSHOT_TAG_IDENT, sizeof(ident));
	snapshot_ident_fill(&ident, 0x1af4, 0x1041, "backend");
	CHECK(!memcmp(other.b, &r, sizeof(r)), "header of IDENT");
	CHECK(sizeof(ident) == other.len - HEADER, "size of IDENT");
	CHECK(!memcmp(other.b + HEADER, &ident, sizeof(ident)), "IDENT");

	other.len = 0;
	put_end(&other, 0, 0);
	snapshot_record_fill(&r, VFIO_SNAPSHOT_TAG_END,
			     sizeof(struct vfio_snapshot_end));
	CHECK(!memcmp(other.b, &r, sizeof(r)), "header of END");
	CHECK(sizeof(struct vfio_snapshot_end) == other.len - HEADER,
	      "size of END");
}

/* As mlx5_vfio_pci writes it. */
static void a_size_of_the_final_image_may_be_skipped(void)
{
	static const u8 want[16] = { 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0 };
	struct vfio_snapshot_record r;

	snapshot_record_fill(&r, VFIO_SNAPSHOT_TAG_STOP_COPY_SIZE,
			     sizeof(struct vfio_snapshot_stop_copy_size));
	CHECK(!memcmp(&r, want, sizeof(want)), "header of STOP_COPY_SIZE");
}

static void a_long_backend_name_is_cut_and_terminated(void)
{
	struct vfio_snapshot_ident ident;

	memset(&ident, 0xff, sizeof(ident));
	snapshot_ident_fill(&ident, 1, 2,
			    "a name that is longer than its field in the record");
	CHECK(strlen((char *)ident.backend) == sizeof(ident.backend) - 1,
	      "%zu", strlen((char *)ident.backend));
	CHECK(!ident.reserved, "reserved");
}

static void tally_counts_headers_and_payload(void)
{
	struct snapshot_tally t = {};

	snapshot_tally_add(&t, 1);
	snapshot_tally_add(&t, 0x100000000ULL);
	CHECK(t.records == 2, "records");
	CHECK(t.length == 0x100000000ULL + 1 + 2 * HEADER, "length");
}

static void our_stream_is_accepted_at_every_chunk_size(void)
{
	size_t chunk;

	our_stream(&stream);
	for (chunk = 1; chunk <= stream.len; chunk++) {
		struct outcome o = consume(stream.b, stream.len, chunk);

		CHECK(accepted(o) && loaded_all(o.loads),
		      "chunk %zu: %d after %zu, %d", chunk, o.err, o.taken,
		      o.finish);
	}
}

static void upstream_stream_without_our_records_is_accepted(void)
{
	size_t chunk;

	upstream_stream(&stream);
	for (chunk = 1; chunk <= stream.len; chunk++) {
		struct outcome o = consume(stream.b, stream.len, chunk);

		CHECK(accepted(o) && loaded_all(o.loads),
		      "chunk %zu: %d after %zu, %d", chunk, o.err, o.taken,
		      o.finish);
	}
}

static void feeding_nothing_changes_nothing(void)
{
	struct snapshot_parser p;

	snapshot_parser_init(&p, MAX_DATA, &me);
	CHECK(!snapshot_parser_feed(&p, 0), "feed");
	CHECK(p.want == SNAPSHOT_WANT_BYTES && p.room == HEADER, "want");
}

static void every_cut_of_our_stream_is_refused(void)
{
	size_t len;

	our_stream(&stream);
	for (len = 0; len < stream.len; len++) {
		struct outcome o = consume(stream.b, len, len ? len : 1);

		CHECK(!o.err, "cut at %zu: %d while writing", len, o.err);
		CHECK(o.finish == -ENODATA, "cut at %zu: %d", len, o.finish);
	}
}

static void upstream_stream_may_end_only_between_records(void)
{
	size_t len, border = 0, i = 0;

	upstream_stream(&stream);
	for (len = 0; len <= stream.len; len++) {
		struct outcome o = consume(stream.b, len, len ? len : 1);
		bool want = i && len == border;

		if (len == border && i < ARRAY_SIZE(data_sizes))
			border += HEADER + data_sizes[i++];
		CHECK(!o.err, "cut at %zu: %d while writing", len, o.err);
		CHECK(o.finish == (want ? 0 : -ENODATA), "cut at %zu: %d", len,
		      o.finish);
	}
}

static void every_flipped_bit_in_any_header_is_refused(void)
{
	unsigned int i, bit;

	our_stream(&stream);
	for (i = 0; i < ARRAY_SIZE(headers); i++) {
		for (bit = 0; bit < HEADER * 8; bit++) {
			struct outcome o;

			copy(&other, &stream);
			other.b[headers[i] + bit / 8] ^= 1 << bit % 8;
			o = consume_all(&other);
			CHECK(!accepted(o), "record %u, bit %u", i, bit);
		}
	}
}

static void every_flipped_bit_in_ident_is_another_device(void)
{
	unsigned int bit;

	our_stream(&stream);
	for (bit = 0; bit < 32 * 8; bit++) {
		struct outcome o;

		copy(&other, &stream);
		other.b[HEADER + bit / 8] ^= 1 << bit % 8;
		o = consume_all(&other);
		CHECK(o.err == -EXDEV, "bit %u: %d", bit, o.err);
		CHECK(!o.loads, "device data was loaded first");
	}
}

static void every_flipped_bit_in_end_is_refused(void)
{
	size_t end;
	unsigned int bit;

	our_stream(&stream);
	end = headers[ARRAY_SIZE(headers) - 1] + HEADER;
	for (bit = 0; bit < 16 * 8; bit++) {
		struct outcome o;

		copy(&other, &stream);
		other.b[end + bit / 8] ^= 1 << bit % 8;
		o = consume_all(&other);
		CHECK(o.err == -EBADMSG, "bit %u: %d", bit, o.err);
	}
}

static void device_data_itself_is_left_to_the_firmware(void)
{
	our_stream(&stream);
	stream.b[headers[1] + HEADER + 5] ^= 0x10;
	CHECK(accepted(consume_all(&stream)), "a flip in the data was refused");
}

/* The result of feeding a single header */
static int header_alone(u64 size, u32 flags, u32 tag)
{
	stream.len = 0;
	put_header(&stream, size, flags, tag);
	return consume_all(&stream).err;
}

static const u32 all_tags[] = { 0, 0x44494e53, 0x444e4553, 1, 0xdeadbeef,
				0xffffffff };

static void a_record_of_size_zero_is_refused(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all_tags); i++) {
		CHECK(header_alone(0, 0, all_tags[i]) == -EINVAL, "tag %#x",
		      all_tags[i]);
		CHECK(header_alone(0, OPTIONAL, all_tags[i]) == -EINVAL,
		      "tag %#x, optional", all_tags[i]);
	}
}

static void unknown_flag_bits_are_refused(void)
{
	unsigned int i, bit;

	for (i = 0; i < ARRAY_SIZE(all_tags); i++)
		for (bit = 1; bit < 32; bit++)
			CHECK(header_alone(16, OPTIONAL | 1U << bit,
					   all_tags[i]) == -EINVAL,
			      "tag %#x, bit %u", all_tags[i], bit);
}

static void device_data_larger_than_the_limit_is_refused(void)
{
	CHECK(!header_alone(MAX_DATA, 0, 0), "the limit itself");
	CHECK(header_alone(MAX_DATA + 1, 0, 0) == -EFBIG, "one more");
	CHECK(header_alone(1ULL << 32 | 16, 0, 0) == -EFBIG, "above 32 bits");
	CHECK(header_alone(1ULL << 63, 0, 0) == -EFBIG, "the sign bit");
	CHECK(header_alone(~0ULL, 0, 0) == -EFBIG, "all ones");
	CHECK(header_alone(~0ULL - 15, 0, 0) == -EFBIG,
	      "wraps with its header");
}

static void device_data_must_not_be_optional(void)
{
	CHECK(header_alone(16, OPTIONAL, 0) == -EINVAL, "optional");
}

static void our_records_must_have_their_size_and_be_optional(void)
{
	u64 size;

	for (size = 0; size <= 64; size++) {
		CHECK((header_alone(size, OPTIONAL, 0x44494e53) == 0) ==
		      (size == 32), "IDENT of %llu", (unsigned long long)size);
		CHECK((header_alone(size, OPTIONAL, 0x444e4553) == 0) ==
		      (size == 16), "END of %llu", (unsigned long long)size);
	}
	CHECK(header_alone(32, 0, 0x44494e53) == -EINVAL, "mandatory IDENT");
	CHECK(header_alone(16, 0, 0x444e4553) == -EINVAL, "mandatory END");
	CHECK(header_alone(1ULL << 32 | 32, OPTIONAL, 0x44494e53) == -EINVAL,
	      "IDENT above 32 bits");
}

static void unknown_mandatory_record_is_refused(void)
{
	CHECK(header_alone(16, 0, 1) == -EOPNOTSUPP, "tag 1");
	CHECK(header_alone(1, 0, 0xffffffff) == -EOPNOTSUPP, "last tag");
	CHECK(header_alone(1ULL << 40, 0, 1) == -EOPNOTSUPP, "huge");
}

static void unknown_optional_records_are_skipped_and_counted(void)
{
	size_t chunk, len;

	other.len = 0;
	put_ident(&other);
	put_record(&other, 0x99, OPTIONAL, 33, 1);
	put_record(&other, 0, 0, 100, 0);
	put_record(&other, 1, OPTIONAL, 1, 1);
	put_record(&other, 0, 0, 1, 1);
	put_record(&other, 0, 0, 257, 2);
	len = other.len;
	put_end(&other, 6, len);
	for (chunk = 1; chunk <= other.len; chunk++) {
		struct outcome o = consume(other.b, other.len, chunk);

		CHECK(accepted(o) && loaded_all(o.loads), "chunk %zu: %d, %d",
		      chunk, o.err, o.finish);
	}
}

static void only_small_optional_records_are_skipped(void)
{
	upstream_stream(&other);
	put_record(&other, 7, OPTIONAL, SNAPSHOT_SKIP_MAX, 0);
	CHECK(accepted(consume_all(&other)), "the limit itself");
	CHECK(header_alone(SNAPSHOT_SKIP_MAX + 1, OPTIONAL, 7) == -EFBIG,
	      "one more");
	CHECK(header_alone(~0ULL, OPTIONAL, 7) == -EFBIG, "all ones");
	CHECK(header_alone(1ULL << 32 | 1, OPTIONAL, 7) == -EFBIG,
	      "above 32 bits");
}

static void a_cut_within_a_skipped_record_is_refused(void)
{
	struct outcome o;

	upstream_stream(&other);
	put_record(&other, 7, OPTIONAL, 64, 0);
	other.len--;
	o = consume_all(&other);
	CHECK(o.finish == -ENODATA, "%d, %d", o.err, o.finish);
}

static void ident_must_be_the_first_record(void)
{
	other.len = 0;
	put_ident(&other);
	put_ident(&other);
	CHECK(consume_all(&other).err == -EBADMSG, "twice");

	upstream_stream(&other);
	put_ident(&other);
	CHECK(consume_all(&other).err == -EBADMSG, "after data");

	other.len = 0;
	put_record(&other, 9, OPTIONAL, 4, 0);
	put_ident(&other);
	CHECK(consume_all(&other).err == -EBADMSG, "after a skipped record");
}

static void end_needs_an_ident_and_data(void)
{
	upstream_stream(&other);
	put_end(&other, ARRAY_SIZE(data_sizes), other.len);
	CHECK(consume_all(&other).err == -EBADMSG, "no ident");

	other.len = 0;
	put_ident(&other);
	put_end(&other, 1, other.len);
	CHECK(consume_all(&other).err == -EBADMSG, "no data");

	other.len = 0;
	put_end(&other, 0, 0);
	CHECK(consume_all(&other).err == -EBADMSG, "nothing at all");
}

static void nothing_may_follow_the_end(void)
{
	size_t extra;

	for (extra = 1; extra <= HEADER + 4; extra++) {
		struct outcome o;

		our_stream(&other);
		put_record(&other, 0, 0, 4, 0);
		other.len -= HEADER + 4 - extra;
		o = consume_all(&other);
		CHECK(!accepted(o), "%zu bytes more", extra);
		if (extra >= HEADER)
			CHECK(o.err == -EBADMSG, "%zu more: %d", extra, o.err);
	}

	our_stream(&other);
	put_record(&other, 9, OPTIONAL, 4, 0);
	CHECK(consume_all(&other).err == -EBADMSG, "an optional record");
	our_stream(&other);
	put_end(&other, 5, other.len);
	CHECK(consume_all(&other).err == -EBADMSG, "a second end");
}

static void lost_repeated_and_swapped_records_are_noticed(void)
{
	size_t first, second, third;

	our_stream(&stream);
	first = headers[1];
	second = headers[2];
	third = headers[3];

	copy(&other, &stream);
	memmove(other.b + first, other.b + second, other.len - second);
	other.len -= second - first;
	CHECK(!accepted(consume_all(&other)), "one record lost");

	copy(&other, &stream);
	memmove(other.b + third, other.b + second, other.len - second);
	other.len += third - second;
	CHECK(!accepted(consume_all(&other)), "one record twice");
}

static void a_stream_of_something_else_is_refused(void)
{
	static const char text[] =
		"<domain type='qemu'>\n  <name>not a device state</name>\n";
	struct outcome o = consume((const u8 *)text, sizeof(text), 64);

	CHECK(!accepted(o), "text");
	memset(other.b, 0, 64);
	CHECK(!accepted(consume(other.b, 64, 64)), "zeroes");
	memset(other.b, 0xff, 64);
	CHECK(!accepted(consume(other.b, 64, 64)), "ones");
}

static void empty_stream_is_refused(void)
{
	CHECK(consume(stream.b, 0, 1).finish == -ENODATA, "accepted");
}

static void a_stream_without_device_data_is_refused(void)
{
	other.len = 0;
	put_record(&other, 9, OPTIONAL, 4, 0);
	CHECK(consume_all(&other).finish == -ENODATA, "optional only");
	other.len = 0;
	put_ident(&other);
	CHECK(consume_all(&other).finish == -ENODATA, "ident only");
}

/* The same random numbers in each run */
static u32 noise(void)
{
	static u32 x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static void noise_is_never_followed_out_of_bounds(void)
{
	unsigned int round, i, n;

	for (round = 0; round < 300000; round++) {
		if (round & 1)
			our_stream(&stream);
		else
			upstream_stream(&stream);
		n = noise() % 8;
		for (i = 0; i < n; i++) {
			size_t at = noise() % stream.len;

			/* Mostly in headers, as the parser ignores the data. */
			if (noise() & 3)
				at = headers[noise() % ARRAY_SIZE(headers)] %
				     stream.len + noise() % HEADER;
			if (at < stream.len)
				stream.b[at] ^= noise() & 1 ? noise() :
						1U << noise() % 8;
		}
		if (!(noise() & 7))
			stream.len = noise() % stream.len;
		consume(stream.b, stream.len, noise() % 64 + 1);
		if (tap_failures)
			break;
	}
}

int main(void)
{
	static const struct tap_test tests[] = {
		TAP_TEST(headers_are_little_endian_on_the_wire),
		TAP_TEST(made_records_are_the_ones_written_by_hand),
		TAP_TEST(a_size_of_the_final_image_may_be_skipped),
		TAP_TEST(a_long_backend_name_is_cut_and_terminated),
		TAP_TEST(tally_counts_headers_and_payload),
		TAP_TEST(our_stream_is_accepted_at_every_chunk_size),
		TAP_TEST(upstream_stream_without_our_records_is_accepted),
		TAP_TEST(feeding_nothing_changes_nothing),
		TAP_TEST(every_cut_of_our_stream_is_refused),
		TAP_TEST(upstream_stream_may_end_only_between_records),
		TAP_TEST(every_flipped_bit_in_any_header_is_refused),
		TAP_TEST(every_flipped_bit_in_ident_is_another_device),
		TAP_TEST(every_flipped_bit_in_end_is_refused),
		TAP_TEST(device_data_itself_is_left_to_the_firmware),
		TAP_TEST(a_record_of_size_zero_is_refused),
		TAP_TEST(unknown_flag_bits_are_refused),
		TAP_TEST(device_data_larger_than_the_limit_is_refused),
		TAP_TEST(device_data_must_not_be_optional),
		TAP_TEST(our_records_must_have_their_size_and_be_optional),
		TAP_TEST(unknown_mandatory_record_is_refused),
		TAP_TEST(unknown_optional_records_are_skipped_and_counted),
		TAP_TEST(only_small_optional_records_are_skipped),
		TAP_TEST(a_cut_within_a_skipped_record_is_refused),
		TAP_TEST(ident_must_be_the_first_record),
		TAP_TEST(end_needs_an_ident_and_data),
		TAP_TEST(nothing_may_follow_the_end),
		TAP_TEST(lost_repeated_and_swapped_records_are_noticed),
		TAP_TEST(a_stream_of_something_else_is_refused),
		TAP_TEST(empty_stream_is_refused),
		TAP_TEST(a_stream_without_device_data_is_refused),
		TAP_TEST(noise_is_never_followed_out_of_bounds),
	};

	snapshot_ident_fill(&me, 0x1af4, 0x1041, "backend");
	return tap_run(tests, ARRAY_SIZE(tests));
}
