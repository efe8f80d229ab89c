// SPDX-License-Identifier: GPL-2.0-only
/*
 * A server that lends ranges of one BAR to clients of another user, each by a DMABUF of its
 * own, takes single ones back, and gets over a reset that fails: what
 * Documentation/exporting.rst, "Lending to clients", says, as a program. It knows no more
 * than uapi/linux/p2pbuf.h and the documents do, but for how the rig has a reset fail.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include "p2pbuf_test.h"

#define NOBODY		65534
#define SIZE		(64 * 1024)
#define NR_CHILDREN	8

static int node;
static unsigned int nr_wrong;

static void say(bool fine, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("%s ", fine ? "ok   " : "WRONG");
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	nr_wrong += !fine;
}

struct client {
	pid_t pid;
	int control;	/* the server's end */
	int dmabuf;	/* the server keeps it to revoke */
};

/* The client's side */

static sigjmp_buf hit;

static void on_bus(int sig)
{
	siglongjmp(hit, sig);
}

static bool touch(volatile uint8_t *at, uint8_t value)
{
	if (sigsetjmp(hit, 1))
		return false;
	*at = value;
	return *at == value;
}

static char hear(int control)
{
	char byte = 0;

	return read(control, &byte, 1) == 1 ? byte : 0;
}

static void tell(int control, char byte)
{
	if (write(control, &byte, 1) != 1)
		_exit(9);
}

/* Writes its memory, is told of the revoke, and finds it gone. */
static int well_behaved(int control, int fd, int importer)
{
	uint8_t *cpu = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	(void)importer;
	if (cpu == MAP_FAILED)
		return errno;
	if (!touch(cpu, 0x5a))
		return 101;
	tell(control, 'r');
	while (hear(control) == 't')
		tell(control, touch(cpu, 0xa5) ? 'y' : 'n');
	return 0;
}

/* Copies by the importer it was handed until that fails. */
static int by_importer(int control, int fd, int importer)
{
	struct p2pbuf_import import = { .fd = fd, .access = P2PBUF_ACCESS_READ |
					P2PBUF_ACCESS_WRITE };
	struct p2pbuf_handle handle = { };
	static uint8_t data[4096];
	struct p2pbuf_copy copy = {
		.flags = P2PBUF_COPY_TO_BUFFER, .length = sizeof(data),
		.user = (uintptr_t)data,
	};

	if (ioctl(importer, P2PBUF_IOCTL_IMPORT, &import))
		return errno;
	handle.handle = copy.handle = import.handle;
	if (ioctl(importer, P2PBUF_IOCTL_MAP, &handle))
		return errno;
	memset(data, 0x77, sizeof(data));
	if (ioctl(importer, P2PBUF_IOCTL_COPY, &copy) && errno != EIO)
		return errno;
	tell(control, 'r');
	hear(control);
	while (!ioctl(importer, P2PBUF_IOCTL_COPY, &copy) || errno == EIO)
		;
	tell(control, errno == ESTALE ? 'y' : 'n');
	tell(control, ioctl(importer, P2PBUF_IOCTL_MAP, &handle) && errno == ENODEV ? 'y' : 'n');
	hear(control);
	return 0;
}

static bool may_reopen(int fd)
{
	char path[64];
	int other;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	other = open(path, O_RDWR);
	if (other >= 0)
		close(other);
	return other >= 0;
}

/* Forks, maps, keeps, sends itself the descriptor, adds fences, never lets go. */
static int hostile(int control, int fd, int importer)
{
	struct p2pbuf_revoke revoke = { .fd = fd };
	char path[128];
	uint8_t *cpu;
	int own, i;

	(void)importer;
	snprintf(path, sizeof(path), "/dev/p2pbuf/exporter/%s", getenv("P2PBUF_EXPORTER"));
	own = open(path, O_RDWR);
	if (own >= 0 || errno != EACCES)
		return 102;
	/* On the DMABUF itself it is no ioctl. */
	if (!ioctl(fd, P2PBUF_IOCTL_REVOKE, &revoke) || errno != ENOTTY)
		return 103;
	cpu = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (cpu == MAP_FAILED || !touch(cpu, 0x5a))
		return errno;
	for (i = 0; i < NR_CHILDREN; i++) {
		if (fork())
			continue;
		signal(SIGTERM, SIG_IGN);
		for (;;) {
			touch(cpu + (i + 1) * 4096, i);
			mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
			if (may_reopen(fd))
				fcntl(fd, F_DUPFD, 100);
			usleep(1000);
		}
	}
	tell(control, 'r');
	while (hear(control) == 't')
		tell(control, touch(cpu, 0xa5) ? 'y' : 'n');
	kill(0, SIGKILL);
	return 0;
}

