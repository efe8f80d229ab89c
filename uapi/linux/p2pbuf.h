/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * p2pbuf: PCIe peer-to-peer DMABUFs
 *
 * Two kinds of character device, one node per PCI function, mode 0600:
 *
 *   /dev/p2pbuf/exporter/<domain:bus:dev.fn>   turns BAR ranges into a DMABUF
 *   /dev/p2pbuf/importer/<domain:bus:dev.fn>   maps a DMABUF for its function
 *                                              and moves data by device DMA
 *
 * Conventions of every ioctl in this file:
 *
 * - Offsets, lengths and sizes are in bytes.
 * - Structs grow at the end only. The size in the ioctl number tells the driver
 *   which version the program was built with. A driver that knows less than the
 *   program accepts the call if all that it does not know is zero, and fails it
 *   with E2BIG otherwise. A driver that knows more reads the missing members as
 *   zero. A struct shorter than the first published version fails with EINVAL.
 * - Members named reserved must be zero, else EINVAL.
 * - Unknown bits in a flags member fail with EINVAL.
 * - A PCI function is named by a number: domain << 16 | bus << 8 | devfn, a bus likewise with
 *   devfn 0. It has 64 bits, as domains have up to 32: those of VMD begin at 0x10000.
 * - Errors common to all: EFAULT (the struct is not readable or writable),
 *   ENODEV (the function was removed or its driver unbound), ENOTTY (no such
 *   ioctl on this node), ENOMEM.
 * - A call that fails changes nothing, unless its description says otherwise. Only an
 *   EFAULT of writing results back comes after the work is done.
 */
#ifndef _UAPI_LINUX_P2PBUF_H
#define _UAPI_LINUX_P2PBUF_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define P2PBUF_IOCTL_BASE	0xbb

/*
 * Exporter
 */

/**
 * enum p2pbuf_region_flags - what a region (a BAR) is
 * @P2PBUF_REGION_EXPORTABLE: ranges of it can be exported
 * @P2PBUF_REGION_64BIT: 64-bit memory BAR
 * @P2PBUF_REGION_PREFETCHABLE: prefetchable memory BAR
 * @P2PBUF_REGION_WRITE_COMBINING: the CPU sees it write-combining through mmap()
 *	of the DMABUF; uncached otherwise
 */
enum p2pbuf_region_flags {
	P2PBUF_REGION_EXPORTABLE	= 1 << 0,
	P2PBUF_REGION_64BIT		= 1 << 1,
	P2PBUF_REGION_PREFETCHABLE	= 1 << 2,
	P2PBUF_REGION_WRITE_COMBINING	= 1 << 3,
};

/**
 * enum p2pbuf_region_reason - why a region is not exportable
 * @P2PBUF_REASON_NONE: it is exportable
 * @P2PBUF_REASON_ABSENT: the function does not implement this BAR, it is the upper half of
 *	a 64-bit BAR, or the PCI core found no address for it, forgot it and said so in the
 *	kernel log, as the driver does in its turn
 * @P2PBUF_REASON_IO_PORT: an I/O-port BAR; peers cannot reach it by memory requests
 * @P2PBUF_REASON_SUB_PAGE: smaller than a CPU page, or not aligned to one: a page
 *	would expose what lies beside it
 * @P2PBUF_REASON_NOT_MAPPABLE: the PCI core says that neither the CPU nor peers may
 *	map the BARs of this function
 */
enum p2pbuf_region_reason {
	P2PBUF_REASON_NONE,
	P2PBUF_REASON_ABSENT,
	P2PBUF_REASON_IO_PORT,
	P2PBUF_REASON_SUB_PAGE,
	P2PBUF_REASON_NOT_MAPPABLE,
};

/**
 * struct p2pbuf_region_info - argument of P2PBUF_IOCTL_REGION_INFO
 * @index: in: BAR number, 0 to 5
 * @flags: out: enum p2pbuf_region_flags; in: zero
 * @reason: out: enum p2pbuf_region_reason; in: zero
 * @reserved: zero
 * @size: out: size of the BAR, 0 if absent; in: zero
 */
struct p2pbuf_region_info {
	__u32 index;
	__u32 flags;
	__u32 reason;
	__u32 reserved;
	__aligned_u64 size;
};

/**
 * P2PBUF_IOCTL_REGION_INFO - describe one BAR
 *
 * Errors: ENXIO (@index is above 5), EINVAL (a member to be zero is not).
 */
#define P2PBUF_IOCTL_REGION_INFO \
	_IOWR(P2PBUF_IOCTL_BASE, 0x00, struct p2pbuf_region_info)

/**
 * struct p2pbuf_range - a piece of a region
 * @offset: from the start of the BAR, a multiple of the CPU page size
 * @length: not zero, a multiple of the CPU page size
 */
struct p2pbuf_range {
	__aligned_u64 offset;
	__aligned_u64 length;
};

