/* cmd_stream_dump.c - atrest stream dump: every message, delete, state and consumer. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base64.h"
#include "cli/exit_status.h"
#include "cli/stream.h"

struct dump_options {
	struct stream_options common;
	int payload;
};

/* Text buffers, grown to the largest message. */
struct dump {
	char *text;
	size_t capacity;
};

static const char *base64_of(struct dump *dump, const uint8_t *data, size_t bytes)
{
	size_t need = base64_text_bytes(bytes) + 1;

	if (need > dump->capacity) {
		char *larger = realloc(dump->text, 2 * need);

		if (larger == NULL)
			return NULL;
		dump->text = larger;
		dump->capacity = 2 * need;
	}
	base64_encode(data, bytes, dump->text);
	return dump->text;
}

/* A subject that is not UTF-8 is shown with replacement characters, and exactly beside it. */
static void set_subject(struct dump *dump, json_t *line, const struct atr_message *m)
{
	json_t *subject = json_stringn(m->subject, m->subject_bytes);
	char *shown;

	if (subject != NULL) {
		(void)json_object_set_new(line, "subject", subject);
		return;
	}
	shown = malloc(m->subject_bytes + 1);
	if (shown == NULL)
		return;
	for (size_t i = 0; i < m->subject_bytes; i++)
		shown[i] = (uint8_t)m->subject[i] < 0x80 ? m->subject[i] : '?';
	(void)json_object_set_new(line, "subject", json_stringn(shown, m->subject_bytes));
	free(shown);
	(void)json_object_set_new(
	        line, "subject_b64",
	        json_string(base64_of(dump, (const uint8_t *)m->subject, m->subject_bytes)));
}

static json_t *message_line(struct dump *dump, const struct atr_inspect *in,
                            const struct atr_inspect_message *im, int payload)
{
	const struct atr_message *m = &im->message;
	json_t *line = stream_new_line(in, "msg");
	char sha256[65];

	(void)json_object_set_new(line, "seq", json_integer((json_int_t)m->sequence));
	(void)json_object_set_new(line, "ts", json_integer(m->time_ns));
	set_subject(dump, line, m);
	(void)json_object_set_new(line, "headers_b64",
	                          json_string(base64_of(dump, m->headers, m->headers_bytes)));
	(void)json_object_set_new(line, "size", json_integer((json_int_t)m->payload_bytes));
	atr_inspect_sha256_hex(m->payload, m->payload_bytes, sha256);
	(void)json_object_set_new(line, "sha256", json_string(sha256));
	(void)json_object_set_new(line, "cipher", json_string(im->cipher));
	if (im->maybe_deleted)
		(void)json_object_set_new(line, "maybe_deleted", json_true());
	if (payload)
		(void)json_object_set_new(
		        line, "payload_b64",
		        json_string(base64_of(dump, m->payload, m->payload_bytes)));
	return line;
}

/* ---- for people ---- */

static void print_subject(const struct atr_message *m)
{
	for (size_t i = 0; i < m->subject_bytes; i++) {
		unsigned char c = (unsigned char)m->subject[i];

		putchar(c < ' ' || c == 0x7f ? '?' : c);
	}
}

static void print_message(const struct atr_inspect_message *im)
{
	const struct atr_message *m = &im->message;
	char when[40], sha256[65];

	stream_time_text(m->time_ns, when);
	atr_inspect_sha256_hex(m->payload, m->payload_bytes, sha256);
	printf("%10" PRIu64 "  %s  %-10s %8zu B  %.16s  ", m->sequence, when, im->cipher,
	       m->payload_bytes, sha256);
	print_subject(m);
	if (m->headers_bytes > 0)
		printf("  (headers %zu B)", m->headers_bytes);
	puts(im->maybe_deleted ? "  MAYBE DELETED" : "");
}

static void print_head(const struct atr_inspect *in)
{
	struct atr_inspect_stream s;

	atr_inspect_stream(in, &s);
	printf("account %s, stream %s, cipher %s, created %s\n%s\n", s.account, s.stream, s.cipher,
	       s.created, s.config_json);
	printf("%10s  %-30s  %-10s %10s  %-16s  %s\n", "sequence", "time", "cipher", "payload",
	       "SHA-256", "subject");
}

