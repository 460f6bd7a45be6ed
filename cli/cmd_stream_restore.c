/* cmd_stream_restore.c - atrest stream restore: a stream directory from a backup. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/backup_file.h"
#include "cli/exit_status.h"
#include "cli/keys.h"
#include "cli/print_json.h"
#include "cli/store_dir.h"
#include "harness/output/progress.h"
#include "store/inspect.h"

#define JSON_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct restore_options {
	struct key_options keys;
	const char *account, *cipher, *config;
	int json;
};

struct restore {
	struct restore_options options;
	struct keys keys;
	const struct atr_cipher *cipher;
	struct progress progress;
	const char *path; /* of the backup */
	int fd;
};

static enum atr_status give_bytes(void *arg, void *to, size_t bytes, size_t *got,
                                  struct atr_error *err)
{
	struct restore *r = arg;
	ssize_t n;

	*got = 0;
	do
		n = read(r->fd, to, bytes);
	while (n < 0 && errno == EINTR && !backup_file_interrupted());
	if (n < 0)
		return atr_error_set(err, atr_status_from_errno(errno), NULL, -1, "read: %s",
		                     strerror(errno));
	*got = (size_t)n;
	return ATR_OK;
}

static enum atr_status take_progress(void *arg, uint64_t messages, uint64_t of)
{
	struct restore *r = arg;

	if (backup_file_interrupted())
		return ATR_END;
	if (of == 0) /* not known: no end in sight to show */
		return ATR_OK;
	if (r->progress.whole <= 0)
		progress_start(&r->progress, (double)of);
	progress_update(&r->progress, (double)messages, "messages restored");
	return ATR_OK;
}

static int open_backup(struct restore *r)
{
	struct stat st;

	r->fd = strcmp(r->path, "-") == 0 ? STDIN_FILENO : open(r->path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0)
		return complain(EXIT_USAGE, "%s: %s", r->path, strerror(errno));
	if (fstat(r->fd, &st) == 0 && S_ISDIR(st.st_mode))
		return complain(EXIT_USAGE,
		                "%s: a directory, expected a file, such as its stream.tar.s2",
		                r->path);
	return EXIT_FINE;
}

/* The text of the file beside, *text NULL when there is none. One that was named must be there. */
static int read_json(const struct restore *r, char **text)
{
	char path[PATH_MAX];
	FILE *file;
	size_t n;
	int code = EXIT_FINE;

	*text = NULL;
	if (r->options.config != NULL)
		(void)snprintf(path, sizeof path, "%s", r->options.config);
	else if (r->fd == STDIN_FILENO || backup_file_json_path(r->path, path) != 0)
		return EXIT_FINE;
	file = fopen(path, "re");
	if (file == NULL && errno == ENOENT && r->options.config == NULL)
		return EXIT_FINE;
	if (file == NULL)
		return complain(EXIT_USAGE, "%s: %s", path, strerror(errno));
	*text = malloc(JSON_BYTES_MAX + 1);
	n = *text != NULL ? fread(*text, 1, JSON_BYTES_MAX + 1, file) : 0;
	if (*text == NULL || ferror(file))
		code = complain(EXIT_SYSTEM, "%s: %s", path, strerror(errno));
	else if (n > JSON_BYTES_MAX)
		code = complain(EXIT_USAGE, "%s: longer than 16 MiB", path);
	else
		(*text)[n] = '\0';
	(void)fclose(file);
	return code;
}

static int fail_with(const struct restore *r, enum atr_status rc, const struct atr_error *err)
{
	char line[2048];

	if (backup_file_interrupted())
		return complain(EXIT_INTERRUPTED, "interrupted: nothing is kept");
	atr_error_line(err, line, sizeof line);
	return complain(exit_of_status(rc), "%s: %s", r->path, line);
}