static void receive_and_run(int control, int importer, int (*run)(int, int, int))
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control_data = { };
	char byte;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = &control_data, .msg_controllen = sizeof(control_data),
	};
	struct sigaction action = { .sa_handler = on_bus };
	int fd;

	setpgid(0, 0);
	sigaction(SIGBUS, &action, NULL);
	if (setgid(NOBODY) || setuid(NOBODY))
		_exit(104);
	if (recvmsg(control, &message, 0) != 1)
		_exit(105);
	memcpy(&fd, CMSG_DATA(&control_data.head), sizeof(fd));
	_exit(run(control, fd, importer));
}

/* The server's side */

static int export(uint64_t offset, uint32_t flags)
{
	struct p2pbuf_range range = { .offset = offset, .length = SIZE };
	struct p2pbuf_export args = {
		.region_index = TEST_BAR, .open_flags = flags | O_CLOEXEC, .nr_ranges = 1,
		.ranges = (uintptr_t)&range,
	};
	int fd = ioctl(node, P2PBUF_IOCTL_EXPORT, &args);

	return fd < 0 ? -errno : fd;
}

static void send_dmabuf(int socket, int fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS } };
	struct iovec data = { .iov_base = (char *)"", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	if (sendmsg(socket, &message, 0) != 1)
		exit(1);
}

