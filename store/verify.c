/* verify.c - everything in a stream directory: messages, consumers, and every other file. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/inspect.h"
#include "store/survey.h"

/* What a name may be, per directory. */
enum entry_kind {
	ENTRY_FILE,      /* a file the store is made of */
	ENTRY_DIRECTORY, /* a directory the store is made of */
	ENTRY_CLEAR,     /* a file that the server never encrypts */
	ENTRY_LEFT_OVER, /* temporary, ignored by servers */
	ENTRY_UNKNOWN
};

struct known_name {
	const char *name;
	enum entry_kind kind;
};

static const struct known_name stream_names[] = {
        {"meta.inf", ENTRY_FILE},          {"meta.sum", ENTRY_FILE},
        {"meta.key", ENTRY_FILE},          {"msgs", ENTRY_DIRECTORY},
        {"obs", ENTRY_DIRECTORY},          {"batches", ENTRY_DIRECTORY},
        {"sources.db", ENTRY_CLEAR},       {"__msgs__", ENTRY_LEFT_OVER},
        {"__new_msgs__", ENTRY_LEFT_OVER}, {NULL, ENTRY_UNKNOWN},
};

static const struct known_name msgs_names[] = {
        {"index.db", ENTRY_FILE},
        {"thw.db", ENTRY_CLEAR},
        {"sched.db", ENTRY_CLEAR},
        {NULL, ENTRY_UNKNOWN},
};

static const struct known_name consumer_names[] = {
        {"meta.inf", ENTRY_FILE}, {"meta.sum", ENTRY_FILE}, {"meta.key", ENTRY_FILE},
        {"o.dat", ENTRY_FILE},    {NULL, ENTRY_UNKNOWN},
};

static int ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

/* "<n>.blk" and its companions; *number receives n. */
static enum entry_kind block_file_kind(const char *name, uint64_t *number)
{
	const char *suffix;

	*number = survey_block_number(name, &suffix);
	if (*number == 0)
		return ENTRY_UNKNOWN;
	return strcmp(suffix, "fss") == 0 ? ENTRY_CLEAR : ENTRY_FILE;
}

static enum entry_kind kind_of(const struct known_name *names, const char *name)
{
	uint64_t number;

	for (; names->name != NULL; names++)
		if (strcmp(names->name, name) == 0)
			return names->kind;
	if (ends_with(name, ".tmp") || ends_with(name, ".new") || strncmp(name, "_test_", 6) == 0)
		return ENTRY_LEFT_OVER;
	return names[-1].name != NULL && strcmp(names[-1].name, "sched.db") == 0
	               ? block_file_kind(name, &number)
	               : ENTRY_UNKNOWN;
}

/* ---- one directory ---- */

struct inventory {
	struct atr_inspect *in;
	const char *dir;
	const struct known_name *names;
	uint64_t clear_files;
	char first_clear[256];
	enum atr_status rc;
};

/* The fss of a block: no reader needs it, so damage in it is a note. */
static void check_fss(struct atr_inspect *in, const char *path, const char *name)
{
	struct atr_error err;
	struct atr_fss fss;
	uint64_t number = 0;

	if (block_file_kind(name, &number) != ENTRY_CLEAR)
		return;
	if (atr_fss_read(in->home.files, path, in->stream, number, &fss, &err) == ATR_EFORMAT)
		survey_find(in, ATR_FINDING_NOTE, path, -1, 0, "damaged, no reader needs it: %s",
		            err.text);
	atr_fss_free(&fss);
}

/* A key file whose block is not there: made ahead, or left behind. */
static void check_orphan_key(struct atr_inspect *in, const char *path, const char *name)
{
	uint64_t number = 0;

	if (block_file_kind(name, &number) != ENTRY_FILE || !ends_with(name, ".key"))
		return;
	for (size_t i = 0; i < in->block_count; i++)
		if (in->block[i].number == number)
			return;
	survey_find(in, ATR_FINDING_NOTE, path, -1, 0, "a key without its block");
}

