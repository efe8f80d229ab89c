// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who gets at the pages of a CPU mapping otherwise than by an access of its own, and what
 * is left to him when access is gone. Documentation/security.rst has the whole list.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/futex.h>
#include <linux/if_xdp.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <linux/userfaultfd.h>

#include "kselftest_harness.h"
#include "foreign.h"

#define NR_PAGES	4U
#define SIZE		(NR_PAGES * PAGE)
#define SEED		11
#define NOBODY		65534
#define BLOCK_DEVICE	"/dev/ram0"

FIXTURE(frames)
{
	int exporter;
	int fd;
	uint8_t *map;
	uint8_t *ram;		/* the same with pages, to see that the calls work */
};

static void *map_ram(void)
{
	return mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

FIXTURE_SETUP(frames)
{
	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
	self->fd = export_simple(self->exporter, 0, SIZE);
	ASSERT_LE(0, self->fd);
	self->map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->ram = map_ram();
	ASSERT_NE(MAP_FAILED, self->ram);
	pattern_fill(self->map, SIZE, SEED, 0);
	pattern_fill(self->ram, SIZE, SEED, 0);
}

FIXTURE_TEARDOWN(frames)
{
	close(self->fd);
	close(self->exporter);
}

/* Each has the page, which is 0, or has not, which is -errno. */

static int by_process_vm_readv(uint8_t *page)
{
	struct iovec local = { &(uint8_t){ 0 }, 1 }, remote = { page, 1 };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1 ? 0 : -errno;
}

static int by_process_vm_writev(uint8_t *page)
{
	struct iovec local = { &(uint8_t){ 0 }, 1 }, remote = { page, 1 };

	return process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == 1 ? 0 : -errno;
}

static int by_proc_mem(uint8_t *page)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	uint8_t byte;
	int ret = 0;

	if (pread(fd, &byte, 1, (off_t)(uintptr_t)page) != 1 ||
	    pwrite(fd, &byte, 1, (off_t)(uintptr_t)page) != 1)
		ret = -errno;
	close(fd);
	return ret;
}

static int by_ptrace(uint8_t *page)
{
	pid_t pid = fork();
	int ret = 0;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
	errno = 0;
	if (ptrace(PTRACE_PEEKDATA, pid, page, NULL) == -1 && errno)
		ret = -errno;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return ret;
}

static int by_futex(uint8_t *page)
{
	return syscall(SYS_futex, page, FUTEX_WAKE, 1, NULL, NULL, 0) < 0 ? -errno : 0;
}

static int by_vmsplice(uint8_t *page)
{
	struct iovec part = { page, PAGE };
	int fds[2], ret;

	if (pipe(fds))
		return -errno;
	ret = vmsplice(fds[1], &part, 1, 0) < 0 ? -errno : 0;
	close(fds[0]);
	close(fds[1]);
	return ret;
}

static int by_direct_io(uint8_t *page)
{
	int fd = open(BLOCK_DEVICE, O_RDWR | O_DIRECT | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -ENODEV;
	if (pwrite(fd, page, PAGE, 0) < 0 || pread(fd, page, PAGE, 0) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int by_io_uring(uint8_t *page)
{
	struct io_uring_params params = { };
	struct iovec part = { page, PAGE };
	int fd, ret;

	fd = syscall(SYS_io_uring_setup, 1, &params);
	if (fd < 0)
		return -ENODEV;
	ret = syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &part, 1);
	ret = ret < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static int by_xdp(uint8_t *page)
{
	struct xdp_umem_reg args = {
		.addr = (uintptr_t)page,
		.len = PAGE,
		.chunk_size = PAGE,
	};
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return -ENODEV;
	ret = setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &args, sizeof(args)) ? -errno : 0;
	close(fd);
	return ret;
}

static int by_userfaultfd(uint8_t *page)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register args = {
		.range = { .start = (uintptr_t)page, .len = PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int ret = 0;

	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &args))
		ret = -errno;
	close(fd);
	return ret;
}

static const struct {
	const char *name;
	int (*get)(uint8_t *page);
	int error;
} ways[] = {
	{ "process_vm_readv", by_process_vm_readv, -EFAULT },
	{ "process_vm_writev", by_process_vm_writev, -EFAULT },
	{ "/proc/PID/mem", by_proc_mem, -EIO },
	{ "ptrace", by_ptrace, -EIO },
	{ "shared futex", by_futex, -EFAULT },
	{ "vmsplice", by_vmsplice, -EFAULT },
	{ "O_DIRECT", by_direct_io, -EFAULT },
	{ "io_uring", by_io_uring, -EFAULT },
	{ "AF_XDP", by_xdp, -EFAULT },
	{ "userfaultfd", by_userfaultfd, -EINVAL },
};

/* Pages are what they all want, and memory of a BAR has none. */
TEST_F(frames, nobody_gets_pages)
{
	unsigned int i;
	size_t where;
	int ret;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		ret = ways[i].get(self->ram);
		if (ret == -ENODEV) {
			ksft_print_msg("%s is not in this guest\n", ways[i].name);
			continue;
		}
		EXPECT_EQ(0, ret) {
			TH_LOG("%s does not work", ways[i].name);
		}
		EXPECT_EQ(ways[i].error, ways[i].get(self->map)) {
			TH_LOG("by %s", ways[i].name);
		}
	}
	EXPECT_EQ(0, pattern_check(self->map, SIZE, SEED, 0, &where));
}