/**
 * struct p2pbuf_export - argument of P2PBUF_IOCTL_EXPORT
 * @region_index: BAR number, 0 to 5
 * @open_flags: of the new file: O_RDONLY, O_WRONLY or O_RDWR, and O_CLOEXEC.
 *	O_RDONLY: devices may only read it, too. O_WRONLY: the CPU cannot map it;
 *	devices are not restricted.
 * @flags: zero
 * @nr_ranges: number of elements in @ranges
 * @ranges: address of an array of struct p2pbuf_range. The DMABUF's contents are
 *	the ranges in this order. Ranges may touch, overlap and repeat; together they
 *	are at most as long as the region.
 */
struct p2pbuf_export {
	__u32 region_index;
	__u32 open_flags;
	__u32 flags;
	__u32 nr_ranges;
	__aligned_u64 ranges;
};

/**
 * P2PBUF_IOCTL_EXPORT - make a DMABUF of ranges of one BAR
 *
 * Returns a file descriptor of a DMABUF, which lives on when the node is closed.
 *
 * Access ends when something happens to the function: reset, memory decoding turned
 * off by P2PBUF_IOCTL_MEMORY, system suspend, an error that the PCI core recovers
 * from, removal, the driver unbound. It ends before the kernel goes on with it; an error and a
 * surprise removal are there first. Attachments are told, the fences and mappings that there
 * are then are waited for, CPU mappings are zapped (a later access raises SIGBUS), and attach,
 * map and mmap() fail with ENODEV. After all but the last two access comes back: attachments
 * are told once more, and the same DMABUF can be mapped again. A buffer exported
 * meanwhile starts without access. The driver does not hear of memory decoding turned off or a
 * BAR moved through configuration space, before the next event, nor of the reset of a virtual
 * function's physical function; and late of the reset of a bridge further up.
 *
 * Access does not come back if after an event the function does not answer, does not decode
 * memory, or has other addresses in its BARs than the kernel gave it; and if the
 * recovery from an error fails. Until a reset that works, by whatever way, attach, map and
 * mmap() then fail with EIO.
 *
 * Importers see these errors of the DMABUF. Attach: EOPNOTSUPP (the importer
 * does not declare peer-to-peer, or has no invalidate_mappings callback),
 * EREMOTEIO (no route between the two functions; the kernel log names, once, the port
 * or bridge in the way), ENOLINK (the route cannot be told, see
 * P2PBUF_ROUTE_REASON_SILENT), ENODEV (revoked), EIO (the function failed), EINTR (a signal
 * arrived while somebody else held the reservation lock). Map: EREMOTEIO,
 * ENOLINK, ENODEV and EIO again, EACCES (device writes to an O_RDONLY DMABUF), ERANGE (the DMA
 * mask of the importer does not reach), EADDRNOTAVAIL (the bus limit of the
 * importer does not reach, or its bus has no address for a range), EPERM (the
 * importer's DMA must be bounced, for example swiotlb=force), EIO (the DMA API refused a
 * range, or vfio has claimed the importer), ENOMEM (memory, or no IOVA space left).
 *
 * mmap() of the DMABUF: EINVAL (not MAP_SHARED, or beyond the size), EACCES (not
 * allowed by @open_flags), ENODEV (revoked), EIO (the function failed). Map and mmap() wake
 * the function, and fail as that does.
 *
 * Errors, in the order of the checks:
 * EINVAL (unknown bits in @flags or @open_flags), ENODATA (@nr_ranges is zero),
 * EMSGSIZE (@nr_ranges is above the module parameter max_ranges), EFAULT
 * (@ranges is not readable), ENXIO (no such region, see P2PBUF_REASON_ABSENT),
 * EOPNOTSUPP (the region exists but is not exportable; P2PBUF_IOCTL_REGION_INFO
 * says why); then for each range: ENODATA (@length is zero), EDOM (@offset or
 * @length is not a multiple of the page size), EOVERFLOW (@offset + @length
 * overflows, or the range's end passes the largest physical address), ERANGE
 * (the range passes the end of the BAR), EFBIG (the sum of all lengths up to here is
 * above the size of the BAR); EPERM (a range touches a page of the MSI-X table or of its
 * pending bits, and the module parameter allow_msix is not set); EMFILE, ENFILE (no
 * file descriptor left).
 */
#define P2PBUF_IOCTL_EXPORT \
	_IOW(P2PBUF_IOCTL_BASE, 0x01, struct p2pbuf_export)

/**
 * struct p2pbuf_reset - argument of P2PBUF_IOCTL_RESET
 * @flags: zero
 * @reserved: zero
 */
struct p2pbuf_reset {
	__u32 flags;
	__u32 reserved;
};