static int take_entry(void *arg, const char *name)
{
	struct inventory *inv = arg;
	struct atr_inspect *in = inv->in;
	const struct atr_file_table *files = in->home.files;
	enum entry_kind kind = kind_of(inv->names, name);
	struct atr_file_stat st;
	char path[PATH_MAX];
	int result;

	if (snprintf(path, sizeof path, "%s/%s", inv->dir, name) >= (int)sizeof path)
		return 0;
	result = files->open(files->context, path, O_RDONLY | O_NOFOLLOW, 0);
	if (result >= 0)
		(void)files->close(files->context, result);
	if (result == -ELOOP)
		survey_find(in, ATR_FINDING_NOTE, path, -1, 0, "a symbolic link");
	if (kind == ENTRY_LEFT_OVER) {
		survey_find(in, ATR_FINDING_NOTE, path, -1, 0, "left over, servers ignore it");
		return 0;
	}
	if (kind == ENTRY_UNKNOWN) {
		survey_find(in, ATR_FINDING_NOTE, path, -1, 0, "not a file of a store");
		return 0;
	}
	result = files->stat(files->context, path, &st);
	if (result < 0) {
		survey_find(in, ATR_FINDING_DAMAGE, path, -1, 0, "cannot be reached: %s",
		            strerror(-result));
		return 0;
	}
	if (st.is_special || (st.is_directory != 0) != (kind == ENTRY_DIRECTORY)) {
		if (!ends_with(name, ".blk")) /* those were named when they were listed */
			survey_find(in, ATR_FINDING_DAMAGE, path, -1, 0, "%s, expected a %s",
			            st.is_directory ? "a directory"
			            : st.is_special ? "a device or pipe"
			                            : "a file",
			            kind == ENTRY_DIRECTORY ? "directory" : "file");
		return 0;
	}
	if (kind == ENTRY_CLEAR) {
		check_fss(in, path, name);
		if (inv->clear_files++ == 0)
			(void)snprintf(inv->first_clear, sizeof inv->first_clear, "%s", name);
	} else {
		check_orphan_key(in, path, name);
	}
	return 0;
}

static enum atr_status take_inventory(struct atr_inspect *in, const char *dir,
                                      const struct known_name *names, struct atr_error *err)
{
	struct inventory inv = {.in = in, .dir = dir, .names = names};
	int result = in->home.files->list(in->home.files->context, dir, take_entry, &inv);

	if (result < 0 && result != -ENOENT) {
		(void)atr_file_error(err, result, dir, -1, "list");
		return survey_find_error(in, err);
	}
	if (inv.clear_files > 0 && in->meta->encrypted)
		survey_find(in, ATR_FINDING_NOTE, dir, -1, 0,
		            "%" PRIu64 " file%s that servers never encrypt (%s%s)", inv.clear_files,
		            inv.clear_files == 1 ? "" : "s", inv.first_clear,
		            inv.clear_files == 1 ? "" : " ...");
	return ATR_OK;
}

struct siblings {
	struct atr_inspect *in;
	char parent[PATH_MAX];
};

static int take_sibling(void *arg, const char *name)
{
	struct siblings *s = arg;
	char path[PATH_MAX];

	if (survey_is_left_over(s->in->stream, name) &&
	    snprintf(path, sizeof path, "%s/%s", s->parent, name) < (int)sizeof path)
		survey_find(s->in, ATR_FINDING_NOTE, path, -1, 0,
		            "left over beside the stream, perhaps in clear text; a conversion that "
		            "goes on removes its own");
	return 0;
}

/* What conversions, repairs and restores that were killed left, and originals that were kept. */
static void verify_siblings(struct atr_inspect *in)
{
	struct siblings s = {.in = in};
	char *slash;

	(void)snprintf(s.parent, sizeof s.parent, "%s", in->dir);
	slash = strrchr(s.parent, '/');
	if (slash == NULL || slash == s.parent || strcmp(slash + 1, in->stream) != 0)
		return; /* a copy at work, or of another name */
	*slash = '\0';
	(void)in->home.files->list(in->home.files->context, s.parent, take_sibling, &s);
}

static enum atr_status verify_files(struct atr_inspect *in, struct atr_error *err)
{
	char path[PATH_MAX];
	enum atr_status rc;

	rc = take_inventory(in, in->dir, stream_names, err);
	if (rc == ATR_OK)
		rc = take_inventory(in, in->msgs_path, msgs_names, err);
	for (size_t i = 0; i < in->consumer_count && rc == ATR_OK; i++) {
		if (snprintf(path, sizeof path, "%s/obs/%s", in->dir, in->consumer[i].name) >=
		    (int)sizeof path)
			continue;
		rc = take_inventory(in, path, consumer_names, err);
	}
	return rc;
}

/* ---- promises ---- */

