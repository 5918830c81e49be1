// SPDX-License-Identifier: MIT
/* See channel.h. */
#include "daemon/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define QUEUE_BYTES (1 << 20)
#define SEALS	    (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int
channel_open(int pair[2], struct err *e)
{
	const int bytes = QUEUE_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return err_sys(e, "cannot make a socket pair");
	/* As much as the system allows; one message fits anyway. */
	for (unsigned i = 0; i < 2; i++)
		(void)!setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return 0;
}

int
channel_send(
    int fd, enum channel_kind kind, const void *body, size_t n, const int *fds, unsigned n_fds)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
	} control;
	char letter = (char)kind;
	struct iovec parts[2] = { { &letter, 1 }, { (void *)(uintptr_t)body, n } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = n > 0 ? 2 : 1 };

	if (n_fds > 0) {
		struct cmsghdr *c = &control.header;

		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static void
take_fds(struct channel_message *m, const struct msghdr *header)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(header);

	m->n_fds = 0;
	if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	m->n_fds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(m->fds, CMSG_DATA(c), m->n_fds * sizeof(int));
}

int
channel_receive(int fd, struct channel_message *m)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
	} control;
	struct iovec parts[2] = { { &m->kind, 1 }, { m->body, CHANNEL_BODY_MAX } };
	struct msghdr header = { .msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n;

	do {
		n = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return 0;
	if (n <= 0)
		return (int)n;
	m->n = (size_t)n - 1;
	m->body[m->n] = '\0';
	take_fds(m, &header);
	return 1;
}

int
channel_await(int fd, struct channel_message *m, int timeout_ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	if (poll(&wait, 1, timeout_ms) <= 0)
		return -1;
	return channel_receive(fd, m);
}

void
channel_close_fds(struct channel_message *m)
{
	for (unsigned i = 0; i < m->n_fds; i++) {
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	}
	m->n_fds = 0;
}

int
channel_seal(const void *bytes, size_t n, struct err *e)
{
	int fd = memfd_create("grayd-handover", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const char *at = bytes;

	if (fd < 0)
		return err_sys(e, "cannot make memory for the hand-over");
	while (n > 0) {
		ssize_t wrote = write(fd, at, n);

		if (wrote < 0)
			break;
		at += wrote;
		n -= (size_t)wrote;
	}
	if (n == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	err_sys(e, "cannot fill memory for the hand-over");
	close(fd);
	return -1;
}

const char *
channel_map(int fd, size_t *n, struct err *e)
{
	struct stat st;
	const char *bytes;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) != 0) {
		err_set(e, "the memory of the hand-over is not sealed");
		return NULL;
	}
	*n = (size_t)st.st_size;
	if (*n == 0)
		return "";
	bytes = mmap(NULL, *n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes != MAP_FAILED)
		return bytes;
	err_sys(e, "cannot map the memory of the hand-over");
	return NULL;
}

void
channel_unmap(const char *bytes, size_t n)
{
	if (n > 0)
		munmap((void *)(uintptr_t)bytes, n);
}
