/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included by sparse ahead of everything else (tools/lint): what the kernel's
 * headers use and released versions of sparse do not know.
 */
#define __typeof_unqual__ __typeof__
/* MODULE_INFO() wants a constant; there it is applied to string literals. */
#define __builtin_strlen(s) (sizeof(s) - 1)
