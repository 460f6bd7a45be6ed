/* audit_files.c - what names, sizes, modes and the files in clear text show to everybody. */
#include "store/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODE_FILE      0640u
#define MODE_DIRECTORY 0750u
#define DEPTH_MAX      6

/* Everything that one walk over the directory collects. */
struct walk {
	struct audit *a;
	char dir[PATH_MAX]; /* being listed */
	int depth;
	struct audit_group wide, left, fss, timers, schedules, sources, batches;
	uint64_t fss_subjects;
	unsigned wide_mode; /* of the first one */
	enum atr_status rc;
};

static int ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

static int is_left_over(const char *name)
{
	return ends_with(name, ".tmp") || ends_with(name, ".new") ||
	       strncmp(name, "_test_", 6) == 0 || strncmp(name, "aside-", 6) == 0 ||
	       strcmp(name, "__msgs__") == 0 || strcmp(name, "__new_msgs__") == 0 || name[0] == '.';
}

static void *grown(void *list, size_t count, size_t *capacity, size_t bytes)
{
	void *larger;

	if (count < *capacity)
		return list;
	larger = realloc(list, (*capacity == 0 ? 16 : 2 * *capacity) * bytes);
	if (larger != NULL)
		*capacity = *capacity == 0 ? 16 : 2 * *capacity;
	return larger;
}

/* ---- the walk ---- */

static struct audit_block *block_of(struct walk *w, uint64_t number)
{
	struct audit *a = w->a;
	struct audit_block *larger;

	for (size_t i = a->block_count; i > 0 && i + 4 > a->block_count; i--)
		if (a->block[i - 1].number == number)
			return &a->block[i - 1];
	larger = grown(a->block, a->block_count, &a->block_capacity, sizeof *larger);
	if (larger == NULL)
		return NULL;
	a->block = larger;
	a->block[a->block_count] = (struct audit_block){.number = number};
	return &a->block[a->block_count++];
}

static int take_block_file(struct walk *w, const char *path, uint64_t number, const char *suffix,
                           uint64_t bytes)
{
	struct audit_block *b = block_of(w, number);
	struct atr_fss fss;

	if (b == NULL)
		return -ENOMEM;
	if (strcmp(suffix, "blk") == 0) {
		b->has_blk = 1;
		b->blk_bytes = bytes;
	} else if (strcmp(suffix, "key") == 0) {
		b->has_key = 1;
		b->key_bytes = bytes;
	} else if (strcmp(suffix, "idx") == 0) {
		b->has_idx = 1;
	} else {
		b->has_fss = 1;
		audit_group_add(&w->fss, path, bytes);
		if (atr_fss_read(w->a->files, path, w->a->stream, number, &fss, NULL) == ATR_OK) {
			w->fss_subjects += fss.subject_count;
			atr_fss_free(&fss);
		}
	}
	return 0;
}

static int take_consumer(struct audit *a, const char *name)
{
	char **larger =
	        grown(a->consumer, a->consumer_count, &a->consumer_capacity, sizeof *larger);

	if (larger == NULL)
		return -ENOMEM;
	a->consumer = larger;
	a->consumer[a->consumer_count] = strdup(name);
	return a->consumer[a->consumer_count++] == NULL ? -ENOMEM : 0;
}

static int take_entry(void *arg, const char *name);

static int walk_below(struct walk *w, const char *path)
{
	char before[PATH_MAX];
	int result;

	if (w->depth >= DEPTH_MAX)
		return 0;
	memcpy(before, w->dir, sizeof before);
	(void)snprintf(w->dir, sizeof w->dir, "%s", path);
	w->depth++;
	result = w->a->files->list(w->a->files->context, path, take_entry, w);
	w->depth--;
	memcpy(w->dir, before, sizeof before);
	return result == -ENOMEM ? result : 0;
}

