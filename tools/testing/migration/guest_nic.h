/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GUEST_NIC_H
#define GUEST_NIC_H

/* Wait until the kernel has a network device of that name, and give it an address (/24). */
int guest_nic_up(const char *ifname, const char *address);

#endif
