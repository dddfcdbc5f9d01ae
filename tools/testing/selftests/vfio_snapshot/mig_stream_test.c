// SPDX-License-Identifier: GPL-2.0-only
/*
 * Streams that no device wrote. The write or the exit from RESUMING refuses
 * each, the state is ERROR, and after a reset the good stream loads.
 */
#include "lib/harness.h"
#include "lib/nic.h"
#include "lib/records.h"

FIXTURE(stream) {
	struct vfio_dev dev;
	uint64_t flags;
	struct blob good;
	struct blob bad;
	struct records rs;	/* records of the good stream */
	const struct nic *nic;
};

FIXTURE_SETUP(stream)
{
	NEEDS_OURS();
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, mig_flags(&self->dev, &self->flags));
	ASSERT_EQ(0, mig_save(&self->dev, 4096, &self->good));
	ASSERT_EQ(0, records_parse(&self->rs, &self->good));
	self->nic = nic_of(test_env.bdf);
}

FIXTURE_TEARDOWN(stream)
{
	if (self->dev.fd > 0)
		vfio_dev_close(&self->dev);
	blob_free(&self->good);
	blob_free(&self->bad);
}

/* An errno that says what is wrong with the stream */
static bool clear_errno(int err)
{
	static const int clear[] = { EINVAL, EBADMSG, EFBIG, EMSGSIZE, ENODATA,
				     EPROTO, EXDEV, EOPNOTSUPP, EILSEQ };
	size_t i;

	for (i = 0; i < sizeof(clear) / sizeof(clear[0]); i++)
		if (clear[i] == err)
			return true;
	return false;
}

/* The stream is refused with a clear errno, and the device works after a reset. */
#define EXPECT_REFUSED(_data, _len, ...) \
	do { \
		struct load_result _r = mig_load(&self->dev, _data, _len, 4096); \
		EXPECT_NE(LOAD_OK, _r.stage) { \
			TH_LOG(__VA_ARGS__); \
		} \
		EXPECT_NE(LOAD_ENTER, _r.stage); \
		EXPECT_NE(0, _r.exit_err) { \
			TH_LOG(__VA_ARGS__); \
		} \
		EXPECT_TRUE(clear_errno(_r.err)) { \
			TH_LOG("errno %d", _r.err); \
			TH_LOG(__VA_ARGS__); \
		} \
		EXPECT_STREQ("ERROR", mig_state_name(_r.state)) { \
			TH_LOG(__VA_ARGS__); \
		} \
		EXPECT_EQ(-EINVAL, mig_set(&self->dev, \
					   VFIO_DEVICE_STATE_RUNNING, NULL)); \
		ASSERT_EQ(0, vfio_dev_reset(&self->dev)); \
		ASSERT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING); \
	} while (0)

#define EXPECT_LOADS(_data, _len) \
	do { \
		struct load_result _r = mig_load(&self->dev, _data, _len, 4096); \
		EXPECT_EQ(LOAD_OK, _r.stage) { \
			TH_LOG("errno %d after %zu bytes", _r.err, _r.written); \
		} \
		EXPECT_STREQ("STOP", mig_state_name(_r.state)); \
		EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, \
				     NULL)); \
	} while (0)

#define EXPECT_GOOD_STILL_LOADS() \
	EXPECT_LOADS(self->good.data, self->good.len)

static struct record last_record(const struct records *rs)
{
	return rs->r[rs->nr - 1];
}

TEST_F(stream, a_saved_stream_is_ident_then_data_then_end)
{
	unsigned int i;

	ASSERT_GE(self->rs.nr, 3);
	EXPECT_NE(NULL, records_find(&self->rs, TAG_DATA));
	EXPECT_EQ(TAG_IDENT, self->rs.r[0].tag);
	EXPECT_EQ(RECORD_OPTIONAL, self->rs.r[0].flags);
	i = 1;
	if (self->nic && self->nic->increments) {
		EXPECT_EQ(TAG_STOP_COPY_SIZE, self->rs.r[i].tag);
		EXPECT_EQ(RECORD_OPTIONAL, self->rs.r[i].flags);
		EXPECT_EQ(8, self->rs.r[i].size);
		i++;
	}
	for (; i < self->rs.nr - 1; i++) {
		EXPECT_EQ(TAG_DATA, self->rs.r[i].tag);
		EXPECT_EQ(0, self->rs.r[i].flags);
		EXPECT_GT(self->rs.r[i].size, 0);
	}
	EXPECT_EQ(TAG_END, last_record(&self->rs).tag);
	EXPECT_EQ(RECORD_OPTIONAL, last_record(&self->rs).flags);
}