static void check_mode(struct walk *w, const char *path, const struct atr_file_stat *st)
{
	unsigned mode = st->mode & 07777u;

	if ((mode & ~(st->is_directory ? MODE_DIRECTORY : MODE_FILE)) == 0)
		return;
	if (w->wide.files == 0)
		w->wide_mode = mode;
	audit_group_add(&w->wide, path, 0);
}

/* A file that servers never encrypt, in whichever directory. */
static void take_clear_file(struct walk *w, const char *path, const char *name, uint64_t bytes)
{
	if (strcmp(name, "thw.db") == 0)
		audit_group_add(&w->timers, path, bytes);
	else if (strcmp(name, "sched.db") == 0)
		audit_group_add(&w->schedules, path, bytes);
	else if (strcmp(name, "sources.db") == 0)
		audit_group_add(&w->sources, path, bytes);
}

static int take_entry(void *arg, const char *name)
{
	struct walk *w = arg;
	struct audit *a = w->a;
	const char *part = w->dir + strlen(a->dir), *suffix;
	struct atr_file_stat st;
	char path[PATH_MAX];
	uint64_t number;
	int result = 0;

	if (!audit_path(path, w->dir, name) || a->files->stat(a->files->context, path, &st) < 0)
		return 0;
	check_mode(w, path, &st);
	if (is_left_over(name)) {
		audit_group_add(&w->left, path, st.bytes);
		return 0;
	}
	if (st.is_directory) {
		if (strcmp(part, "/obs") == 0)
			result = take_consumer(a, name);
		if (strcmp(part, "") == 0 && strcmp(name, "batches") == 0)
			audit_group_add(&w->batches, path, 0);
		return result < 0 ? result : walk_below(w, path);
	}
	take_clear_file(w, path, name, st.bytes);
	if (strcmp(part, "") == 0 && strcmp(name, "meta.key") == 0)
		a->encrypted = 1;
	if (strcmp(part, "/msgs") != 0)
		return 0;
	if (strcmp(name, "index.db") == 0)
		a->has_index = 1;
	number = survey_block_number(name, &suffix);
	return number == 0 ? 0 : take_block_file(w, path, number, suffix, st.bytes);
}

/* ---- joining what came file by file ---- */

static int by_number(const void *x, const void *y)
{
	const struct audit_block *a = x, *b = y;

	return a->number < b->number ? -1 : a->number > b->number;
}

static void join_blocks(struct audit *a)
{
	size_t kept = 0;

	if (a->block_count == 0)
		return;
	qsort(a->block, a->block_count, sizeof *a->block, by_number);
	for (size_t i = 1; i < a->block_count; i++) {
		struct audit_block *to = &a->block[kept], *b = &a->block[i];

		if (to->number != b->number) {
			a->block[++kept] = *b;
			continue;
		}
		to->has_blk |= b->has_blk;
		to->has_key |= b->has_key;
		to->has_idx |= b->has_idx;
		to->has_fss |= b->has_fss;
		to->blk_bytes += b->blk_bytes;
		to->key_bytes += b->key_bytes;
	}
	a->block_count = kept + 1;
}

/* ---- findings ---- */

static void block_path(const struct audit *a, uint64_t number, const char *suffix,
                       char path[PATH_MAX])
{
	(void)snprintf(path, PATH_MAX, "%s/msgs/%" PRIu64 ".%s", a->dir, number, suffix);
}

