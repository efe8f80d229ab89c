// SPDX-License-Identifier: GPL-2.0-only
/* Instructions of the drivers' ioctls, as their callers see them. */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"

/**
 * struct setting - buffers that are mapped when the revoke comes
 * @exporter: node
 * @importer: node
 * @attachments: of each buffer
 * @dmabufs: number of them
 * @ranges: of each
 * @busy: whether the device moves data when the revoke comes
 * @fds: of the buffers
 * @handles: @attachments for each buffer
 */
struct setting {
	int exporter;
	int importer;
	unsigned int attachments;
	unsigned int dmabufs;
	unsigned int ranges;
	bool busy;
	int *fds;
	uint32_t *handles;
};

/* What is measured, in the order in which it is done. */
enum step { EXPORT, ATTACH, MAP, REVOKE, RESTORE, UNMAP, DETACH, STEPS };

static const char * const step_names[] = {
	[EXPORT] = "export",
	[ATTACH] = "attach",
	[MAP] = "map",
	[REVOKE] = "revoke",
	[RESTORE] = "restore",
	[UNMAP] = "unmap",
	[DETACH] = "detach",
};

static void export_all(struct setting *setting)
{
	unsigned int i;

	for (i = 0; i < setting->dmabufs; i++) {
		setting->fds[i] = export_repeated(setting->exporter, PAGE, setting->ranges);
		must(setting->fds[i] >= 0, "export");
	}
}

static void attach_all(struct setting *setting)
{
	unsigned int i, nr = setting->dmabufs * setting->attachments;

	for (i = 0; i < nr; i++)
		must(!import_buffer(setting->importer, setting->fds[i / setting->attachments],
				    P2PBUF_INTERCONNECT_PHYS,
				    P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE,
				    &setting->handles[i]), "import");
}

static void each_handle(struct setting *setting, int (*call)(int importer, uint32_t handle),
			const char *what)
{
	unsigned int i, nr = setting->dmabufs * setting->attachments;

	for (i = 0; i < nr; i++)
		must(!call(setting->importer, setting->handles[i]), what);
}

/* A revoke left nothing mapped, so what UNMAP measures has to be mapped anew. */
static void prepare_step(struct setting *setting, enum step step)
{
	if (step == UNMAP)
		each_handle(setting, map_handle, "map again");
	if (step == REVOKE && setting->busy)
		must(transfer_buffer(setting->importer, setting->handles[0], 0,
				     setting->handles[1], PAGE / 2, PAGE / 2) >= 0, "transfer");
}

static void do_step(struct setting *setting, enum step step)
{
	switch (step) {
	case EXPORT:
		export_all(setting);
		break;
	case ATTACH:
		attach_all(setting);
		break;
	case MAP:
		each_handle(setting, map_handle, "map");
		break;
	case REVOKE:
		must(!set_memory(setting->exporter, false), "memory off");
		break;
	case RESTORE:
		must(!set_memory(setting->exporter, true), "memory on");
		break;
	case UNMAP:
		each_handle(setting, unmap_handle, "unmap");
		break;
	default:
		each_handle(setting, release_handle, "release");
		break;
	}
}

static unsigned long times_slept(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw;
}

static void close_all(struct setting *setting)
{
	unsigned int i;

	for (i = 0; i < setting->dmabufs; i++)
		close(setting->fds[i]);
}

static void record_step(const struct setting *setting, enum step step,
			const uint64_t *counts, unsigned int nr, unsigned long slept)
{
	record_begin("latency");
	record_text("what", setting->busy ? "revoke, DMA in flight" : step_names[step]);
	record_number("attachments", setting->attachments);
	record_number("dmabufs", setting->dmabufs);
	record_number("ranges", setting->ranges);
	record_numbers("count", counts, nr);
	record_number("waits", slept);
	record_end();
}

static void measure_setting(const struct options *options, struct setting *setting)
{
	unsigned int run, all = options->dropped + options->runs;
	uint64_t *counts = calloc(STEPS * all, sizeof(*counts));
	unsigned long slept[STEPS] = {}, before;
	enum step step;
	uint64_t start;

	setting->fds = calloc(setting->dmabufs, sizeof(*setting->fds));
	setting->handles = calloc(setting->dmabufs * setting->attachments,
				  sizeof(*setting->handles));
	for (run = 0; run < all; run++) {
		for (step = 0; step < STEPS; step++) {
			prepare_step(setting, step);
			before = times_slept();
			start = now();
			do_step(setting, step);
			counts[step * all + run] = now() - start;
			slept[step] = times_slept() - before;
		}
		close_all(setting);
	}
	for (step = 0; step < STEPS; step++)
		if (!setting->busy || step == REVOKE)
			record_step(setting, step, counts + step * all + options->dropped,
				    options->runs, slept[step]);
	free(setting->handles);
	free(setting->fds);
	free(counts);
}

/* The shapes' numbers of ranges; then numbers of attachments, then of DMABUFs. */
void measure_latency(const struct options *options, const struct shape *shapes,
		     unsigned int nr)
{
	static const unsigned int attachments[] = { 1, 4, 16, 64 };
	static const unsigned int dmabufs[] = { 16, 64, 256, 1024, 4096 };
	struct rlimit files = { 8192, 8192 };
	struct setting setting = {
		.exporter = open_exporter(),
		.importer = open_importer(),
	};
	unsigned int i;

	must(setting.exporter >= 0 && setting.importer >= 0, "the nodes");
	must(!setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
	setting.attachments = 1;
	setting.dmabufs = 1;
	for (i = 0; i < nr; i++) {
		setting.ranges = shapes[i].nr;
		measure_setting(options, &setting);
	}
	setting.ranges = 1;
	for (i = 0; i < sizeof(attachments) / sizeof(*attachments); i++) {
		setting.attachments = attachments[i];
		measure_setting(options, &setting);
	}
	setting.busy = true;
	measure_setting(options, &setting);
	setting.busy = false;
	setting.attachments = 1;
	for (i = 0; i < sizeof(dmabufs) / sizeof(*dmabufs); i++) {
		setting.dmabufs = dmabufs[i];
		measure_setting(options, &setting);
	}
	close(setting.importer);
	close(setting.exporter);
}
