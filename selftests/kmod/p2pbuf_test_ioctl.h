/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the selftests and p2pbuf_test.ko, both built from one tree: no UAPI, free to
 * change.
 *
 * An ioctl fails only if the test could not be carried out; what was tested is in
 * @result, 0 or -errno.
 */
#ifndef _P2PBUF_TEST_IOCTL_H
#define _P2PBUF_TEST_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define P2PBUF_TEST_NODE	"/dev/p2pbuf/test"
#define P2PBUF_TEST_BASE	0xbc

/* Room for the address of a PCI function, with its NUL. */
#define P2PBUF_TEST_NAME	24

enum p2pbuf_test_kind {
	P2PBUF_TEST_STATIC,
	P2PBUF_TEST_NO_PEER2PEER,
	P2PBUF_TEST_NO_INVALIDATE,
	P2PBUF_TEST_FULL,
};

/* Attach to a DMABUF as an importer of some kind, and detach. */
struct p2pbuf_test_attach {
	char client[P2PBUF_TEST_NAME];
	__s32 fd;
	__u32 kind;
	__s32 result;
	__u32 pad;
};

#define P2PBUF_TEST_ATTACH \
	_IOWR(P2PBUF_TEST_BASE, 0, struct p2pbuf_test_attach)

/* Map a DMABUF by its exporter's scatterlist, look at it, unmap. */
struct p2pbuf_test_sgt {
	char client[P2PBUF_TEST_NAME];
	__s32 fd;
	__u32 repeat;		/* how often, at least 1 */
	__s32 result;
	__u32 nents;
	__u32 orig_nents;
	__u32 bad_entries;	/* with a page, empty, or not page aligned */
	__u32 bus_entries;	/* marked as bus addresses */
	__u32 broken;		/* do not continue the entry before */
	__u32 wrapped;		/* CONFIG_DMABUF_DEBUG: the importer gets a copy */
	__u32 quarantine;	/* CONFIG_KASAN: freed memory is kept for a while */
	__u64 total;
	__u64 longest;
};

#define P2PBUF_TEST_SGT \
	_IOWR(P2PBUF_TEST_BASE, 1, struct p2pbuf_test_sgt)

/* What the kernel's own dma_buf_phys_vec_to_sgt() says of one page, and we. */
struct p2pbuf_test_helper {
	char client[P2PBUF_TEST_NAME];
	__s32 fd;
	__u32 route;		/* ours; 0 if refused */
	__s32 result;		/* the kernel's */
	__u32 translated;	/* the kernel's address is an IOVA of that page */
	__u64 addr;		/* the kernel's */
	__u64 phys;
	__u64 bus_addr;
};

#define P2PBUF_TEST_HELPER \
	_IOWR(P2PBUF_TEST_BASE, 2, struct p2pbuf_test_helper)

/*
 * What dma_map_sgtable() does with a P2PDMA struct page of a function that is bound to
 * the driver p2pbuf_test, and which route we derive.
 */
struct p2pbuf_test_page {
	char owner[P2PBUF_TEST_NAME];
	char client[P2PBUF_TEST_NAME];
	__s32 result;
	__u32 bus_addr;		/* sg_dma_is_bus_address() */
	__u32 route;
	__u32 pad;
};

#define P2PBUF_TEST_PAGE \
	_IOWR(P2PBUF_TEST_BASE, 3, struct p2pbuf_test_page)

/*
 * Map every second page of a DMABUF's first range, of which range number @fail_at
 * cannot be mapped; @repeat times. The result is that of the last time. EOPNOTSUPP: this
 * kernel offers no way to make it fail.
 */
struct p2pbuf_test_fail {
	char client[P2PBUF_TEST_NAME];
	__s32 fd;
	__u32 nr;
	__u32 fail_at;
	__u32 repeat;
	__s32 result;
	__u32 left_mapped;	/* pages of a range that still translate */
};

#define P2PBUF_TEST_FAIL \
	_IOWR(P2PBUF_TEST_BASE, 4, struct p2pbuf_test_fail)