/**
 * P2PBUF_IOCTL_RESET - reset the function
 *
 * By the method that the PCI core prefers for it (sysfs: reset_method). Returns when the
 * function is back. The contents of the memory are whatever the reset makes of them.
 *
 * Errors: EOPNOTSUPP (there is no way to reset this function alone), EINTR (a signal
 * arrived while another event of the function, or of the port above it, was waited for; a
 * fatal one ends the wait for importers too: nothing is reset, and access is back), EIO (the
 * function is not back, and access stays lost), those of waking the function (nothing is done),
 * and others of the PCI core (the reset failed; the function answers, and access is back).
 */
#define P2PBUF_IOCTL_RESET \
	_IOW(P2PBUF_IOCTL_BASE, 0x02, struct p2pbuf_reset)

/**
 * struct p2pbuf_memory - argument of P2PBUF_IOCTL_MEMORY
 * @on: 1: memory decoding on; 0: off
 * @flags: zero
 */
struct p2pbuf_memory {
	__u32 on;
	__u32 flags;
};

/**
 * P2PBUF_IOCTL_MEMORY - turn memory decoding of the function on or off
 *
 * Repeating it is no error. It does not replace a reset, see P2PBUF_IOCTL_EXPORT.
 *
 * Errors: EINVAL (@on is neither), EINTR (a signal arrived while another event was waited for; a
 * fatal one ends the wait for importers too: decoding stays on, and access is back), EIO (to be
 * on, and the function failed: as after an event, access does not come back), and those of waking
 * the function.
 */
#define P2PBUF_IOCTL_MEMORY \
	_IOW(P2PBUF_IOCTL_BASE, 0x03, struct p2pbuf_memory)

/**
 * enum p2pbuf_route - the way from the importer's function to the memory
 * @P2PBUF_ROUTE_UNKNOWN: none; of an import: not mapped, or mapped by an exporter that does
 *	not tell
 * @P2PBUF_ROUTE_BUS_ADDR: below one switch and not redirected: PCI bus addresses
 * @P2PBUF_ROUTE_HOST_BRIDGE: through the host bridge without IOMMU translation:
 *	addresses of dma_map_phys(), one per merged range
 * @P2PBUF_ROUTE_IOVA: through the host bridge with IOMMU translation: one IOVA range
 */
enum p2pbuf_route {
	P2PBUF_ROUTE_UNKNOWN,
	P2PBUF_ROUTE_BUS_ADDR,
	P2PBUF_ROUTE_HOST_BRIDGE,
	P2PBUF_ROUTE_IOVA,
};

/**
 * enum p2pbuf_route_reason - why a route is not P2PBUF_ROUTE_BUS_ADDR
 * @P2PBUF_ROUTE_REASON_NONE: it is
 * @P2PBUF_ROUTE_REASON_NO_COMMON: no bridge is above both functions
 * @P2PBUF_ROUTE_REASON_REDIRECT: ACS of a port on the way redirects to the host bridge
 * @P2PBUF_ROUTE_REASON_SILENT: a port on the way, or one of the two functions, does not
 *	answer, though ports were woken, and but for a map the two functions: its ACS
 *	controls read all ones, and no others redirect
 *
 * If there is no route at all, then because the kernel's allow-list, moreover, does not have
 * the host bridge, or because of P2PBUF_ROUTE_REASON_SILENT, as then nothing can be said.
 */
enum p2pbuf_route_reason {
	P2PBUF_ROUTE_REASON_NONE,
	P2PBUF_ROUTE_REASON_NO_COMMON,
	P2PBUF_ROUTE_REASON_REDIRECT,
	P2PBUF_ROUTE_REASON_SILENT,
};

/**
 * struct p2pbuf_route_info - argument of P2PBUF_IOCTL_ROUTE
 * @client: in: the number of the function that would do the DMA
 * @route: out: enum p2pbuf_route; P2PBUF_ROUTE_UNKNOWN if there is none; in: zero
 * @reason: out: enum p2pbuf_route_reason; in: zero
 * @common: out: the lowest bridge above both functions, 0 with
 *	P2PBUF_ROUTE_REASON_NO_COMMON; in: zero
 * @port: out: with P2PBUF_ROUTE_REASON_REDIRECT the first port on the way that redirects,
 *	with P2PBUF_ROUTE_REASON_SILENT what does not answer, otherwise 0; in: zero
 * @host: out: the root bus above @client, whose host bridge the kernel calls
 *	pci<domain>:<bus>; in: zero
 * @flags: zero
 * @reserved: zero
 */
struct p2pbuf_route_info {
	__aligned_u64 client;
	__u32 route;
	__u32 reason;
	__aligned_u64 common;
	__aligned_u64 port;
	__aligned_u64 host;
	__u32 flags;
	__u32 reserved;
};

/**
 * P2PBUF_IOCTL_ROUTE - tell the way for DMA by another function to the BARs, and why
 *
 * It is the way that a map by a driver of @client would take now. A pair without a route is
 * an answer, not an error. @client needs no driver; if it has one that does not use the
 * kernel's DMA API (vfio-pci), the answer is for one that does. The way from the exporter's
 * function to itself is by bus address, and it counts as its own @common, unless its own
 * ACS controls redirect.
 *
 * Errors: EINVAL (a member to be zero is not), ENXIO (there is no function @client).
 */
