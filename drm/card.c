// SPDX-License-Identifier: GPL-2.0-only
/*
 * DRM devices, found by opening their nodes: drmGetDevices2() leaves out those on a bus
 * that libdrm does not know, such as vgem on the faux bus.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <xf86drm.h>

#include "drm_test.h"

#define MINORS	64

static void last_component(char *name, size_t size, const char *link)
{
	char target[PATH_MAX];
	ssize_t length = readlink(link, target, sizeof(target) - 1);
	const char *slash;

	target[length < 0 ? 0 : length] = '\0';
	slash = strrchr(target, '/');
	snprintf(name, size, "%.*s", (int)size - 1, slash ? slash + 1 : "none");
}

static int describe(struct card *card)
{
	drmVersionPtr version = drmGetVersion(card->fd);
	char link[PATH_MAX];
	struct stat st;

	if (!version)
		return -errno;
	snprintf(card->driver, sizeof(card->driver), "%s", version->name);
	drmFreeVersion(version);
	if (fstat(card->fd, &st))
		return -errno;
	snprintf(link, sizeof(link), "/sys/dev/char/%u:%u/device", major(st.st_rdev),
		 minor(st.st_rdev));
	last_component(card->device, sizeof(card->device), link);
	strcat(link, "/subsystem");
	last_component(card->bus, sizeof(card->bus), link);
	return 0;
}

static int open_card(struct card *card, const char *format, unsigned int minor)
{
	int ret;

	snprintf(card->node, sizeof(card->node), format, minor);
	card->fd = open(card->node, O_RDWR | O_CLOEXEC);
	if (card->fd < 0)
		return -errno;
	ret = describe(card);
	if (ret)
		close(card->fd);
	return ret;
}

static void mark_listed(struct card *cards, unsigned int nr)
{
	drmDevicePtr devices[MAX_CARDS];
	unsigned int i;
	int found = drmGetDevices2(0, devices, MAX_CARDS);

	while (found-- > 0) {
		if (!(devices[found]->available_nodes & 1 << DRM_NODE_PRIMARY))
			continue;
		for (i = 0; i < nr; i++)
			if (!strcmp(cards[i].node,
				    devices[found]->nodes[DRM_NODE_PRIMARY]))
				cards[i].listed = true;
	}
}

/* How many there are; @cards has room for MAX_CARDS. */
int find_cards(struct card *cards)
{
	static const char * const formats[] = { "/dev/dri/card%u", "/dev/accel/accel%u" };
	unsigned int i, minor, nr = 0;

	memset(cards, 0, MAX_CARDS * sizeof(*cards));
	for (i = 0; i < 2; i++)
		for (minor = 0; minor < MINORS && nr < MAX_CARDS; minor++)
			nr += !open_card(&cards[nr], formats[i], minor);
	mark_listed(cards, nr);
	return nr;
}
