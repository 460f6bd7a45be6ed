/* run_targets.h - what a run measures: --target, --server, and how to log in there.
 *
 * Credentials are spelled as the `nats` tool spells them, options and environment (NATS_USER,
 * NATS_PASSWORD, NATS_CREDS, NATS_NKEY, NATS_CERT, NATS_KEY, NATS_CA); an option wins. They are
 * for servers that are there; one that is started for a run has no users.
 */
#ifndef ATREST_CLI_RUN_TARGETS_H
#define ATREST_CLI_RUN_TARGETS_H

#include "cli/options.h"
#include "harness/run.h"

struct run_target_arguments {
	const char *target;         /* NAME[:VERSION],... */
	struct option_list servers; /* [CIPHER=]URL[,URL...] */
	const char *replicas;
	const char *user, *password;
	const char *creds, *nkey;
	const char *tls_cert, *tls_key, *tls_ca;
};

/* Rows of a command's option table: how to log in; o is its struct, which has a struct
 * run_target_arguments targets. */
/* clang-format off */
#define RUN_LOGIN_OPTIONS(o)                                                                       \
	{"user", 0, OPTION_SECRET, "NAME", "to log in to the server, or NATS_USER",                  \
	 offsetof(o, targets.user)},                                                               \
	{"password", 0, OPTION_SECRET, "TEXT",                                                     \
	 "or NATS_PASSWORD, which no list of processes shows",                                     \
	 offsetof(o, targets.password)},                                                           \
	{"creds", 0, OPTION_SECRET, "FILE", "credentials, or NATS_CREDS",                          \
	 offsetof(o, targets.creds)},                                                              \
	{"nkey", 0, OPTION_SECRET, "FILE", "seed of an nkey, or NATS_NKEY",                        \
	 offsetof(o, targets.nkey)},                                                               \
	{"tlscert", 0, OPTION_SECRET, "FILE", "certificate of this client, or NATS_CERT",          \
	 offsetof(o, targets.tls_cert)},                                                           \
	{"tlskey", 0, OPTION_SECRET, "FILE", "its private key, or NATS_KEY",                       \
	 offsetof(o, targets.tls_key)},                                                            \
	{"tlsca", 0, OPTION_SECRET, "FILE", "who signed the server's, or NATS_CA",                 \
	 offsetof(o, targets.tls_ca)}
/* clang-format on */

/* Fills targets, servers and server of options; a nats-server is looked for, and fetched when
 * there is none of its version. EXIT_FINE, or the code of the error it has printed. */
int run_targets_read(const struct run_target_arguments *a, struct run_options *options);

/* The same of a plan that is there: what logs in to its servers. */
int run_targets_login(const struct run_target_arguments *a, struct run_options *options);

/* argv for machine.json: what a->user ... a->tls_ca point to in it is "***". NULL-terminated, one
 * block for free(); NULL: memory. */
char **run_targets_arguments(const struct run_target_arguments *a, int argc, char *const *argv);

#endif
