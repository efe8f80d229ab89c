// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts of calls by their result, and whether that is one which uapi/linux/p2pbuf.h
 * documents.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/p2pbuf.h>

#include "tally.h"

#define MAX_KINDS	64
#define MAX_ERRNO	134

static const int common[] = { EFAULT, ENODEV, ENOTTY, ENOMEM, EINVAL, E2BIG, 0 };

/* What our exporter's map returns, as P2PBUF_IOCTL_EXPORT lists it; more is in common. */
static const int map[] = { EREMOTEIO, ENOLINK, EACCES, ERANGE, EADDRNOTAVAIL, EPERM, EIO, 0 };

#define IOCTL(number, ...) \
	[TALLY_##number] = { \
		.name = #number, \
		.cmd = P2PBUF_IOCTL_##number, \
		.errnos = { __VA_ARGS__ }, \
	}

#define IOCTL_THAT_MAPS(number, ...) \
	[TALLY_##number] = { \
		.name = #number, \
		.cmd = P2PBUF_IOCTL_##number, \
		.errnos = { __VA_ARGS__ }, \
		.maps = true, \
	}

static const struct tally_kind ioctls[NR_TALLY_IOCTLS] = {
	IOCTL(REGION_INFO, ENXIO),
	IOCTL(EXPORT, ENODATA, EMSGSIZE, ENXIO, EOPNOTSUPP, EDOM, EOVERFLOW, ERANGE, EFBIG,
	      EPERM, EMFILE, ENFILE),
	IOCTL(RESET, EOPNOTSUPP, EINTR, EIO),
	IOCTL(MEMORY, EINTR, EIO),
	IOCTL(ROUTE, ENXIO),
	IOCTL(REVOKE, EBADF, EXDEV, EINTR),
	IOCTL(IMPORT, EBADF, EOPNOTSUPP, EREMOTEIO, ENOLINK, EIO, EINTR),
	IOCTL_THAT_MAPS(MAP, ENOENT, EALREADY, EINTR),
	IOCTL(UNMAP, ENOENT, ENXIO),
	IOCTL(RELEASE, ENOENT),
	IOCTL(QUERY, ENOENT, EPERM),
	IOCTL_THAT_MAPS(COPY, ENOENT, ENXIO, ESTALE, ENODATA, EOVERFLOW, EINTR, EAGAIN,
			ETIMEDOUT),
	IOCTL_THAT_MAPS(TRANSFER, ENOENT, ENXIO, ESTALE, ENODATA, EMSGSIZE, EOVERFLOW,
			EBUSY, EMFILE),
	IOCTL(AUDIT, EPERM, ENOENT, ENXIO, ESTALE),
	IOCTL(VERDICT, EPERM, ENOENT, ENXIO, ESTALE, EINTR),
};

struct counts {
	atomic_ulong successes;
	atomic_ulong errors[MAX_ERRNO];
};

static const struct tally_kind *added;
static unsigned int nr_kinds;
/* Shared memory: one more for what was not documented. */
static struct counts *counts;
static atomic_uint *undocumented;

static const struct tally_kind *get_kind(unsigned int kind)
{
	return kind < NR_TALLY_IOCTLS ? &ioctls[kind] : &added[kind - NR_TALLY_IOCTLS];
}

const char *tally_name(unsigned int kind)
{
	return get_kind(kind)->name;
}

/* Before any child process is made. */
int tally_start(const struct tally_kind *more, unsigned int nr)
{
	size_t size = sizeof(*counts) * MAX_KINDS + sizeof(*undocumented);
	void *shared;

	if (NR_TALLY_IOCTLS + nr > MAX_KINDS)
		return -EINVAL;
	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return -errno;
	counts = shared;
	undocumented = (void *)(counts + MAX_KINDS);
	added = more;
	nr_kinds = NR_TALLY_IOCTLS + nr;
	return 0;
}

/* The ioctl with this number, whatever size it says, or NR_TALLY_IOCTLS. */
unsigned int tally_find(unsigned int cmd)
{
	unsigned int kind;

	for (kind = 0; kind < NR_TALLY_IOCTLS; kind++)
		if (((cmd ^ ioctls[kind].cmd) & ~IOCSIZE_MASK) == 0)
			break;
	return kind;
}

static bool lists(const int *errnos, int error)
{
	while (*errnos && *errnos != error)
		errnos++;
	return *errnos;
}

static bool is_documented(const struct tally_kind *kind, int error)
{
	return lists(kind->errnos, error) || (kind->cmd && lists(common, error)) ||
	       (kind->maps && lists(map, error));
}

/* Returns @ret: 0 or more, or -errno. */
int tally(unsigned int kind, int ret)
{
	if (ret >= 0) {
		counts[kind].successes++;
		return ret;
	}
	counts[kind].errors[-ret % MAX_ERRNO]++;
	if (!is_documented(get_kind(kind), -ret)) {
		(*undocumented)++;
		printf("not documented: %s returned %s\n", get_kind(kind)->name,
		       strerrorname_np(-ret) ?: "a strange number");
	}
	return ret;
}

static unsigned long errors_of(unsigned int kind)
{
	unsigned long sum = 0;
	unsigned int i;

	for (i = 0; i < MAX_ERRNO; i++)
		sum += counts[kind].errors[i];
	return sum;
}

unsigned long tally_errors(void)
{
	unsigned long sum = 0;
	unsigned int kind;

	for (kind = 0; kind < nr_kinds; kind++)
		sum += errors_of(kind);
	return sum;
}

unsigned long tally_calls(void)
{
	unsigned long sum = tally_errors();
	unsigned int kind;

	for (kind = 0; kind < nr_kinds; kind++)
		sum += counts[kind].successes;
	return sum;
}

unsigned int tally_undocumented(void)
{
	return *undocumented;
}

static void print_kind(unsigned int kind)
{
	unsigned long errors = errors_of(kind);
	unsigned int i;

	printf("%-16s %8lu calls %8lu succeeded", get_kind(kind)->name,
	       errors + counts[kind].successes, counts[kind].successes);
	for (i = 0; i < MAX_ERRNO; i++)
		if (counts[kind].errors[i])
			printf(" %s %lu", strerrorname_np(i), counts[kind].errors[i]);
	printf("\n");
}

static bool is_as_expected(unsigned int kind)
{
	return !counts[kind].successes == get_kind(kind)->refused;
}

/* Has each kind that can succeed done so? */
bool tally_is_complete(void)
{
	unsigned int kind;

	for (kind = 0; kind < nr_kinds; kind++)
		if (!is_as_expected(kind))
			return false;
	return true;
}

/* Prints the counts. Every error is documented, and each kind succeeded at least once? */
bool tally_report(void)
{
	bool good = !tally_undocumented();
	unsigned int kind;

	for (kind = 0; kind < nr_kinds; kind++) {
		print_kind(kind);
		if (is_as_expected(kind))
			continue;
		printf("%s %s succeeded\n", get_kind(kind)->name,
		       get_kind(kind)->refused ? "must not have" : "never");
		good = false;
	}
	return good;
}