/* Set a function's bus limit; 0 for none. */
struct p2pbuf_test_limit {
	char client[P2PBUF_TEST_NAME];
	__u64 limit;
};

#define P2PBUF_TEST_LIMIT \
	_IOW(P2PBUF_TEST_BASE, 5, struct p2pbuf_test_limit)

/* Check and merge ranges of a BAR that need not exist. */
struct p2pbuf_test_ranges {
	__u64 bar_start;
	__u64 bar_size;
	__u64 ranges;		/* address of struct p2pbuf_range[] */
	__u32 nr;
	__s32 result;
	__u32 nr_merged;
	__u32 pad;
	__u64 size;
	__u64 last;
};

#define P2PBUF_TEST_RANGES \
	_IOWR(P2PBUF_TEST_BASE, 6, struct p2pbuf_test_ranges)

/*
 * Compare the translation of each page from a DMA address on with ranges of a BAR. Of
 * more than 1 GiB it is the first and last page of each range, and of those between, one
 * in as many as there are GiB.
 */
struct p2pbuf_test_walk {
	char client[P2PBUF_TEST_NAME];
	__u64 addr;
	__u64 bar;		/* its physical address */
	__u64 ranges;		/* address of struct p2pbuf_range[] */
	__u32 nr;
	__u32 pad;
	__u64 pages;		/* compared */
	__u64 unmapped;		/* of those, without translation */
	__u64 wrong;		/* of those, translated to something else */
};

#define P2PBUF_TEST_WALK \
	_IOWR(P2PBUF_TEST_BASE, 7, struct p2pbuf_test_walk)

/*
 * Map a DMABUF by its exporter's scatterlist and keep it mapped, whatever the exporter
 * wants, until P2PBUF_TEST_DROP or close. One at a time per open file.
 */
struct p2pbuf_test_hold {
	char client[P2PBUF_TEST_NAME];
	__s32 fd;
	__s32 result;
};

#define P2PBUF_TEST_HOLD \
	_IOWR(P2PBUF_TEST_BASE, 8, struct p2pbuf_test_hold)

/* How often the exporter has invalidated what is held. */
#define P2PBUF_TEST_INVALIDATED \
	_IOR(P2PBUF_TEST_BASE, 9, __u32)

#define P2PBUF_TEST_DROP \
	_IO(P2PBUF_TEST_BASE, 10)

/* How an exporter maps wrongly; each is caught by a check of its own. */
enum p2pbuf_test_fault {
	P2PBUF_FAULT_NONE,
	P2PBUF_FAULT_RAM,		/* places the buffer in RAM */
	P2PBUF_FAULT_RAW,		/* hands out bus addresses, whatever the route */
	P2PBUF_FAULT_HOLE,		/* hands out addresses where nothing is */
	P2PBUF_FAULT_IOVA,		/* IOVAs, whatever the route */
	P2PBUF_FAULT_MARKED,		/* marks what are no bus addresses as such */
	P2PBUF_FAULT_SHORT,		/* the last entry lacks a page */
	P2PBUF_FAULT_OVERFLOW,		/* one entry, its length cut to 32 bits */
	P2PBUF_FAULT_SWAPPED,		/* the first two ranges swapped */
	P2PBUF_FAULT_OFFSET_0,		/* links every range at IOVA offset 0 */
	P2PBUF_FAULT_NO_SYNC,		/* links and does not sync */
	P2PBUF_FAULT_NO_UNLINK,		/* unmaps IOVAs as if they were bus addresses */
	P2PBUF_NR_FAULTS
};

/*
 * Make another DMABUF of what a DMABUF of ours exports, by an exporter with a fault and
 * with the same description. Returns its descriptor. One mapping at a time.
 */
struct p2pbuf_test_rogue {
	__s32 fd;
	__u32 fault;
};

#define P2PBUF_TEST_ROGUE \
	_IOW(P2PBUF_TEST_BASE, 20, struct p2pbuf_test_rogue)