TEST_F(stream, the_good_stream_loads_in_chunks_of_any_size)
{
	static const size_t chunks[] = { 1, 3, 15, 16, 17, 31, 4095, 1 << 20 };
	struct load_result r;
	size_t i;

	for (i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		r = mig_load(&self->dev, self->good.data, self->good.len,
			     chunks[i]);
		EXPECT_EQ(LOAD_OK, r.stage) {
			TH_LOG("chunk %zu: errno %d after %zu bytes",
			       chunks[i], r.err, r.written);
		}
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING,
				     NULL));
	}
}

TEST_F(stream, empty_stream_is_refused)
{
	EXPECT_REFUSED(self->good.data, 0, "nothing was written");
	EXPECT_GOOD_STILL_LOADS();
}

/* Cuts each record at its border, in its header, after the header and in its payload */
TEST_F(stream, a_stream_that_is_cut_anywhere_is_refused)
{
	unsigned int i, k;

	for (i = 0; i < self->rs.nr; i++) {
		const struct record *r = &self->rs.r[i];
		const size_t cuts[] = { 0, 1, 7, 8, 12, 15, RECORD_HEADER,
					RECORD_HEADER + 1,
					RECORD_HEADER + r->size / 2,
					RECORD_HEADER + r->size - 1 };

		for (k = 0; k < ARRAY_SIZE(cuts); k++)
			EXPECT_REFUSED(self->good.data, r->at + cuts[k],
				       "cut %zu bytes into record %u", cuts[k], i);
	}
	EXPECT_GOOD_STILL_LOADS();
}

TEST_F(stream, bytes_after_the_end_are_refused)
{
	static const char more[64];
	static const size_t lens[] = { 1, 15, 16, 64 };
	size_t i;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		ASSERT_EQ(0, blob_copy(&self->bad, &self->good));
		ASSERT_EQ(0, blob_add(&self->bad, more, lens[i]));
		EXPECT_REFUSED(self->bad.data, self->bad.len, "%zu bytes more",
			       lens[i]);
	}
	ASSERT_EQ(0, blob_copy(&self->bad, &self->good));
	ASSERT_EQ(0, blob_add(&self->bad, self->good.data, self->good.len));
	EXPECT_REFUSED(self->bad.data, self->bad.len, "the stream twice");
	EXPECT_GOOD_STILL_LOADS();
}

/* The host tests try every bit. A real device gets one bit of every byte. */
TEST_F_TIMEOUT(stream, flipped_bit_in_any_header_byte_is_refused, 120)
{
	unsigned int i, byte, bit;

	for (i = 0; i < self->rs.nr; i++) {
		for (byte = 0; byte < RECORD_HEADER; byte++) {
			/* With another tag it is an unknown optional record. */
			if (self->rs.r[i].tag == TAG_STOP_COPY_SIZE && byte >= 12)
				continue;
			bit = (byte + i) % 8;
			ASSERT_EQ(0, blob_copy(&self->bad, &self->good));
			self->bad.data[self->rs.r[i].at + byte] ^= 1 << bit;
			EXPECT_REFUSED(self->bad.data, self->bad.len,
				       "record %u, byte %u, bit %u", i, byte,
				       bit);
		}
	}
	EXPECT_GOOD_STILL_LOADS();
}

TEST_F(stream, optional_bit_flipped_in_any_header_is_refused)
{
	unsigned int i;

	for (i = 0; i < self->rs.nr; i++) {
		ASSERT_EQ(0, blob_copy(&self->bad, &self->good));
		self->bad.data[self->rs.r[i].at + 8] ^= RECORD_OPTIONAL;
		EXPECT_REFUSED(self->bad.data, self->bad.len, "record %u", i);
	}
}

TEST_F(stream, another_kind_of_device_is_refused_before_its_data)
{
	const struct record *ident = &self->rs.r[0];
	size_t ends = ident->at + RECORD_HEADER + ident->size;
	size_t fields[] = { 0, 4, 6, 8 };	/* version, ids, back-end */
	struct load_result r;
	unsigned int i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		ASSERT_EQ(0, blob_copy(&self->bad, &self->good));
		self->bad.data[ident->at + RECORD_HEADER + fields[i]] ^= 0x40;
		/* Without any data: the IDENT record alone must be refused. */
		r = mig_load(&self->dev, self->bad.data, ends, 4096);
		EXPECT_EQ(LOAD_WRITE, r.stage);
		EXPECT_TRUE(clear_errno(r.err));
		EXPECT_STREQ("ERROR", mig_state_name(r.state));
		ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	}
}

