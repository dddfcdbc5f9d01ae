// SPDX-License-Identifier: GPL-2.0-only
/*
 * A TCP transfer in both directions, in which the value of a byte determines its place.
 *
 *	traffic listen|connect [-i IFNAME] [-g OWN_ADDRESS] [-s] [-r KIB_PER_S] [-m MS]
 *			       [-f OFFSET] ADDRESS PORT
 *
 * -m is the time between reports, -f corrupts the byte sent at an offset, -g
 * first waits for the interface and sets its address, -s rescans the PCI bus
 * meanwhile.
 *
 * The byte at an offset follows from the offset, the direction and a random seed
 * of the run, so the receiver notices a byte that is lost, repeated, moved, or
 * from an earlier run. A line "stop" on the listener's standard input ends the
 * transfer: the listener closes its direction, then the other side does, and both
 * read to the end.
 *
 * Output, one line each, with -g after "IFNAME: "; times in ms of the side's own
 * monotonic clock:
 *	up ms=
 *	traffic ms= rx= tx= acked= rx_gap= ack_gap= retrans=
 *	end     (the same fields; only after a complete and correct transfer)
 *	error WHAT
 * A gap is the longest time since the last line without a byte received
 * (acknowledged by the peer), including a gap that is still open.
 */
#include "guest_nic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK		16384
#define TICK_MS		10
#define BURST		65536		/* how much may be sent at once after a stall */
#define CONNECT_MS	400000
#define BACKLOG		65536		/* a slow guest has to read all of it before the end */
#define MAGIC		0x7674616566696c76ULL

enum { TO_GUEST, TO_HOST, DIRECTIONS };

struct hello {
	uint64_t magic;
	uint64_t seed;
};

struct options {
	const char *address, *ifname, *own_address;
	uint16_t port;
	unsigned long rate;		/* bytes per second */
	unsigned int report_ms;
	uint64_t flip;			/* corrupt the byte sent at this offset */
	bool listen;
	bool scan;
};

/* The longest time without progress in the current report, and since when. */
struct gap {
	double since, longest;
};

struct transfer {
	const struct options *opt;
	int fd;
	uint64_t seed;
	uint64_t rx, tx, acked, acked_base;
	unsigned int retrans;
	struct gap rx_gap, ack_gap;
	double tokens;
	bool tx_closed, rx_closed;
};

/* Starts each line, as several processes write to one terminal. */
static char who[32];

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *fmt, ...)
{
	va_list ap;

	printf("%serror ", who);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	exit(1);
}

/* Eight bytes of the pattern, mixed so that near offsets differ everywhere. */
static uint64_t pattern_word(uint64_t seed, int direction, uint64_t index)
{
	uint64_t x = seed + index * DIRECTIONS + direction;

	x *= 0x9e3779b97f4a7c15ULL;
	x ^= x >> 29;
	x *= 0xff51afd7ed558ccdULL;
	return x ^ (x >> 32);
}

static void pattern(uint8_t *buf, size_t len, uint64_t seed, int direction, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		uint64_t word = pattern_word(seed, direction, (offset + done) / 8);
		size_t skip = (offset + done) % 8;
		size_t n = 8 - skip < len - done ? 8 - skip : len - done;

		memcpy(buf + done, (uint8_t *)&word + skip, n);
		done += n;
	}
}

static void gap_progress(struct gap *gap, double now, bool progress)
{
	if (now - gap->since > gap->longest)
		gap->longest = now - gap->since;
	if (progress)
		gap->since = now;
}

static void send_some(struct transfer *t)
{
	static uint8_t buf[CHUNK];
	size_t len = t->tokens < CHUNK ? (size_t)t->tokens : CHUNK;
	uint64_t flip = t->opt->flip;
	ssize_t n;

	pattern(buf, len, t->seed, t->opt->listen ? TO_GUEST : TO_HOST, t->tx);
	if (flip >= t->tx && flip - t->tx < len)
		buf[flip - t->tx] ^= 0x10;

	n = send(t->fd, buf, len, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		fail("send at offset %" PRIu64 ": %s", t->tx, strerror(errno));
	if (n > 0) {
		t->tx += n;
		t->tokens -= n;
	}
}

static void receive_some(struct transfer *t)
{
	static uint8_t got[CHUNK], want[CHUNK];
	ssize_t n = recv(t->fd, got, sizeof(got), 0);
	ssize_t i;

	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return;
		fail("receive at offset %" PRIu64 ": %s", t->rx, strerror(errno));
	}
	if (n == 0) {
		t->rx_closed = true;
		return;
	}

	pattern(want, n, t->seed, t->opt->listen ? TO_HOST : TO_GUEST, t->rx);
	for (i = 0; i < n; i++)
		if (got[i] != want[i])
			fail("data at offset %" PRIu64 ": got 0x%02x, expected 0x%02x",
			     t->rx + i, got[i], want[i]);
	t->rx += n;
	gap_progress(&t->rx_gap, now_ms(), true);
}

