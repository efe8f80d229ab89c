// SPDX-License-Identifier: GPL-2.0-only
/*
 * A transfer on its way: callbacks wait for its dependencies, a work item moves the data
 * and signals the fence.
 *
 * Whoever waits for the fence may hold a reservation lock or an attachment's lock, or be
 * about to free memory. So from p2pbuf_job_start() to the signal nothing is allocated and
 * neither lock is taken; lockdep is told so. The mappings stay because they are counted
 * in nr_jobs, which every unmap waits for.
 *
 * This is over in bounded time: each dependency is a fence, which signals in bounded time
 * by contract, and after them a job needs nothing but the engine, which is stopped when
 * it does not complete. So an exporter's wait for our fences, and for the unmap that
 * waits for the jobs, is bounded too.
 */
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "importer.h"

/*
 * What was published before the exporter invalidated the mapping may run: the exporter
 * waits for the fence before it touches the memory. For a buffer that moves it has to
 * run, since nobody would do it again. Memory that is being taken away is not worth the
 * wait.
 */
static bool is_revoked(const struct p2pbuf_attachment *att)
{
	return att->flow != P2PBUF_FLOW_MOVABLE && READ_ONCE(att->stale);
}

/* Returns the bytes moved or an error. */
static int move_chunk(struct p2pbuf_job *job, u64 done)
{
	struct edu *edu = &job->src->importer->edu;
	dma_addr_t from, to;
	bool proven;
	size_t len;
	int ret;

	len = p2pbuf_next_chunk(job->src, job->src_offset + done, job->length - done,
				&from);
	len = p2pbuf_next_chunk(job->dst, job->dst_offset + done, len, &to);
	if (!len)
		return -EIO;
	ret = edu_read_chunk(edu, from, job->data, len, &proven);
	if (ret)
		return ret;
	ret = edu_write_chunk(edu, to, job->data, len,
			      p2pbuf_reads_back(job->dst, job->flags), &proven);
	return ret ?: len;
}

static int move_all(struct p2pbuf_job *job)
{
	u64 done = 0;
	int ret;

	if (is_revoked(job->src) || is_revoked(job->dst))
		return -ESTALE;
	while (done < job->length) {
		ret = move_chunk(job, done);
		if (ret < 0)
			return ret;
		p2pbuf_count(job->importer, P2PBUF_IMPORTER_BYTES, ret);
		done += ret;
	}
	return 0;
}

static void hold_mapping(struct p2pbuf_attachment *att)
{
	lockdep_assert_held(&att->lock);
	kref_get(&att->kref);
	atomic_inc(&att->nr_jobs);
}

static void drop_mapping(struct p2pbuf_attachment *att)
{
	if (atomic_dec_and_test(&att->nr_jobs))
		wake_up_var(&att->nr_jobs);
	p2pbuf_attachment_put(att);
}

static u64 nr_pages(u64 offset, u64 length)
{
	return (offset + length - 1) / EDU_CHUNK - offset / EDU_CHUNK + 1;
}

/*
 * Who closes a file or takes memory away waits for what is queued, so that is limited.
 * Of two pages that end together only one counts.
 */
static int reserve_chunks(struct p2pbuf_job *job)
{
	unsigned int nr = nr_pages(job->src_offset, job->length) +
			  nr_pages(job->dst_offset, job->length) - 1;
	atomic_t *under_way = &job->importer->nr_chunks;

	if (atomic_add_return(nr, under_way) > P2PBUF_TRANSFER_CHUNKS) {
		atomic_sub(nr, under_way);
		return -EBUSY;
	}
	job->nr_chunks = nr;
	return 0;
}

static void release_chunks(struct p2pbuf_job *job)
{
	atomic_sub(job->nr_chunks, &job->importer->nr_chunks);
	job->nr_chunks = 0;
}

