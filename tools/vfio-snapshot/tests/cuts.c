// SPDX-License-Identifier: GPL-2.0-only
/* Cut each of the given streams at every byte: the reader must find only the whole stream complete. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"

int main(int argc, char **argv)
{
	static uint8_t stream[1 << 16];
	static struct reader r;
	int i, err, want;

	for (i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "r");
		size_t len = f ? fread(stream, 1, sizeof(stream), f) : 0, at;
		uint8_t *cut;

		if (!len || !feof(f))
			return 2;
		fclose(f);
		for (at = 0; at <= len; at++) {
			/* Its own memory, so that ASan sees an access beyond the cut. */
			cut = malloc(at ? at : 1);
			if (!cut)
				return 2;
			memcpy(cut, stream, at);
			reader_init(&r);
			reader_feed(&r, cut, at);
			err = reader_finish(&r);
			reader_free(&r);
			free(cut);
			want = at < len ? -ENODATA : 0;
			if (err != want) {
				printf("%s cut to %zu of %zu bytes: %d, not %d\n", argv[i], at, len, err, want);
				return 1;
			}
		}
	}
	return argc < 2;
}
