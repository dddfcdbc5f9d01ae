// SPDX-License-Identifier: GPL-2.0-only
/*
 * A NIC is plugged in after the guest was loaded from its snapshot. The process
 * that uses the NIC waits for it and sets it up itself, as starting another
 * program costs seconds in a nested VM.
 */
#include "guest_nic.h"
#include "guest_pci.h"

#include <arpa/inet.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCAN_US	100000
#define POLL_US	500000		/* long, as polling for a NIC that never comes slows the others */

static void print_attribute(const char *ifname, const char *what, const char *attribute)
{
	char path[PATH_MAX], value[64] = "unknown\n";
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", ifname, attribute);
	file = fopen(path, "r");
	if (file) {
		if (!fgets(value, sizeof(value), file))
			value[0] = '\0';
		fclose(file);
	}
	value[strcspn(value, "\n")] = '\0';
	printf(" %s %s", what, value);
}

static void set_address(struct ifreq *ifr, const char *address)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };

	inet_pton(AF_INET, address, &sin.sin_addr);
	memcpy(&ifr->ifr_addr, &sin, sizeof(sin));
}

int guest_nic_up(const char *who, const char *ifname, const char *address, bool scan)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};
	int ret = -1;

	printf("%swaiting\n", who);
	fflush(stdout);
	while (!if_nametoindex(ifname)) {
		usleep(scan ? SCAN_US : POLL_US);
		if (scan)
			guest_pci_rescan();
	}
	printf("%snic %s", who, ifname);
	print_attribute(ifname, "vendor", "device/../vendor");
	print_attribute(ifname, "device", "device/../device");
	print_attribute(ifname, "mac", "address");
	putchar('\n');
	fflush(stdout);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	set_address(&ifr, address);
	if (ioctl(fd, SIOCSIFADDR, &ifr))
		goto out;
	set_address(&ifr, "255.255.255.0");
	if (ioctl(fd, SIOCSIFNETMASK, &ifr))
		goto out;
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	ret = ioctl(fd, SIOCSIFFLAGS, &ifr);
out:
	close(fd);
	return ret;
}
