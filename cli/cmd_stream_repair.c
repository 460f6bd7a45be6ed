/* cmd_stream_repair.c - atrest stream repair: a damaged stream made whole, the original kept. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/exit_status.h"
#include "cli/store_dir.h"
#include "cli/stream.h"

struct repair_options {
	struct stream_options common;
	const char *config;
	int dry_run;
};

struct repair {
	struct repair_options options;
	struct stream_session session;
	char *config_json; /* of --config */
	size_t count;      /* streams visited */
};

static void take_action(void *arg, const struct atr_repair_action *action)
{
	struct repair *p = arg;
	struct stream_session *session = &p->session;

	if (session->options->json) {
		json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:b}", "type", "repair", "account",
		                         session->account, "stream", session->stream, "path",
		                         action->path, "done", !p->options.dry_run);

		if (action->last_seq > 0) {
			(void)json_object_set_new(line, "first_lost",
			                          json_integer((json_int_t)action->first_seq));
			(void)json_object_set_new(line, "last_lost",
			                          json_integer((json_int_t)action->last_seq));
		}
		(void)json_object_set_new(line, "text", json_string(action->text));
		stream_print_json(session, line);
		return;
	}
	printf("  %s: ", action->path);
	if (action->last_seq > 0 && action->first_seq == action->last_seq)
		printf("sequence %" PRIu64 ": ", action->first_seq);
	else if (action->last_seq > 0)
		printf("sequences %" PRIu64 " to %" PRIu64 ": ", action->first_seq,
		       action->last_seq);
	printf("%s\n", action->text);
}

static void print_result(struct repair *p, const struct atr_repair_result *result)
{
	struct stream_session *session = &p->session;

	if (session->options->json) {
		stream_print_json(session,
		                  json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:s}", "type",
		                            "repaired", "account", session->account, "stream",
		                            session->stream, "changed", result->changed, "dry_run",
		                            p->options.dry_run, "messages",
		                            (json_int_t)result->messages, "lost",
		                            (json_int_t)result->lost, "aside", result->aside));
		return;
	}
	printf("%s %s: ", session->account, session->stream);
	if (!result->changed)
		printf("nothing to repair, %" PRIu64 " messages\n", result->messages);
	else if (p->options.dry_run)
		printf("would be repaired, nothing was changed\n");
	else
		printf("repaired, %" PRIu64 " messages, %" PRIu64 " dropped; the original is %s\n",
		       result->messages, result->lost, result->aside);
}

static enum atr_status repair_place(void *arg, const struct atr_place *place, struct atr_error *err)
{
	struct repair *p = arg;
	struct stream_session *session = &p->session;
	struct atr_repair_options options = {
	        .account = place->account,
	        .stream = place->stream,
	        .key = session->keys.key,
	        .key_bytes = session->keys.key_bytes,
	        .prev_key = session->keys.prev_key,
	        .prev_key_bytes = session->keys.prev_key_bytes,
	        .config_json = p->config_json,
	        .dry_run = p->options.dry_run,
	        .told = take_action,
	        .told_arg = p,
	};
	struct atr_repair_result result;
	enum atr_status rc;

	session->account = place->account;
	session->stream = place->stream;
	p->count++;
	rc = atr_repair(place->dir, &options, &result, err);
	if (rc == ATR_ENOTSTORE)
		rc = ATR_EFORMAT;
	if (rc != ATR_OK)
		stream_fail(session, rc, err);
	else
		print_result(p, &result);
	return ATR_OK; /* the other streams have their turn */
}

static int read_config(struct repair *p)
{
	json_error_t where;
	json_t *config;

	if (p->options.config == NULL)
		return EXIT_FINE;
	config = json_load_file(p->options.config, 0, &where);
	/* as the tools of the server print it, or as it stands in meta.inf */
	if (json_is_object(json_object_get(config, "config"))) {
		json_t *inner = json_incref(json_object_get(config, "config"));

		json_decref(config);
		config = inner;
	}
	p->config_json = json_is_object(config) ? json_dumps(config, JSON_COMPACT) : NULL;
	json_decref(config);
	if (p->config_json == NULL)
		return complain(EXIT_USAGE, "--config %s:%d: %s, expected a JSON object",
		                p->options.config, where.line,
		                where.text[0] != '\0' ? where.text : "something else");
	return EXIT_FINE;
}

static const struct option_spec option_table[] = {
        STREAM_OPTIONS(struct repair_options),
        {"config", 0, OPTION_TEXT, "FILE",
         "stream configuration (JSON, as `nats stream info --json` prints\n"
         "it) for a stream whose meta.inf or meta.key is lost; without it\n"
         "a server's defaults and the subjects of the messages",
         offsetof(struct repair_options, config)},
        {"dry-run", 'n', OPTION_FLAG, NULL, "say what would be done",
         offsetof(struct repair_options, dry_run)},
        {0},
};

extern const struct command command_stream_repair;

static int run(int argc, char **argv)
{
	struct repair p = {.count = 0};
	const char *dir;
	int first, code;

	code = options_parse(&command_stream_repair, argc, argv, &p.options, &first);
	if (code != OPTIONS_GO_ON)
		return code;
	p.session.options = &p.options.common;
	code = read_config(&p);
	if (code == EXIT_FINE)
		code = keys_load(&p.options.common.keys, &p.session.keys);
	if (code == EXIT_FINE) {
		dir = first < argc ? argv[first] : p.session.keys.config.store_dir;
		code = dir == NULL
		               ? complain(EXIT_USAGE, "atrest stream repair: DIR is missing (or a "
		                                      "store_dir in --nats-config)")
		               : store_dir_visit(dir, p.options.common.account,
		                                 p.options.common.stream, repair_place, &p);
		keys_free(&p.session.keys);
	}
	free(p.config_json);
	return exit_worse(code, p.session.code);
}

const struct command command_stream_repair = {
        .name = "stream repair",
        .arguments = "[DIR]",
        .summary = "make damaged streams in DIR whole; the originals are kept beside",
        .details =
                "Damaged records are dropped, torn tails cut, blocks whose key is lost and state\n"
                "files that do not fit set aside, lost meta files written anew. Each line names a\n"
                "file and the sequences that are lost. The work is done on a copy, which is\n"
                "verified before it takes the stream's place; the original stays beside it as\n"
                "STREAM.damaged-TIME until you remove it. No server may run on the directory.\n"
                "Exit 0: the streams are whole now. Line types of --json: repair, repaired.\n"
                "\n"
                "Example:\n"
                "  atrest stream repair --key-file js.key --stream ORDERS --dry-run /data/nats",
        .options = option_table,
        .arguments_max = 1,
        .run = run,
};
