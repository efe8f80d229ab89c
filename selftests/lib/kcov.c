// SPDX-License-Identifier: GPL-2.0-only
/* Which code a thread's calls reach (Documentation/dev-tools/kcov.rst). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kcov.h>

#include "kcov.h"

#define TRACED	65536UL
/* Places in a hash table: far more than our modules have branches. */
#define PLACES	0x40000U

static unsigned long *traced;
static unsigned long *seen;
static unsigned int nr_seen;

/* For the calling thread. -errno if this kernel does not tell. */
int kcov_start(void)
{
	size_t size = TRACED * sizeof(*traced);
	int ret = 0, fd;

	fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	seen = calloc(PLACES, sizeof(*seen));
	if (!seen || ioctl(fd, KCOV_INIT_TRACE, TRACED))
		ret = -errno;
	if (!ret) {
		traced = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (traced == MAP_FAILED || ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC))
			ret = -errno;
	}
	/* Enabled, the descriptor stays open until the program ends. */
	if (ret) {
		traced = NULL;
		close(fd);
	}
	return ret;
}

void kcov_begin(void)
{
	if (traced)
		__atomic_store_n(&traced[0], 0, __ATOMIC_RELAXED);
}

static bool note(unsigned long pc)
{
	unsigned int at = (pc * 0x9e3779b97f4a7c15UL) >> 46;

	while (seen[at] && seen[at] != pc)
		at = (at + 1) % PLACES;
	if (seen[at] || nr_seen == PLACES / 2)
		return false;
	seen[at] = pc;
	nr_seen++;
	return true;
}

/* Was there something new since kcov_begin()? */
bool kcov_end(void)
{
	unsigned long i, nr;
	bool new = false;

	if (!traced)
		return false;
	nr = __atomic_load_n(&traced[0], __ATOMIC_RELAXED);
	for (i = 1; i <= nr; i++)
		new |= note(traced[i]);
	return new;
}

unsigned int kcov_count(void)
{
	return nr_seen;
}
