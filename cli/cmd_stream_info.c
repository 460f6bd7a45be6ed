/* cmd_stream_info.c - atrest stream info: configuration, state, blocks and consumers. */
#include <inttypes.h>
#include <string.h>

#include "cli/exit_status.h"
#include "cli/stream.h"
#include "harness/output/table.h"

struct info_options {
	struct stream_options common;
};

static void print_blocks(const struct atr_inspect *in, size_t count)
{
	struct table *t = table_new();

	table_column(t, "block", NULL, TABLE_RIGHT);
	table_column(t, "cipher", NULL, TABLE_LEFT);
	table_column(t, "file_bytes", "file bytes", TABLE_RIGHT);
	table_column(t, "first_seq", "first", TABLE_RIGHT);
	table_column(t, "last_seq", "last", TABLE_RIGHT);
	table_column(t, "messages", NULL, TABLE_RIGHT);
	for (size_t i = 0; i < count; i++) {
		struct atr_inspect_block b;

		atr_inspect_block(in, i, &b);
		table_row(t);
		table_u64(t, b.number);
		table_text(t, b.cipher);
		table_u64(t, b.file_bytes);
		table_u64(t, b.first_seq);
		table_u64(t, b.last_seq);
		table_u64(t, b.messages);
	}
	(void)table_print(t, stdout);
	table_free(t);
}

static void print_text(const struct atr_inspect *in)
{
	struct atr_inspect_stream s;
	struct atr_inspect_state state;

	atr_inspect_stream(in, &s);
	atr_inspect_state(in, &state);
	printf("account    %s\nstream     %s\ncipher     %s%s\ncreated    %s\n", s.account,
	       s.stream, s.cipher, s.under_prev_key ? " (under the previous key)" : "", s.created);
	printf("messages   %" PRIu64 "\nbytes      %" PRIu64 "\nsequences  %" PRIu64 " to %" PRIu64
	       "\ndeleted    %" PRIu64 "\nconsumers  %zu\nconfig     %s\n\n",
	       state.messages, state.bytes, state.first_seq, state.last_seq, state.num_deleted,
	       s.consumers, s.config_json);
	print_blocks(in, s.blocks);
}

static void print_json(struct stream_session *session, const struct atr_inspect *in)
{
	struct atr_inspect_stream s;

	atr_inspect_stream(in, &s);
	stream_print_json(session, stream_line(in));
	stream_print_json(session, stream_state_line(in));
	for (size_t i = 0; i < s.blocks; i++) {
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
		(void)json_object_set_new(line, "messages", json_integer((json_int_t)b.messages));
		stream_print_json(session, line);
	}
}

static int show_stream(struct stream_session *session, const struct atr_place *place,
                       struct atr_inspect *in, const struct atr_error *open_err)
{
	struct atr_inspect_consumer consumer;
	struct atr_inspect_state state;
	struct atr_inspect_stream s;
	struct atr_error err;
	enum atr_status rc;

	(void)open_err;
	if (in == NULL)
		return 0;
	rc = atr_inspect_open_keys(in, &err);
	if (rc != ATR_OK)
		stream_fail(session, rc, &err);
	atr_inspect_stream(in, &s);
	atr_inspect_state(in, &state);
	if (session->options->json)
		print_json(session, in);
	else
		print_text(in);
	for (size_t i = 0; i < s.consumers; i++) {
		if (atr_inspect_consumer(in, i, &consumer, NULL) != ATR_OK)
			continue; /* its finding was printed */
		if (session->options->json)
			stream_print_json(session, stream_consumer_line(in, &consumer));
		else
			stream_print_consumer(&consumer);
	}
	if (!session->options->json)
		putchar('\n');
	stream_warn_damage(session, place, &state);
	return 1;
}

static const struct option_spec option_table[] = {STREAM_OPTIONS(struct info_options), {0}};

extern const struct command command_stream_info;

static int run(int argc, char **argv)
{
	struct info_options options = {0};
	struct stream_session session = {0};

	return stream_run(&command_stream_info, argc, argv, &options, &session, &options.common,
	                  show_stream);
}

const struct command command_stream_info = {
        .name = "stream info",
        .arguments = "[DIR]",
        .summary = "configuration, state, blocks and consumers of the streams in DIR",
        .details = "Line types of --json: stream, state, block, consumer.\n"
                   "\n"
                   "Example:\n"
                   "  atrest stream info --key-file js.key --stream ORDERS /data/nats",
        .options = option_table,
        .arguments_max = 1,
        .run = run,
};