TEST_F(stream, flipped_bit_in_the_end_record_is_refused)
{
	struct record end = last_record(&self->rs);
	unsigned int byte;

	for (byte = 0; byte < end.size; byte += 3) {
		ASSERT_EQ(0, blob_copy(&self->bad, &self->good));
		self->bad.data[end.at + RECORD_HEADER + byte] ^= 1 << byte % 8;
		EXPECT_REFUSED(self->bad.data, self->bad.len, "byte %u", byte);
	}
}

#define TAG_UNKNOWN 0x77

/* Headers that must be refused without the payload */
static const struct bad_header {
	uint32_t tag;
	uint32_t flags;
	uint64_t size;
	int err;
} bad_headers[] = {
	/* Larger than any record may be, up to sizes that wrap with the header */
#define TOO_LARGE(tag, flags, err) \
	{ tag, flags, 1ull << 32, err }, { tag, flags, 1ull << 40, err }, \
	{ tag, flags, 1ull << 63, err }, { tag, flags, UINT64_MAX - 15, err }, \
	{ tag, flags, UINT64_MAX, err }
	TOO_LARGE(TAG_DATA, 0, EFBIG),
	TOO_LARGE(TAG_UNKNOWN, RECORD_OPTIONAL, EFBIG),
	TOO_LARGE(TAG_IDENT, RECORD_OPTIONAL, EINVAL),
	TOO_LARGE(TAG_END, RECORD_OPTIONAL, EINVAL),
	/* Empty records */
	{ TAG_DATA, 0, 0, EINVAL },
	{ TAG_IDENT, RECORD_OPTIONAL, 0, EINVAL },
	{ TAG_END, RECORD_OPTIONAL, 0, EINVAL },
	{ TAG_UNKNOWN, RECORD_OPTIONAL, 0, EINVAL },
	/* Unknown record without the optional flag */
	{ TAG_UNKNOWN, 0, 32, EOPNOTSUPP },
	/* Unknown flags */
	{ TAG_UNKNOWN, RECORD_OPTIONAL | 1u << 1, 8, EINVAL },
	{ TAG_UNKNOWN, RECORD_OPTIONAL | 1u << 7, 8, EINVAL },
	{ TAG_UNKNOWN, RECORD_OPTIONAL | 1u << 13, 8, EINVAL },
	{ TAG_UNKNOWN, RECORD_OPTIONAL | 1u << 19, 8, EINVAL },
	{ TAG_UNKNOWN, RECORD_OPTIONAL | 1u << 25, 8, EINVAL },
	{ TAG_UNKNOWN, RECORD_OPTIONAL | 1u << 31, 8, EINVAL },
};

TEST_F(stream, an_impossible_header_is_refused_at_once)
{
	const struct bad_header *bad;
	struct load_result r;

	for (bad = bad_headers; bad < bad_headers + ARRAY_SIZE(bad_headers); bad++) {
		/* Some devices accept larger images. */
		if (bad->err == EFBIG && bad->tag == TAG_DATA && self->nic &&
		    bad->size <= self->nic->max_state)
			continue;
		self->bad.len = 0;
		ASSERT_EQ(0, record_add_header(&self->bad, bad->tag, bad->flags,
					       bad->size));
		r = mig_load(&self->dev, self->bad.data, self->bad.len, 4096);
		EXPECT_EQ(LOAD_WRITE, r.stage) {
			TH_LOG("tag %#x, flags %#x, size %#jx", bad->tag, bad->flags,
			       (uintmax_t)bad->size);
		}
		EXPECT_EQ(bad->err, r.err) {
			TH_LOG("tag %#x, flags %#x, size %#jx", bad->tag, bad->flags,
			       (uintmax_t)bad->size);
		}
		EXPECT_EQ(bad->err, r.exit_err);
		EXPECT_STREQ("ERROR", mig_state_name(r.state));
		ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	}
	EXPECT_GOOD_STILL_LOADS();
}