#define P2PBUF_IOCTL_ROUTE \
	_IOWR(P2PBUF_IOCTL_BASE, 0x04, struct p2pbuf_route_info)

/**
 * struct p2pbuf_revoke - argument of P2PBUF_IOCTL_REVOKE
 * @fd: DMABUF of this node
 * @flags: zero
 */
struct p2pbuf_revoke {
	__s32 fd;
	__u32 flags;
};

/**
 * P2PBUF_IOCTL_REVOKE - take access to one DMABUF away, for good
 *
 * As the events that P2PBUF_IOCTL_EXPORT describes do, but from this DMABUF alone, at any
 * time, and it never comes back: attach, map and mmap() fail with ENODEV from then on, if the
 * function fails, too. Returns when access is gone: the fences that were there
 * have signalled and importers have unmapped. Repeating it is no error, and waits likewise.
 * It works on after the driver was unbound, as long as the node is open.
 *
 * Errors: EBADF (@fd is not open), EINVAL (@flags is not zero, or @fd is not a DMABUF), EXDEV
 * (@fd is a DMABUF of another exporter or function, or of this one when it was bound before),
 * EINTR (a signal arrived while waiting; access is lost to all that is new, and may not be gone
 * yet). A map of it that is being made is waited for first, which no signal ends.
 */
#define P2PBUF_IOCTL_REVOKE \
	_IOW(P2PBUF_IOCTL_BASE, 0x05, struct p2pbuf_revoke)

/*
 * Importer
 */

/**
 * enum p2pbuf_interconnect - how a DMABUF is mapped
 * @P2PBUF_INTERCONNECT_AUTO: PHYS if the exporter offers it, else SGT
 * @P2PBUF_INTERCONNECT_PHYS: the exporter hands over phys_vec and provider and the
 *	importer maps them itself, without a scatterlist
 * @P2PBUF_INTERCONNECT_SGT: the exporter maps; dma_buf_map_attachment()
 */
enum p2pbuf_interconnect {
	P2PBUF_INTERCONNECT_AUTO,
	P2PBUF_INTERCONNECT_PHYS,
	P2PBUF_INTERCONNECT_SGT,
};

/**
 * enum p2pbuf_access - what the importer's function may do to the buffer
 * @P2PBUF_ACCESS_READ: it reads the buffer (DMA_TO_DEVICE)
 * @P2PBUF_ACCESS_WRITE: it writes the buffer (DMA_FROM_DEVICE). Whether a mapping
 *	for writes alone also lets the function read depends on the platform.
 */
enum p2pbuf_access {
	P2PBUF_ACCESS_READ	= 1 << 0,
	P2PBUF_ACCESS_WRITE	= 1 << 1,
};

/**
 * enum p2pbuf_flow - what an exporter may do to the mapping, and what follows
 * @P2PBUF_FLOW_REVOCABLE: dynamic attachment. The exporter may invalidate the mapping
 *	at any time; it is unmapped, and stays so until P2PBUF_IOCTL_MAP.
 * @P2PBUF_FLOW_MOVABLE: likewise, but P2PBUF_IOCTL_COPY and P2PBUF_IOCTL_TRANSFER
 *	map anew by themselves, and a transfer that was accepted is carried out: the
 *	exporter waits for its fence before it moves the buffer
 * @P2PBUF_FLOW_PINNED: dynamic attachment without invalidate_mappings. The buffer is
 *	pinned from import to release.
 * @P2PBUF_FLOW_PINNED_REVOCABLE: pinned likewise, and the exporter may invalidate
 * @P2PBUF_FLOW_STATIC: static attachment, which never allows peer-to-peer; the
 *	buffer is pinned while it is mapped
 *
 * An exporter may refuse any of them. Those of RAM accept all; those of BARs need
 * one that they can invalidate.
 */
enum p2pbuf_flow {
	P2PBUF_FLOW_REVOCABLE,
	P2PBUF_FLOW_MOVABLE,
	P2PBUF_FLOW_PINNED,
	P2PBUF_FLOW_PINNED_REVOCABLE,
	P2PBUF_FLOW_STATIC,
};

/**
 * enum p2pbuf_import_flags - other properties of the attachment
 * @P2PBUF_IMPORT_NO_PEER2PEER: the exporter may not place the buffer in a BAR
 * @P2PBUF_IMPORT_ALIGNED: matters to PHYS where an IOMMU translates: each range of
 *	2 MiB or more is mapped so that the IOMMU can use its largest pages, at the price of
 *	IOVA space and of a segment more for each range that had to be moved. Right for an
 *	importer that takes segments and misses the IOTLB; wrong for one that needs the
 *	buffer in one piece, or large pages of its own across ranges. Where there is no
 *	space for it the mapping is contiguous.
 */
