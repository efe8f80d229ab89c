/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * p2pbuf_drm: the reference GPU importer
 *
 * A DRM driver with a card and a render node for a QEMU edu function. Its buffer objects
 * are imported DMABUFs and nothing else: DRM_IOCTL_PRIME_FD_TO_HANDLE makes one,
 * DRM_IOCTL_GEM_CLOSE ends it, DRM_IOCTL_PRIME_HANDLE_TO_FD gives the same DMABUF back.
 *
 * DRM_IOCTL_PRIME_FD_TO_HANDLE attaches dynamically, with peer-to-peer, and maps nothing.
 * Errors besides the core's: EINVAL (the size is not a multiple of the page size), ENODEV
 * (the driver was unbound), ENOMEM, and what the exporter's attach returns.
 */
#ifndef _UAPI_P2PBUF_DRM_H
#define _UAPI_P2PBUF_DRM_H

#include <drm/drm.h>

#if defined(__cplusplus)
extern "C" {
#endif

#define DRM_P2PBUF_COPY		0x00

/* The most bytes that one DRM_IOCTL_P2PBUF_COPY moves: a fence has to signal soon. */
#define DRM_P2PBUF_COPY_MAX	0x10000
/* The most copies of one device that are not over. */
#define DRM_P2PBUF_COPIES	8

/**
 * enum drm_p2pbuf_copy_flags - direction of a copy
 * @DRM_P2PBUF_COPY_TO_BUFFER: user memory to the buffer (the device writes it); without
 *	it, the buffer to user memory (the device reads it)
 */
enum drm_p2pbuf_copy_flags {
	DRM_P2PBUF_COPY_TO_BUFFER	= 1 << 0,
};

/**
 * struct drm_p2pbuf_copy - argument of DRM_IOCTL_P2PBUF_COPY
 * @handle: in: of the buffer object
 * @flags: in: enum drm_p2pbuf_copy_flags
 * @offset: in: into the buffer in bytes, any alignment
 * @length: in: in bytes, not zero, at most DRM_P2PBUF_COPY_MAX, any alignment
 * @pad: zero
 * @user: in: address of the user memory
 * @in_sync: in: a syncobj whose fence is waited for before the copy starts, or 0
 * @out_sync: in: a syncobj that gets the fence of the copy, or 0; may be @in_sync
 */
struct drm_p2pbuf_copy {
	__u32 handle;
	__u32 flags;
	__u64 offset;
	__u32 length;
	__u32 pad;
	__u64 user;
	__u32 in_sync;
	__u32 out_sync;
};

/**
 * DRM_IOCTL_P2PBUF_COPY - copy between a buffer object and user memory by device DMA
 *
 * Maps the buffer if it is not mapped, or not any more. The copy takes its place among the
 * fences of the DMABUF: it starts when those that it must obey have signalled (of writers,
 * and if it writes, of readers too), and its own fence, a reader's or a writer's, is there
 * until the engine is idle. The copies of one device are carried out in the order in which
 * they were accepted.
 *
 * A copy to the buffer returns as soon as it is accepted; @user may be changed at once. Its
 * outcome is the status of the fence in @out_sync, as of a sync_file made of it (struct
 * sync_fence_info). A copy to user memory waits for the outcome and returns it: EIO (the
 * data did not arrive), EAGAIN (the function is being reset, recovered or suspended),
 * ETIMEDOUT (the engine did not complete and was stopped, before the fence signalled).
 * Part may have been moved then. What is written is read back and compared. Bytes that are
 * read as zeros are also what the engine delivers when it is refused. libdrm's drmIoctl()
 * tries again after EAGAIN and EINTR, which is right here.
 *
 * Errors, and nothing has happened: EINVAL (unknown bits in @flags, @pad is not zero,
 * @in_sync has no fence), ENODATA (@length is zero), EMSGSIZE (@length is above
 * DRM_P2PBUF_COPY_MAX), ENOENT (no such buffer object or syncobj), EOVERFLOW (@offset +
 * @length overflows), ERANGE (the end is beyond the buffer's size), EBUSY (there are
 * DRM_P2PBUF_COPIES already), EFAULT (@user is not readable), EINTR (a signal arrived
 * before the copy was accepted), ENODEV (the function was removed or its driver unbound),
 * ENOMEM, and what the exporter's map returns: ENODEV while access is taken away, EACCES
 * of an O_RDONLY DMABUF, which is not mapped for a device that may write.
 *
 * Errors of a copy to user memory once it is accepted, besides its outcome: EFAULT (@user
 * is not writable), EINTR (a signal arrived; the copy is carried out).
 */
#define DRM_IOCTL_P2PBUF_COPY \
	DRM_IOW(DRM_COMMAND_BASE + DRM_P2PBUF_COPY, struct drm_p2pbuf_copy)

#if defined(__cplusplus)
}
#endif

#endif /* _UAPI_P2PBUF_DRM_H */
