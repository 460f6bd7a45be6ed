/* nats_link.c - see nats_link.h. */
#include "harness/targets/nats_link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "harness/measure/clock.h"
#include "harness/targets/nats_client.h"

#define NS_PER_S UINT64_C(1000000000)

/* ---- the event loop: it only remembers ---- */

static natsStatus loop_attach(void **data, void *loop, natsConnection *connection, natsSock fd)
{
	struct nats_link *link = loop;

	(void)connection;
	*data = link;
	link->fd = fd;
	return NATS_OK;
}

static natsStatus loop_read(void *data, bool add)
{
	(void)data;
	(void)add;
	return NATS_OK;
}

static natsStatus loop_write(void *data, bool add)
{
	struct nats_link *link = data;

	link->unsent = add;
	return NATS_OK;
}

static natsStatus loop_detach(void *data)
{
	struct nats_link *link = data;

	link->fd = -1;
	return NATS_OK;
}

natsStatus nats_link_options(struct nats_link *link, natsOptions *options)
{
	return natsOptions_SetEventLoop(options, link, loop_attach, loop_read, loop_write,
	                                loop_detach);
}

/* ---- one connection ---- */

int nats_link_open(struct target_place *place, struct nats_link *link, struct target_error *error)
{
	natsInbox *inbox = NULL;
	char all[NATS_LINK_INBOX_BYTES + 2];
	natsStatus s;

	memset(link, 0, sizeof(*link));
	link->place = place;
	link->fd = -1;
	if (nats_client_connect(place, link, &link->connection, error) != 0)
		return -1;
	s = natsInbox_Create(&inbox);
	if (s == NATS_OK) {
		snprintf(link->inbox_name, sizeof(link->inbox_name), "%s.", (const char *)inbox);
		snprintf(all, sizeof(all), "%s*", link->inbox_name);
		s = natsConnection_SubscribeSync(&link->inbox, link->connection, all);
	}
	natsInbox_Destroy(inbox);
	/* What may be on its way is bounded by who asks for it. */
	if (s == NATS_OK)
		s = natsSubscription_SetPendingLimits(link->inbox, -1, -1);
	if (s == NATS_OK)
		return 0;
	nats_client_fail(place, s, 0, "subscribing", NULL, error);
	nats_link_close(link);
	return -1;
}

static void free_spent(struct nats_link *link)
{
	while (link->spent_count > 0)
		natsMsg_Destroy(link->spent[--link->spent_count]);
	link->spent_bytes = 0;
}

void nats_link_give_back(struct nats_link *link, natsMsg *msg)
{
	if (msg == NULL)
		return;
	link->spent[link->spent_count++] = msg;
	link->spent_bytes += (size_t)natsMsg_GetDataLength(msg);
	if (link->spent_count == NATS_LINK_SPENT_MAX || link->spent_bytes > NATS_LINK_SPENT_BYTES)
		free_spent(link);
}

void nats_link_close(struct nats_link *link)
{
	free_spent(link);
	/* With something to be sent it would wait 500 ms for an answer, which is not read for it:
	 * so what there is goes first, and the end of the subscription is not sent. */
	if (link->unsent && link->fd >= 0)
		natsConnection_ProcessWriteEvent(link->connection);
	natsConnection_Close(link->connection);
	natsSubscription_Destroy(link->inbox);
	natsConnection_Destroy(link->connection);
	link->inbox = NULL;
	link->connection = NULL;
}

/* ---- its socket ---- */

/* Waits until one of the events, or both, and does what can be done. */
static natsStatus serve(struct nats_link *link, short events, uint64_t timeout_ns)
{
	struct pollfd socket = {.fd = link->fd, .events = events};
	struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
	                           .tv_nsec = (long)(timeout_ns % NS_PER_S)};
	int ready;

	if (link->fd < 0)
		return NATS_CONNECTION_CLOSED;
	ready = ppoll(&socket, 1, &timeout, NULL);
	if (ready == 0)
		return NATS_TIMEOUT;
	if (ready < 0)
		return errno == EINTR ? NATS_OK : NATS_IO_ERROR;
	if (socket.revents & POLLOUT)
		natsConnection_ProcessWriteEvent(link->connection);
	if (link->fd >= 0 && (socket.revents & (POLLIN | POLLHUP | POLLERR)))
		natsConnection_ProcessReadEvent(link->connection);
	return NATS_OK;
}

static uint64_t left_ns(uint64_t until_ns)
{
	uint64_t now = clock_ns();

	return now >= until_ns ? 0 : until_ns - now;
}

natsStatus nats_link_published(struct nats_link *link, size_t bytes)
{
	uint64_t until_ns;
	natsStatus s = NATS_OK;

	link->unsent_bytes += bytes;
	if (link->unsent_bytes < NATS_LINK_SEND_BYTES)
		return NATS_OK;
	natsConnection_ProcessWriteEvent(link->connection);
	/* A server that takes no more: not before there is room again may more be collected. */
	until_ns = clock_ns() + (uint64_t)NATS_CLIENT_WAIT_MS * 1000000;
	while (link->unsent && s == NATS_OK)
		s = serve(link, POLLIN | POLLOUT, left_ns(until_ns));
	link->unsent_bytes = 0;
	return s;
}

static natsStatus count_queued(struct nats_link *link)
{
	return natsSubscription_QueuedMsgs(link->inbox, &link->queued);
}

static natsStatus take_queued(struct nats_link *link, natsMsg **out)
{
	link->queued--;
	return natsSubscription_NextMsg(out, link->inbox, 1);
}

static void send_collected(struct nats_link *link)
{
	if (link->unsent)
		natsConnection_ProcessWriteEvent(link->connection);
	link->unsent_bytes = 0;
}

natsStatus nats_link_poll(struct nats_link *link, uint64_t timeout_ns, natsMsg **out)
{
	natsStatus s = NATS_OK;

	*out = NULL;
	send_collected(link);
	if (link->queued == 0) {
		s = serve(link, (short)(link->unsent ? POLLIN | POLLOUT : POLLIN), timeout_ns);
		if (s == NATS_OK)
			s = count_queued(link);
	}
	if (s == NATS_OK && link->queued > 0)
		return take_queued(link, out);
	if (s != NATS_OK && natsConnection_IsClosed(link->connection))
		return NATS_CONNECTION_CLOSED;
	return s == NATS_OK ? NATS_TIMEOUT : s;
}

natsStatus nats_link_next(struct nats_link *link, int64_t timeout_ms, natsMsg **out)
{
	uint64_t until_ns = 0;
	natsStatus s = NATS_OK;

	*out = NULL;
	while (link->queued == 0 && s == NATS_OK) {
		send_collected(link);
		if (until_ns == 0)
			until_ns = clock_ns() + (uint64_t)timeout_ms * 1000000;
		s = serve(link, (short)(link->unsent ? POLLIN | POLLOUT : POLLIN),
		          left_ns(until_ns));
		if (s == NATS_OK)
			s = count_queued(link);
	}
	if (s != NATS_OK)
		return natsConnection_IsClosed(link->connection) ? NATS_CONNECTION_CLOSED : s;
	return take_queued(link, out);
}