enum p2pbuf_import_flags {
	P2PBUF_IMPORT_NO_PEER2PEER	= 1 << 0,
	P2PBUF_IMPORT_ALIGNED		= 1 << 1,
};

/**
 * struct p2pbuf_import - argument of P2PBUF_IOCTL_IMPORT
 * @fd: in: DMABUF; the import keeps a reference of its own
 * @flags: in: enum p2pbuf_import_flags
 * @interconnect: in: enum p2pbuf_interconnect
 * @access: in: enum p2pbuf_access, at least one bit
 * @handle: out: names the import in the calls below, on this open file only;
 *	in: zero
 * @flow: in: enum p2pbuf_flow
 */
struct p2pbuf_import {
	__s32 fd;
	__u32 flags;
	__u32 interconnect;
	__u32 access;
	__u32 handle;
	__u32 flow;
};

/**
 * P2PBUF_IOCTL_IMPORT - attach to a DMABUF
 *
 * Nothing is mapped.
 *
 * Errors: EBADF (@fd is not open), EINVAL (@fd is not a DMABUF; @interconnect,
 * @access or @flow is not one of the above), EOPNOTSUPP (PHYS, and the exporter does
 * not offer it), and what the exporter's attach or pin returns.
 */
#define P2PBUF_IOCTL_IMPORT \
	_IOWR(P2PBUF_IOCTL_BASE, 0x40, struct p2pbuf_import)

/**
 * struct p2pbuf_handle - argument of the calls that need no more than a handle
 * @handle: from P2PBUF_IOCTL_IMPORT
 * @flags: zero
 */
struct p2pbuf_handle {
	__u32 handle;
	__u32 flags;
};

/**
 * P2PBUF_IOCTL_MAP - map the whole buffer for the importer's function
 *
 * Errors: ENOENT (no such handle), EALREADY (mapped already), EINTR (a signal
 * arrived while waiting for the exporter's move to end), and what the exporter's
 * map returns. After ESTALE of another call it maps anew.
 */
#define P2PBUF_IOCTL_MAP \
	_IOW(P2PBUF_IOCTL_BASE, 0x41, struct p2pbuf_handle)

/**
 * P2PBUF_IOCTL_UNMAP - undo P2PBUF_IOCTL_MAP
 *
 * A transfer under way is waited for. Also acknowledges that the exporter
 * invalidated the mapping.
 *
 * Errors: ENOENT (no such handle), ENXIO (not mapped).
 */
#define P2PBUF_IOCTL_UNMAP \
	_IOW(P2PBUF_IOCTL_BASE, 0x42, struct p2pbuf_handle)

/**
 * P2PBUF_IOCTL_RELEASE - unmap if mapped, detach, forget the handle
 *
 * Closing the node does the same for every handle of the file.
 *
 * Errors: ENOENT (no such handle).
 */
#define P2PBUF_IOCTL_RELEASE \
	_IOW(P2PBUF_IOCTL_BASE, 0x43, struct p2pbuf_handle)

/**
 * enum p2pbuf_state - state of an import
 * @P2PBUF_STATE_MAPPED: mapped
 * @P2PBUF_STATE_STALE: the exporter invalidated the mapping
 */
enum p2pbuf_state {
	P2PBUF_STATE_MAPPED	= 1 << 0,
	P2PBUF_STATE_STALE	= 1 << 1,
};

/**
 * struct p2pbuf_segment - contiguous piece of a mapping as the function sees it
 * @addr: DMA address: an IOVA or a PCI bus address
 * @length: of the piece
 */
struct p2pbuf_segment {
	__aligned_u64 addr;
	__aligned_u64 length;
};

/**
 * struct p2pbuf_query - argument of P2PBUF_IOCTL_QUERY
 * @handle: in: from P2PBUF_IOCTL_IMPORT
 * @state: out: enum p2pbuf_state
 * @interconnect: out: PHYS or SGT
 * @access: out: as imported
 * @route: out: enum p2pbuf_route
 * @nr_ranges: out: ranges as exported; 0 if not mapped or the exporter does not tell
 * @nr_merged: out: ranges after physically adjacent neighbours were merged; 0
 *	likewise
 * @nr_segments: out: DMA segments of the mapping; 0 if not mapped
 * @size: out: size of the DMABUF
 * @segments: in: address of an array of struct p2pbuf_segment, or 0
 * @first_segment: in: the segment that goes into the array's first element
 * @capacity: in: number of elements in the array;
 *	out: how many of them were filled
 * @nr_events: out: how often the exporter took access away or gave it back
 * @reserved: zero
 */
struct p2pbuf_query {
	__u32 handle;
	__u32 state;
	__u32 interconnect;
	__u32 access;
	__u32 route;
	__u32 nr_ranges;
	__u32 nr_merged;
	__u32 nr_segments;
	__aligned_u64 size;
	__aligned_u64 segments;
	__u32 first_segment;
	__u32 capacity;
	__u32 nr_events;
	__u32 reserved;
};