static void print_state(const struct atr_inspect *in)
{
	struct atr_inspect_state s;

	atr_inspect_state(in, &s);
	printf("%" PRIu64 " messages, %" PRIu64 " bytes, sequences %" PRIu64 " to %" PRIu64
	       ", %" PRIu64 " deleted\n",
	       s.messages, s.bytes, s.first_seq, s.last_seq, s.num_deleted);
}

/* ---- both ---- */

static void dump_deleted(struct stream_session *session, const struct atr_inspect *in)
{
	uint64_t after = 0, first, last;

	while (atr_inspect_next_deleted(in, after, &first, &last) == ATR_OK) {
		after = last;
		if (!session->options->json) {
			printf("deleted %" PRIu64, first);
			if (last > first)
				printf(" to %" PRIu64, last);
			putchar('\n');
			continue;
		}
		for (uint64_t s = first; s <= last && !ferror(stdout); s++) {
			json_t *line = stream_new_line(in, "deleted");

			(void)json_object_set_new(line, "seq", json_integer((json_int_t)s));
			stream_print_json(session, line);
		}
	}
}

static void dump_consumers(struct stream_session *session, struct atr_inspect *in)
{
	struct atr_inspect_consumer consumer;
	struct atr_inspect_stream s;
	struct atr_error err;

	atr_inspect_stream(in, &s);
	for (size_t i = 0; i < s.consumers; i++) {
		enum atr_status rc = atr_inspect_consumer(in, i, &consumer, &err);

		if (rc != ATR_OK) {
			if (exit_of_status(rc) == EXIT_SYSTEM && rc != ATR_EUNSUPPORTED)
				stream_fail(session, rc, &err);
			continue; /* its finding was printed */
		}
		if (session->options->json)
			stream_print_json(session, stream_consumer_line(in, &consumer));
		else
			stream_print_consumer(&consumer);
	}
}

static int dump_stream(struct stream_session *session, const struct atr_place *place,
                       struct atr_inspect *in, const struct atr_error *open_err)
{
	const struct dump_options *options = session->arg;
	struct atr_inspect_message message;
	struct dump dump = {0};
	struct atr_error err;
	enum atr_status rc;

	(void)place;
	(void)open_err;
	if (in == NULL)
		return 0;
	if (options->common.json)
		stream_print_json(session, stream_line(in));
	else
		print_head(in);
	while ((rc = atr_inspect_next(in, &message, &err)) == ATR_OK && !ferror(stdout)) {
		if (options->common.json)
			stream_print_json(session,
			                  message_line(&dump, in, &message, options->payload));
		else
			print_message(&message);
	}
	if (rc != ATR_OK && rc != ATR_END)
		stream_fail(session, rc, &err);
	dump_deleted(session, in);
	if (options->common.json)
		stream_print_json(session, stream_state_line(in));
	else
		print_state(in);
	dump_consumers(session, in);
	free(dump.text);
	return 1;
}

static const struct option_spec option_table[] = {
        STREAM_OPTIONS(struct dump_options),
        {"payload", 0, OPTION_FLAG, NULL, "with --json: payload_b64 in each msg line",
         offsetof(struct dump_options, payload)},
        {0},
};

extern const struct command command_stream_dump;

static int run(int argc, char **argv)
{
	struct dump_options options = {0};
	struct stream_session session = {.arg = &options};

	return stream_run(&command_stream_dump, argc, argv, &options, &session, &options.common,
	                  dump_stream);
}

const struct command command_stream_dump = {
        .name = "stream dump",
        .arguments = "[DIR]",
        .summary = "every message, delete, state and consumer of the streams in DIR",
        .details =
                "DIR is a store_dir, its jetstream/, an account or a stream directory, written by\n"
                "nats-server or by atrest; nothing in it is changed. Line types of --json: "
                "stream,\n"
                "msg, deleted, state, consumer. A damaged record is named on stderr and passed\n"
                "over; where a damaged state file would know of deletes, messages carry\n"
                "\"maybe_deleted\": true.\n"
                "\n"
                "Example:\n"
                "  atrest stream dump --key-file js.key --stream ORDERS --json /data/nats",
        .options = option_table,
        .arguments_max = 1,
        .run = run,
};
