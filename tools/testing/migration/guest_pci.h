/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GUEST_PCI_H
#define GUEST_PCI_H

#include <stdbool.h>
/*
 * Rescan the PCI bus for devices that were plugged in; all are plugged in before the guest continues.
 * True once they were found; further calls do nothing.
 */
bool guest_pci_rescan(void);

#endif
