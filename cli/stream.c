#include "cli/stream.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli/exit_status.h"
#include "cli/print_json.h"
#include "cli/store_dir.h"

void stream_warn_finding(struct stream_session *session, const struct atr_finding *finding)
{
	char place[64] = "", sequence[64] = "";

	if (finding->kind == ATR_FINDING_NOTE)
		return;
	if (finding->offset >= 0)
		(void)snprintf(place, sizeof place, ":%" PRId64, finding->offset);
	if (finding->sequence > 0)
		(void)snprintf(sequence, sizeof sequence, "sequence %" PRIu64 ": ",
		               finding->sequence);
	if (finding->kind == ATR_FINDING_CLEAR) {
		warn_line("%s: %s%s: %s%s", atr_finding_text(finding->kind), finding->path, place,
		          sequence, finding->text);
		return;
	}
	session->code =
	        exit_worse(session->code, complain(exit_of_finding(finding->kind), "%s: %s%s: %s%s",
	                                           atr_finding_text(finding->kind), finding->path,
	                                           place, sequence, finding->text));
}

void stream_warn_damage(struct stream_session *session, const struct atr_place *place,
                        const struct atr_inspect_state *state)
{
	if (state->damaged)
		session->code = exit_worse(session->code,
		                           complain(EXIT_VERIFY,
		                                    "%s: damaged, the numbers are of what could be "
		                                    "read; see atrest stream verify",
		                                    place->dir));
}

void stream_fail(struct stream_session *session, enum atr_status status,
                 const struct atr_error *err)
{
	char line[2048];

	atr_error_line(err, line, sizeof line);
	if (status == ATR_ENOKEY)
		session->code = exit_worse(
		        session->code,
		        complain(exit_of_status(status),
		                 "%s; give the key with JS_KEY, --key-file or --nats-config",
		                 line));
	else
		session->code =
		        exit_worse(session->code, complain(exit_of_status(status), "%s", line));
}

static void take_finding(void *arg, const struct atr_finding *finding)
{
	struct stream_session *session = arg;

	session->finding(session, finding);
}

struct visit {
	struct stream_session *session;
	stream_visit_fn *visit;
};

static enum atr_status visit_place(void *arg, const struct atr_place *place, struct atr_error *err)
{
	struct visit *v = arg;
	struct stream_session *session = v->session;
	struct atr_inspect_options options = {
	        .account = place->account,
	        .stream = place->stream,
	        .key = session->keys.key,
	        .key_bytes = session->keys.key_bytes,
	        .prev_key = session->keys.prev_key,
	        .prev_key_bytes = session->keys.prev_key_bytes,
	        .finding = take_finding,
	        .finding_arg = session,
	        .exclusive = session->exclusive,
	};
	struct atr_inspect *in = NULL;
	enum atr_status rc = ATR_OK;

	if (session->prepare != NULL)
		session->prepare(session, &options);
	session->account = place->account;
	session->stream = place->stream;
	if (session->exclusive)
		rc = atr_convert_recover(NULL, place->dir, err);
	if (rc == ATR_OK)
		rc = atr_inspect_open(place->dir, &options, &in, err);
	/* the place was found as a stream: without its meta.inf it is a damaged one */
	if (rc == ATR_ENOTSTORE)
		rc = ATR_EFORMAT;
	if (v->visit(session, place, in, err) == 0 && rc != ATR_OK)
		stream_fail(session, rc, err);
	atr_inspect_close(in);
	return ATR_OK; /* the other streams have their turn */
}

int stream_run(const struct command *command, int argc, char **argv, void *values,
               struct stream_session *session, const struct stream_options *options,
               stream_visit_fn *visit)
{
	struct visit v = {session, visit};
	const char *dir;
	int first, code;

	code = options_parse(command, argc, argv, values, &first);
	if (code != OPTIONS_GO_ON)
		return code;
	session->options = options;
	if (session->finding == NULL)
		session->finding = stream_warn_finding;
	code = session->check != NULL ? session->check(session) : EXIT_FINE;
	if (code == EXIT_FINE)
		code = keys_load(&options->keys, &session->keys);
	if (code != EXIT_FINE)
		return code;
	dir = first < argc ? argv[first] : session->keys.config.store_dir;
	if (dir == NULL)
		code = complain(EXIT_USAGE,
		                "atrest %s: DIR is missing (or a store_dir in --nats-config)",
		                command->name);
	else
		code = store_dir_visit(dir, options->account, options->stream, visit_place, &v);
	keys_free(&session->keys);
	return exit_worse(code, session->code);
}

