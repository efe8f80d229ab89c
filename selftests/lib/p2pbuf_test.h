/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the selftests share: nodes, ioctls, patterns, driver binding.
 *
 * The ioctls are in lib/; wrappers return as those do.
 */
#ifndef _P2PBUF_TEST_H
#define _P2PBUF_TEST_H

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2pbuf_calls.h"

/* The exporter's big BAR: memory, 64-bit, prefetchable (ivshmem-plain). */
#define TEST_BAR	2
#define PAGE		4096UL

/*
 * Seconds of the guest's time until kselftest_harness.h, which is included first, ends a
 * test, in place of its 30. What a test takes of them says nothing: a guest that waits
 * skips them, and with --smp the host's other work counts. So they end what hangs, and no
 * other test comes near them. With many transfers, each of which takes 0.1 of them and next
 * to nothing of ours, a test has GUEST_TIMEOUT.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 3600
#define GUEST_TIMEOUT	100000

#define NO_ZONE		"this kernel has no memory zone for so small a mask"

/* Why a test is skipped where the IOMMU translates what a switch would route. */
#define NO_DATA		"QEMU does not carry the data in this cell"

/* guest.c: what the rig says, and the two functions */
const char *exporter_bdf(void);
const char *importer_bdf(void);
enum p2pbuf_route expected_route(void);
bool iommu_is(const char *name);
bool translates(void);
bool flushes_on_map(void);
unsigned int iova_bits(void);
bool data_arrives(void);
int find_function(unsigned int vendor, unsigned int device, char *bdf, size_t size);
int find_other_function(unsigned int vendor, unsigned int device, const char *but,
			char *bdf, size_t size);
