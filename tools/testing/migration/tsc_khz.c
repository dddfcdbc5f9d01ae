// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the rate of the time-stamp counter. QEMU's TCG passes the machine's
 * counter to the guest, which cannot measure its rate. Given the rate, the guest
 * has a clock that is cheap to read and loses no ticks.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define MEASURE_NS	200000000

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int main(void)
{
	int64_t begin = now_ns(), end;
	uint64_t ticks = __rdtsc();

	do
		end = now_ns();
	while (end - begin < MEASURE_NS);
	ticks = __rdtsc() - ticks;
	printf("%" PRIu64 "\n", ticks * 1000000 / (end - begin));
	return 0;
}