/* The page frame number, as far as this process may know; 0 if there is no page. */
static uint64_t frame_of(const uint8_t *page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (pread(fd, &entry, sizeof(entry), (uintptr_t)page / PAGE * sizeof(entry)) < 0)
		entry = 0;
	close(fd);
	return entry & ((1UL << 55) - 1);
}

TEST_F(frames, numbers_are_for_root)
{
	uint64_t start, size;
	int status;
	pid_t pid;

	ASSERT_EQ(0, bar_resource(TEST_BAR, &start, &size));
	EXPECT_EQ(start / PAGE + 1, frame_of(self->map + PAGE));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* Without it the files in /proc are root's. */
		if (setuid(NOBODY) || prctl(PR_SET_DUMPABLE, 1))
			_exit(1);
		_exit(raises_sigbus(self->map + PAGE) || frame_of(self->map + PAGE));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

static void dump_core(const char *directory)
{
	static const struct rlimit no_limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (chdir(directory) || setrlimit(RLIMIT_CORE, &no_limit) ||
	    write_file("/proc/self/coredump_filter", "0x1ff"))
		_exit(1);
	abort();
}

static bool file_has(const char *path, const void *data, size_t size)
{
	bool found = false;
	uint8_t *map;
	off_t length;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	length = lseek(fd, 0, SEEK_END);
	map = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map != MAP_FAILED) {
		found = memmem(map, length, data, size);
		munmap(map, length);
	}
	close(fd);
	return found;
}

/* What is in RAM is, so that there is a dump at all. */
TEST_F(frames, not_in_core_dump)
{
	char directory[] = "/tmp/coreXXXXXX", pattern[128], path[64];
	uint8_t inside[256], in_ram[256];
	int status, ret;
	pid_t pid;

	ret = read_file("/proc/sys/kernel/core_pattern", pattern, sizeof(pattern));
	if (ret == -ENOENT)
		SKIP(return, "the kernel writes no core dumps");
	ASSERT_LT(0, ret);
	ASSERT_NE(NULL, mkdtemp(directory));
	ASSERT_EQ(0, write_file("/proc/sys/kernel/core_pattern", "core"));
	ASSERT_EQ(0, write_file("/proc/sys/kernel/core_uses_pid", "0"));
	memset(self->ram, 0, SIZE);
	pattern_fill(self->ram, SIZE, SEED + 1, 0);

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		dump_core(directory);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WCOREDUMP(status));
	write_file("/proc/sys/kernel/core_pattern", "%s", pattern);

	snprintf(path, sizeof(path), "%s/core", directory);
	pattern_fill(in_ram, sizeof(in_ram), SEED + 1, PAGE);
	pattern_fill(inside, sizeof(inside), SEED, PAGE);
	EXPECT_TRUE(file_has(path, in_ram, sizeof(in_ram)));
	EXPECT_FALSE(file_has(path, inside, sizeof(inside)));
	unlink(path);
	rmdir(directory);
}

static bool child_raises_sigbus(uint8_t *byte)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(raises_sigbus(byte));
	return waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 1;
}

