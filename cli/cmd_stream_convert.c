/* cmd_stream_convert.c - atrest stream convert: the same messages under another cipher or key. */
#include <inttypes.h>
#include <string.h>

#include "ciphers/cipher.h"
#include "cli/exit_status.h"
#include "cli/stream.h"
#include "harness/output/progress.h"

struct convert_options {
	struct stream_options common;
	const char *cipher;
	const char *wanted_for;
	int dry_run;
};

struct convert {
	struct convert_options options;
	struct progress progress;
	enum atr_convert_step step;
	int started;
};

static const char *step_text(enum atr_convert_step step)
{
	switch (step) {
	case ATR_CONVERT_COPYING:
		return "copying";
	case ATR_CONVERT_VERIFYING:
		return "verifying";
	case ATR_CONVERT_REMOVING:
		break;
	}
	return "removing the old files";
}

/* Copying is the first half of the work, verifying the second. */
static void show_progress(void *arg, enum atr_convert_step step, uint64_t done, uint64_t whole)
{
	struct stream_session *session = arg;
	struct convert *v = session->arg;
	double at = (double)done + (step == ATR_CONVERT_COPYING ? 0 : (double)whole);
	char text[400];

	if (!v->started)
		progress_start(&v->progress, 2 * (double)whole);
	v->started = 1;
	(void)snprintf(text, sizeof text, "%.256s: %s", session->stream, step_text(step));
	progress_update(&v->progress, step == ATR_CONVERT_REMOVING ? v->progress.whole : at, text);
}