/* Cipher and key of one file against what was promised. */
static void check_promise(struct atr_inspect *in, const struct atr_verify_options *o,
                          const char *path, const char *cipher, int under_prev_key,
                          struct atr_verify_counts *counts)
{
	if (under_prev_key) {
		counts->under_prev_key++;
		survey_find(in, ATR_FINDING_NOTE, path, -1, 0, "opens with the previous key only");
	}
	if (o->cipher != NULL && strcmp(o->cipher, cipher) != 0 && strcmp(cipher, "?") != 0)
		survey_find(in,
		            in->allow_clear && strcmp(cipher, "none") == 0 ? ATR_FINDING_NOTE
		                                                           : ATR_FINDING_CLEAR,
		            path, -1, 0, "cipher %s, promised was %s", cipher, o->cipher);
}

static void check_stream_promise(struct atr_inspect *in, const struct atr_verify_options *o,
                                 struct atr_verify_counts *counts)
{
	const struct atr_meta *meta = in->meta;
	char path[PATH_MAX];

	if (in->meta_is_lost || /* its finding was made */
	    snprintf(path, sizeof path, "%s/meta.key", in->dir) >= (int)sizeof path)
		return;
	if (meta->encrypted) {
		check_promise(in, o, path, atr_cipher_name(meta->seed.cipher),
		              meta->seed.under_prev_key, counts);
		return;
	}
	if (o->encrypted || (o->cipher != NULL && strcmp(o->cipher, "none") != 0))
		survey_find(in, ATR_FINDING_CLEAR, path, -1, 0,
		            "missing: the stream is clear text, encryption was promised");
}

/* A block file without a byte is allowed: a stream that was emptied. In front of another block it
 * is one that lost its records, when sequences are missing there. */
static void check_empty(struct atr_inspect *in, size_t at)
{
	const struct survey_block *b = &in->block[at];
	uint64_t last = scan_last_before(in, at, 0), next = 0;
	char path[PATH_MAX];

	if (b->file_bytes > 0 || b->unreadable || (b->listed && b->first_seq <= b->last_seq))
		return; /* what a state file lists was named as missing */
	for (size_t i = at + 1; i < in->block_count && next == 0; i++)
		if (in->block[i].first_seq <= in->block[i].last_seq)
			next = in->block[i].first_seq;
	survey_block_path(in, b->number, "blk", path, sizeof path);
	if (last > 0 && next > last + 1)
		survey_find(in, ATR_FINDING_DAMAGE, path, -1, last + 1,
		            "0 bytes, and sequences %" PRIu64 " to %" PRIu64 " are in no block",
		            last + 1, next - 1);
	else
		survey_find(in, ATR_FINDING_NOTE, path, -1, 0, "0 bytes: an empty block");
}

enum atr_status atr_inspect_verify(struct atr_inspect *in, const struct atr_verify_options *options,
                                   struct atr_verify_counts *out, struct atr_error *err)
{
	struct atr_inspect_consumer consumer;
	struct atr_inspect_message message;
	struct atr_error ignored;
	char path[PATH_MAX];
	enum atr_status rc;

	if (err == NULL)
		err = &ignored;
	memset(out, 0, sizeof *out);
	check_stream_promise(in, options, out);
	atr_inspect_rewind(in);
	while ((rc = atr_inspect_next(in, &message, err)) == ATR_OK)
		;
	if (rc != ATR_END)
		return rc;
	out->records = in->records;
	out->messages = in->messages;
	out->blocks = in->block_count;
	for (size_t i = 0; i < in->block_count; i++) {
		const struct survey_block *b = &in->block[i];
		int clear = strcmp(b->cipher, "none") == 0;

		out->clear_blocks += clear != 0;
		check_empty(in, i);
		survey_block_path(in, b->number, clear ? "blk" : "key", path, sizeof path);
		/* clear blocks of an encrypted stream were named when they were read, those of a
		 * clear stream with its meta.key */
		if (!clear)
			check_promise(in, options, path, b->cipher, b->under_prev_key, out);
	}
	for (size_t i = 0; i < in->consumer_count; i++) {
		rc = atr_inspect_consumer(in, i, &consumer, err);
		if (rc == ATR_ENOMEM || rc == ATR_EMFILE)
			return rc;
		if (rc != ATR_OK || snprintf(path, sizeof path, "%s/obs/%s/meta.key", in->dir,
		                             consumer.name) >= (int)sizeof path)
			continue;
		out->consumers++;
		if (strcmp(consumer.cipher, "none") != 0)
			check_promise(in, options, path, consumer.cipher, consumer.under_prev_key,
			              out);
	}
	verify_siblings(in);
	return verify_files(in, err);
}
