/* cmd_stream_audit.c - atrest stream audit: what encryption does not protect here. */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/exit_status.h"
#include "cli/stream.h"

struct audit_options {
	struct stream_options common;
	const char *against, *fail_on;
};

struct audit {
	struct audit_options options;
	char against[PATH_MAX]; /* absolute */
	int fail_on;            /* severity, -1: none */
	uint64_t count[3];      /* of the stream, by severity */
	uint64_t damage;        /* findings of opening it that are no notes */
	struct stream_session *session;
};

static void print_json(struct stream_session *session, const struct atr_audit_finding *f)
{
	json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "type", "audit", "account",
	                         session->account, "stream", session->stream, "severity",
	                         atr_severity_text(f->severity), "id", f->id, "path", f->path,
	                         "files", (json_int_t)f->files);

	if (f->bytes > 0)
		(void)json_object_set_new(line, "bytes", json_integer((json_int_t)f->bytes));
	(void)json_object_set_new(line, "evidence", json_string(f->evidence));
	(void)json_object_set_new(line, "consequence", json_string(f->consequence));
	(void)json_object_set_new(line, "remedy", json_string(f->remedy));
	stream_print_json(session, line);
}

static void take_audit_finding(void *arg, const struct atr_audit_finding *f)
{
	struct audit *a = arg;

	a->count[f->severity]++;
	if (a->fail_on >= 0 && (int)f->severity >= a->fail_on)
		a->session->code = exit_worse(a->session->code, EXIT_FAILED);
	if (a->session->options->json) {
		print_json(a->session, f);
		return;
	}
	printf("%-4s  %s: %s", atr_severity_text(f->severity), f->id, f->path);
	if (f->files > 1)
		printf(" and %" PRIu64 " more", f->files - 1);
	printf("\n      evidence: %s\n      consequence: %s\n      remedy: %s\n", f->evidence,
	       f->consequence, f->remedy);
}

/* Whole or not is verify's question. */
static void count_finding(struct stream_session *session, const struct atr_finding *f)
{
	struct audit *a = session->arg;

	a->damage += f->kind == ATR_FINDING_DAMAGE;
}

/* The other image of this stream: below --against, under the same names. */
struct other {
	char dir[PATH_MAX];
	size_t count;
};

static enum atr_status take_other(void *arg, const struct atr_place *place, struct atr_error *err)
{
	struct other *o = arg;

	(void)err;
	(void)snprintf(o->dir, sizeof o->dir, "%s", place->dir);
	o->count++;
	return ATR_OK;
}

static const char *find_other(struct audit *a, const struct atr_place *place, struct other *o)
{
	struct atr_error err;
	char line[2048];
	enum atr_status rc;

	o->count = 0;
	if (a->against[0] == '\0')
		return NULL;
	rc = atr_discover(NULL, a->against, place->account, place->stream, take_other, o, &err);
	if (rc != ATR_OK) {
		atr_error_line(&err, line, sizeof line);
		a->session->code = exit_worse(
		        a->session->code,
		        complain(exit_of_status(rc), "--against %s: %s", a->against, line));
	} else if (o->count == 0) {
		warn_line("--against %s: no stream '%s' of account '%s' there", a->against,
		          place->stream, place->account);
	}
	return o->count > 0 ? o->dir : NULL;
}

static int audit_stream(struct stream_session *session, const struct atr_place *place,
                        struct atr_inspect *in, const struct atr_error *open_err)
{
	struct audit *a = session->arg;
	struct atr_audit_options options = {
	        .stream = place->stream,
	        .key = in != NULL ? session->keys.key : NULL,
	        .key_bytes = session->keys.key_bytes,
	        .each = take_audit_finding,
	        .arg = a,
	};
	struct other other;
	struct atr_error err;
	enum atr_status rc;

	a->session = session;
	memset(a->count, 0, sizeof a->count);
	options.against = find_other(a, place, &other);
	rc = atr_audit(place->dir, in, &options, &err);
	if (rc != ATR_OK)
		stream_fail(session, rc, &err);
	if (in == NULL && open_err->status == ATR_ENOKEY)
		warn_line("%s: without the key only the files are looked at, not what is in them",
		          place->dir);
	if (in != NULL && a->damage > 0)
		warn_line("%s: not whole; see atrest stream verify", place->dir);
	if (!session->options->json)
		printf("%s %s: %" PRIu64 " high, %" PRIu64 " warn, %" PRIu64 " info\n",
		       place->account, place->stream, a->count[ATR_SEVERITY_HIGH],
		       a->count[ATR_SEVERITY_WARN], a->count[ATR_SEVERITY_INFO]);
	a->damage = 0;
	return in != NULL || open_err->status == ATR_ENOKEY;
}

static int check_options(const struct stream_session *session)
{
	struct audit *a = session->arg;

	for (int s = ATR_SEVERITY_INFO; s <= ATR_SEVERITY_HIGH && a->options.fail_on != NULL; s++)
		if (strcmp(a->options.fail_on, atr_severity_text((enum atr_severity)s)) == 0)
			a->fail_on = s;
	if (a->options.fail_on != NULL && a->fail_on < 0)
		return complain(EXIT_USAGE, "--fail-on: found '%s', expected info, warn or high",
		                a->options.fail_on);
	if (a->options.against != NULL && realpath(a->options.against, a->against) == NULL)
		return complain(EXIT_USAGE, "--against %s: no such directory", a->options.against);
	return EXIT_FINE;
}

static const struct option_spec option_table[] = {
        STREAM_OPTIONS(struct audit_options),
        {"against", 0, OPTION_TEXT, "DIR",
         "another image of the same stream (a backup, a disk snapshot, a\n"
         "replica): a store_dir or the stream directory; text that the\n"
         "two give away together is counted",
         offsetof(struct audit_options, against)},
        {"fail-on", 0, OPTION_TEXT, "SEVERITY",
         "exit 1 when there is a finding of info, warn or high, or worse",
         offsetof(struct audit_options, fail_on)},
        {0},
};

extern const struct command command_stream_audit;

static int run(int argc, char **argv)
{
	struct audit a = {.fail_on = -1};
	struct stream_session session = {
	        .arg = &a, .finding = count_finding, .check = check_options};

	return stream_run(&command_stream_audit, argc, argv, &a.options, &session,
	                  &a.options.common, audit_stream);
}

const struct command command_stream_audit = {
        .name = "stream audit",
        .arguments = "[DIR]",
        .summary = "what encryption does not protect in the streams of DIR",
        .details = "Each finding has a file, evidence, its consequence and a remedy; nothing is\n"
                   "changed. Findings are information: exit 0, unless --fail-on is given. Without\n"
                   "the key only names, sizes, modes and clear files are looked at. Line type of\n"
                   "--json: audit.\n"
                   "\n"
                   "Example:\n"
                   "  atrest stream audit --key-file js.key --against /backup/nats /data/nats",
        .options = option_table,
        .arguments_max = 1,
        .run = run,
};