void stream_print_json(struct stream_session *session, json_t *object)
{
	if (print_json(object, JSON_COMPACT) != 0)
		session->code = exit_worse(session->code, EXIT_SYSTEM);
}

json_t *stream_new_line(const struct atr_inspect *in, const char *type)
{
	struct atr_inspect_stream s;

	atr_inspect_stream(in, &s);
	return json_pack("{s:s, s:s, s:s}", "type", type, "account", s.account, "stream", s.stream);
}

json_t *stream_line(const struct atr_inspect *in)
{
	json_t *line = stream_new_line(in, "stream");
	struct atr_inspect_stream s;

	atr_inspect_stream(in, &s);
	(void)json_object_set_new(line, "cipher", json_string(s.cipher));
	(void)json_object_set_new(line, "created", json_string(s.created));
	(void)json_object_set_new(line, "config", json_loads(s.config_json, JSON_ALLOW_NUL, NULL));
	return line;
}

json_t *stream_state_line(const struct atr_inspect *in)
{
	json_t *line = stream_new_line(in, "state");
	struct atr_inspect_state s;

	atr_inspect_state(in, &s);
	(void)json_object_set_new(line, "messages", json_integer((json_int_t)s.messages));
	(void)json_object_set_new(line, "bytes", json_integer((json_int_t)s.bytes));
	(void)json_object_set_new(line, "first_seq", json_integer((json_int_t)s.first_seq));
	(void)json_object_set_new(line, "last_seq", json_integer((json_int_t)s.last_seq));
	(void)json_object_set_new(line, "num_deleted", json_integer((json_int_t)s.num_deleted));
	return line;
}

json_t *stream_consumer_line(const struct atr_inspect *in, const struct atr_inspect_consumer *c)
{
	json_t *line = stream_new_line(in, "consumer");

	(void)json_object_set_new(line, "consumer", json_string(c->name));
	(void)json_object_set_new(line, "cipher", json_string(c->cipher));
	(void)json_object_set_new(line, "state",
	                          json_pack("{s:{s:I, s:I}, s:{s:I, s:I}, s:I, s:I}", "delivered",
	                                    "consumer_seq", (json_int_t)c->delivered_consumer_seq,
	                                    "stream_seq", (json_int_t)c->delivered_stream_seq,
	                                    "ack_floor", "consumer_seq",
	                                    (json_int_t)c->ack_floor_consumer_seq, "stream_seq",
	                                    (json_int_t)c->ack_floor_stream_seq, "num_ack_pending",
	                                    (json_int_t)c->num_ack_pending, "num_redelivered",
	                                    (json_int_t)c->num_redelivered));
	if (c->under_prev_key)
		(void)json_object_set_new(line, "under_prev_key", json_true());
	return line;
}

void stream_print_consumer(const struct atr_inspect_consumer *c)
{
	printf("consumer %s (%s): delivered %" PRIu64 "/%" PRIu64 ", ack floor %" PRIu64 "/%" PRIu64
	       " (consumer/stream sequence), %" PRIu64 " pending, %" PRIu64 " redelivered\n",
	       c->name, c->cipher, c->delivered_consumer_seq, c->delivered_stream_seq,
	       c->ack_floor_consumer_seq, c->ack_floor_stream_seq, c->num_ack_pending,
	       c->num_redelivered);
}

void stream_time_text(int64_t time_ns, char text[40])
{
	int64_t seconds = time_ns / 1000000000, rest = time_ns % 1000000000;
	time_t when;
	struct tm tm;
	size_t n;

	if (rest < 0) {
		rest += 1000000000;
		seconds--;
	}
	when = (time_t)seconds;
	n = gmtime_r(&when, &tm) != NULL ? strftime(text, 40, "%Y-%m-%dT%H:%M:%S", &tm) : 0;
	(void)snprintf(text + n, 40 - n, ".%09" PRId64 "Z", rest);
}