static void print_json(struct stream_session *session, const struct atr_inspect *in,
                       const struct atr_convert_result *r, int dry_run)
{
	json_t *line = stream_new_line(in, "convert");

	(void)json_object_set_new(line, "from", json_string(r->from));
	(void)json_object_set_new(line, "to", json_string(r->to));
	(void)json_object_set_new(line, "rotated", json_boolean(r->rotated));
	(void)json_object_set_new(line, "already", json_boolean(r->already));
	(void)json_object_set_new(line, "dry_run", json_boolean(dry_run));
	(void)json_object_set_new(line, "resumed", json_boolean(r->resumed));
	(void)json_object_set_new(line, "finished", json_boolean(r->finished));
	(void)json_object_set_new(line, "blocks_before",
	                          json_integer((json_int_t)r->blocks_before));
	(void)json_object_set_new(line, "bytes_before", json_integer((json_int_t)r->bytes_before));
	(void)json_object_set_new(line, "blocks_after", json_integer((json_int_t)r->blocks_after));
	(void)json_object_set_new(line, "bytes_after", json_integer((json_int_t)r->bytes_after));
	(void)json_object_set_new(line, "blocks_kept", json_integer((json_int_t)r->blocks_kept));
	(void)json_object_set_new(line, "messages", json_integer((json_int_t)r->messages));
	(void)json_object_set_new(line, "consumers", json_integer((json_int_t)r->consumers));
	stream_print_json(session, line);
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static void print_text(const struct atr_inspect *in, const struct atr_convert_result *r,
                       int dry_run)
{
	struct atr_inspect_stream s;

	atr_inspect_stream(in, &s);
	printf("%s %s: ", s.account, s.stream);
	if (r->finished)
		printf("the old files of an interrupted conversion are removed; ");
	if (r->already) {
		printf("already as asked (cipher %s), nothing to do\n", r->to);
		return;
	}
	printf("%s%s to %s%s: ", dry_run ? "would go from " : "", r->from, r->to,
	       r->rotated ? ", under the new key" : "");
	if (dry_run)
		printf("%" PRIu64 " block%s, %" PRIu64 " bytes, %" PRIu64 " messages, %" PRIu64
		       " consumer%s\n",
		       r->blocks_before, plural(r->blocks_before), r->bytes_before, r->messages,
		       r->consumers, plural(r->consumers));
	else
		printf("%" PRIu64 " block%s, %" PRIu64 " bytes (before: %" PRIu64 ", %" PRIu64
		       "), %" PRIu64 " messages, %" PRIu64 " consumer%s, all compared\n",
		       r->blocks_after, plural(r->blocks_after), r->bytes_after, r->blocks_before,
		       r->bytes_before, r->messages, r->consumers, plural(r->consumers));
	if (r->resumed)
		printf("  %" PRIu64 " block%s of an interrupted conversion stood already\n",
		       r->blocks_kept, plural(r->blocks_kept));
}

/* What is in clear text is what the conversion is for: the result says "mixed". */
static void take_finding(struct stream_session *session, const struct atr_finding *finding)
{
	if (finding->kind != ATR_FINDING_CLEAR)
		stream_warn_finding(session, finding);
}

static int convert_stream(struct stream_session *session, const struct atr_place *place,
                          struct atr_inspect *in, const struct atr_error *open_err)
{
	struct convert *v = session->arg;
	const char *wanted = v->options.wanted_for;
	struct atr_convert_options options = {
	        .cipher =
	                v->options.cipher != NULL ? atr_cipher_find(v->options.cipher, NULL) : NULL,
	        .wanted_for = wanted == NULL               ? ATR_CONVERT_AS_IS
	                      : strcmp(wanted, "2.9") == 0 ? ATR_CONVERT_2_9
	                                                   : ATR_CONVERT_2_10,
	        .dry_run = v->options.dry_run,
	        .progress = show_progress,
	        .progress_arg = session,
	};
	struct atr_convert_result result;
	struct atr_error err;
	enum atr_status rc;

	(void)place;
	(void)open_err;
	if (in == NULL)
		return 0;
	v->started = 0;
	rc = atr_convert(in, &options, &result, &err);
	if (v->started)
		progress_clear(&v->progress);
	if (rc != ATR_OK)
		stream_fail(session, rc, &err);
	else if (session->options->json)
		print_json(session, in, &result, v->options.dry_run);
	else
		print_text(in, &result, v->options.dry_run);
	(void)fflush(stdout); /* each stream stands when it is done */
	return 1;
}

static int check_options(const struct stream_session *session)
{
	const struct convert_options *o = &((const struct convert *)session->arg)->options;

	if (o->cipher != NULL && atr_cipher_find(o->cipher, NULL) == NULL)
		return complain(EXIT_USAGE,
		                "--cipher: found '%s', expected none, chachapoly or aes",
		                o->cipher);
	if (o->wanted_for != NULL && strcmp(o->wanted_for, "2.9") != 0 &&
	    strcmp(o->wanted_for, "2.10") != 0)
		return complain(EXIT_USAGE, "--for: found '%s', expected 2.9 or 2.10",
		                o->wanted_for);
	return EXIT_FINE;
}

static const struct option_spec option_table[] = {
        STREAM_OPTIONS(struct convert_options),
        {"cipher", 0, OPTION_TEXT, "CIPHER",
         "of everything afterwards: chachapoly, aes or none (default: the\n"
         "stream's, for a new key)",
         offsetof(struct convert_options, cipher)},
        {"for", 0, OPTION_TEXT, "VERSION",
         "the server that has to read it: 2.9 (not compressed, no members\n"
         "of meta.inf that it does not know) or 2.10 and newer",
         offsetof(struct convert_options, wanted_for)},
        {"dry-run", 0, OPTION_FLAG, NULL, "reads everything, changes nothing",
         offsetof(struct convert_options, dry_run)},
        {0},
};

extern const struct command command_stream_convert;

static int run(int argc, char **argv)
{
	struct convert v = {.started = 0};
	struct stream_session session = {
	        .arg = &v, .check = check_options, .finding = take_finding, .exclusive = 1};

	return stream_run(&command_stream_convert, argc, argv, &v.options, &session,
	                  &v.options.common, convert_stream);
}

const struct command command_stream_convert = {
        .name = "stream convert",
        .arguments = "[DIR]",
        .summary = "encrypt, decrypt, change the cipher or the key, with no server running",
        .details =
                "The key is the key afterwards, and before unless --prev-key-file is given.\n"
                "Examples:\n"
                "  encrypt     atrest stream convert --cipher aes --key-file K DIR\n"
                "  decrypt     atrest stream convert --cipher none --key-file K DIR\n"
                "  new key     atrest stream convert --key-file NEW --prev-key-file OLD DIR\n"
                "Each stream is written anew beside itself (.convert-STREAM), each block under a\n"
                "key of its own, consumers too; read back under the key and compared message by\n"
                "message; then exchanged at once, and the old files are removed (overwritten they\n"
                "are not: what a disk keeps of freed blocks stays). Killed at any moment a stream\n"
                "opens under the old or the new key, and the next run goes on. It needs the size\n"
                "of the largest stream as free space. A damaged stream is left as it is: exit 5.",
        .options = option_table,
        .arguments_max = 1,
        .run = run,
};