/**
 * P2PBUF_IOCTL_QUERY - describe an import and its mapping
 *
 * All that is out may hold anything on entry. At most 65,536 segments are
 * filled by one call; @first_segment continues.
 *
 * poll() on the node reports POLLPRI while there are events of any of the file's imports
 * that no query has reported, and POLLHUP once the importer's function is gone. Neither
 * says that a map succeeds; P2PBUF_IOCTL_MAP does.
 *
 * Errors: EINVAL (@reserved is not zero), ENOENT (no such handle), EPERM (segments are
 * asked for without CAP_SYS_ADMIN: their addresses can be physical ones), EFAULT (@segments
 * is not writable).
 */
#define P2PBUF_IOCTL_QUERY \
	_IOWR(P2PBUF_IOCTL_BASE, 0x44, struct p2pbuf_query)

/**
 * enum p2pbuf_copy_flags - direction and checks of a copy
 * @P2PBUF_COPY_TO_BUFFER: user memory to the DMABUF (the function writes);
 *	without it, the DMABUF to user memory (the function reads)
 * @P2PBUF_COPY_NO_READBACK: do not read back what was written
 */
enum p2pbuf_copy_flags {
	P2PBUF_COPY_TO_BUFFER	= 1 << 0,
	P2PBUF_COPY_NO_READBACK	= 1 << 1,
};

/**
 * struct p2pbuf_copy - argument of P2PBUF_IOCTL_COPY
 * @handle: in: from P2PBUF_IOCTL_IMPORT
 * @flags: in: enum p2pbuf_copy_flags
 * @offset: in: into the DMABUF, any alignment
 * @length: in: not zero, any alignment, may cross ranges
 * @user: in: address of the user memory
 * @copied: out: bytes copied, on error too
 * @unproven: out: of @copied, how many bytes no check could prove: chunks that
 *	came back as zeros (which is also what the engine delivers when it is
 *	refused), and writes that were not read back
 */
struct p2pbuf_copy {
	__u32 handle;
	__u32 flags;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 user;
	__aligned_u64 copied;
	__aligned_u64 unproven;
};

/**
 * P2PBUF_IOCTL_COPY - copy between the DMABUF and user memory by device DMA
 *
 * Each chunk takes its place among the fences of the DMABUF: it starts when those
 * that it must obey have signalled (of writers, and if it writes, of readers too),
 * and while the engine runs, a fence of its own is there for others to obey.
 *
 * The engine does not report an access that was refused, so the driver checks:
 * reads must replace a pattern that was there before, and writes are read back
 * and compared unless @flags says otherwise or the mapping is for writes alone.
 * A chunk is at most a page. Other writers of the same memory during the copy
 * make the comparison fail.
 *
 * Errors: ENOENT (no such handle), ENXIO (not mapped), ESTALE (the exporter
 * invalidated the mapping), EACCES (the direction is not in @access), ENODATA
 * (@length is zero), EOVERFLOW (@offset + @length overflows), ERANGE (the end is
 * beyond the DMABUF's size), EFAULT (@user is not accessible), EINTR (a signal
 * arrived between two chunks or while waiting for a fence), EIO (the data did not
 * arrive), EAGAIN (the importer's function is being reset, recovered or suspended),
 * ETIMEDOUT (the engine did not complete; it was stopped), and where
 * P2PBUF_FLOW_MOVABLE maps anew, what the exporter's map returns. @copied tells how far
 * it got, whatever the error. What was mapped anew stays mapped.
 */
#define P2PBUF_IOCTL_COPY \
	_IOWR(P2PBUF_IOCTL_BASE, 0x45, struct p2pbuf_copy)

/* The most bytes that one P2PBUF_IOCTL_TRANSFER moves: a fence has to signal soon. */
#define P2PBUF_TRANSFER_MAX	0x20000
/* The most chunks that all transfers of one importer which are not over have left. */
#define P2PBUF_TRANSFER_CHUNKS	128

/**
 * struct p2pbuf_transfer - argument of P2PBUF_IOCTL_TRANSFER
 * @src: in: handle of the buffer that is read
 * @dst: in: handle of the buffer that is written; may be @src
 * @src_offset: in: into @src, any alignment
 * @dst_offset: in: into @dst, any alignment
 * @length: in: not zero, at most P2PBUF_TRANSFER_MAX
 * @flags: in: zero or P2PBUF_COPY_NO_READBACK
 * @fence_fd: out: a sync_file (O_CLOEXEC), which tells when the transfer is over
 *	and, by SYNC_IOC_FILE_INFO, whether it succeeded; in: zero
 */
struct p2pbuf_transfer {
	__u32 src;
	__u32 dst;
	__aligned_u64 src_offset;
	__aligned_u64 dst_offset;
	__aligned_u64 length;
	__u32 flags;
	__s32 fence_fd;
};

