// SPDX-License-Identifier: GPL-2.0-only
/* Descriptors over UNIX sockets, one to each who connects. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dmabuf.h"

union ancillary {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

static int new_socket(const char *path, struct sockaddr_un *address)
{
	int fd;

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path)) {
		say_error("use a shorter one", "%s: too long for a socket", path);
		return -EXIT_USAGE;
	}
	strcpy(address->sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		say_error(NULL, "socket: %s", strerror(errno));
		return -EXIT_REFUSED;
	}
	return fd;
}

/* Mode 0600 from its first moment on. */
static int listen_at(const char *path)
{
	struct sockaddr_un address;
	int fd, ret;
	mode_t mask;

	fd = new_socket(path, &address);
	if (fd < 0)
		return fd;
	mask = umask(0177);
	ret = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (!ret && !listen(fd, 8))
		return fd;
	say_error(errno == EADDRINUSE ? "remove it if nobody serves it, or choose another" : NULL,
		  "%s: %s", path, strerror(errno));
	close(fd);
	return -EXIT_REFUSED;
}

/* A byte goes with it, as ancillary data cannot go alone. */
static int send_descriptor(int socket, int fd)
{
	union ancillary ancillary = { };
	struct iovec byte = { .iov_base = "", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = &ancillary,
		.msg_controllen = sizeof(ancillary),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static bool serve_one(int listener, int fd)
{
	int client = accept(listener, NULL, NULL);
	bool served;

	if (client < 0)
		return false;
	served = !send_descriptor(client, fd);
	close(client);
	return served;
}

/*
 * Until a signal ends it, or @clients have got it if that is not 0. The socket is gone
 * afterwards.
 */
int serve_descriptor(int fd, const char *path, unsigned int clients, int ends,
		     void (*ready)(void *context), void *context)
{
	struct pollfd fds[2] = { { .fd = ends, .events = POLLIN }, { .events = POLLIN } };
	unsigned int served = 0;
	int listener;

	listener = listen_at(path);
	if (listener < 0)
		return -listener;
	ready(context);
	fds[1].fd = listener;
	while (!clients || served < clients) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents)
			break;
		served += serve_one(listener, fd);
	}
	unlink(path);
	close(listener);
	return EXIT_FINE;
}

static int receive_descriptor(int socket)
{
	union ancillary ancillary = { };
	char byte;
	struct iovec vec = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &vec,
		.msg_iovlen = 1,
		.msg_control = &ancillary,
		.msg_controllen = sizeof(ancillary),
	};
	struct cmsghdr *header;
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) < 1)
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

int fetch_descriptor(const char *path)
{
	struct sockaddr_un address;
	int socket, fd;

	socket = new_socket(path, &address);
	if (socket < 0)
		return socket;
	if (connect(socket, (struct sockaddr *)&address, sizeof(address))) {
		say_error("p2pbuf export --socket PATH serves one", "%s: %s", path,
			  strerror(errno));
		close(socket);
		return -EXIT_MISSING;
	}
	fd = receive_descriptor(socket);
	close(socket);
	if (fd < 0) {
		say_error("p2pbuf export --socket PATH serves one",
			  "%s: no descriptor came", path);
		return -EXIT_MISSING;
	}
	return fd;
}
