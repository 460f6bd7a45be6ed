/* cmd_stream_load.c - atrest stream load: msg lines become a stream.
 *
 * A stream line begins a stream and gives its configuration; without one the subjects are taken
 * from the first messages. Every batch is written before the next begins, so that what was
 * counted is there whatever stops the work.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/base64.h"
#include "cli/exit_status.h"
#include "cli/keys.h"
#include "cli/load_lines.h"
#include "cli/print_json.h"
#include "cli/store_dir.h"
#include "store/inspect.h"
#include "store/store.h"

#define BATCH_MESSAGES 1000

struct load_options {
	struct key_options keys;
	const char *account, *stream, *cipher;
	uint64_t block_bytes;
	int json;
};

struct load {
	struct load_options options;
	const char *dir;
	struct keys keys;
	const struct atr_cipher *cipher;
	struct load_lines *lines;

	/* the stream being written. It is prepared when its first line is read, and made when its
	 * first message is known to be good: bad input leaves nothing behind */
	int prepared, exists;
	struct store_dir_target target;
	char *config; /* JSON text */
	const struct atr_cipher *stream_cipher;
	struct atr_subjects *subjects;
	struct atr_store *store; /* NULL = not made yet */
	uint64_t first_seq, last_seq, stored, written, batch;
	uint64_t streams, skipped;
	int lost; /* the store failed, and that was said: what it still holds is not written */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static int fail_with(enum atr_status rc, const struct atr_error *err)
{
	char line[2048];

	atr_error_line(err, line, sizeof line);
	return complain(exit_of_status(rc), "%s", line);
}

/* The store of a stream failed; said once, for closing it fails the same way. */
static int lose(struct load *l, enum atr_status rc, const struct atr_error *err)
{
	char line[2048];

	if (l->lost)
		return (int)exit_of_status(rc);
	l->lost = 1;
	atr_error_line(err, line, sizeof line);
	return complain(exit_of_status(rc), "%s; at least %" PRIu64 " messages are stored", line,
	                l->written);
}

/* ---- begin and end of a stream ---- */

static void print_result(const struct load *l)
{
	if (!l->options.json) {
		printf("%s %s: %" PRIu64 " messages stored in %s, cipher %s", l->target.account,
		       l->target.stream, l->written, l->target.dir,
		       atr_cipher_name(l->stream_cipher));
		if (l->written > 0)
			printf(", sequences %" PRIu64 " to %" PRIu64, l->first_seq, l->last_seq);
		putchar('\n');
		return;
	}
	json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "type", "load", "account",
	                         l->target.account, "stream", l->target.stream, "dir",
	                         l->target.dir, "cipher", atr_cipher_name(l->stream_cipher),
	                         "messages", (json_int_t)l->written);

	if (l->written > 0) {
		(void)json_object_set_new(line, "first_seq",
		                          json_integer((json_int_t)l->first_seq));
		(void)json_object_set_new(line, "last_seq", json_integer((json_int_t)l->last_seq));
	}
	(void)print_json(line, JSON_COMPACT);
}

static int flush_batch(struct load *l)
{
	struct atr_error err;
	enum atr_status rc = atr_store_flush(l->store, &err);

	if (rc != ATR_OK)
		return lose(l, rc, &err);
	l->written = l->stored;
	l->batch = 0;
	return EXIT_FINE;
}

static int stream_exists(const char *dir)
{
	char path[sizeof((struct store_dir_target *)0)->dir + 16];
	struct stat st;

	(void)snprintf(path, sizeof path, "%s/meta.inf", dir);
	return stat(path, &st) == 0;
}

/* The configuration and cipher of a stream that is there already. */
static int take_existing(struct load *l)
{
	struct atr_inspect_options options = {
	        .account = l->target.account,
	        .stream = l->target.stream,
	        .key = l->keys.key,
	        .key_bytes = l->keys.key_bytes,
	        .prev_key = l->keys.prev_key,
	        .prev_key_bytes = l->keys.prev_key_bytes,
	};
	struct atr_inspect_stream stream;
	struct atr_inspect *in;
	struct atr_error err;
	enum atr_status rc = atr_inspect_open(l->target.dir, &options, &in, &err);

	if (rc != ATR_OK)
		return fail_with(rc, &err);
	atr_inspect_stream(in, &stream);
	if (l->options.cipher == NULL)
		l->stream_cipher = atr_cipher_find(stream.cipher, NULL);
	l->config = strdup(stream.config_json);
	atr_inspect_close(in);
	return l->config != NULL ? EXIT_FINE : complain(EXIT_SYSTEM, "out of memory");
}

