// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jobs: what a GPU does in its command submission and its scheduler.
 *
 * A job takes its place among the fences of the DMABUF, runs when those that it has to
 * obey have signalled, and signals its own. From the place to the signal nothing is
 * allocated, no user memory is touched, and no lock is taken under which somebody waits
 * for a fence: not the reservation lock, which freeing an object takes. So a job holds no
 * reference to its object; it is the object that waits for its jobs.
 *
 * User memory is touched before a job is accepted, or when it is over, with no lock held.
 */
#include <linux/cleanup.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_syncobj.h>
#include <drm/p2pbuf_drm.h>

#include "drv.h"

/**
 * struct job - a copy
 * @kref: held by the ioctl, and by the work item while it is queued
 * @pdrm: the device
 * @obj: the buffer; not to be used any more once @fence has signalled
 * @offset: into the buffer in bytes
 * @write: the device writes the buffer
 * @in: the user wants it to be waited for, or NULL; a reference is held
 * @dep: signals when the buffer may be used, or NULL; a reference is held
 * @memory: of the fence to be, until it is published
 * @fence: signals when the job is over; a reference is held once it is published
 * @work: carries it out
 * @length: of @data in bytes
 * @data: what is copied
 */
struct job {
	struct kref kref;
	struct p2pbuf_drm *pdrm;
	struct p2pbuf_drm_object *obj;
	u64 offset;
	bool write;
	struct dma_fence *in;
	struct dma_fence *dep;
	struct dma_fence *memory;
	struct dma_fence *fence;
	struct work_struct work;
	u32 length;
	u8 data[] __counted_by(length);
};

static const char *fence_name(struct dma_fence *fence)
{
	return P2PBUF_DRM_NAME;
}

/* Neither release nor wait: a fence may outlive this module (drivers/dma-buf/dma-fence.c). */
static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
};

static void job_release(struct kref *kref)
{
	struct job *job = container_of(kref, struct job, kref);

	kfree(job->memory);
	dma_fence_put(job->fence);
	dma_fence_put(job->dep);
	dma_fence_put(job->in);
	kvfree(job);
}

static void job_put(struct job *job)
{
	if (!IS_ERR_OR_NULL(job))
		kref_put(&job->kref, job_release);
}

DEFINE_FREE(job_put, struct job *, job_put(_T))

/* Returns the bytes moved or an error. */
static int move_chunk(struct job *job, u32 done)
{
	struct edu *edu = &job->pdrm->edu;
	dma_addr_t addr;
	bool proven;
	size_t len;
	u64 run;
	int ret;

	addr = p2pbuf_dmabuf_find(&job->obj->map, job->offset + done, &run);
	len = edu_chunk(addr, min_t(u64, run, job->length - done));
	if (!len)
		return -EIO;
	if (job->write)
		ret = edu_write_chunk(edu, addr, job->data + done, len, true, &proven);
	else
		ret = edu_read_chunk(edu, addr, job->data + done, len, &proven);
	return ret ?: len;
}

static int move_all(struct job *job)
{
	u32 done = 0;
	int ret;

	while (done < job->length) {
		ret = move_chunk(job, done);
		if (ret < 0)
			return ret;
		done += ret;
	}
	return 0;
}

static void wait_for(struct dma_fence *fence)
{
	if (fence)
		dma_fence_wait(fence, false);
}

/*
 * In order, and so a job that waits holds up those behind it, as in a ring. It cannot be
 * for one of them: a fence is there before the job that waits for it.
 */
static void run_job(struct work_struct *work)
{
	struct job *job = container_of(work, struct job, work);
	bool cookie = dma_fence_begin_signalling();
	int ret;

	wait_for(job->in);
	wait_for(job->dep);
	ret = move_all(job);
	if (ret)
		dma_fence_set_error(job->fence, ret);
	/* Who waits for the fence may start another one. */
	atomic_dec(&job->pdrm->nr_jobs);
	dma_fence_signal(job->fence);
	dma_fence_end_signalling(cookie);
	job_put(job);
}

/*
 * Sequence numbers have the order in which the jobs run, so that a later fence of the
 * timeline stands for the earlier ones, as dma_resv_add_fence() supposes.
 */
static void publish(struct job *job)
{
	struct p2pbuf_drm_object *obj = job->obj;
	struct p2pbuf_drm *pdrm = job->pdrm;
	bool cookie;

	dma_resv_assert_held(obj->base.resv);
	guard(mutex)(&pdrm->timeline);

	/* From here on lockdep looks for what a fence must not depend on. */
	cookie = dma_fence_begin_signalling();
	job->fence = job->memory;
	job->memory = NULL;
	dma_fence_init(job->fence, &fence_ops, NULL, pdrm->context, ++pdrm->seqno);
	dma_resv_add_fence(obj->base.resv, job->fence,
			   job->write ? DMA_RESV_USAGE_WRITE : DMA_RESV_USAGE_READ);
	dma_fence_put(obj->last);
	obj->last = dma_fence_get(job->fence);
	kref_get(&job->kref);
	queue_work(pdrm->jobs, &job->work);
	dma_fence_end_signalling(cookie);
}

