/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What p2pbuf-drm's checks share.
 *
 * Functions that return an int return 0 or more, or -errno.
 */
#ifndef _P2PBUF_DRM_TEST_H
#define _P2PBUF_DRM_TEST_H

#include "p2pbuf_test.h"

#define SIZE		(4 * PAGE)
/* What a driver that does not wait would move, and what has to arrive. */
#define OLD		1
#define NEW		2

/* The function with the memory, and the one with the DMA engine: -errno if there is none. */
struct ends {
	int exporter;
	int importer;
	unsigned int bar;
};

/* card.c */
#define MAX_CARDS	16

struct card {
	int fd;
	char node[64];
	char driver[32];
	char bus[32];		/* of its parent device */
	char device[64];	/* its parent device's name */
	bool listed;		/* by drmGetDevices2() */
};

int find_cards(struct card *cards);

/* result.c */
enum verdict {
	PASSED,
	FAILED,
	SKIPPED,
};

struct result {
	enum verdict verdict;
	char text[128];
};

void set_result(struct result *result, enum verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool is_zero(struct result *result, const char *what, int ret);

/* buffer.c: dumb buffers, and any buffer at the importer */
struct dumb {
	int card;
	uint32_t handle;
	uint32_t pitch;
	size_t size;
	int fd;			/* the DMABUF */
	uint8_t *cpu;		/* by the DRM device's own mmap() */
};

int dumb_open(struct dumb *dumb, int card, unsigned int width, unsigned int height);
void dumb_close(struct dumb *dumb);
int dumb_fill(struct dumb *dumb, unsigned int seed);
bool dumb_holds(struct dumb *dumb, unsigned int seed);
int import_and_map(int importer, int fd, uint32_t *handle);
int export_bar(const struct ends *ends, uint8_t **cpu);

/* dumb.c */
bool data_is_lost(void);

/* gate.c: a fence of vgem that signals when told to, and a transfer held by it */
struct gate {
	int importer;
	struct dumb source;	/* of vgem; the fence is a writer's */
	uint32_t fence;
	uint32_t from;		/* handles at the importer */
	uint32_t to;
	int transfer;		/* its sync_file */
};

int vgem_attach(const struct dumb *dumb, uint32_t *fence);
int vgem_signal(const struct dumb *dumb, uint32_t fence);
int gate_close(struct gate *gate, int vgem, int importer, int fd);
int gate_open(struct gate *gate);
int gate_wait(struct gate *gate);
void gate_drop(struct gate *gate);

/* screen.c */
struct screen {
	int card;
	uint32_t connector;
	uint32_t crtc;
	uint32_t plane;
	uint32_t mode;		/* a blob */
	uint16_t width;
	uint16_t height;
};

int screen_find(struct screen *screen, int card);
int screen_flip(const struct screen *screen, uint32_t fb, int *out_fence);
int screen_add(const struct screen *screen, const struct dumb *dumb, uint32_t *fb);
void screen_drop(const struct screen *screen, uint32_t fb);

/* The checks; @vgem is a vgem card or -ENOENT. */
struct context {
	struct ends ends;
	int vgem;
	const struct card *card;
};

void check_import(const struct context *ctx, struct result *result);
void check_dumb(const struct context *ctx, struct result *result);
void check_both(const struct context *ctx, struct result *result);
void check_fences(const struct context *ctx, struct result *result);
void check_kms(const struct context *ctx, struct result *result);
void check_reference(const struct context *ctx, struct result *result);

#endif /* _P2PBUF_DRM_TEST_H */
