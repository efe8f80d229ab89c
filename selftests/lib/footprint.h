/* SPDX-License-Identifier: GPL-2.0-only */
/* What is held of the drivers and of the kernel below them, as numbers. */
#ifndef _P2PBUF_FOOTPRINT_H
#define _P2PBUF_FOOTPRINT_H

#include <stdbool.h>
#include <stdint.h>

#define EXPORTER	"p2pbuf_exporter"
#define IMPORTER	"p2pbuf_importer"

enum footprint {
	REFS_CORE,
	REFS_EXPORTER,
	REFS_IMPORTER,
	FILES,
	BUFFERS,
	ATTACHMENTS,
	BOUND_EXPORTER,
	BOUND_IMPORTER,
	AWAKE_EXPORTER,
	DMA_ENTRIES,
	DMA_UNCHECKED,
	REGIONS,
	IMPORT_STATE,
	IMPORT_SEGMENTS,
	NR_HELD
};

/* @handle: of an import, or 0 */
void look(long *held, int importer, uint32_t handle);
const char *difference(const long *before, const long *after);

#endif /* _P2PBUF_FOOTPRINT_H */