/* By mmap() again, moved, inherited, and inherited from who inherited; mremap() makes none. */
TEST_F(frames, every_mapping_is_taken_away)
{
	uint8_t *again, *moved = map_ram();
	int status, go[2];
	pid_t pid;

	ASSERT_EQ(MAP_FAILED, mremap(self->map, 0, SIZE, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	again = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, again);
	EXPECT_FALSE(raises_sigbus(again));
	ASSERT_EQ(moved, mremap(again, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, moved));
	again = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, again);
	EXPECT_FALSE(raises_sigbus(again));
	EXPECT_FALSE(raises_sigbus(moved));
	ASSERT_EQ(0, pipe(go));

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		_exit(!(read(go[0], &(char){ 0 }, 1) == 1 && raises_sigbus(self->map) &&
			raises_sigbus(again) && child_raises_sigbus(moved)));
	}
	EXPECT_EQ(0, set_memory(self->exporter, false));
	EXPECT_TRUE(raises_sigbus(self->map));
	EXPECT_TRUE(raises_sigbus(again));
	EXPECT_TRUE(raises_sigbus(moved));
	ASSERT_EQ(1, write(go[1], "", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, set_memory(self->exporter, true));
}

/*
 * A virtual machine: KVM follows page frame numbers, and lets go of them by an MMU
 * notifier (virt/kvm/kvm_main.c, Linux 7.3.4, hva_to_pfn_remapped()).
 */

#define CODE_AT		0x1000
#define BUFFER_AT	0x10000

FIXTURE(vm)
{
	int exporter;
	int fd;
	int kvm;
	int vm;
	int vcpu;
	struct kvm_run *run;
	uint8_t *map;
};

/* mov ax, 0x1000; mov ds, ax; next: mov al, [0]; out 0x10, al; jmp next */
static const uint8_t code[] = {
	0xb8, 0x00, 0x10, 0x8e, 0xd8, 0xa0, 0x00, 0x00, 0xe6, 0x10, 0xeb, 0xf9,
};

static int set_region(int vm, unsigned int slot, uint64_t where, void *memory, uint64_t size)
{
	struct kvm_userspace_memory_region args = {
		.slot = slot,
		.guest_phys_addr = where,
		.memory_size = size,
		.userspace_addr = (uintptr_t)memory,
	};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &args) ? -errno : 0;
}

static int set_registers(int vcpu)
{
	struct kvm_regs regs = { .rip = CODE_AT, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs))
		return -errno;
	return 0;
}

FIXTURE_SETUP(vm)
{
	uint8_t *ram;
	int size;

	self->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (self->kvm < 0)
		SKIP(return, "no KVM in this guest");
	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
	self->fd = export_simple(self->exporter, 0, SIZE);
	ASSERT_LE(0, self->fd);
	self->map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	ram = map_ram();
	ASSERT_NE(MAP_FAILED, ram);
	memcpy(ram, code, sizeof(code));

	self->vm = ioctl(self->kvm, KVM_CREATE_VM, 0);
	ASSERT_LE(0, self->vm);
	ASSERT_EQ(0, set_region(self->vm, 0, CODE_AT, ram, PAGE));
	ASSERT_EQ(0, set_region(self->vm, 1, BUFFER_AT, self->map, SIZE));
	self->vcpu = ioctl(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, self->vcpu);
	size = ioctl(self->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	self->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, self->vcpu, 0);
	ASSERT_NE(MAP_FAILED, self->run);
	ASSERT_EQ(0, set_registers(self->vcpu));
}

FIXTURE_TEARDOWN(vm)
{
	close(self->vcpu);
	close(self->vm);
	close(self->fd);
	close(self->exporter);
}

/* The byte that the machine reads there next, or -errno. */
static int next_byte(int vcpu, const struct kvm_run *run)
{
	if (ioctl(vcpu, KVM_RUN, 0))
		return -errno;
	if (run->exit_reason != KVM_EXIT_IO)
		return -EPROTO;
	return *((const uint8_t *)run + run->io.data_offset);
}

TEST_F(vm, loses_access)
{
	int i;

	for (i = 1; i < 4; i++) {
		*(volatile uint8_t *)self->map = i;
		ASSERT_EQ(i, next_byte(self->vcpu, self->run));
	}
	EXPECT_EQ(0, set_memory(self->exporter, false));
	EXPECT_EQ(-EFAULT, next_byte(self->vcpu, self->run));
	EXPECT_EQ(-EFAULT, next_byte(self->vcpu, self->run));
	EXPECT_EQ(0, set_memory(self->exporter, true));
	*(volatile uint8_t *)self->map = 77;
	EXPECT_EQ(77, next_byte(self->vcpu, self->run));
}

