/* cmd_stream_verify.c - atrest stream verify: is everything there, whole and encrypted? */
#include <inttypes.h>
#include <string.h>

#include "ciphers/cipher.h"
#include "cli/exit_status.h"
#include "cli/stream.h"
#include "harness/output/table.h"

struct verify_options {
	struct stream_options common;
	const char *cipher;
	int allow_clear;
	int verbose;
};

struct verify {
	struct verify_options options;
	int stream_code;   /* of the stream being verified */
	uint64_t findings; /* of it, notes apart */
};

static void print_finding_json(struct stream_session *session, const struct atr_finding *f)
{
	json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "finding", "account",
	                         session->account, "stream", session->stream, "kind",
	                         atr_finding_text(f->kind), "path", f->path);

	if (f->offset >= 0)
		(void)json_object_set_new(line, "offset", json_integer(f->offset));
	if (f->sequence > 0)
		(void)json_object_set_new(line, "seq", json_integer((json_int_t)f->sequence));
	(void)json_object_set_new(line, "text", json_string(f->text));
	stream_print_json(session, line);
}

static void take_finding(struct stream_session *session, const struct atr_finding *f)
{
	struct verify *v = session->arg;

	v->stream_code = exit_worse(v->stream_code, (int)exit_of_finding(f->kind));
	v->findings += f->kind != ATR_FINDING_NOTE;
	if (session->options->json) {
		print_finding_json(session, f);
		return;
	}
	printf("%s: %s", atr_finding_text(f->kind), f->path);
	if (f->offset >= 0)
		printf(":%" PRId64, f->offset);
	if (f->sequence > 0)
		printf(": sequence %" PRIu64, f->sequence);
	printf(": %s\n", f->text);
}

/* Blocks one after the other that are alike, in one line. */
struct block_run {
	struct atr_inspect_block first;
	uint64_t last_number, blocks, file_bytes, messages;
};

static void print_run(const struct block_run *run)
{
	if (run->blocks == 0)
		return;
	if (run->blocks == 1)
		printf("  block %" PRIu64, run->first.number);
	else
		printf("  blocks %" PRIu64 " to %" PRIu64 " (%" PRIu64 ")", run->first.number,
		       run->last_number, run->blocks);
	printf(": %s%s, %" PRIu64 " bytes, %" PRIu64 " messages\n",
	       strcmp(run->first.cipher, "none") == 0 ? "clear text"
	       : strcmp(run->first.cipher, "?") == 0  ? "not readable"
	                                              : run->first.cipher,
	       run->first.under_prev_key ? " under the previous key" : "", run->file_bytes,
	       run->messages);
}

static void print_blocks(const struct atr_inspect *in, size_t count)
{
	struct block_run run = {0};

	for (size_t i = 0; i < count; i++) {
		struct atr_inspect_block b;

		atr_inspect_block(in, i, &b);
		if (run.blocks == 0 || strcmp(run.first.cipher, b.cipher) != 0 ||
		    run.first.under_prev_key != b.under_prev_key) {
			print_run(&run);
			run = (struct block_run){.first = b};
		}
		run.last_number = b.number;
		run.blocks++;
		run.file_bytes += b.file_bytes;
		run.messages += b.messages;
	}
	print_run(&run);
}

static const char *key_text(const struct atr_inspect_block *b)
{
	if (strcmp(b->cipher, "none") == 0)
		return "clear text";
	if (strcmp(b->cipher, "?") == 0)
		return "not readable";
	return b->under_prev_key ? "previous key" : "current key";
}

/* --verbose: each block for itself. */
static void print_each_block(const struct atr_inspect *in, size_t count)
{
	struct table *t = table_new();

	table_column(t, "block", NULL, TABLE_RIGHT);
	table_column(t, "cipher", NULL, TABLE_LEFT);
	table_column(t, "key", NULL, TABLE_LEFT);
	table_column(t, "file_bytes", "file bytes", TABLE_RIGHT);
	table_column(t, "records", NULL, TABLE_RIGHT);
	table_column(t, "messages", NULL, TABLE_RIGHT);
	table_column(t, "first_seq", "first", TABLE_RIGHT);
	table_column(t, "last_seq", "last", TABLE_RIGHT);
	for (size_t i = 0; i < count; i++) {
		struct atr_inspect_block b;

		atr_inspect_block(in, i, &b);
		table_row(t);
		table_u64(t, b.number);
		table_text(t, b.cipher);
		table_text(t, key_text(&b));
		table_u64(t, b.file_bytes);
		table_u64(t, b.records);
		table_u64(t, b.messages);
		table_u64(t, b.first_seq);
		table_u64(t, b.last_seq);
	}
	(void)table_print(t, stdout);
	table_free(t);
}

static void print_blocks_json(struct stream_session *session, const struct atr_inspect *in,
                              size_t count)
{
	for (size_t i = 0; i < count; i++) {
		json_t *line = stream_new_line(in, "block");
		struct atr_inspect_block b;

		atr_inspect_block(in, i, &b);
		(void)json_object_set_new(line, "block", json_integer((json_int_t)b.number));
		(void)json_object_set_new(line, "cipher", json_string(b.cipher));
		(void)json_object_set_new(line, "under_prev_key", json_boolean(b.under_prev_key));
		(void)json_object_set_new(line, "file_bytes",
		                          json_integer((json_int_t)b.file_bytes));
		(void)json_object_set_new(line, "first_seq", json_integer((json_int_t)b.first_seq));
		(void)json_object_set_new(line, "last_seq", json_integer((json_int_t)b.last_seq));
		(void)json_object_set_new(line, "records", json_integer((json_int_t)b.records));
		(void)json_object_set_new(line, "messages", json_integer((json_int_t)b.messages));
		stream_print_json(session, line);
	}
}