static void run_job(struct work_struct *work)
{
	struct p2pbuf_job *job = container_of(work, struct p2pbuf_job, work);
	bool cookie = dma_fence_begin_signalling();
	int ret;

	ret = move_all(job);
	p2pbuf_count(job->importer, ret ? P2PBUF_IMPORTER_FAILED_TRANSFERS :
					  P2PBUF_IMPORTER_TRANSFERS, 1);
	if (ret)
		dma_fence_set_error(job->fence, ret);
	/* Who waited for the fence may start as much again. */
	release_chunks(job);
	dma_fence_signal(job->fence);
	dma_fence_end_signalling(cookie);

	drop_mapping(job->src);
	drop_mapping(job->dst);
	p2pbuf_job_free(job);
}

/* The last dependency, or p2pbuf_job_start() itself, lets it run. */
static void let_run(struct p2pbuf_job *job)
{
	if (atomic_dec_and_test(&job->nr_pending))
		queue_work(p2pbuf_job_wq, &job->work);
}

static void src_signalled(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	let_run(container_of(cb, struct p2pbuf_job, src_cb));
}

static void dst_signalled(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	let_run(container_of(cb, struct p2pbuf_job, dst_cb));
}

static void wait_for(struct p2pbuf_job *job, struct dma_fence *fence,
		     struct dma_fence_cb *cb, dma_fence_func_t func)
{
	if (!fence)
		return;
	atomic_inc(&job->nr_pending);
	if (dma_fence_add_callback(fence, cb, func))
		atomic_dec(&job->nr_pending);
}

/**
 * p2pbuf_job_create - prepare a transfer
 * @src: buffer to be read
 * @dst: buffer to be written; may be @src
 * @args: checked
 *
 * Context: may sleep.
 * Return: the job, or ERR_PTR: -ENOMEM, -EBUSY (too much is under way).
 */
struct p2pbuf_job *p2pbuf_job_create(struct p2pbuf_attachment *src,
				     struct p2pbuf_attachment *dst,
				     const struct p2pbuf_transfer *args)
{
	struct p2pbuf_job *job;
	int ret;

	job = kzalloc_obj(*job, GFP_KERNEL_ACCOUNT);
	if (!job)
		return ERR_PTR(-ENOMEM);
	job->src = src;
	job->dst = dst;
	job->src_offset = args->src_offset;
	job->dst_offset = args->dst_offset;
	job->length = args->length;
	job->flags = args->flags;
	atomic_set(&job->nr_pending, 1);
	INIT_WORK(&job->work, run_job);
	kref_get(&src->importer->kref);
	job->importer = src->importer;
	ret = reserve_chunks(job);
	if (!ret) {
		job->fence = p2pbuf_fence_create();
		ret = job->fence ? 0 : -ENOMEM;
	}
	if (!ret)
		return job;
	p2pbuf_job_free(job);
	return ERR_PTR(ret);
}

/**
 * p2pbuf_job_free - undo p2pbuf_job_create()
 * @job: not started, or over
 */
void p2pbuf_job_free(struct p2pbuf_job *job)
{
	dma_fence_put(job->src_dep);
	dma_fence_put(job->dst_dep);
	dma_fence_put(job->fence);
	release_chunks(job);
	p2pbuf_importer_put(job->importer);
	kfree(job);
}

/**
 * p2pbuf_job_start - publish the fence; the rest happens by itself
 * @job: with its dependencies; belongs to its work item from here on
 *
 * Context: @src's and @dst's lock and reservation lock are held, both are mapped, and a
 * fence slot is reserved in both reservation objects.
 */
void p2pbuf_job_start(struct p2pbuf_job *job)
{
	struct dma_resv *src = job->src->dmabuf->resv;
	struct dma_resv *dst = job->dst->dmabuf->resv;
	bool cookie = dma_fence_begin_signalling();

	hold_mapping(job->src);
	hold_mapping(job->dst);
	dma_resv_add_fence(dst, job->fence, DMA_RESV_USAGE_WRITE);
	if (src != dst)
		dma_resv_add_fence(src, job->fence, DMA_RESV_USAGE_READ);
	wait_for(job, job->src_dep, &job->src_cb, src_signalled);
	wait_for(job, job->dst_dep, &job->dst_cb, dst_signalled);
	let_run(job);
	dma_fence_end_signalling(cookie);
}