static void lend(struct client *client, uint64_t offset, int importer,
		 int (*run)(int, int, int), const char *name)
{
	int pair[2];
	char ready;

	client->dmabuf = export(offset, O_RDWR);
	if (client->dmabuf < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		exit(1);
	client->pid = fork();
	if (!client->pid) {
		close(client->dmabuf);
		close(node);
		close(pair[0]);
		receive_and_run(pair[1], importer, run);
	}
	close(pair[1]);
	client->control = pair[0];
	send_dmabuf(pair[0], client->dmabuf);
	ready = hear(pair[0]);
	say(ready == 'r', "%s has its memory", name);
	if (ready != 'r') {
		int status;

		waitpid(client->pid, &status, 0);
		say(false, "%s ended with %d", name, WEXITSTATUS(status));
	}
}

static bool has_memory(struct client *client)
{
	tell(client->control, 't');
	return hear(client->control) == 'y';
}

static void end_client(struct client *client)
{
	kill(-client->pid, SIGKILL);
	kill(client->pid, SIGKILL);
	waitpid(client->pid, NULL, 0);
	close(client->control);
}

static int take_back(int fd)
{
	struct p2pbuf_revoke args = { .fd = fd };

	return ioctl(node, P2PBUF_IOCTL_REVOKE, &args) ? -errno : 0;
}

static unsigned long long inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

/* The line of a DMABUF in fdinfo of the node, or what @key says. */
static void fdinfo(const char *key, unsigned long long inode, char *line, size_t size)
{
	char path[64], text[256], ino[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", node);
	snprintf(ino, sizeof(ino), "ino=%llu ", inode);
	file = fopen(path, "r");
	*line = 0;
	while (file && fgets(text, sizeof(text), file))
		if (!strncmp(text, key, strlen(key)) && (!inode || strstr(text, ino)))
			snprintf(line, size, "%.*s", (int)strcspn(text, "\n"), text);
	if (file)
		fclose(file);
}

static bool lost_by(const char *what)
{
	char line[256];

	fdinfo("lost-by:", 0, line, sizeof(line));
	printf("      %s\n", line);
	return strstr(line, what);
}

static bool state_is(int fd, const char *state)
{
	char line[256], end[64];

	fdinfo("dmabuf:", inode_of(fd), line, sizeof(line));
	snprintf(end, sizeof(end), "state=%s", state);
	printf("      %s\n", line);
	return strstr(line, end);
}

static int reset(void)
{
	struct p2pbuf_reset args = { };

	return ioctl(node, P2PBUF_IOCTL_RESET, &args) ? -errno : 0;
}

static int mmap_error(int fd)
{
	void *at = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	int error = errno;

	if (at == MAP_FAILED)
		return error;
	munmap(at, SIZE);
	return 0;
}

static bool is_clean(int fd)
{
	uint8_t *cpu = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	bool clean = cpu != MAP_FAILED && cpu[0] != 0x5a && cpu[0] != 0xa5;

	if (cpu != MAP_FAILED)
		munmap(cpu, SIZE);
	return clean;
}

int main(void)
{
	struct client good, bad, dma, next;
	int importer, ret, probe;
	char line[256];

	node = open_exporter();
	importer = open_importer();
	if (node < 0 || importer < 0)
		return 1;

	lend(&good, 0, -1, well_behaved, "good");
	lend(&bad, SIZE, -1, hostile, "hostile");
	lend(&dma, 2 * SIZE, importer, by_importer, "importer's");
	fdinfo("attachment:", inode_of(dma.dmabuf), line, sizeof(line));
	say(strstr(line, "maps=1"), "fdinfo tells who has it mapped: %s", line);

	ret = take_back(bad.dmabuf);
	say(ret == 0, "revoke of the hostile: %d", ret);
	say(state_is(bad.dmabuf, "revoked"), "and fdinfo says so");
	say(!has_memory(&bad), "hostile has lost it");
	say(has_memory(&good), "good has not");
	ret = mmap_error(bad.dmabuf);
	say(ret == ENODEV, "mmap() of it: %s", strerror(ret));

	tell(dma.control, 'g');
	ret = take_back(dma.dmabuf);
	say(ret == 0, "revoke of the importer's: %d", ret);
	say(hear(dma.control) == 'y', "its copies end with ESTALE");
	say(hear(dma.control) == 'y', "and its map with ENODEV");

	probe = export(SIZE, O_RDWR);
	say(!is_clean(probe), "what the hostile left is there for the next");
	close(probe);
	lend(&next, SIZE, -1, well_behaved, "next");
	say(!has_memory(&bad), "the hostile does not get the next one's memory");

	/* Recovery */
	if (hide_function(exporter_bdf(), true))
		return 1;
	ret = reset();
	say(ret == -EIO, "reset of a function that does not answer: %d", ret);
	say(lost_by("failed"), "fdinfo says failed");
	say(state_is(good.dmabuf, "lost"), "good is lost");
	ret = mmap_error(good.dmabuf);
	say(ret == EIO, "mmap() of good: %s", strerror(ret));
	ret = mmap_error(bad.dmabuf);
	say(ret == ENODEV,
	    "mmap() of the revoked one: %s", strerror(ret));
	probe = export(4 * SIZE, O_RDWR);
	say(probe >= 0 && mmap_error(probe) == EIO, "an export meanwhile is lost: %d", probe);
	ret = reset();
	say(ret == -EIO, "another reset: %d", ret);
	hide_function(exporter_bdf(), false);
	ret = reset();
	say(ret == 0, "a reset that works: %d", ret);
	say(lost_by("nothing"), "fdinfo says nothing");
	say(has_memory(&good), "good has it back");
	say(mmap_error(probe) == 0, "the export too");
	say(!has_memory(&bad), "the hostile has not");
	ret = mmap_error(bad.dmabuf);
	say(ret == ENODEV, "mmap() of the revoked one: %s",
	    strerror(ret));

	end_client(&bad);
	end_client(&dma);
	end_client(&good);
	end_client(&next);
	printf("%u wrong\n", nr_wrong);
	return nr_wrong != 0;
}