static void close_tx(struct transfer *t)
{
	if (!t->tx_closed && shutdown(t->fd, SHUT_WR))
		fail("shutdown: %s", strerror(errno));
	t->tx_closed = true;
}

/* The peer's acknowledgements show, on our clock, when it stood still. */
static void look_at_acks(struct transfer *t, double now)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	uint64_t acked;

	if (getsockopt(t->fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		fail("TCP_INFO: %s", strerror(errno));
	if (!t->acked_base)
		t->acked_base = info.tcpi_bytes_acked;
	acked = info.tcpi_bytes_acked - t->acked_base;
	gap_progress(&t->ack_gap, now, acked != t->acked);
	t->acked = acked;
	t->retrans = info.tcpi_total_retrans;
}

static void report(struct transfer *t, const char *what, double now)
{
	gap_progress(&t->rx_gap, now, false);
	printf("%s%s ms=%.1f rx=%" PRIu64 " tx=%" PRIu64 " acked=%" PRIu64
	       " rx_gap=%.1f ack_gap=%.1f retrans=%u\n", who, what, now, t->rx, t->tx, t->acked,
	       t->rx_gap.longest, t->ack_gap.longest, t->retrans);
	fflush(stdout);
	t->rx_gap.longest = 0;
	t->ack_gap.longest = 0;
}

static bool told_to_stop(void)
{
	char line[16];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line));

	if (n == 0)
		fail("standard input was closed in the middle of the transfer");
	return n >= 4 && !memcmp(line, "stop", 4);
}

static void run(struct transfer *t)
{
	double tick = now_ms(), next_report = tick + t->opt->report_ms, now;

	t->rx_gap.since = tick;
	t->ack_gap.since = tick;
	while (!t->rx_closed || !t->tx_closed) {
		bool may_send = !t->tx_closed && t->tokens >= 1;
		struct pollfd fds[2] = {
			{ .fd = t->rx_closed && !may_send ? -1 : t->fd },
			{ .fd = t->opt->listen && !t->tx_closed ? STDIN_FILENO : -1, .events = POLLIN },
		};

		fds[0].events = (t->rx_closed ? 0 : POLLIN) | (may_send ? POLLOUT : 0);
		if (poll(fds, 2, TICK_MS) < 0 && errno != EINTR)
			fail("poll: %s", strerror(errno));

		if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
			receive_some(t);
		if (fds[0].revents & POLLOUT)
			send_some(t);
		if (fds[1].revents && told_to_stop())
			close_tx(t);

		/* The guest's direction ends only after the listener's. */
		if (t->rx_closed && !t->tx_closed) {
			if (t->opt->listen)
				fail("the peer closed the connection after %" PRIu64 " bytes", t->rx);
			close_tx(t);
		}

		now = now_ms();
		if (now >= tick + TICK_MS) {
			t->tokens += (now - tick) * t->opt->rate / 1e3;
			if (t->tokens > BURST)
				t->tokens = BURST;
			tick = now;
			look_at_acks(t, now);
		}
		if (now >= next_report) {
			report(t, "traffic", now);
			next_report = now + t->opt->report_ms;
		}
	}
	report(t, "end", now_ms());
}

static struct sockaddr_in address_of(const struct options *opt)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(opt->port) };

	if (inet_pton(AF_INET, opt->address, &sin.sin_addr) != 1)
		fail("not an IPv4 address: %s", opt->address);
	return sin;
}