/* Finds out where the stream goes and how it is configured. line: its stream line, NULL = none. */
static int prepare_stream(struct load *l, const json_t *line)
{
	int code = store_dir_target(l->dir, l->options.account, l->options.stream,
	                            load_lines_account(line), load_lines_stream(line), &l->target);

	if (code != EXIT_FINE)
		return code;
	l->exists = stream_exists(l->target.dir);
	l->stream_cipher = l->cipher;
	if (l->exists)
		code = take_existing(l);
	else if ((l->config = load_lines_config(l->lines, line, l->target.stream)) == NULL)
		code = complain(EXIT_USAGE, "%s: the configuration is not a JSON object",
		                load_lines_place(l->lines));
	if (code != EXIT_FINE)
		return code;
	if (l->exists && line != NULL)
		warn_line("%s: the stream is there already, its configuration stays",
		          l->target.dir);
	if (!atr_cipher_encrypts(l->stream_cipher) && atr_cipher_encrypts(l->cipher))
		warn_line("%s: the stream is clear text and stays so, the key is not used",
		          l->target.dir);
	l->subjects = atr_subjects_new(l->config);
	l->prepared = 1;
	l->last_seq = l->first_seq = l->stored = l->written = l->batch = 0;
	l->lost = 0;
	return EXIT_FINE;
}

static int make_stream(struct load *l)
{
	struct atr_store_options o = {
	        .account = l->target.account,
	        .stream = l->target.stream,
	        .cipher = l->stream_cipher,
	        .key = l->keys.key,
	        .key_bytes = l->keys.key_bytes,
	        .prev_key = l->keys.prev_key,
	        .prev_key_bytes = l->keys.prev_key_bytes,
	        .config_json = l->config,
	        .flush = ATR_FLUSH_ASYNC,
	        .block_bytes = l->options.block_bytes,
	};
	struct atr_store_state state;
	struct atr_error err;
	enum atr_status rc = l->exists ? atr_store_open(l->target.dir, &o, &l->store, &err)
	                               : atr_store_create(l->target.dir, &o, &l->store, &err);

	if (rc != ATR_OK)
		return fail_with(rc, &err);
	atr_store_state(l->store, &state);
	l->last_seq = state.last_seq;
	return EXIT_FINE;
}

/* Writes what is left, syncs, closes and says how much there is. code: of what ended it. */
static int end_stream(struct load *l, int code)
{
	struct atr_error err;
	enum atr_status rc;

	if (!l->prepared)
		return code;
	if (l->store == NULL && code == EXIT_FINE && !interrupted)
		code = make_stream(l); /* without messages */
	if (l->store != NULL) {
		if (!l->lost)
			code = exit_worse(code, flush_batch(l));
		rc = atr_store_close(l->store, &err);
		l->store = NULL;
		if (rc != ATR_OK)
			code = exit_worse(code, lose(l, rc, &err));
		print_result(l);
	}
	if (interrupted)
		(void)complain(EXIT_INTERRUPTED,
		               "interrupted: %" PRIu64 " messages of %s were stored", l->written,
		               l->target.stream);
	atr_subjects_free(l->subjects);
	free(l->config);
	l->subjects = NULL;
	l->config = NULL;
	l->prepared = 0;
	l->streams++;
	return code;
}

/* ---- lines ---- */

static int take_message(struct load *l, const json_t *line)
{
	struct atr_message m;
	struct atr_error err;
	enum atr_status rc;
	const char *why;
	uint64_t sequence;

	why = load_lines_message(l->lines, line, &m);
	if (why == NULL)
		why = atr_subjects_doubt(l->subjects, &m);
	if (why != NULL)
		return complain(EXIT_USAGE, "%s: %s", load_lines_place(l->lines), why);
	if (l->store == NULL) {
		int code = make_stream(l);

		if (code != EXIT_FINE)
			return code;
	}
	if (m.sequence != 0 && m.sequence <= l->last_seq)
		return complain(EXIT_USAGE, "%s: seq %" PRIu64 " is not above the last, %" PRIu64,
		                load_lines_place(l->lines), m.sequence, l->last_seq);
	rc = atr_store_append(l->store, &m, &sequence, &err);
	if (rc != ATR_OK && exit_of_status(rc) == EXIT_SYSTEM)
		return lose(l, rc, &err);
	if (rc != ATR_OK) {
		char text[2048];

		atr_error_line(&err, text, sizeof text);
		return complain(exit_of_status(rc), "%s: not stored: %s",
		                load_lines_place(l->lines), text);
	}
	if (l->stored++ == 0)
		l->first_seq = sequence;
	l->last_seq = sequence;
	return ++l->batch >= BATCH_MESSAGES ? flush_batch(l) : EXIT_FINE;
}

