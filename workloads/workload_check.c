/* workload_check.c - what no single key of a workload shows. Keys that an operation has no use for
 * are no error: --set names one key for all workloads of a run.
 */
#include "workloads/workload_keys.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define RECORD_BYTES_MAX  (UINT64_C(32) * 1024 * 1024) /* the server accepts no longer one */
#define RECORD_FRAME      34 /* length, sequence, time, two field lengths, hash */
#define HEADERS_BYTES_MIN 32
#define TOTAL_BYTES_MAX   1e18

__attribute__((format(printf, 3, 4))) static int
refuse(const struct workload *w, struct workload_error *err, const char *format, ...)
{
	va_list args;
	int used = snprintf(err->text, sizeof(err->text), "%s: ", w->name);

	va_start(args, format);
	vsnprintf(err->text + used, sizeof(err->text) - (size_t)used, format, args);
	va_end(args);
	return -1;
}

static int check_reading(const struct workload *w, struct workload_error *err)
{
	if (w->streams > w->readers)
		return refuse(w, err,
		              "streams is %" PRIu32 ", expected no more than readers (%" PRIu32
		              "): a stream without one is not read",
		              w->streams, w->readers);
	if (!workload_appends(w) && w->readers > w->messages)
		return refuse(w, err,
		              "messages is %" PRIu64 ", expected one per reader (%" PRIu32 ")",
		              w->messages, w->readers);
	if (w->operation == WORKLOAD_READ_SEQUENTIAL && w->cache == WORKLOAD_COLD &&
	    w->messages > w->fill_messages)
		return refuse(w, err,
		              "messages is %" PRIu64 ", expected fill_messages (%" PRIu64
		              ") at most: a second pass would not be cold",
		              w->messages, w->fill_messages);
	if (w->operation == WORKLOAD_TAIL && w->readers != w->streams)
		return refuse(w, err,
		              "readers is %" PRIu32 ", expected one per stream (%" PRIu32
		              ") behind its publishers",
		              w->readers, w->streams);
	return 0;
}

static int check_removing(const struct workload *w, struct workload_error *err)
{
	if (w->streams > 1)
		return refuse(w, err, "streams is %" PRIu32 ", expected 1 for operation delete",
		              w->streams);
	if (w->messages > w->fill_messages)
		return refuse(w, err,
		              "messages is %" PRIu64 ", expected fill_messages (%" PRIu64
		              ") at most: no message is deleted twice",
		              w->messages, w->fill_messages);
	return 0;
}

static int check_threads(const struct workload *w, struct workload_error *err)
{
	int publishes = workload_appends(w) || w->operation == WORKLOAD_DELETE;

	if (workload_reads(w) && check_reading(w, err) != 0)
		return -1;
	if (w->operation == WORKLOAD_DELETE && check_removing(w, err) != 0)
		return -1;
	if (publishes && w->operation != WORKLOAD_MIXED && w->publishers > w->messages)
		return refuse(w, err,
		              "messages is %" PRIu64 ", expected one per publisher (%" PRIu32 ")",
		              w->messages, w->publishers);
	if (workload_appends(w) && w->streams > w->publishers)
		return refuse(w, err,
		              "streams is %" PRIu32 ", expected no more than publishers (%" PRIu32
		              "): a stream without one stays empty",
		              w->streams, w->publishers);
	return 0;
}

/* A limit would take out what is to be read. */
static int check_limit(const struct workload *w, struct workload_error *err)
{
	double messages = workload_appends(w) ? (double)w->messages : 0;
	double record = RECORD_FRAME + (double)strlen(w->subject_prefix) + 20 + w->headers_bytes +
	                workload_payload_bytes_mean(w);

	messages += workload_fills(w) ? (double)w->fill_messages : 0;
	if (w->max_bytes == 0 || messages * record <= (double)w->max_bytes)
		return 0;
	return refuse(w, err,
	              "max_bytes is %" PRIu64 ", expected 0 or %.0f and more: a stream would lose "
	              "messages",
	              w->max_bytes, messages * record);
}

/* Other operations have no single moment at which each is to start. */
static int check_rate(const struct workload *w, struct workload_error *err)
{
	const char *key = w->rate_msgs_s != 0 ? "rate" : "rate_share";

	if (!workload_is_open(w))
		return 0;
	if (w->rate_msgs_s != 0 && w->rate_share != 0)
		return refuse(w, err, "rate is %" PRIu64 " and rate_share %g, expected one of them",
		              w->rate_msgs_s, w->rate_share);
	if (w->operation != WORKLOAD_PUBLISH && w->operation != WORKLOAD_READ_RANDOM &&
	    w->operation != WORKLOAD_READ_LAST)
		return refuse(w, err,
		              "%s is set, expected operation publish, read-random or read-last "
		              "instead of %s",
		              key, workload_key_word("operation", w));
	if (w->latency_every == 0)
		return refuse(w, err, "%s is set, expected latency_every of 1 or more", key);
	return 0;
}

int workload_check(const struct workload *w, struct workload_error *err)
{
	uint64_t record = RECORD_FRAME + strlen(w->subject_prefix) + 20 + w->headers_bytes +
	                  workload_payload_bytes_max(w);
	double total =
	        ((double)w->messages + (double)w->fill_messages) * workload_payload_bytes_mean(w);

	err->text[0] = 0;
	if (w->headers_bytes && w->headers_bytes < HEADERS_BYTES_MIN)
		return refuse(w, err, "headers_bytes is %" PRIu32 ", expected 0 or %d and more",
		              w->headers_bytes, HEADERS_BYTES_MIN);
	if (record > RECORD_BYTES_MAX)
		return refuse(w, err, "records of %" PRIu64 " bytes, expected %" PRIu64 " at most",
		              record, RECORD_BYTES_MAX);
	if (total > TOTAL_BYTES_MAX)
		return refuse(w, err, "payloads of %.0f bytes in all, expected %.0f at most", total,
		              TOTAL_BYTES_MAX);
	if (workload_fills(w) && w->fill_messages == 0)
		return refuse(w, err,
		              "fill_messages is 0, expected a filled store for operation %s",
		              workload_key_word("operation", w));
	if (w->operation == WORKLOAD_OPEN && w->cache == WORKLOAD_COLD &&
	    w->messages > w->fill_messages)
		return refuse(w, err,
		              "messages is %" PRIu64 ", expected fill_messages (%" PRIu64
		              ") at most: opened again it would not be cold",
		              w->messages, w->fill_messages);
	if (workload_is_whole(w) && w->streams > w->fill_messages)
		return refuse(w, err,
		              "streams is %" PRIu32
		              ", expected no more than fill_messages (%" PRIu64
		              "): a stream without a message stays empty",
		              w->streams, w->fill_messages);
	if (check_rate(w, err) != 0 || check_limit(w, err) != 0)
		return -1;
	return check_threads(w, err);
}
