// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>

#include "p2pbuf_test.h"

#define BUFINFO		"/sys/kernel/debug/dma_buf/bufinfo"

/*
 * The DMABUFs that an exporter made and that exist, and how often they are attached.
 * -1 if the kernel does not tell (no debugfs).
 */
int count_buffers(const char *exporter, int *attachments)
{
	char line[512], name[64];
	int buffers = 0, attached;
	bool ours = false;
	FILE *file;

	*attachments = 0;
	file = fopen(BUFINFO, "re");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*u %*x %*x %*d %63s", name) == 1) {
			ours = !strcmp(name, exporter);
			buffers += ours;
		} else if (ours && strstr(line, "devices attached") &&
			   sscanf(line, "Total %d", &attached) == 1) {
			*attachments += attached;
		}
	}
	fclose(file);
	return buffers;
}

/* The part of the kernel log after the last line with @mark. */
const char *log_since(char *log, size_t size, const char *mark)
{
	char *at, *last = NULL;
	int length;

	length = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, log, size - 1);
	log[length < 0 ? 0 : length] = '\0';
	for (at = log; (at = strstr(at, mark)); at++)
		last = at;
	return last ? last : "";
}

/* Where a BAR is, by the PCI core; a size of 0 if it is absent. */
int bar_resource(unsigned int bar, uint64_t *start, uint64_t *size)
{
	unsigned long long first, last;
	char text[2048], path[128], *line;
	int ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource",
		 exporter_bdf());
	ret = read_file(path, text, sizeof(text));
	if (ret < 0)
		return ret;
	for (line = text; bar && line; bar--) {
		line = strchr(line, '\n');
		line += !!line;
	}
	if (!line || sscanf(line, "%llx %llx", &first, &last) != 2)
		return -1;
	*start = first;
	*size = last ? last - first + 1 : 0;
	return 0;
}

/* Memory of the kernel that is in use for good, or -1. */
long unreclaimable_kib(void)
{
	char text[8192], *at;

	read_file("/proc/meminfo", text, sizeof(text));
	at = strstr(text, "SUnreclaim:");
	return at ? atol(at + strlen("SUnreclaim:")) : -1;
}

/* Memory that ends where nothing can be accessed. NULL if there is none. */
void *before_hole(size_t length)
{
	size_t pages = (length + PAGE - 1) / PAGE * PAGE;
	char *map;

	map = mmap(NULL, pages + PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	/* Reserved, so that nothing is mapped there later. */
	mprotect(map + pages, PAGE, PROT_NONE);
	return map + pages - length;
}

static sigjmp_buf bus_error;

static void on_bus_error(int signal)
{
	(void)signal;
	siglongjmp(bus_error, 1);
}

/* Does a read of this byte raise SIGBUS? */
bool raises_sigbus(volatile uint8_t *byte)
{
	struct sigaction action = { .sa_handler = on_bus_error }, before;
	bool raised = true;

	sigaction(SIGBUS, &action, &before);
	if (!sigsetjmp(bus_error, 1)) {
		(void)*byte;
		raised = false;
	}
	sigaction(SIGBUS, &before, NULL);
	return raised;
}

/* AMD's log names neither the function nor the address as QEMU models it. */
bool faults_are_logged(void)
{
	return translates() && !iommu_is("amd");
}

/* Faults that the IOMMU's driver logged for an address. */
int count_faults(uint64_t addr)
{
	const char *format = iommu_is("virtio") ? "fault from EP .* at %#llx " :
						  "fault addr %#llx ";
	char text[64];

	snprintf(text, sizeof(text), format, (unsigned long long)addr);
	return run_shell("exit $(dmesg | grep -c '%s')", text);
}

/* Whether the exporter's fdinfo says so, in the order of enum p2pbuf_loss. */
bool is_lost_by(int exporter, const char *losses)
{
	char path[64], info[4096], line[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", exporter);
	snprintf(line, sizeof(line), "lost-by:\t%s\n", losses);
	return read_file(path, info, sizeof(info)) > 0 && strstr(info, line);
}