/*
 * Another function, which a user has by vfio-pci and maps memory for by type 1: that follows
 * page frame numbers of VM_PFNMAP, and has no notifier to let go of them (Linux 7.3.4,
 * vaddr_get_pfns() in drivers/vfio/vfio_iommu_type1.c).
 */

#define RAM_IOVA	0x10000
#define BUFFER_IOVA	0x20000

/* QEMU, docs/specs/edu.rst */
#define EDU_REGISTERS	0x100
#define EDU_SRC		(0x80 / 8)
#define EDU_DST		(0x88 / 8)
#define EDU_COUNT	(0x90 / 8)
#define EDU_COMMAND	(0x98 / 8)
#define EDU_RUN		1
#define EDU_TO_BUS	2
#define EDU_BUFFER	0x40000

FIXTURE(dma)
{
	struct vfio vfio;
	volatile uint64_t *edu;
	int exporter;
	int fd;
	uint8_t *map;
	uint8_t *ram;
};

FIXTURE_SETUP(dma)
{
	if (!has_iommu_group(importer_bdf()) || access("/dev/vfio/vfio", F_OK))
		SKIP(return, "no vfio in this guest");
	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
	self->fd = export_simple(self->exporter, 0, SIZE);
	ASSERT_LE(0, self->fd);
	self->map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->ram = map_ram();
	ASSERT_NE(MAP_FAILED, self->ram);
	pattern_fill(self->map, SIZE, SEED, 0);
	pattern_fill(self->ram, SIZE, SEED + 1, 0);

	unbind_driver(importer_bdf());
	ASSERT_EQ(0, bind_driver(importer_bdf(), "vfio-pci"));
	ASSERT_EQ(0, vfio_open(&self->vfio, importer_bdf()));
	ASSERT_EQ(0, vfio_set_bus_mastering(&self->vfio, true));
	self->edu = vfio_map_bar(&self->vfio, 0, PAGE);
	ASSERT_NE(MAP_FAILED, self->edu);
	ASSERT_EQ(0, vfio_map_dma(&self->vfio, self->ram, SIZE, RAM_IOVA));
}

FIXTURE_TEARDOWN(dma)
{
	munmap((void *)self->edu, PAGE);
	vfio_close(&self->vfio);
	unbind_driver(importer_bdf());
	EXPECT_EQ(0, bind_driver(importer_bdf(), "p2pbuf_importer"));
	close(self->fd);
	close(self->exporter);
}

static void run_edu(volatile uint64_t *edu, uint64_t src, uint64_t dst, uint64_t command)
{
	edu[EDU_SRC] = src;
	edu[EDU_DST] = dst;
	edu[EDU_COUNT] = PAGE;
	edu[EDU_COMMAND] = command | EDU_RUN;
	while (edu[EDU_COMMAND] & EDU_RUN)
		usleep(1000);
}

/* A page from one IOVA to the other. */
static void copy_by_edu(volatile uint64_t *edu, uint64_t src, uint64_t dst)
{
	run_edu(edu, src, EDU_BUFFER, 0);
	run_edu(edu, EDU_BUFFER, dst, EDU_TO_BUS);
}

/* The next owner's memory stays as it is, and cannot be read. */
TEST_F(dma, does_not_outlive_unbind)
{
	size_t where;

	EXPECT_EQ(-EFAULT, vfio_map_dma(&self->vfio, self->map, SIZE, BUFFER_IOVA));
	/* The engine works. */
	copy_by_edu(self->edu, RAM_IOVA, RAM_IOVA + PAGE);
	EXPECT_EQ(0, memcmp(self->ram, self->ram + PAGE, PAGE));

	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	copy_by_edu(self->edu, RAM_IOVA, BUFFER_IOVA);
	copy_by_edu(self->edu, BUFFER_IOVA, RAM_IOVA + 2 * PAGE);
	ASSERT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
	EXPECT_NE(0, memcmp(self->ram, self->ram + 2 * PAGE, PAGE)) {
		TH_LOG("the memory could be read");
	}
	munmap(self->map, SIZE);
	close(self->fd);
	close(self->exporter);
	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
	self->fd = export_simple(self->exporter, 0, SIZE);
	ASSERT_LE(0, self->fd);
	self->map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	EXPECT_EQ(0, pattern_check(self->map, SIZE, SEED, 0, &where)) {
		TH_LOG("the memory could be written");
	}
}

TEST_HARNESS_MAIN
