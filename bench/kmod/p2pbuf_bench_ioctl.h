/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between p2pbuf-bench and p2pbuf_bench.ko. Not a stable interface: both are built from the
 * same tree.
 */
#ifndef _P2PBUF_BENCH_IOCTL_H
#define _P2PBUF_BENCH_IOCTL_H

#include <linux/ioctl.h>
#include <linux/p2pbuf.h>
#include <linux/types.h>

#define P2PBUF_BENCH_NODE	"/dev/p2pbuf/bench"
#define P2PBUF_BENCH_BASE	0xbd
#define P2PBUF_BENCH_NAME	24

/**
 * enum p2pbuf_bench_strategy - what maps the ranges
 * @P2PBUF_BENCH_PHYS: p2pbuf_map()
 * @P2PBUF_BENCH_ALIGNED: p2pbuf_map() with P2PBUF_MAP_ALIGNED
 * @P2PBUF_BENCH_SGT: p2pbuf_sgt_map()
 * @P2PBUF_BENCH_HELPER: the kernel's dma_buf_phys_vec_to_sgt()
 * @P2PBUF_BENCH_CORRECTED: the same with the corrections of bench/correct.py
 * @P2PBUF_BENCH_DMA_MAP_PHYS: dma_map_phys() of each range
 * @P2PBUF_BENCH_DMA_MAP_RESOURCE: dma_map_resource() of each range
 * @P2PBUF_BENCH_PAGES: dma_map_sgtable() of P2PDMA struct pages
 * @P2PBUF_BENCH_LIMIT: the IOMMU API alone, into an IOVA that is there already
 * @P2PBUF_BENCH_STRATEGIES: their number
 */
enum p2pbuf_bench_strategy {
	P2PBUF_BENCH_PHYS,
	P2PBUF_BENCH_ALIGNED,
	P2PBUF_BENCH_SGT,
	P2PBUF_BENCH_HELPER,
	P2PBUF_BENCH_CORRECTED,
	P2PBUF_BENCH_DMA_MAP_PHYS,
	P2PBUF_BENCH_DMA_MAP_RESOURCE,
	P2PBUF_BENCH_PAGES,
	P2PBUF_BENCH_LIMIT,
	P2PBUF_BENCH_STRATEGIES,
};

/**
 * struct p2pbuf_bench_setup - choose what is mapped, and for whom
 * @provider: the function with the BAR, "domain:bus:dev.fn"; bound to p2pbuf_exporter or
 *	to p2pbuf_bench, and to stay so until the node is closed
 * @client: the function to map for; bound to a driver, and to stay so likewise
 * @bar: of @provider
 * @nr: number of ranges
 * @ranges: user pointer to array of struct p2pbuf_range
 * @route: out: enum p2pbuf_route
 * @reserved: 0
 */
struct p2pbuf_bench_setup {
	char provider[P2PBUF_BENCH_NAME];
	char client[P2PBUF_BENCH_NAME];
	__u32 bar;
	__u32 nr;
	__aligned_u64 ranges;
	__u32 route;
	__u32 reserved;
};

/* Once per open node. -ENOENT: no such function; else errors of p2pbuf_ranges_create(). */
#define P2PBUF_BENCH_SETUP	_IOWR(P2PBUF_BENCH_BASE, 0, struct p2pbuf_bench_setup)

/**
 * struct p2pbuf_bench_run - map and unmap, and say what each took
 * @strategy: enum p2pbuf_bench_strategy
 * @runs: number of times
 * @map: user pointer to @runs u64: what each map took, in steps of the time-stamp counter
 * @unmap: likewise, of each unmap
 * @describe: user pointer to @runs u64: what it took to ask for each segment, one after the
 *	other; 0 with scatterlists, where asking is the importer's own work
 * @interruptible: 0: interrupts are off while it is measured
 * @reserved: 0
 */
struct p2pbuf_bench_run {
	__u32 strategy;
	__u32 runs;
	__aligned_u64 map;
	__aligned_u64 unmap;
	__aligned_u64 describe;
	__u32 interruptible;
	__u32 reserved;
};

/*
 * Errors, of this ioctl and the next two: -EOPNOTSUPP: the strategy does not exist here (on
 * this route; for this provider's driver; not built). -EBUSY: a mapping is held. Else the
 * strategy's own.
 */
#define P2PBUF_BENCH_RUN	_IOW(P2PBUF_BENCH_BASE, 1, struct p2pbuf_bench_run)

/**
 * struct p2pbuf_bench_hold - map and stay mapped
 * @strategy: enum p2pbuf_bench_strategy
 * @segments: out: that the client has to program
 * @first: out: lowest address
 * @last: out: highest address
 * @nic_page: out: the best page size of a NIC that has all powers of two from 4 KiB to
 *	2 GiB; 0 if p2pbuf does not say, as with other strategies
 * @nic_blocks: out: number of such pages
 */
struct p2pbuf_bench_hold {
	__u32 strategy;
	__u32 segments;
	__aligned_u64 first;
	__aligned_u64 last;
	__aligned_u64 nic_page;
	__aligned_u64 nic_blocks;
};

/* Until P2PBUF_BENCH_DROP or close. */
#define P2PBUF_BENCH_HOLD	_IOWR(P2PBUF_BENCH_BASE, 2, struct p2pbuf_bench_hold)
/* 0 too if nothing is held. */
#define P2PBUF_BENCH_DROP	_IO(P2PBUF_BENCH_BASE, 3)

/**
 * struct p2pbuf_bench_probe - map, and take the mapping apart leaf by leaf
 * @strategy: enum p2pbuf_bench_strategy
 * @reserved: 0
 * @leaves: out: [n] is the number of leaf entries of 2^n bytes
 *
 * A page is unmapped at a time. The IOMMU cannot split a leaf and says how much went.
 */
struct p2pbuf_bench_probe {
	__u32 strategy;
	__u32 reserved;
	__aligned_u64 leaves[64];
};

#define P2PBUF_BENCH_PROBE	_IOWR(P2PBUF_BENCH_BASE, 4, struct p2pbuf_bench_probe)

/**
 * struct p2pbuf_bench_pages - what it took to make struct pages of the BAR
 * @setup: pci_p2pdma_add_resource(), in steps of the time-stamp counter
 * @memmap: bytes of struct page
 */
struct p2pbuf_bench_pages {
	__aligned_u64 setup;
	__aligned_u64 memmap;
};

/* Of the function that was bound to p2pbuf_bench last. */
#define P2PBUF_BENCH_SET_UP_PAGES	_IOR(P2PBUF_BENCH_BASE, 5, struct p2pbuf_bench_pages)

#endif /* _P2PBUF_BENCH_IOCTL_H */