/**
 * P2PBUF_IOCTL_TRANSFER - copy from one imported DMABUF to another, asynchronously
 *
 * Returns as soon as the transfer has its place among the fences of both DMABUFs. It
 * starts when the fences that it must obey have signalled: of writers of @src, and of
 * readers and writers of @dst. Its own fence is a reader's in @src and a writer's in
 * @dst, until the engine is idle again. What is released, unmapped or closed
 * meanwhile waits for it.
 *
 * Checks are those of P2PBUF_IOCTL_COPY; what that counts as unproven passes. If it fails
 * later, status in struct sync_fence_info is -EIO (the data did not arrive), -EAGAIN (the
 * importer's function is being reset, recovered or suspended), -ETIMEDOUT
 * (the engine did not complete and was stopped, before the fence signalled) or -ESTALE
 * (a mapping was invalidated before it started, and not by P2PBUF_FLOW_MOVABLE). With
 * -EIO, -EAGAIN and -ETIMEDOUT part of @dst may have been written.
 *
 * Overlapping @src and @dst are copied in ascending order of the chunks.
 *
 * Errors: ENOENT (no such handle), ENXIO (not mapped), ESTALE (the exporter
 * invalidated a mapping), EACCES (@src not for reading, or @dst not for writing),
 * ENODATA (@length is zero), EMSGSIZE (@length is above P2PBUF_TRANSFER_MAX),
 * EOVERFLOW (an offset plus @length overflows), ERANGE (the end is beyond a DMABUF's
 * size), EBUSY (with those of the transfers that are not over it would be more than
 * P2PBUF_TRANSFER_CHUNKS; a chunk ends where a page of @src or of @dst does), EMFILE (no
 * file descriptor left), and where P2PBUF_FLOW_MOVABLE maps anew, what
 * the exporter's map returns. What was mapped anew stays mapped.
 */
#define P2PBUF_IOCTL_TRANSFER \
	_IOWR(P2PBUF_IOCTL_BASE, 0x46, struct p2pbuf_transfer)

/**
 * enum p2pbuf_place_kind - what lies at a DMA address
 * @P2PBUF_PLACE_BAR: a BAR
 * @P2PBUF_PLACE_RAM: system RAM (a bounce buffer, too)
 * @P2PBUF_PLACE_OTHER: nothing known
 * @P2PBUF_PLACE_UNMAPPED: the address is not mapped in the importer's IOMMU domain; where
 *	no IOMMU translates, the importer's bus has no such address
 * @P2PBUF_PLACE_RAW_BAR: likewise, though it is the PCI bus address of a BAR: that
 *	is what a device behind a translating IOMMU must not be given
 */
enum p2pbuf_place_kind {
	P2PBUF_PLACE_BAR,
	P2PBUF_PLACE_RAM,
	P2PBUF_PLACE_OTHER,
	P2PBUF_PLACE_UNMAPPED,
	P2PBUF_PLACE_RAW_BAR,
};

/**
 * enum p2pbuf_place_flags - what the mapping says of an address
 * @P2PBUF_PLACE_MARKED: it is marked as a PCI bus address (sg_dma_is_bus_address());
 *	not every exporter marks them
 */
enum p2pbuf_place_flags {
	P2PBUF_PLACE_MARKED	= 1 << 0,
};

/**
 * struct p2pbuf_place - a piece of a mapping, contiguous in what it resolves to
 * @addr: DMA address
 * @length: of the piece
 * @phys: physical address that @addr leads to; 0 if unmapped
 * @offset: of the piece in the BAR, if it lies in one
 * @bdf: the number of the function whose BAR it is
 * @segment: the DMA segment it belongs to
 * @kind: enum p2pbuf_place_kind
 * @flags: enum p2pbuf_place_flags
 * @via: enum p2pbuf_route: the way that DMA to @addr takes to the memory
 * @bar: number of the BAR
 * @reserved: zero
 */
struct p2pbuf_place {
	__aligned_u64 addr;
	__aligned_u64 length;
	__aligned_u64 phys;
	__aligned_u64 offset;
	__aligned_u64 bdf;
	__u32 segment;
	__u32 kind;
	__u32 flags;
	__u32 via;
	__u32 bar;
	__u32 reserved;
};

/**
 * struct p2pbuf_audit - argument of P2PBUF_IOCTL_AUDIT
 * @handle: in: from P2PBUF_IOCTL_IMPORT
 * @flags: in: zero
 * @offset: in: where to begin, in bytes of the segments laid end to end;
 *	out: where to go on
 * @places: in: address of an array of struct p2pbuf_place
 * @capacity: in: number of elements in the array, not zero;
 *	out: how many of them were filled; 0 at the mapping's end
 * @reserved: zero
 */
struct p2pbuf_audit {
	__u32 handle;
	__u32 flags;
	__aligned_u64 offset;
	__aligned_u64 places;
	__u32 capacity;
	__u32 reserved;
};