static void tell_clear_files(struct walk *w)
{
	static const struct audit_kind fss = {
	        ATR_SEVERITY_WARN, "clear-subjects",
	        "every subject of the block with its count and sequences, to whoever can read the "
	        "file",
	        "only servers up to 2.9 write it: atrest stream convert leaves it out"};
	static const struct audit_kind timers = {
	        ATR_SEVERITY_INFO, "clear-timers",
	        "which sequences expire and when, to whoever can read the file",
	        "no server encrypts it; keep the directory on an encrypted file system"};
	static const struct audit_kind schedules = {
	        ATR_SEVERITY_WARN, "clear-schedules",
	        "the subjects and times of scheduled messages, to whoever can read the file",
	        "no server encrypts it; keep the directory on an encrypted file system"};
	static const struct audit_kind sources = {
	        ATR_SEVERITY_INFO, "clear-sources",
	        "the names of the streams that this one takes from, to whoever can read the file",
	        "no server encrypts it; keep the directory on an encrypted file system"};
	static const struct audit_kind batches = {
	        ATR_SEVERITY_INFO, "batches",
	        "messages of unfinished batches are staged in stores of their own",
	        "stop the server before an image of the directory is made"};
	struct audit *a = w->a;

	if (!a->encrypted)
		return;
	audit_tell(a, &fss, &w->fss,
	           "%" PRIu64 " fss file%s in clear text, with %" PRIu64 " subject entries",
	           w->fss.files, w->fss.files == 1 ? "" : "s", w->fss_subjects);
	audit_tell(a, &timers, &w->timers, "%" PRIu64 " bytes in clear text", w->timers.bytes);
	audit_tell(a, &schedules, &w->schedules, "%" PRIu64 " bytes in clear text",
	           w->schedules.bytes);
	audit_tell(a, &sources, &w->sources, "%" PRIu64 " bytes in clear text", w->sources.bytes);
	audit_tell(a, &batches, &w->batches, "a directory of staging stores");
}

/* Blocks and index.db in clear text. That index.db parses without a seed needs no key. */
static void tell_clear_store(struct audit *a)
{
	static const struct audit_kind none = {
	        ATR_SEVERITY_HIGH, "not-encrypted",
	        "everything: subjects, headers, payloads, configuration, consumers",
	        "atrest stream convert --cipher encrypts it; a server does so in place, and leaves "
	        "blocks in clear text"};
	static const struct audit_kind blocks = {
	        ATR_SEVERITY_HIGH, "clear-blocks",
	        "their messages, to whoever can read the files. Servers from 2.10 on leave them so "
	        "when encryption is switched on; converted, their text still lies in freed sectors",
	        "atrest stream convert --cipher encrypts every block; then discard free space "
	        "(fstrim) or the disk"};
	static const struct audit_kind index = {
	        ATR_SEVERITY_HIGH, "clear-index",
	        "every subject of the stream with its count, to whoever can read the file",
	        "atrest stream convert --cipher writes it sealed; a server does at its next write"};
	struct audit_group group = {.files = 0}, state = {.files = 0};
	struct atr_index found;
	char path[PATH_MAX];

	if (!a->encrypted) {
		audit_group_add(&group, a->dir, 0);
		audit_tell(a, &none, &group, "no meta.key: the stream is clear text");
		return;
	}
	for (size_t i = 0; i < a->block_count; i++) {
		const struct audit_block *b = &a->block[i];

		if (!b->has_blk || b->has_key || b->blk_bytes == 0)
			continue;
		block_path(a, b->number, "blk", path);
		audit_group_add(&group, path, b->blk_bytes);
	}
	audit_tell(a, &blocks, &group,
	           "%" PRIu64 " of %zu blocks with %" PRIu64 " bytes have no key file", group.files,
	           a->block_count, group.bytes);
	if (!a->has_index || !audit_path(path, a->dir, "msgs/index.db") ||
	    atr_index_read(a->files, path, NULL, a->stream, &found, NULL) != ATR_OK)
		return;
	audit_group_add(&state, path, 0);
	audit_tell(a, &index, &state, "clear text, with %zu subjects", found.subject_count);
	atr_index_free(&found);
}