static const char *verdict(int code, uint64_t findings, char text[64])
{
	if (code == EXIT_FINE)
		return "fine";
	(void)snprintf(text, 64, "%" PRIu64 " finding%s", findings, findings == 1 ? "" : "s");
	return text;
}

static void print_result(struct stream_session *session, const struct atr_inspect *in,
                         const struct atr_verify_counts *c)
{
	const struct verify *v = session->arg;
	struct atr_inspect_stream s;
	char text[64];

	atr_inspect_stream(in, &s);
	if (session->options->json) {
		json_t *line = stream_new_line(in, "verify");

		print_blocks_json(session, in, s.blocks);
		(void)json_object_set_new(line, "cipher", json_string(s.cipher));
		(void)json_object_set_new(line, "blocks", json_integer((json_int_t)c->blocks));
		(void)json_object_set_new(line, "clear_blocks",
		                          json_integer((json_int_t)c->clear_blocks));
		(void)json_object_set_new(line, "records", json_integer((json_int_t)c->records));
		(void)json_object_set_new(line, "messages", json_integer((json_int_t)c->messages));
		(void)json_object_set_new(line, "consumers",
		                          json_integer((json_int_t)c->consumers));
		(void)json_object_set_new(line, "files_under_prev_key",
		                          json_integer((json_int_t)c->under_prev_key));
		(void)json_object_set_new(line, "findings", json_integer((json_int_t)v->findings));
		(void)json_object_set_new(line, "exit", json_integer(v->stream_code));
		stream_print_json(session, line);
		return;
	}
	printf("%s %s: cipher %s, %" PRIu64 " records in %" PRIu64 " block%s, %" PRIu64
	       " messages, %" PRIu64 " consumer%s: %s\n",
	       s.account, s.stream, s.cipher, c->records, c->blocks, c->blocks == 1 ? "" : "s",
	       c->messages, c->consumers, c->consumers == 1 ? "" : "s",
	       verdict(v->stream_code, v->findings, text));
	if (v->options.verbose)
		print_each_block(in, s.blocks);
	else
		print_blocks(in, s.blocks);
}

static int verify_stream(struct stream_session *session, const struct atr_place *place,
                         struct atr_inspect *in, const struct atr_error *open_err)
{
	struct verify *v = session->arg;
	int plain = v->options.cipher != NULL && strcmp(v->options.cipher, "none") == 0;
	struct atr_verify_options options = {
	        .cipher = v->options.cipher,
	        .encrypted = session->keys.key != NULL && !plain,
	};
	struct atr_verify_counts counts;
	struct atr_error err;
	enum atr_status rc;

	(void)place;
	(void)open_err;
	rc = in != NULL ? atr_inspect_verify(in, &options, &counts, &err) : ATR_OK;
	if (rc != ATR_OK)
		stream_fail(session, rc, &err);
	else if (in != NULL)
		print_result(session, in, &counts);
	session->code = exit_worse(session->code, v->stream_code);
	/* findings of the next one's opening come before its visit */
	v->stream_code = EXIT_FINE;
	v->findings = 0;
	return in != NULL;
}

/* A stream without its meta files is still looked at as far as it goes. */
static void prepare(const struct stream_session *session, struct atr_inspect_options *options)
{
	const struct verify *v = session->arg;

	options->allow_clear = v->options.allow_clear;
	options->without_meta = 1;
}

static int check_options(const struct stream_session *session)
{
	const struct verify *v = session->arg;

	if (v->options.cipher == NULL || atr_cipher_find(v->options.cipher, NULL) != NULL)
		return EXIT_FINE;
	return complain(EXIT_USAGE, "--cipher: found '%s', expected none, chachapoly or aes",
	                v->options.cipher);
}

static const struct option_spec option_table[] = {
        STREAM_OPTIONS(struct verify_options),
        {"cipher", 0, OPTION_TEXT, "CIPHER",
         "what was promised: chachapoly, aes or none; another one is a\n"
         "finding (default: what meta.key says)",
         offsetof(struct verify_options, cipher)},
        {"allow-clear", 0, OPTION_FLAG, NULL,
         "clear-text blocks and index.db are notes: a stream in migration",
         offsetof(struct verify_options, allow_clear)},
        {"verbose", 'v', OPTION_FLAG, NULL, "a row for each block: cipher, key, records",
         offsetof(struct verify_options, verbose)},
        {0},
};

extern const struct command command_stream_verify;

static int run(int argc, char **argv)
{
	struct verify v = {.stream_code = EXIT_FINE};
	struct stream_session session = {
	        .arg = &v, .finding = take_finding, .check = check_options, .prepare = prepare};

	return stream_run(&command_stream_verify, argc, argv, &v.options, &session,
	                  &v.options.common, verify_stream);
}

const struct command command_stream_verify = {
        .name = "stream verify",
        .arguments = "[DIR]",
        .summary = "is everything in DIR there, undamaged, and encrypted?",
        .details =
                "Reads every record, key, state and meta file; nothing is changed. Findings name\n"
                "file, offset and sequence. damage and clear text: exit 5. not supported, system:\n"
                "exit 4. Notes (files that servers never encrypt, left-overs, a torn tail that\n"
                "lost nothing, files under the previous key): exit 0. A key promises that the\n"
                "streams are encrypted: one in clear text is a finding, unless --cipher none.\n"
                "\n"
                "Example:\n"
                "  atrest stream verify --nats-config /etc/nats/nats.conf --cipher aes",
        .options = option_table,
        .arguments_max = 1,
        .run = run,
};