/* Count the pages from an address on that a function's IOMMU domain translates. */
struct p2pbuf_test_translated {
	char client[P2PBUF_TEST_NAME];
	__u64 addr;
	__u64 nr_pages;
	__u64 translated;
};

#define P2PBUF_TEST_TRANSLATED \
	_IOWR(P2PBUF_TEST_BASE, 21, struct p2pbuf_test_translated)

/* Other ways to map than ours, all by phys. */
enum p2pbuf_test_strategy {
	P2PBUF_TEST_EACH,	/* dma_map_phys() per range */
	P2PBUF_TEST_DESTROY,	/* as we do, but undone by dma_iova_destroy() */
};

/*
 * Map a DMABUF in one of these ways until P2PBUF_TEST_STRATEGY_UNMAP or close. One at a
 * time per open file.
 */
struct p2pbuf_test_strategy_map {
	char client[P2PBUF_TEST_NAME];
	__s32 fd;
	__u32 strategy;
	__s32 result;
	__u32 pad;
	__u64 first;		/* lowest and highest DMA address */
	__u64 last;
};

#define P2PBUF_TEST_STRATEGY_MAP \
	_IOWR(P2PBUF_TEST_BASE, 11, struct p2pbuf_test_strategy_map)

#define P2PBUF_TEST_STRATEGY_UNMAP \
	_IO(P2PBUF_TEST_BASE, 12)

enum p2pbuf_test_dma {
	P2PBUF_TEST_DMA_READ,
	P2PBUF_TEST_DMA_WRITE,
	P2PBUF_TEST_DMA_START,	/* a write that P2PBUF_TEST_ENGINE_WAIT waits for */
};

/*
 * One transfer of edu's DMA engine with any address, past the importer, which must be
 * bound and idle.
 */
struct p2pbuf_test_engine {
	char client[P2PBUF_TEST_NAME];
	__u32 dma;		/* enum p2pbuf_test_dma */
	__u32 length;		/* bytes, up to a page */
	__u64 addr;
	__u8 fill;		/* written; before a read, what its target holds */
	__u8 pad[3];
	__u32 changed;		/* bytes that after a read are not @fill */
};

#define P2PBUF_TEST_ENGINE \
	_IOWR(P2PBUF_TEST_BASE, 13, struct p2pbuf_test_engine)

/* Until it is idle. The value is whether it was running when the call began. */
#define P2PBUF_TEST_ENGINE_WAIT \
	_IOR(P2PBUF_TEST_BASE, 14, __u32)

/*
 * Make a fence that signals when told to, by P2PBUF_TEST_SIGNAL or close; one at a time
 * per open file. What is returned is a sync_file.
 */
#define P2PBUF_TEST_FENCE \
	_IOR(P2PBUF_TEST_BASE, 32, __s32)

#define P2PBUF_TEST_SIGNAL \
	_IO(P2PBUF_TEST_BASE, 33)

/*
 * Invalidate all mappings of a DMABUF, as an exporter does that moves it. The move is
 * over when the sync_file @fence_fd signals; -1: at once.
 */
struct p2pbuf_test_move {
	__s32 fd;
	__s32 fence_fd;
};

#define P2PBUF_TEST_MOVE \
	_IOW(P2PBUF_TEST_BASE, 34, struct p2pbuf_test_move)

/* Export a page of RAM that counts its pins, or fails each with @pin_error. */
struct p2pbuf_test_export {
	__s32 fd;		/* out */
	__s32 pin_error;
};

#define P2PBUF_TEST_EXPORT \
	_IOWR(P2PBUF_TEST_BASE, 35, struct p2pbuf_test_export)

/* Pins of all such pages. */
#define P2PBUF_TEST_PINS \
	_IOR(P2PBUF_TEST_BASE, 36, __u32)

/* Claim a BAR until close. */
struct p2pbuf_test_claim {
	char client[P2PBUF_TEST_NAME];
	__u32 bar;
};