static void print_result(const struct restore *r, const struct store_dir_target *target,
                         const struct atr_restore_result *result)
{
	json_t *line;

	if (!r->options.json) {
		printf("%s %s: %" PRIu64 " messages, %" PRIu64 " consumer%s restored to %s, "
		       "cipher %s, last sequence %" PRIu64 "\n",
		       target->account, target->stream, result->messages, result->consumers,
		       result->consumers == 1 ? "" : "s", target->dir, atr_cipher_name(r->cipher),
		       result->last_seq);
		return;
	}
	line = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "type", "restore",
	                 "account", target->account, "stream", target->stream, "dir", target->dir,
	                 "cipher", atr_cipher_name(r->cipher), "messages",
	                 (json_int_t)result->messages, "bytes", (json_int_t)result->bytes,
	                 "first_seq", (json_int_t)result->first_seq, "last_seq",
	                 (json_int_t)result->last_seq, "consumers", (json_int_t)result->consumers);
	(void)print_json(line, JSON_COMPACT);
}

static int restore_stream(struct restore *r, const char *dir, const char *backup_json)
{
	struct atr_restore_options o = {
	        .source = give_bytes,
	        .source_arg = r,
	        .backup_json = backup_json,
	        .cipher = r->cipher,
	        .key = r->keys.key,
	        .key_bytes = r->keys.key_bytes,
	        .progress = take_progress,
	        .progress_arg = r,
	};
	struct store_dir_target target;
	struct atr_restore_result result;
	struct atr_restore *restore;
	struct atr_error err;
	enum atr_status rc = atr_restore_open(&o, &restore, &err);
	int code;

	if (rc != ATR_OK)
		return fail_with(r, rc, &err);
	code = store_dir_target(dir, r->options.account, NULL, NULL, atr_restore_stream(restore),
	                        &target);
	if (code == EXIT_FINE) {
		rc = atr_restore_into(restore, target.dir, target.account, &result, &err);
		progress_clear(&r->progress);
		if (rc != ATR_OK)
			code = fail_with(r, rc, &err);
		else
			print_result(r, &target, &result);
	}
	atr_restore_close(restore);
	return code;
}

/* ---- the command ---- */

static const struct option_spec option_table[] = {
        {"cipher", 0, OPTION_TEXT, "CIPHER",
         "none, chachapoly or aes (default: that of --nats-config;\n"
         "chachapoly with a key, none without)",
         offsetof(struct restore_options, cipher)},
        {"account", 0, OPTION_TEXT, "NAME", "account, where the path names none (default: $G)",
         offsetof(struct restore_options, account)},
        {"config", 0, OPTION_TEXT, "FILE",
         "the backup.json of the backup (default: the one beside it,\n"
         "or FILE.json)",
         offsetof(struct restore_options, config)},
        KEY_OPTIONS(struct restore_options),
        {"json", 0, OPTION_FLAG, NULL, "the result as a line of JSON",
         offsetof(struct restore_options, json)},
        {0},
};

extern const struct command command_stream_restore;

static int run(int argc, char **argv)
{
	struct restore r = {.fd = -1};
	char *text = NULL;
	int first, code;

	code = options_parse(&command_stream_restore, argc, argv, &r.options, &first);
	if (code != OPTIONS_GO_ON)
		return code;
	code = keys_load(&r.options.keys, &r.keys);
	if (code != EXIT_FINE)
		return code;
	code = keys_cipher(&r.keys, r.options.cipher, &r.cipher);
	r.path = argv[first];
	if (code == EXIT_FINE)
		code = open_backup(&r);
	if (code == EXIT_FINE)
		code = read_json(&r, &text);
	if (code == EXIT_FINE) {
		backup_file_take_signals();
		code = restore_stream(&r, argv[first + 1], text);
	}
	if (r.fd > STDIN_FILENO)
		(void)close(r.fd);
	free(text);
	keys_free(&r.keys);
	return code;
}

const struct command command_stream_restore = {
        .name = "stream restore",
        .arguments = "FILE DIR",
        .summary = "make a stream in DIR from a backup: ours, or a server's snapshot",
        .details = "FILE (- is standard input) is a snapshot of a server (2.9 to 2.14: a tar; "
                   "2.15: an\n"
                   "archive, whose configuration is in its backup.json) or what `stream backup`\n"
                   "writes. DIR is as in `stream load`; a stream that is there is refused. The\n"
                   "stream is written beside its place under keys of its own, read back, compared\n"
                   "and renamed: what fails leaves nothing. Run it with no server on DIR.\n"
                   "\n"
                   "Example:\n"
                   "  atrest stream restore --cipher aes --key-file K orders.tar.s2 STORE_DIR",
        .options = option_table,
        .arguments_min = 2,
        .arguments_max = 2,
        .run = run,
};