static int take_line(struct load *l, const json_t *line)
{
	const char *type = json_string_value(json_object_get(line, "type"));
	int code = EXIT_FINE;

	if (type == NULL)
		return complain(EXIT_USAGE, "%s: found no \"type\", expected an object with one",
		                load_lines_place(l->lines));
	if (strcmp(type, "stream") == 0) {
		code = end_stream(l, EXIT_FINE);
		return code == EXIT_FINE ? prepare_stream(l, line) : code;
	}
	if (strcmp(type, "msg") != 0) {
		l->skipped++;
		return EXIT_FINE;
	}
	if (!l->prepared)
		code = prepare_stream(l, NULL);
	return code == EXIT_FINE ? take_message(l, line) : code;
}

static int take_lines(struct load *l)
{
	json_t *line;
	int code = EXIT_FINE, rc = 0;

	while (code == EXIT_FINE && !interrupted && (rc = load_lines_next(l->lines, &line)) > 0) {
		code = take_line(l, line);
		json_decref(line);
	}
	if (rc < 0 && !interrupted)
		code = complain(rc == LOAD_LINES_BAD ? EXIT_USAGE : EXIT_SYSTEM, "%s",
		                load_lines_error(l->lines));
	/* an empty input, or one without messages, still makes the stream it names */
	if (code == EXIT_FINE && !interrupted && !l->prepared && l->streams == 0)
		code = prepare_stream(l, NULL);
	code = end_stream(l, code);
	if (l->skipped > 0 && !l->options.json)
		printf("%" PRIu64 " lines of other types skipped\n", l->skipped);
	return interrupted ? EXIT_INTERRUPTED : code;
}

/* ---- the command ---- */

static const struct option_spec option_table[] = {
        {"cipher", 0, OPTION_TEXT, "CIPHER",
         "none, chachapoly or aes (default: that of the stream if it\n"
         "is there already, else that of --nats-config; chachapoly\n"
         "with a key, none without)",
         offsetof(struct load_options, cipher)},
        {"account", 0, OPTION_TEXT, "NAME",
         "account, where the path names none (default: that of the\nstream line, else $G)",
         offsetof(struct load_options, account)},
        {"stream", 0, OPTION_TEXT, "NAME",
         "stream, where the path names none (default: that of the\nstream line)",
         offsetof(struct load_options, stream)},
        {"block-bytes", 0, OPTION_BYTES, "SIZE", "size of a block file (default 2m)",
         offsetof(struct load_options, block_bytes)},
        KEY_OPTIONS(struct load_options),
        {"json", 0, OPTION_FLAG, NULL, "the result as a line of JSON",
         offsetof(struct load_options, json)},
        {0},
};

extern const struct command command_stream_load;

/* What is stored is stored: a signal stops between two messages, a full file or a closed pipe is
 * an error of the write. */
static void take_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN}, now;

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	if (sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler != SIG_IGN) /* nohup */
		(void)sigaction(SIGHUP, &action, NULL);
	(void)sigaction(SIGXFSZ, &ignore, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

static int run(int argc, char **argv)
{
	struct load l = {0};
	int first, code;

	code = options_parse(&command_stream_load, argc, argv, &l.options, &first);
	if (code != OPTIONS_GO_ON)
		return code;
	code = keys_load(&l.options.keys, &l.keys);
	if (code != EXIT_FINE)
		return code;
	l.dir = argv[first];
	code = keys_cipher(&l.keys, l.options.cipher, &l.cipher);
	if (code == EXIT_FINE) {
		l.lines = load_lines_open(first + 1 < argc ? argv[first + 1] : NULL);
		if (l.lines == NULL)
			code = complain(EXIT_USAGE, "%s: %s",
			                first + 1 < argc ? argv[first + 1] : "standard input",
			                strerror(errno));
	}
	if (code == EXIT_FINE) {
		take_signals();
		code = take_lines(&l);
	}
	load_lines_close(l.lines);
	keys_free(&l.keys);
	return code;
}

const struct command command_stream_load = {
        .name = "stream load",
        .arguments = "DIR [FILE]",
        .summary = "write msg lines (of FILE, else standard input) into a stream in DIR",
        .details =
                "A path that ends in jetstream/A/streams/S is that stream directory, anything "
                "else\n"
                "a store_dir. Lines are JSON, as `stream dump --json --payload` prints them: msg\n"
                "(subject, headers_b64, payload_b64; seq and ts optional: next, now; a gap in seq\n"
                "becomes deleted sequences) and stream (gives the configuration, else the "
                "server's\n"
                "defaults, with the subjects of the first messages). Other types are skipped.\n"
                "\n"
                "Example:\n"
                "  atrest stream load --cipher aes --key-file js.key /data/copy orders.jsonl",
        .options = option_table,
        .arguments_min = 1,
        .arguments_max = 2,
        .run = run,
};
