// SPDX-License-Identifier: MIT
/* Messages of the master, see message.h. A descriptor that comes along is close-on-exec. */
#include "worker/message.h"

#include <string.h>
#include <sys/socket.h>

ssize_t
message_receive_long(int fd, void *message, size_t cap, int *passed)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { message, cap };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	*passed = -1;
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(passed, CMSG_DATA(c), sizeof(int));
	return n;
}

ssize_t
message_receive(int fd, char *message, int *passed)
{
	return message_receive_long(fd, message, 1, passed);
}
