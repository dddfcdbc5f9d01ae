/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TOOLS_LINUX_NOSPEC_H
#define TOOLS_LINUX_NOSPEC_H

#define array_index_nospec(index, size) ((void)(size), (index))

#endif /* TOOLS_LINUX_NOSPEC_H */