TEST_F(stream, device_data_the_firmware_cannot_take_is_refused)
{
	static const char junk[64] = "parts of no device";

	self->bad.len = 0;
	ASSERT_EQ(0, record_add(&self->bad, TAG_DATA, 0, junk, sizeof(junk)));
	/* The errno is the firmware's, so any will do. */
	struct load_result r = mig_load(&self->dev, self->bad.data,
					self->bad.len, 4096);

	EXPECT_NE(LOAD_OK, r.stage);
	EXPECT_NE(0, r.exit_err);
	EXPECT_STREQ("ERROR", mig_state_name(r.state));
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	EXPECT_GOOD_STILL_LOADS();
}

TEST_F(stream, a_foreign_stream_is_refused)
{
	static const char xml[] = "<domain type='qemu'><name>x</name></domain>";
	char same[256];

	EXPECT_REFUSED(xml, sizeof(xml), "text");
	memset(same, 0, sizeof(same));
	EXPECT_REFUSED(same, sizeof(same), "zeroes");
	memset(same, 0xff, sizeof(same));
	EXPECT_REFUSED(same, sizeof(same), "ones");
	EXPECT_GOOD_STILL_LOADS();
}

TEST_F(stream, unknown_optional_records_are_skipped)
{
	static char ballast[70000];
	struct blob data = {};

	/* In a stream of the upstream drivers: before and after the data */
	self->bad.len = 0;
	ASSERT_EQ(0, records_to_upstream(&data, &self->good));
	ASSERT_EQ(0, record_add(&self->bad, 0x77, RECORD_OPTIONAL, ballast, 1));
	ASSERT_EQ(0, record_add(&self->bad, 0x78, RECORD_OPTIONAL, ballast,
				sizeof(ballast)));
	ASSERT_EQ(0, blob_add(&self->bad, data.data, data.len));
	ASSERT_EQ(0, record_add(&self->bad, 0x77, RECORD_OPTIONAL, ballast, 9));
	EXPECT_LOADS(self->bad.data, self->bad.len);
	blob_free(&data);
}

TEST_F(stream, a_stream_of_device_data_alone_loads_as_upstreams_do)
{
	struct load_result r;
	size_t chunk;

	self->bad.len = 0;
	ASSERT_EQ(0, records_to_upstream(&self->bad, &self->good));
	ASSERT_LT(self->bad.len, self->good.len);
	for (chunk = 1; chunk <= 64; chunk *= 8) {
		r = mig_load(&self->dev, self->bad.data, self->bad.len, chunk);
		EXPECT_EQ(LOAD_OK, r.stage);
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING,
				     NULL));
	}
	/* Such a stream may only end between two records. */
	EXPECT_REFUSED(self->bad.data, self->bad.len - 1, "one byte short");
}

TEST_F(stream, device_data_that_comes_twice_loads_as_precopy_sends_it)
{
	self->bad.len = 0;
	ASSERT_EQ(0, records_to_upstream(&self->bad, &self->good));
	ASSERT_EQ(0, records_to_upstream(&self->bad, &self->good));
	EXPECT_LOADS(self->bad.data, self->bad.len);
}

TEST_F(stream, a_broken_stream_stays_broken)
{
	char junk[64];
	int fd;

	memset(junk, 0xff, sizeof(junk));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
	EXPECT_EQ(-1, write(fd, junk, sizeof(junk)));
	EXPECT_GT(0, mig_write_all(fd, self->good.data, self->good.len, 4096,
				   NULL));
	EXPECT_NE(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_ERROR);
	EXPECT_EQ(ENODEV, mig_fd_errno(fd, false));
	close(fd);
}

TEST_F(stream, error_is_left_by_a_reset_only)
{
	unsigned int to;

	ASSERT_NE(LOAD_OK, mig_load(&self->dev, NULL, 0, 1).stage);
	for (to = 0; to < NR_STATES; to++) {
		EXPECT_NE(0, mig_set(&self->dev, to, NULL));
		EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_ERROR);
	}
	EXPECT_EQ(0, vfio_dev_reset(&self->dev));
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
}

TEST_F(stream, a_failed_exit_asked_for_as_a_longer_walk_ends_in_error)
{
	static const uint32_t far[] = { VFIO_DEVICE_STATE_RUNNING,
					VFIO_DEVICE_STATE_STOP_COPY };
	size_t i;
	int fd, other;

	for (i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING,
				     &fd));
		ASSERT_EQ(0, mig_write_all(fd, self->good.data,
					   self->good.len - 1, 4096, NULL));
		EXPECT_NE(0, mig_set(&self->dev, far[i], &other));
		EXPECT_EQ(-1, other);
		EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_ERROR);
		close(fd);
		ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	}
}

SNAPSHOT_TEST_MAIN