/**
 * P2PBUF_IOCTL_AUDIT - tell where each DMA address of a mapping really leads
 *
 * Every page is looked up in the importer's IOMMU domain. One call may look at less
 * than there is room for; @offset continues. Other functions of the importer's IOMMU
 * group must not map or unmap meanwhile (iommu_iova_to_phys() does not bear it; the
 * importer's own calls wait).
 *
 * Errors: EPERM (without CAP_SYS_ADMIN: physical addresses), ENOENT (no such handle),
 * ENXIO (not mapped), ESTALE (the exporter invalidated the mapping), EINVAL
 * (@capacity is zero), EFAULT (@places is not writable).
 */
#define P2PBUF_IOCTL_AUDIT \
	_IOWR(P2PBUF_IOCTL_BASE, 0x47, struct p2pbuf_audit)

/**
 * enum p2pbuf_verdict_kind - what is to be said of a mapping, from good to bad
 * @P2PBUF_VERDICT_NONE: nothing was looked at
 * @P2PBUF_VERDICT_PEER_TO_PEER: every byte lies in a BAR, by the route there is, and
 *	where the exporter describes its buffer, at its place
 * @P2PBUF_VERDICT_RAM: in system RAM: right for an exporter of RAM, a silent fallback
 *	for one of device memory
 * @P2PBUF_VERDICT_WRONG_ROUTE: the right memory by another route than there is: an
 *	IOVA between functions that reach each other by bus address, or an address
 *	marked as a bus address between functions that do not
 * @P2PBUF_VERDICT_NO_ROUTE: in the BAR of a function that cannot be reached, or of which
 *	that cannot be told
 * @P2PBUF_VERDICT_MISPLACED: not where the exporter's description says
 * @P2PBUF_VERDICT_OTHER: nothing known lies there
 * @P2PBUF_VERDICT_UNMAPPED: not mapped in the importer's IOMMU domain
 * @P2PBUF_VERDICT_RAW_BAR: likewise, and the address is a BAR's bus address
 * @P2PBUF_VERDICT_LENGTH: the lengths of the segments do not add up to the DMABUF's
 *	size
 * @P2PBUF_VERDICT_OVERFLOW: likewise, and what is missing is a multiple of 4 GiB: a
 *	length did not fit into 32 bits
 */
enum p2pbuf_verdict_kind {
	P2PBUF_VERDICT_NONE,
	P2PBUF_VERDICT_PEER_TO_PEER,
	P2PBUF_VERDICT_RAM,
	P2PBUF_VERDICT_WRONG_ROUTE,
	P2PBUF_VERDICT_NO_ROUTE,
	P2PBUF_VERDICT_MISPLACED,
	P2PBUF_VERDICT_OTHER,
	P2PBUF_VERDICT_UNMAPPED,
	P2PBUF_VERDICT_RAW_BAR,
	P2PBUF_VERDICT_LENGTH,
	P2PBUF_VERDICT_OVERFLOW,
};

/**
 * struct p2pbuf_verdict - argument of P2PBUF_IOCTL_VERDICT
 * @handle: in: from P2PBUF_IOCTL_IMPORT
 * @flags: in: zero
 * @kind: out: enum p2pbuf_verdict_kind, the worst of all that holds
 * @described: out: 1 if the exporter's description was compared, else 0
 * @total: out: sum of the segments' lengths
 * @bar_bytes: out: of these, in a BAR
 * @ram_bytes: out: in system RAM
 * @unmapped_bytes: out: not mapped in the importer's domain
 * @other_bytes: out: where nothing known lies
 * @offset: out: of the first byte of which @kind holds; of the lengths, @total
 * @place: out: the piece at @offset; zero for the lengths
 */
struct p2pbuf_verdict {
	__u32 handle;
	__u32 flags;
	__u32 kind;
	__u32 described;
	__aligned_u64 total;
	__aligned_u64 bar_bytes;
	__aligned_u64 ram_bytes;
	__aligned_u64 unmapped_bytes;
	__aligned_u64 other_bytes;
	__aligned_u64 offset;
	struct p2pbuf_place place;
};

/**
 * P2PBUF_IOCTL_VERDICT - say whether a mapping is right
 *
 * Looks at every page, as P2PBUF_IOCTL_AUDIT does and under the same conditions. All
 * that is out may hold anything on entry.
 *
 * Errors: EPERM (without CAP_SYS_ADMIN), ENOENT (no such handle), ENXIO (not mapped),
 * ESTALE (the exporter invalidated the mapping, or it was mapped anew meanwhile), EINTR
 * (a signal arrived).
 */
#define P2PBUF_IOCTL_VERDICT \
	_IOWR(P2PBUF_IOCTL_BASE, 0x48, struct p2pbuf_verdict)

#endif /* _UAPI_LINUX_P2PBUF_H */
