/* SPDX-License-Identifier: MIT */
/*
 * Drivers that give DMABUFs of BAR memory and can take it away and back.
 *
 * All return 0, a file descriptor, or -errno.
 */
#ifndef PRIME_P2PBUF_EXPORTER_H
#define PRIME_P2PBUF_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A function that is open: closed is -1. */
struct source {
	int fd;
	int group;
	int container;
	unsigned int bar;
};

struct exporter {
	const char *name;
	int (*open)(struct source *source);
	void (*close)(struct source *source);
	int (*export)(const struct source *source, size_t size);
	/* Memory decoding off and on: the driver revokes and restores. */
	int (*set_memory)(const struct source *source, bool on);
};

extern const struct exporter vfio_exporter;
extern const struct exporter p2pbuf_exporter;

/* function.c: the first function in @directory, or the one that @variable names */
int find_function(const char *directory, const char *variable, char *bdf, size_t size);

#define EXPORTER_VARIABLE	"PRIME_P2PBUF_EXPORTER"
#define IMPORTER_VARIABLE	"PRIME_P2PBUF_IMPORTER"

/* importer.c: a function of p2pbuf_importer, the engine that moves data */
int importer_open(void);
int importer_take(int importer, int fd, uint32_t *handle);
void importer_drop(int importer, uint32_t handle);
int importer_read(int importer, uint32_t handle, void *data, size_t size);
int importer_write(int importer, uint32_t handle, const void *data, size_t size);
int importer_transfer(int importer, uint32_t from, uint32_t to, size_t size);

#endif /* PRIME_P2PBUF_EXPORTER_H */
