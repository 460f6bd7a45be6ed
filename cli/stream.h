/* stream.h - what the stream commands that read have in common: options, keys, one open stream
 * after the other, findings on stderr, the exit code.
 */
#ifndef ATREST_CLI_STREAM_H
#define ATREST_CLI_STREAM_H

#include <jansson.h>

#include "cli/keys.h"
#include "cli/options.h"
#include "store/inspect.h"

struct stream_options {
	struct key_options keys;
	const char *account;
	const char *stream;
	int json;
};

/* Rows of a command's option table; o is its struct, which has a struct stream_options common. */
/* clang-format off */
#define STREAM_OPTIONS(o)                                                                          \
	{"account", 0, OPTION_TEXT, "NAME",                                                        \
	 "only this account; of a stream directory whose path names\n"                             \
	 "none: its account (default $G)",                                                         \
	 offsetof(o, common.account)},                                                             \
	{"stream", 0, OPTION_TEXT, "NAME",                                                         \
	 "only this stream; of a stream directory whose path names\n"                              \
	 "none: its name (default: the directory's)",                                              \
	 offsetof(o, common.stream)},                                                              \
	{"key-file", 0, OPTION_TEXT, "FILE",                                                       \
	 "the server key: the bytes of FILE, one trailing newline\n"                               \
	 "removed; without it JS_KEY of the environment",                                          \
	 offsetof(o, common.keys.key_file)},                                                       \
	{"prev-key-file", 0, OPTION_TEXT, "FILE", "the previous server key (rotation)",            \
	 offsetof(o, common.keys.prev_key_file)},                                                  \
	{"nats-config", 0, OPTION_TEXT, "FILE",                                                    \
	 "keys, cipher and store_dir of a nats-server configuration",                              \
	 offsetof(o, common.keys.nats_config)},                                                    \
	{"json", 0, OPTION_FLAG, NULL, "one JSON object a line", offsetof(o, common.json)}
/* clang-format on */

/* One command at work. */
struct stream_session {
	const struct stream_options *options;
	struct keys keys;
	int code; /* the worst exit code so far */
	/* told of every finding; notes included */
	void (*finding)(struct stream_session *session, const struct atr_finding *finding);
	/* the command's own options are fine? EXIT_FINE or the code after one line; NULL = yes */
	int (*check)(const struct stream_session *session);
	/* what opening a stream is to be asked for besides; NULL = nothing */
	void (*prepare)(const struct stream_session *session, struct atr_inspect_options *options);
	int exclusive;                /* the command changes the streams */
	const char *account, *stream; /* being read */
	void *arg;                    /* of the command */
};

/* Reads one stream. in is NULL when opening it failed: the command may then say what is known
 * without (err tells why), and returns 1 when it has; else it is an error as usual. */
typedef int stream_visit_fn(struct stream_session *session, const struct atr_place *place,
                            struct atr_inspect *in, const struct atr_error *err);

/* Parses argv, loads the keys, visits each stream of DIR (without one: store_dir of
 * --nats-config) and returns the exit code. values is the command's struct, which holds
 * options. */
int stream_run(const struct command *command, int argc, char **argv, void *values,
               struct stream_session *session, const struct stream_options *options,
               stream_visit_fn *visit);

/* Damage and the like as one line on stderr; notes are left out. The exit code follows, except
 * that clear text is only a warning here. */
void stream_warn_finding(struct stream_session *session, const struct atr_finding *finding);

/* A status that ended the work: its line on stderr, its code into the session. */
void stream_fail(struct stream_session *session, enum atr_status status,
                 const struct atr_error *err);

/* The numbers of a damaged stream are of what could be read: says so, exit 5. */
void stream_warn_damage(struct stream_session *session, const struct atr_place *place,
                        const struct atr_inspect_state *state);

/* One line of JSON on stdout; takes the object, NULL = no memory. */
void stream_print_json(struct stream_session *session, json_t *object);

/* The lines that more than one command prints: type stream, state, consumer. */
json_t *stream_line(const struct atr_inspect *in);
json_t *stream_state_line(const struct atr_inspect *in);
json_t *stream_consumer_line(const struct atr_inspect *in,
                             const struct atr_inspect_consumer *consumer);
/* {"type": type, "account": ..., "stream": ...}: how every line begins. */
json_t *stream_new_line(const struct atr_inspect *in, const char *type);

/* A consumer as a line of text. */
void stream_print_consumer(const struct atr_inspect_consumer *consumer);

/* RFC 3339 UTC with nanoseconds; text holds 40. */
void stream_time_text(int64_t time_ns, char text[40]);

#endif
