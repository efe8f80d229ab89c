/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _P2PBUF_BENCH_H
#define _P2PBUF_BENCH_H

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/pci-p2pdma.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>

#include <p2pbuf.h>

#include "p2pbuf_bench_ioctl.h"

/**
 * struct bench - what one open file maps
 * @provider: function with the BAR; a reference is held
 * @client: function to map for; a reference is held
 * @dev: of @client
 * @ranges: as p2pbuf has them, neighbours merged
 * @peer: @dev and @ranges, with what p2pbuf knew of them when it was set up
 * @vecs: as everybody else gets them, one per range that the user gave
 * @nr: number of @vecs
 * @size: sum of their lengths
 * @route: from @client to @provider
 * @resv: held while anything is mapped or unmapped
 * @dmabuf: what the kernel's helper wants to see; @resv is its reservation lock
 * @attach: likewise
 * @held: the strategy whose mapping is held, or NULL
 * @map: strategies of ours
 * @sgt: strategies that hand out a scatterlist
 * @table: strategies that take one
 * @addrs: strategies that map each range
 * @iova: the limit's
 *
 * The user makes one call at a time.
 */
struct bench {
	struct pci_dev *provider;
	struct pci_dev *client;
	struct device *dev;
	struct p2pbuf_ranges *ranges;
	struct p2pbuf_peer peer;
	struct phys_vec *vecs;
	unsigned int nr;
	u64 size;
	enum p2pbuf_route route;
	struct dma_resv resv;
	struct dma_buf dmabuf;
	struct dma_buf_attachment attach;
	const struct strategy *held;

	struct p2pbuf_mapping map;
	struct sg_table *sgt;
	struct sg_table table;
	dma_addr_t *addrs;
	struct dma_iova_state iova;
};

/**
 * struct strategy - one way to map the ranges of a struct bench
 * @prepare: what a driver does once, and is not measured; may be NULL
 * @finish: undoes @prepare
 * @map: measured
 * @unmap: measured
 * @describe: measured: ask for all segments; NULL if there is nothing to ask
 * @nr_segments: of the mapping
 * @segment: one of them
 * @forget: undo @map where the IOMMU's entries are gone already; NULL if that cannot be
 *
 * All run under the reservation lock; what is measured with interrupts off too, so it must
 * find what it allocates without waiting.
 */
struct strategy {
	int (*prepare)(struct bench *bench);
	void (*finish)(struct bench *bench);
	int (*map)(struct bench *bench);
	void (*unmap)(struct bench *bench);
	void (*describe)(const struct bench *bench);
	unsigned int (*nr_segments)(const struct bench *bench);
	void (*segment)(const struct bench *bench, unsigned int index,
			struct p2pbuf_segment *seg);
	void (*forget)(struct bench *bench);
};

/* ours.c */
extern const struct strategy phys_strategy;
extern const struct strategy aligned_strategy;
extern const struct strategy sgt_strategy;

/* helper.c */
extern const struct strategy helper_strategy;
extern const struct strategy corrected_strategy;
unsigned int sgt_nr_segments(const struct bench *bench);
void sgt_segment(const struct bench *bench, unsigned int index, struct p2pbuf_segment *seg);

/* each.c */
extern const struct strategy dma_map_phys_strategy;
extern const struct strategy dma_map_resource_strategy;

/* limit.c */
extern const struct strategy limit_strategy;

/* pages.c */
extern const struct strategy pages_strategy;
extern struct pci_driver pages_driver;
extern struct p2pbuf_bench_pages pages_cost;

/* table.c: the ranges as a scatterlist with pages, which need not exist */
int make_table(struct bench *bench);
void free_table(struct bench *bench);

/* measure.c */
int bench_run(struct bench *bench, const struct p2pbuf_bench_run *args);
int bench_hold(struct bench *bench, struct p2pbuf_bench_hold *args);
void bench_drop(struct bench *bench);
int bench_probe(struct bench *bench, struct p2pbuf_bench_probe *args);

/* Made by bench/correct.py from the kernel's helper. */
struct sg_table *corrected_phys_vec_to_sgt(struct dma_buf_attachment *attach,
					   struct p2pdma_provider *provider,
					   struct phys_vec *phys_vec, size_t nr_ranges,
					   size_t size, enum dma_data_direction dir);
void corrected_free_sgt(struct dma_buf_attachment *attach, struct sg_table *sgt,
			enum dma_data_direction dir);
enum pci_p2pdma_map_type bench_map_type(struct p2pdma_provider *provider, struct device *dev);

#endif /* _P2PBUF_BENCH_H */
