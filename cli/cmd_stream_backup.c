/* cmd_stream_backup.c - atrest stream backup: a stream as a server's snapshot.
 *
 * The output is written beside its place and renamed when it is whole, so that a file of that name
 * is a complete backup. Beside it stands what a restore request needs: backup.json for a file named
 * stream.tar.s2, which is the pair that the `nats` tool knows, else FILE.json.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/backup_file.h"
#include "cli/exit_status.h"
#include "cli/stream.h"
#include "harness/output/progress.h"

struct backup_options {
	struct stream_options common;
	const char *output;
};

struct backup {
	struct backup_options options;
	struct progress progress;
	int findings; /* of the stream, notes and clear text apart */
	int streams;
	/* being written */
	int fd;
	uint64_t bytes;
	char path[PATH_MAX], json_path[PATH_MAX], partial[PATH_MAX + 16];
};

static void take_finding(struct stream_session *session, const struct atr_finding *f)
{
	struct backup *b = session->arg;

	b->findings += f->kind != ATR_FINDING_NOTE && f->kind != ATR_FINDING_CLEAR;
	stream_warn_finding(session, f);
}

static enum atr_status take_bytes(void *arg, const uint8_t *bytes, size_t count,
                                  struct atr_error *err)
{
	struct backup *b = arg;

	while (count > 0) {
		ssize_t n = write(b->fd, bytes, count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return atr_error_set(err, atr_status_from_errno(errno),
			                     b->path[0] != '\0' ? b->path : "standard output", -1,
			                     "write: %s", strerror(errno));
		bytes += n;
		count -= (size_t)n;
		b->bytes += (uint64_t)n;
	}
	return ATR_OK;
}

static enum atr_status take_progress(void *arg, uint64_t messages, uint64_t of)
{
	struct backup *b = arg;

