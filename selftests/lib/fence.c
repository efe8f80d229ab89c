// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fences in DMABUFs and sync_files, and gates: fences of the test module that signal when
 * told to.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/sync_file.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define MAX_FENCES	8

/* 1, 0 (not signalled) or -errno; how many fences, and of whom the first is. */
int fence_info(int fence, unsigned int *nr, char *driver)
{
	struct sync_fence_info fences[MAX_FENCES] = { };
	struct sync_file_info info = {
		.num_fences = MAX_FENCES,
		.sync_fence_info = (uintptr_t)fences,
	};

	if (ioctl(fence, SYNC_IOC_FILE_INFO, &info))
		return -errno;
	if (nr)
		*nr = info.num_fences;
	if (driver)
		strcpy(driver, fences[0].driver_name);
	return info.status;
}

int fence_status(int fence)
{
	return fence_info(fence, NULL, NULL);
}

/* Waits, but not for ever; the status, and the fence is closed. */
int wait_fence(int fence)
{
	struct pollfd fds = { .fd = fence, .events = POLLIN };
	int ret;

	if (fence < 0)
		return fence;
	poll(&fds, 1, 1000 * 1000);
	ret = fence_status(fence);
	close(fence);
	return ret;
}

int ready(int fd, int events)
{
	struct pollfd fds = { .fd = fd, .events = events };

	return poll(&fds, 1, 0);
}

int export_fence(int fd, unsigned int flags)
{
	struct dma_buf_export_sync_file args = { .flags = flags };

	return ioctl(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &args) ? -errno : args.fd;
}

int import_fence(int fd, unsigned int flags, int fence)
{
	struct dma_buf_import_sync_file args = { .flags = flags, .fd = fence };

	return ioctl(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &args) ? -errno : 0;
}

/* Fences in a DMABUF that have not signalled: of writers, or all. */
unsigned int count_fences(int fd, unsigned int flags)
{
	int fence = export_fence(fd, flags);
	unsigned int nr = 0;

	if (fence < 0)
		return UINT32_MAX;
	if (fence_info(fence, &nr, NULL))
		nr = 0;
	close(fence);
	return nr;
}

int open_test_module(void)
{
	int fd;

	if (access(P2PBUF_TEST_NODE, F_OK) && run_shell("modprobe p2pbuf_test"))
		return -ENOENT;
	fd = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The exporter's function goes to the test module, whose file is returned. */
int lend_exporter(void)
{
	int ret, test = open_test_module();

	if (test < 0)
		return test;
	ret = unbind_driver(exporter_bdf()) ?: bind_driver(exporter_bdf(), "p2pbuf_test");
	if (!ret)
		return test;
	close(test);
	return ret;
}

int take_exporter_back(int test)
{
	close(test);
	unbind_driver(exporter_bdf());
	return bind_driver(exporter_bdf(), "p2pbuf_exporter");
}

/* A gate among the fences of a DMABUF; the test module's file, which opens it. */
int close_gate(int fd, unsigned int flags, int *fence)
{
	int ret, test = open_test_module();

	if (test < 0)
		return test;
	ret = ioctl(test, P2PBUF_TEST_FENCE, fence) ? -errno : 0;
	if (!ret && fd >= 0)
		ret = import_fence(fd, flags, *fence);
	if (!ret)
		return test;
	close(test);
	return ret;
}

int open_gate(int test, int fence)
{
	int ret = ioctl(test, P2PBUF_TEST_SIGNAL) ? -errno : 0;

	close(fence);
	close(test);
	return ret;
}

int move_buffer(int fd, int fence)
{
	struct p2pbuf_test_move args = { .fd = fd, .fence_fd = fence };
	int ret, test = open_test_module();

	if (test < 0)
		return test;
	ret = ioctl(test, P2PBUF_TEST_MOVE, &args) ? -errno : 0;
	close(test);
	return ret;
}

/*
 * Watch what the next event that takes access to a DMABUF away waits for. @ms: for how long
 * it has to, from then on.
 */
int follow(struct followed *followed, int fd, unsigned int ms)
{
	struct p2pbuf_test_follow args = { .fd = fd, .ms = ms };
	int ret;

	followed->test = open_test_module();
	if (followed->test < 0)
		return followed->test;
	strncpy(args.client, importer_bdf(), sizeof(args.client) - 1);
	ret = ioctl(followed->test, P2PBUF_TEST_FOLLOW, &args) ? -errno : 0;
	followed->before = args.before;
	followed->after = args.after;
	if (ret)
		close(followed->test);
	return ret;
}

/*
 * What is wrong with the event, or NULL: it should have waited for the fence that was there
 * when access went, and not for the one that was added then.
 */
const char *what_follows(const struct followed *followed)
{
	if (ioctl(followed->test, P2PBUF_TEST_FOLLOWED))
		return "access did not go, or no fence could be added";
	if (fence_status(followed->before) != 1)
		return "a fence that was there when access went was not waited for";
	if (fence_status(followed->after))
		return "a fence that was added after access went was waited for";
	return NULL;
}

void unfollow(const struct followed *followed)
{
	close(followed->test);
	close(followed->before);
	close(followed->after);
}
