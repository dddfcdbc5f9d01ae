/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GUEST_NIC_H
#define GUEST_NIC_H

#include <stdbool.h>

/*
 * Wait until the kernel has a network device of that name (with scan: have the PCI bus looked
 * through for it), and give it an address (/24). What is printed begins with who.
 */
int guest_nic_up(const char *who, const char *ifname, const char *address, bool scan);

#endif