/* <n>.idx is sealed under seed and nonce of the block's own stream. */
static void tell_idx(struct audit *a)
{
	static const struct audit_kind chacha = {
	        ATR_SEVERITY_HIGH, "idx-under-block-nonce",
	        "the idx is enciphered with the block's own key stream from byte 64 on, and its "
	        "Poly1305 key is key stream bytes 0 to 31: whoever knows the first few hundred "
	        "bytes of the block reads it and forges it, and so hides messages",
	        "servers from 2.10 on write no idx, and atrest stream convert leaves them out"};
	static const struct audit_kind aes = {
	        ATR_SEVERITY_HIGH, "idx-under-block-nonce",
	        "every version of the idx is sealed under one GCM key and nonce: two of them give "
	        "the XOR of their texts and the authentication key, and so forged ones",
	        "servers from 2.10 on write no idx, and atrest stream convert leaves them out"};
	struct audit_group group[2] = {{.files = 0}, {.files = 0}};
	char path[PATH_MAX];

	for (size_t i = 0; i < a->block_count; i++) {
		if (!a->block[i].has_idx || !a->block[i].has_key)
			continue;
		block_path(a, a->block[i].number, "idx", path);
		audit_group_add(&group[a->block[i].key_bytes == 72 ? 0 : 1], path, 0);
	}
	audit_tell(a, &chacha, &group[0],
	           "%" PRIu64 " idx beside a chachapoly block, sealed under its nonce",
	           group[0].files);
	audit_tell(a, &aes, &group[1],
	           "%" PRIu64 " idx beside an aes block, sealed under its nonce", group[1].files);
}

/* What the format lacks, as far as this store has it. */
static void tell_format(struct audit *a)
{
	static const struct audit_kind malleable = {
	        ATR_SEVERITY_WARN, "malleable-blocks",
	        "blocks have no MAC and the record hash has a public key: who can write the file "
	        "and knows a message replaces it by any text of its length, and no reader notices",
	        "keep the files from being written by others; keep digests of payloads that "
	        "matter elsewhere"};
	static const struct audit_kind lengths = {
	        ATR_SEVERITY_INFO, "unhashed-lengths",
	        "the length fields of subject and headers are not hashed: a flipped bit can move "
	        "the boundary between subject, headers and payload",
	        "atrest stream verify checks what comes out against the stream's subjects and the "
	        "header grammar"};
	static const struct audit_kind rollback = {
	        ATR_SEVERITY_INFO, "rollback",
	        "nothing ties the files of a stream together in time: older copies of blocks, "
	        "keys and meta files are accepted, and so is a stream without some of its blocks",
	        "keep the last sequence elsewhere and compare it"};
	static const struct audit_kind tail = {ATR_SEVERITY_INFO, "no-state-file",
	                                       "whole records cut off the end cannot be noticed",
	                                       "stop the server cleanly: it writes index.db then"};
	static const struct audit_kind seeded = {
	        ATR_SEVERITY_WARN, "time-seeded-nonces",
	        "servers up to 2.9 take nonces from a generator that is seeded with the time of "
	        "their start: they can be guessed, and may repeat",
	        "atrest stream convert writes every key anew, with nonces of the operating system"};
	struct audit_group enciphered = {.files = 0}, old = {.files = 0}, dir = {.files = 0};
	char path[PATH_MAX];
	int has_idx = 0;

	for (size_t i = 0; i < a->block_count; i++) {
		const struct audit_block *b = &a->block[i];

		has_idx |= b->has_idx;
		block_path(a, b->number, b->has_key ? "key" : "blk", path);
		if ((b->has_idx || b->has_fss) && b->has_key)
			audit_group_add(&old, path, 0);
		block_path(a, b->number, "blk", path);
		if (b->has_blk && b->has_key)
			audit_group_add(&enciphered, path, b->blk_bytes);
	}
	audit_tell(a, &seeded, &old,
	           "%" PRIu64 " block key%s beside an idx or fss, which only servers up to 2.9 "
	           "write",
	           old.files, old.files == 1 ? "" : "s");
	audit_tell(a, &malleable, &enciphered, "%" PRIu64 " enciphered block%s, %" PRIu64 " bytes",
	           enciphered.files, enciphered.files == 1 ? "" : "s", enciphered.bytes);
	audit_tell(a, &lengths, &enciphered, "%" PRIu64 " enciphered block%s", enciphered.files,
	           enciphered.files == 1 ? "" : "s");
	audit_group_add(&dir, a->dir, 0);
	if (enciphered.files > 0)
		audit_tell(a, &rollback, &dir, "a property of the format");
	if (!a->has_index && !has_idx && a->block_count > 0)
		audit_tell(a, &tail, &dir, "neither index.db nor idx");
}