/* All that can fail comes before the fence is published. */
static int submit_bound(struct job *job)
{
	struct dma_resv *resv = job->obj->base.resv;
	int ret;

	ret = p2pbuf_drm_object_lock_mapped(job->obj);
	if (ret)
		return ret;
	/*
	 * The kernel's own fences, an exporter's move among them, are waited for by both;
	 * then a reader waits for writers, and a writer for readers and writers.
	 */
	ret = dma_resv_get_singleton(resv, dma_resv_usage_rw(job->write), &job->dep);
	if (!ret)
		ret = dma_resv_reserve_fences(resv, 1);
	if (!ret)
		publish(job);
	dma_resv_unlock(resv);
	return ret;
}

static int submit_mapped(struct job *job)
{
	int ret, idx;

	for (;;) {
		if (!drm_dev_enter(&job->pdrm->drm, &idx))
			return -ENODEV;
		ret = submit_bound(job);
		drm_dev_exit(idx);
		if (ret <= 0)
			return ret;
		p2pbuf_drm_object_flush(job->obj);
	}
}

/* Who closes a file or takes memory away waits for what is queued, so that is limited. */
static int submit(struct job *job)
{
	struct p2pbuf_drm *pdrm = job->pdrm;
	int ret = -EBUSY;

	if (atomic_inc_return(&pdrm->nr_jobs) <= DRM_P2PBUF_COPIES)
		ret = submit_mapped(job);
	if (ret)
		atomic_dec(&pdrm->nr_jobs);
	return ret;
}

static struct job *job_create(struct p2pbuf_drm *pdrm, struct p2pbuf_drm_object *obj,
			      const struct drm_p2pbuf_copy *args)
{
	struct job *job __free(job_put) = NULL;

	job = kvzalloc(struct_size(job, data, args->length), GFP_KERNEL_ACCOUNT);
	if (!job)
		return ERR_PTR(-ENOMEM);
	kref_init(&job->kref);
	INIT_WORK(&job->work, run_job);
	job->pdrm = pdrm;
	job->obj = obj;
	job->offset = args->offset;
	job->length = args->length;
	job->write = args->flags & DRM_P2PBUF_COPY_TO_BUFFER;
	job->memory = kzalloc_obj(*job->memory, GFP_KERNEL_ACCOUNT);
	if (!job->memory)
		return ERR_PTR(-ENOMEM);
	if (job->write && copy_from_user(job->data, u64_to_user_ptr(args->user), job->length))
		return ERR_PTR(-EFAULT);
	return no_free_ptr(job);
}

static int check_args(const struct drm_p2pbuf_copy *args)
{
	if ((args->flags & ~DRM_P2PBUF_COPY_TO_BUFFER) || args->pad)
		return -EINVAL;
	if (!args->length)
		return -ENODATA;
	return args->length > DRM_P2PBUF_COPY_MAX ? -EMSGSIZE : 0;
}

static int check_range(const struct drm_gem_object *gem, const struct drm_p2pbuf_copy *args)
{
	u64 end;

	if (check_add_overflow(args->offset, (u64)args->length, &end))
		return -EOVERFLOW;
	return end > gem->size ? -ERANGE : 0;
}

/* A copy to user memory ends here, by whom the memory is. */
static int finish_read(struct job *job, u64 user)
{
	int ret;

	ret = dma_fence_wait(job->fence, true);
	if (ret)
		return ret;
	ret = dma_fence_get_status(job->fence);
	if (ret < 0)
		return ret;
	return copy_to_user(u64_to_user_ptr(user), job->data, job->length) ? -EFAULT : 0;
}

static void syncobj_put(struct drm_syncobj *syncobj)
{
	if (syncobj)
		drm_syncobj_put(syncobj);
}

DEFINE_FREE(syncobj_put, struct drm_syncobj *, syncobj_put(_T))

static int copy_object(struct drm_file *file, struct drm_gem_object *gem,
		       const struct drm_p2pbuf_copy *args)
{
	struct drm_syncobj *out __free(syncobj_put) = NULL;
	struct job *job __free(job_put) = NULL;
	struct dma_fence *in;
	int ret;

	ret = check_range(gem, args);
	if (ret)
		return ret;
	if (args->out_sync) {
		out = drm_syncobj_find(file, args->out_sync);
		if (!out)
			return -ENOENT;
	}
	job = job_create(to_p2pbuf_drm(gem->dev), to_p2pbuf_drm_object(gem), args);
	if (IS_ERR(job))
		return PTR_ERR(job);
	if (args->in_sync) {
		/* Of now: no waiting for a fence that somebody may or may not put there. */
		ret = drm_syncobj_find_fence(file, args->in_sync, 0, 0, &in);
		if (ret)
			return ret;
		job->in = in;
	}

	ret = submit(job);
	if (ret)
		return ret;
	if (out)
		drm_syncobj_replace_fence(out, job->fence);
	return job->write ? 0 : finish_read(job, args->user);
}

/**
 * p2pbuf_drm_copy_ioctl - DRM_IOCTL_P2PBUF_COPY
 * @drm: the device
 * @data: struct drm_p2pbuf_copy
 * @file: the caller's
 *
 * Context: may sleep.
 * Return: 0 or an error of the ioctl.
 */
int p2pbuf_drm_copy_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	const struct drm_p2pbuf_copy *args = data;
	struct drm_gem_object *gem;
	int ret;

	ret = check_args(args);
	if (ret)
		return ret;
	gem = drm_gem_object_lookup(file, args->handle);
	if (!gem)
		return -ENOENT;
	ret = copy_object(file, gem, args);
	drm_gem_object_put(gem);
	return ret;
}