static int new_socket(const struct options *opt)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket: %s", strerror(errno));
	if (opt->ifname && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, opt->ifname,
				      strlen(opt->ifname)))
		fail("bind to %s: %s", opt->ifname, strerror(errno));
	return fd;
}

static int do_listen(const struct options *opt)
{
	struct sockaddr_in sin = address_of(opt);
	int one = 1, s = new_socket(opt), fd;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (struct sockaddr *)&sin, sizeof(sin)) || listen(s, 1))
		fail("listen on %s:%u: %s", opt->address, opt->port, strerror(errno));
	puts("listening");
	fflush(stdout);
	fd = accept(s, NULL, NULL);
	if (fd < 0)
		fail("accept: %s", strerror(errno));
	close(s);
	return fd;
}

static int do_connect(const struct options *opt)
{
	struct sockaddr_in sin = address_of(opt);
	double give_up = now_ms() + CONNECT_MS;

	for (;;) {
		int fd = new_socket(opt);

		if (!connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
			return fd;
		if (now_ms() > give_up)
			fail("connect to %s:%u: %s", opt->address, opt->port, strerror(errno));
		close(fd);
		usleep(200000);
	}
}

static void say_hello(struct transfer *t)
{
	struct hello hello = { .magic = MAGIC };

	if (t->opt->listen) {
		if (getrandom(&hello.seed, sizeof(hello.seed), GRND_NONBLOCK) != sizeof(hello.seed))
			hello.seed = (uint64_t)now_ms() ^ (uint64_t)getpid() << 32;
		if (send(t->fd, &hello, sizeof(hello), MSG_NOSIGNAL) != sizeof(hello))
			fail("hello: %s", strerror(errno));
	} else if (recv(t->fd, &hello, sizeof(hello), MSG_WAITALL) != sizeof(hello) ||
		   hello.magic != MAGIC) {
		fail("no hello from the peer");
	}
	t->seed = hello.seed;
}

static void __attribute__((noreturn)) usage(void)
{
	fputs("usage: traffic listen|connect [-i IFNAME] [-g OWN_ADDRESS] [-s] [-r KIB_PER_S] [-m REPORT_MS] [-f FLIP_OFFSET] ADDRESS PORT\n",
	      stderr);
	exit(2);
}

static struct options parse(int argc, char **argv)
{
	struct options opt = { .rate = 64 * 1024, .report_ms = 200, .flip = UINT64_MAX };
	int c;

	if (argc < 2)
		usage();
	opt.listen = !strcmp(argv[1], "listen");
	if (!opt.listen && strcmp(argv[1], "connect"))
		usage();
	argc--;
	argv++;
	while ((c = getopt(argc, argv, "i:g:sr:m:f:")) != -1) {
		switch (c) {
		case 'i':
			opt.ifname = optarg;
			break;
		case 'g':
			opt.own_address = optarg;
			break;
		case 's':
			opt.scan = true;
			break;
		case 'r':
			opt.rate = strtoul(optarg, NULL, 0) * 1024;
			break;
		case 'm':
			opt.report_ms = strtoul(optarg, NULL, 0);
			break;
		case 'f':
			opt.flip = strtoull(optarg, NULL, 0);
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 2 || (opt.own_address && !opt.ifname))
		usage();
	opt.address = argv[optind];
	opt.port = strtoul(argv[optind + 1], NULL, 0);
	return opt;
}

int main(int argc, char **argv)
{
	struct options opt = parse(argc, argv);
	struct transfer t = { .opt = &opt };
	int one = 1, backlog = BACKLOG;

	if (opt.own_address)
		snprintf(who, sizeof(who), "%.16s: ", opt.ifname);
	if (opt.own_address && guest_nic_up(who, opt.ifname, opt.own_address, opt.scan))
		fail("cannot set up %s: %s", opt.ifname, strerror(errno));
	t.fd = opt.listen ? do_listen(&opt) : do_connect(&opt);
	say_hello(&t);
	setsockopt(t.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(t.fd, SOL_SOCKET, SO_SNDBUF, &backlog, sizeof(backlog));
	if (fcntl(t.fd, F_SETFL, O_NONBLOCK))
		fail("nonblocking: %s", strerror(errno));
	printf("%sup ms=%.1f\n", who, now_ms());
	fflush(stdout);
	run(&t);
	return 0;
}