#define P2PBUF_TEST_CLAIM \
	_IOW(P2PBUF_TEST_BASE, 37, struct p2pbuf_test_claim)

/* A function's first interrupt waits until P2PBUF_TEST_IRQ_COMES or close; one at a time. */
struct p2pbuf_test_irq {
	char client[P2PBUF_TEST_NAME];
};

#define P2PBUF_TEST_IRQ_WAITS \
	_IOW(P2PBUF_TEST_BASE, 51, struct p2pbuf_test_irq)

#define P2PBUF_TEST_IRQ_COMES \
	_IO(P2PBUF_TEST_BASE, 52)

/* Hold a DMABUF's reservation lock until P2PBUF_TEST_UNLOCK or close; one at a time. */
#define P2PBUF_TEST_LOCK \
	_IOW(P2PBUF_TEST_BASE, 48, __s32)

#define P2PBUF_TEST_UNLOCK \
	_IO(P2PBUF_TEST_BASE, 49)

/* From now on mmap() of this file is dma_buf_mmap() of a DMABUF. */
#define P2PBUF_TEST_MMAP \
	_IOW(P2PBUF_TEST_BASE, 50, __s32)

enum p2pbuf_test_when {
	P2PBUF_TEST_SPEAKS,		/* ends what the same file began */
	P2PBUF_TEST_SILENT,		/* from now on */
	P2PBUF_TEST_SILENT_FROM_RESET,	/* from its next FLR or bus reset on */
	P2PBUF_TEST_SILENT_UNLESS_HELD,	/* while nobody more than now keeps it awake */
};

/*
 * Make a function or port silent: reads of its configuration space are all ones, writes are
 * lost. One in the system, until it is ended or the file is closed.
 */
struct p2pbuf_test_silence {
	char client[P2PBUF_TEST_NAME];
	__u32 when;		/* enum p2pbuf_test_when */
	__u32 after;		/* reads that it answers before */
	__u32 nr_reads;		/* reads after which it answers again, 0: it does not;
				 * SPEAKS: out: how many were all ones
				 */
	__u32 pad;
};

#define P2PBUF_TEST_SILENCE \
	_IOWR(P2PBUF_TEST_BASE, 38, struct p2pbuf_test_silence)

/*
 * Put the fence @before into a DMABUF, and attach to it. When its exporter next takes access
 * away, the fence @after is added, and @before signals @ms later; @after does at close, or
 * when P2PBUF_TEST_GIVE_UP_SECONDS are over, as whoever waits for it must come to an end.
 */
struct p2pbuf_test_follow {
	__s32 fd;
	char client[P2PBUF_TEST_NAME];
	__u32 ms;
	__s32 before;		/* out: sync_files */
	__s32 after;
};

#define P2PBUF_TEST_GIVE_UP_SECONDS	300

#define P2PBUF_TEST_FOLLOW \
	_IOWR(P2PBUF_TEST_BASE, 64, struct p2pbuf_test_follow)

/* Access has gone, and @after has been added: ENODATA if not. */
#define P2PBUF_TEST_FOLLOWED \
	_IO(P2PBUF_TEST_BASE, 65)

/*
 * Have a function's bus translate so many bytes from a physical address on to DMA addresses,
 * and nothing else, until close.
 */
struct p2pbuf_test_translate {
	char client[P2PBUF_TEST_NAME];
	__u64 phys;
	__u64 addr;
	__u64 length;
};

#define P2PBUF_TEST_TRANSLATE \
	_IOW(P2PBUF_TEST_BASE, 66, struct p2pbuf_test_translate)

/* Unmap something in a function's IOMMU domain, whoever has mapped it. */
struct p2pbuf_test_punch {
	char client[P2PBUF_TEST_NAME];
	__u64 addr;
	__u64 length;
	__u64 unmapped;
};

#define P2PBUF_TEST_PUNCH \
	_IOWR(P2PBUF_TEST_BASE, 67, struct p2pbuf_test_punch)

#endif /* _P2PBUF_TEST_IOCTL_H */