int open_exporter(void);
int open_importer(void);
uint64_t bar_size(int exporter, unsigned int bar);
int write_file(const char *path, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int read_file(const char *path, char *buf, size_t size);
int bind_driver(const char *bdf, const char *driver);
int unbind_driver(const char *bdf);
bool is_bound(const char *driver, const char *bdf);
bool has_driver(const char *bdf);
int bind_both(void);
int set_memory_decoding(const char *bdf, bool on);
int run_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
int reload_importer(unsigned int bits);
bool mask_is_refused(unsigned int bits);

/* events.c: what can happen to the exporter's function */
int reset_by_ioctl(int exporter);
int reset_function(const char *bdf);
int reset_by_sysfs(int exporter);
int memory_off_and_on(int exporter);
int suspend_and_resume(int exporter);
bool can_hibernate(void);
int hibernate_and_resume(int exporter);
int error_below(const char *port);
int error_and_recovery(int exporter);
int lost_link(int exporter);
int unrecovered_error(const char *port);
int unbind_and_bind(int exporter);
int replace_function(const char *bdf);
int remove_and_rescan(int exporter);
int open_port(const char *bdf);
int hide_function(const char *bdf, bool hidden);
int read_command(const char *bdf);

/* acs.c: the port above both functions, and whether it redirects */
int common_port(char *port, size_t size);
int port_above(const char *bdf, char *port, size_t size);
int set_redirect(const char *port, bool on);

/* silence.c: a function that does not answer */
int begin_silence(int test, const char *bdf, unsigned int when, unsigned int after,
		  unsigned int nr_reads);
int end_silence(int test, const char *bdf);
int set_secondary_bus(const char *port, unsigned int bus);

/* calls.c: what the tests ask for most */
int export_pages(int exporter, const unsigned int *pages, unsigned int nr);
int export_repeated(int exporter, uint64_t length, unsigned int nr);
int export_simple(int exporter, uint64_t offset, uint64_t length);
int import_buffer(int importer, int fd, unsigned int interconnect,
		  unsigned int access, uint32_t *handle);
int import_flow(int importer, int fd, unsigned int interconnect, unsigned int flow,
		unsigned int flags, uint32_t *handle);
int query_segment(int importer, uint32_t handle, unsigned int index,
		  struct p2pbuf_segment *seg);
int read_buffer(int importer, uint32_t handle, uint64_t offset, void *user,
		uint64_t length);
int write_buffer(int importer, uint32_t handle, uint64_t offset, const void *user,
		 uint64_t length);

/* compat.c: calls of a 32-bit program */
bool has_compat_calls(void);
int compat_ioctl(int fd, unsigned int cmd, const void *arg);

/* conform.c: whether a DMABUF of any exporter is mapped as it should be */
struct conform {
	int importer;
	int test;		/* of p2pbuf_test.ko */
	int fd;			/* the DMABUF */
	uint8_t *cpu;		/* its contents as they should be, or NULL */
};

const char *nonconformity(const struct conform *conform);

/* traffic.c: DMA that goes on while something happens */
#define TRAFFIC_SIZE	(2 * PAGE)

struct traffic {
	pthread_t thread;
	int importer;
	uint32_t handle;
	atomic_uint done;	/* writes */
	atomic_bool stop;
	int ret;		/* of the last one */
};

int import_both(int importer, int fd, uint32_t *handles);
int start_traffic(struct traffic *traffic, int importer, uint32_t handle);
int wait_for_traffic(struct traffic *traffic);
int stop_traffic(struct traffic *traffic);

/* fence.c: fences of DMABUFs, and gates, which the test module opens */
int fence_info(int fence, unsigned int *nr, char *driver);
int fence_status(int fence);
int wait_fence(int fence);
int ready(int fd, int events);
int export_fence(int fd, unsigned int flags);
int import_fence(int fd, unsigned int flags, int fence);
unsigned int count_fences(int fd, unsigned int flags);
int open_test_module(void);
int lend_exporter(void);
int take_exporter_back(int test);
int close_gate(int fd, unsigned int flags, int *fence);
int open_gate(int test, int fence);
int move_buffer(int fd, int fence);

/**
 * struct followed - a DMABUF that is watched when access goes
 * @test: the test module's file
 * @before: a fence that is there then
 * @after: one that is added then
 */
struct followed {
	int test;
	int before;
	int after;
};

int follow(struct followed *followed, int fd, unsigned int ms);
const char *what_follows(const struct followed *followed);
void unfollow(const struct followed *followed);

/* pattern.c: contents that tell where they belong, never zero */
uint8_t pattern_byte(unsigned int seed, uint64_t position);
void pattern_fill(void *buf, size_t length, unsigned int seed, uint64_t position);
int pattern_check(const void *buf, size_t length, unsigned int seed,
		  uint64_t position, size_t *where);
void shuffle(unsigned int *values, unsigned int nr, unsigned int seed);

/* bar.c: the CPU's view of the BAR, by sysfs resource files */
void *map_bar(unsigned int bar, uint64_t offset, size_t length);

/**
 * struct flushes - IOTLB flushes that the IOMMU got
 * @inside: that touch the addresses asked for
 * @wide: of those, of a whole domain or of everything
 * @outside: that touch other addresses only
 * @domain: of those inside
 * @mixed: there was more than one such domain
 *
 * AMD's do not show their addresses and all count as inside. virtio's are unmap
 * requests.
 */
struct flushes {
	unsigned int inside;
	unsigned int wide;
	unsigned int outside;
	unsigned int domain;
	bool mixed;
};

/* flush.c: what the IOMMU saw, by the rig */
int count_flushes(uint64_t first, uint64_t last, struct flushes *flushes);

/* What a leaf entry of VT-d translates: 4 KiB, 2 MiB or 1 GiB. */
#define LEAF_SIZES	3

static inline uint64_t leaf_size(unsigned int index)
{
	return PAGE << (9 * index);
}

/**
 * struct leaves - leaf entries of page tables
 * @nr: how many there are of each size, the smallest first
 */
struct leaves {
	uint64_t nr[LEAF_SIZES];
};

/* leaves.c: what the IOMMU's page tables have, by the rig */
bool rig_leaves(const char *function, uint64_t first, uint64_t last,
		struct leaves *leaves);

/* rig.c: requests to the rig */
int ask_rig(char *line, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int tell_qemu(const char *command);

/* What one transfer of edu takes; its data move at the end of that time. */
#define ENGINE_MS	100

/* engine.c: edu's DMA engine with any address; @test is P2PBUF_TEST_NODE */
int engine_read(int test, uint64_t addr, uint8_t fill, unsigned int length);
int engine_write(int test, uint64_t addr, uint8_t fill, unsigned int length);
int engine_start(int test, uint64_t addr, uint8_t fill, unsigned int length);
int engine_wait(int test);
int set_limit(int test, uint64_t limit);

/* observe.c: what the kernel tells, and memory that faults */
int count_buffers(const char *exporter, int *attachments);
const char *log_since(char *log, size_t size, const char *mark);
int bar_resource(unsigned int bar, uint64_t *start, uint64_t *size);
long unreclaimable_kib(void);
void *before_hole(size_t length);
bool faults_are_logged(void);
int count_faults(uint64_t addr);
bool raises_sigbus(volatile uint8_t *byte);
bool is_lost_by(int exporter, const char *losses);

/*
 * Seconds of the guest's time until what should have ended counts as hung. Only a test that
 * fails waits for so long, however busy the host is.
 */
#define HUNG_SECONDS	300

/* held.c: memory whose fault lasts */
struct held {
	int uffd;
	uint8_t *page;
	bool writes;		/* reads go through */
	uint8_t content[PAGE];
};

int hold_page(struct held *held, bool writes, const void *content, size_t size);
int wait_for_fault(const struct held *held);
int let_fault_go(const struct held *held);
void drop_page(struct held *held);

#endif /* _P2PBUF_TEST_H */
