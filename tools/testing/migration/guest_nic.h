/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GUEST_NIC_H
#define GUEST_NIC_H

#include <stdbool.h>

/*
 * Wait for a network device of this name (with scan: rescan the PCI bus meanwhile) and set its
 * address (/24). Output starts with who.
 */
int guest_nic_up(const char *who, const char *ifname, const char *address, bool scan);

#endif
