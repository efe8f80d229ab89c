// SPDX-License-Identifier: GPL-2.0-only
/* Memory whose page fault lasts until the test lets it go, by userfaultfd. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "p2pbuf_test.h"

static struct uffdio_range range_of(const struct held *held)
{
	return (struct uffdio_range){ .start = (uintptr_t)held->page, .len = PAGE };
}

static int protect(const struct held *held, bool on)
{
	struct uffdio_writeprotect args = {
		.range = range_of(held),
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(held->uffd, UFFDIO_WRITEPROTECT, &args) ? -errno : 0;
}

static int set_up(struct held *held)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	};
	struct uffdio_register args = {
		.range = range_of(held),
		.mode = held->writes ? UFFDIO_REGISTER_MODE_WP :
				       UFFDIO_REGISTER_MODE_MISSING,
	};

	if (ioctl(held->uffd, UFFDIO_API, &api) ||
	    ioctl(held->uffd, UFFDIO_REGISTER, &args))
		return -errno;
	if (!held->writes)
		return 0;
	memcpy(held->page, held->content, PAGE);
	return protect(held, true);
}

/*
 * A page that holds who accesses it first, or with @writes, who writes it first, in its
 * fault. Then it has the contents given.
 */
int hold_page(struct held *held, bool writes, const void *content, size_t size)
{
	int ret;

	*held = (struct held){ .writes = writes };
	memcpy(held->content, content, size);
	held->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (held->page == MAP_FAILED)
		return -errno;
	held->uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	ret = held->uffd < 0 ? -errno : set_up(held);
	if (ret)
		drop_page(held);
	return ret;
}

/* Until somebody is held, but not for ever. */
int wait_for_fault(const struct held *held)
{
	struct pollfd fds = { .fd = held->uffd, .events = POLLIN };
	struct uffd_msg msg;

	if (poll(&fds, 1, HUNG_SECONDS * 1000) != 1)
		return -ETIMEDOUT;
	if (read(held->uffd, &msg, sizeof(msg)) != sizeof(msg))
		return -errno;
	return msg.event == UFFD_EVENT_PAGEFAULT ? 0 : -EPROTO;
}

int let_fault_go(const struct held *held)
{
	struct uffdio_copy args = {
		.dst = (uintptr_t)held->page,
		.src = (uintptr_t)held->content,
		.len = PAGE,
	};

	if (held->writes)
		return protect(held, false);
	return ioctl(held->uffd, UFFDIO_COPY, &args) ? -errno : 0;
}

void drop_page(struct held *held)
{
	close(held->uffd);
	munmap(held->page, PAGE);
}
