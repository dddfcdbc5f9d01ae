// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vfio_mig.h"

int blob_add(struct blob *b, const void *data, size_t len)
{
	if (b->len + len > b->room) {
		size_t room = (b->len + len) * 2;
		uint8_t *more = realloc(b->data, room);

		if (!more)
			return -ENOMEM;
		b->data = more;
		b->room = room;
	}
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

int blob_copy(struct blob *to, const struct blob *from)
{
	to->len = 0;
	return blob_add(to, from->data, from->len);
}

bool blob_equal(const struct blob *a, const struct blob *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->data, b->data, a->len));
}

void blob_free(struct blob *b)
{
	free(b->data);
	*b = (struct blob){};
}