/* Names and sizes, that no cipher hides. */
static void tell_names(struct audit *a)
{
	static const struct audit_kind kind = {
	        ATR_SEVERITY_INFO, "clear-names",
	        "directory names are the names of account, stream and consumers; sizes and times "
	        "of the files tell how much was written and when",
	        "use names that say nothing, or an encrypted file system"};
	struct audit_group group = {.files = 0};

	if (!a->encrypted)
		return;
	audit_group_add(&group, a->dir, 0);
	audit_tell(a, &kind, &group, "the stream '%s' and %zu consumer name%s", a->stream,
	           a->consumer_count, a->consumer_count == 1 ? "" : "s");
}

/* Beside the stream: names that servers ignore hold older states of it. */
struct siblings {
	const struct audit *a;
	const char *parent;
	struct audit_group *left;
};

static int take_sibling(void *arg, const char *name)
{
	struct siblings *s = arg;
	char path[PATH_MAX];

	if (survey_is_left_over(s->a->stream, name) && audit_path(path, s->parent, name))
		audit_group_add(s->left, path, 0);
	return 0;
}

static void tell_left_overs(struct walk *w)
{
	static const struct audit_kind kind = {
	        ATR_SEVERITY_WARN, "left-overs",
	        "copies of what the store holds or held: a second text under one key, messages "
	        "that were purged, an original that a repair kept",
	        "remove them when no server and no atrest works on the stream"};
	static const struct audit_kind wide = {
	        ATR_SEVERITY_WARN, "wide-permissions",
	        "other users of the machine can read or write what the server keeps at 0640 and "
	        "0750",
	        "chmod -R g-w,o-rwx on the store directory"};
	struct audit *a = w->a;
	char parent[PATH_MAX];
	struct siblings s = {a, parent, &w->left};
	char *slash;

	(void)snprintf(parent, sizeof parent, "%s", a->dir);
	slash = strrchr(parent, '/');
	if (slash != NULL && slash > parent) {
		*slash = '\0';
		(void)a->files->list(a->files->context, parent, take_sibling, &s);
	}
	audit_tell(a, &kind, &w->left, "%" PRIu64 " left over", w->left.files);
	audit_tell(a, &wide, &w->wide, "%" PRIu64 " with wider permissions, the first %04o",
	           w->wide.files, w->wide_mode);
}

enum atr_status audit_files(struct audit *a, struct atr_error *err)
{
	struct walk *w = calloc(1, sizeof *w);
	struct atr_file_stat st;
	int result;

	if (w == NULL)
		return atr_error_set(err, ATR_ENOMEM, a->dir, -1, "no memory");
	w->a = a;
	if (a->files->stat(a->files->context, a->dir, &st) < 0 || !st.is_directory) {
		free(w);
		return atr_error_set(err, ATR_ENOTSTORE, a->dir, -1, "no such directory");
	}
	check_mode(w, a->dir, &st);
	result = walk_below(w, a->dir);
	if (result < 0) {
		free(w);
		return atr_error_set(err, ATR_ENOMEM, a->dir, -1, "no memory");
	}
	join_blocks(a);
	tell_clear_store(a);
	tell_clear_files(w);
	tell_idx(a);
	tell_format(a);
	tell_names(a);
	tell_left_overs(w);
	free(w);
	return ATR_OK;
}
