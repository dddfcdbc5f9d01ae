/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GUEST_PCI_H
#define GUEST_PCI_H

#include <stdbool.h>
/*
 * Have the PCI bus looked through for devices that were plugged in, which they all are before the
 * guest goes on. True when they have come; nothing more is done then.
 */
bool guest_pci_rescan(void);

#endif
