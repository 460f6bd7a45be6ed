/* cmd_stream_ls.c - atrest stream ls: the streams of a directory, a row each. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/exit_status.h"
#include "cli/stream.h"
#include "harness/output/table.h"

struct ls_options {
	struct stream_options common;
};

/* What shows without the key: meta.key is 72 bytes long under chachapoly, 64 under aes. */
static const char *sealed_cipher(const char *dir)
{
	char path[4200];
	struct stat st;

	(void)snprintf(path, sizeof path, "%s/meta.key", dir);
	if (stat(path, &st) != 0)
		return "?";
	return st.st_size == 72 ? "chachapoly" : st.st_size == 64 ? "aes" : "?";
}

static void add_closed(struct table *t, const struct atr_place *place)
{
	table_row(t);
	table_text(t, place->account);
	table_text(t, place->stream);
	table_text(t, sealed_cipher(place->dir));
}

/* Blocks of a stream may be under different ones: after switching encryption on, or a change. */
static const char *const ciphers[] = {"none", "chachapoly", "aes"};

static void add_open(struct table *t, const struct atr_inspect *in)
{
	struct atr_inspect_stream s;
	struct atr_inspect_state state;

	atr_inspect_stream(in, &s);
	atr_inspect_state(in, &state);
	table_row(t);
	table_text(t, s.account);
	table_text(t, s.stream);
	table_text(t, s.cipher);
	table_u64(t, state.messages);
	table_u64(t, state.bytes);
	table_u64(t, state.first_seq);
	table_u64(t, state.last_seq);
	table_u64(t, s.blocks);
	for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++) {
		uint64_t count = 0;

		for (size_t k = 0; k < s.blocks; k++) {
			struct atr_inspect_block b;

			atr_inspect_block(in, k, &b);
			count += strcmp(b.cipher, ciphers[i]) == 0;
		}
		table_u64(t, count);
	}
	table_u64(t, s.consumers);
}

static int list_stream(struct stream_session *session, const struct atr_place *place,
                       struct atr_inspect *in, const struct atr_error *open_err)
{
	struct atr_inspect_state state;
	struct atr_error err;
	enum atr_status rc;

	if (in == NULL) { /* it is there all the same; why it does not open is said too */
		add_closed(session->arg, place);
		return open_err->status == ATR_ENOKEY;
	}
	rc = atr_inspect_open_keys(in, &err);
	if (rc != ATR_OK)
		stream_fail(session, rc, &err);
	add_open(session->arg, in);
	atr_inspect_state(in, &state);
	stream_warn_damage(session, place, &state);
	return 1;
}

static const struct option_spec option_table[] = {STREAM_OPTIONS(struct ls_options), {0}};

extern const struct command command_stream_ls;

static int run(int argc, char **argv)
{
	static const char *const columns[] = {"messages",   "bytes",  "first_seq",
	                                      "last_seq",   "blocks", "clear",
	                                      "chachapoly", "aes",    "consumers"};
	struct ls_options options = {0};
	struct table *t = table_new();
	struct stream_session session = {.arg = t};
	int code;

	table_column(t, "account", NULL, TABLE_LEFT);
	table_column(t, "stream", NULL, TABLE_LEFT);
	table_column(t, "cipher", NULL, TABLE_LEFT);
	for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
		table_column(t, columns[i], NULL, TABLE_RIGHT);
	code = stream_run(&command_stream_ls, argc, argv, &options, &session, &options.common,
	                  list_stream);
	/* a bad option or DIR leaves nothing to print, nor does --help */
	if (session.options != NULL && code != EXIT_USAGE &&
	    (options.common.json ? table_json : table_print)(t, stdout) != 0)
		code = exit_worse(code, complain(EXIT_SYSTEM, "standard output: write failed"));
	table_free(t);
	return code;
}

const struct command command_stream_ls = {
        .name = "stream ls",
        .arguments = "[DIR]",
        .summary = "the streams in DIR, a row each",
        .details = "DIR is a store_dir, its jetstream/, an account or a stream directory. Without\n"
                   "the key, and where one does not open, it is name and cipher only. clear,\n"
                   "chachapoly and aes count the blocks under each; --json has them too.\n"
                   "\n"
                   "Example:\n"
                   "  atrest stream ls --nats-config /etc/nats/nats.conf",
        .options = option_table,
        .arguments_max = 1,
        .run = run,
};