	if (backup_file_interrupted())
		return ATR_END;
	if (b->progress.whole <= 0)
		progress_start(&b->progress, (double)of);
	progress_update(&b->progress, (double)messages, "messages written");
	return ATR_OK;
}

/* ---- the files ---- */

/* FILE, or STREAM/stream.tar.s2 in the current directory, which is made. */
static int choose_path(struct backup *b, const char *stream)
{
	struct stat st;
	int n = b->options.output != NULL
	                ? snprintf(b->path, sizeof b->path, "%s", b->options.output)
	                : snprintf(b->path, sizeof b->path, "%s/stream.tar.s2", stream);

	if (n >= (int)sizeof b->path || backup_file_json_path(b->path, b->json_path) != 0)
		return complain(EXIT_USAGE, "%s: path too long", b->path);
	if (b->options.output == NULL && mkdir(stream, 0700) != 0 && errno != EEXIST)
		return complain(EXIT_SYSTEM, "%s: %s", stream, strerror(errno));
	if (stat(b->path, &st) == 0)
		return complain(EXIT_USAGE, "%s: is there already", b->path);
	(void)snprintf(b->partial, sizeof b->partial, "%s.partial", b->path);
	(void)unlink(b->partial);
	b->fd = open(b->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return b->fd >= 0 ? EXIT_FINE
	                  : complain(EXIT_SYSTEM, "%s: %s", b->partial, strerror(errno));
}

static int write_json(const struct backup *b, struct atr_inspect *in)
{
	char *text = atr_inspect_backup_json(in);
	int fd = text != NULL ? open(b->json_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
	                      : -1;
	int code = EXIT_FINE;

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fsync(fd) != 0)
		code = complain(EXIT_SYSTEM, "%s: %s", b->json_path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	free(text);
	return code;
}

static int finish_files(struct backup *b, struct atr_inspect *in)
{
	int code = EXIT_FINE;

	if (fsync(b->fd) != 0)
		code = complain(EXIT_SYSTEM, "%s: %s", b->partial, strerror(errno));
	if (close(b->fd) != 0 && code == EXIT_FINE)
		code = complain(EXIT_SYSTEM, "%s: %s", b->partial, strerror(errno));
	b->fd = -1;
	if (code == EXIT_FINE)
		code = write_json(b, in);
	if (code == EXIT_FINE && rename(b->partial, b->path) != 0)
		code = complain(EXIT_SYSTEM, "%s: %s", b->path, strerror(errno));
	if (code == EXIT_FINE)
		code = backup_file_sync_directory(b->path);
	return code;
}

static void drop_files(struct backup *b)
{
	if (b->fd >= 0)
		(void)close(b->fd);
	b->fd = -1;
	(void)unlink(b->partial);
	if (b->options.output == NULL)
		(void)rmdir(backup_file_directory(b->path));
}

/* ---- a stream ---- */

static void print_result(struct stream_session *session, const struct atr_inspect *in)
{
	const struct backup *b = session->arg;
	struct atr_inspect_stream s;
	struct atr_inspect_state state;

	atr_inspect_stream(in, &s);
	atr_inspect_state(in, &state);
	if (session->options->json) {
		json_t *line = stream_new_line(in, "backup");

		(void)json_object_set_new(line, "file", json_string(b->path));
		(void)json_object_set_new(line, "file_bytes", json_integer((json_int_t)b->bytes));
		(void)json_object_set_new(line, "messages",
		                          json_integer((json_int_t)state.messages));
		(void)json_object_set_new(line, "consumers", json_integer((json_int_t)s.consumers));
		stream_print_json(session, line);
		return;
	}
	printf("%s %s: %" PRIu64 " messages, %zu consumer%s in %s, %" PRIu64 " bytes\n", s.account,
	       s.stream, state.messages, s.consumers, s.consumers == 1 ? "" : "s", b->path,
	       b->bytes);
}

static void write_backup(struct stream_session *session, struct atr_inspect *in)
{
	struct backup *b = session->arg;
	struct atr_backup_options o = {take_bytes, b, take_progress, b};
	int to_stdout = b->options.output != NULL && strcmp(b->options.output, "-") == 0;
	struct atr_inspect_stream s;
	struct atr_error err;
	enum atr_status rc;
	int code = EXIT_FINE;

	atr_inspect_stream(in, &s);
	b->bytes = 0;
	b->path[0] = '\0';
	b->fd = STDOUT_FILENO;
	b->progress = (struct progress){0};
	if (!to_stdout)
		code = choose_path(b, s.stream);
	if (code != EXIT_FINE) {
		session->code = exit_worse(session->code, code);
		return;
	}
	rc = atr_inspect_backup(in, &o, &err);
	progress_clear(&b->progress);
	if (backup_file_interrupted())
		session->code = complain(EXIT_INTERRUPTED, "interrupted: nothing is kept");
	else if (rc != ATR_OK)
		stream_fail(session, rc, &err);
	else if (b->findings > 0)
		session->code = exit_worse(session->code, complain(EXIT_VERIFY,
		                                                   "%s: no backup is made of a "
		                                                   "damaged stream",
		                                                   s.stream));
	if (!to_stdout && rc == ATR_OK && b->findings == 0 && !backup_file_interrupted())
		code = finish_files(b, in);
	session->code = exit_worse(session->code, code);
	if (!to_stdout && (rc != ATR_OK || code != EXIT_FINE || b->fd >= 0)) {
		drop_files(b);
		return;
	}
	warn_line("%s: the backup is clear text, whatever the cipher of the stream: keep it as "
	          "secret as the key",
	          to_stdout ? "standard output" : b->path);
	if (!to_stdout)
		print_result(session, in);
}

static int backup_stream(struct stream_session *session, const struct atr_place *place,
                         struct atr_inspect *in, const struct atr_error *open_err)
{
	struct backup *b = session->arg;

	(void)open_err;
	if (in == NULL)
		return 0;
	if (b->streams++ > 0 && b->options.output != NULL)
		session->code = exit_worse(
		        session->code,
		        complain(EXIT_USAGE,
		                 "%s: -o is the backup of one stream: choose it with --stream",
		                 place->dir));
	else if (!backup_file_interrupted())
		write_backup(session, in);
	b->findings = 0;
	return 1;
}

static int check_options(const struct stream_session *session)
{
	const struct backup *b = session->arg;

	if (b->options.output == NULL || strcmp(b->options.output, "-") != 0)
		return EXIT_FINE;
	if (isatty(STDOUT_FILENO))
		return complain(EXIT_USAGE, "-o -: standard output is a terminal");
	if (session->options->json)
		return complain(EXIT_USAGE, "--json: standard output is the backup");
	return EXIT_FINE;
}

static const struct option_spec option_table[] = {
        STREAM_OPTIONS(struct backup_options),
        {"output", 'o', OPTION_TEXT, "FILE",
         "where to; - is standard output, without the .json\n"
         "(default: STREAM/stream.tar.s2, as the nats tool reads it)",
         offsetof(struct backup_options, output)},
        {0},
};

extern const struct command command_stream_backup;

static int run(int argc, char **argv)
{
	struct backup b = {.fd = -1};
	struct stream_session session = {
	        .arg = &b, .finding = take_finding, .check = check_options};

	backup_file_take_signals();
	return stream_run(&command_stream_backup, argc, argv, &b.options, &session,
	                  &b.options.common, backup_stream);
}

const struct command command_stream_backup = {
        .name = "stream backup",
        .arguments = "[DIR]",
        .summary = "write a stream, with its consumers, as a server's snapshot: CLEAR TEXT",
        .details =
                "The file is what $JS.API.STREAM.SNAPSHOT of servers up to 2.14 gives (an S2\n"
                "stream of a tar); servers from 2.9 on and `stream restore` take it. Beside it\n"
                "stands what a restore request needs: backup.json for stream.tar.s2, else\n"
                "FILE.json. Both are made with mode 0600. A damaged stream is refused, exit 5.\n"
                "\n"
                "Examples:\n"
                "  atrest stream backup --key-file K --stream ORDERS -o orders.tar.s2 STORE_DIR\n"
                "  atrest stream backup --key-file K STORE_DIR && nats stream restore ./ORDERS",
        .options = option_table,
        .arguments_max = 1,
        .run = run,
};
