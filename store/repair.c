/* repair.c - the order of a repair, and what it leaves beside the stream. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/repair_inner.h"
#include "store/rewrite.h"

void repair_tell(struct repair *r, const char *path, uint64_t first_seq, uint64_t last_seq,
                 const char *format, ...)
{
	char text[1024];
	struct atr_repair_action action = {path, first_seq, last_seq, text};
	va_list args;

	r->result->changed = 1;
	if (r->quiet || r->options->told == NULL)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	r->options->told(r->options->told_arg, &action);
}

const struct repair_finding *repair_found(const struct repair *r, const char *path,
                                          enum atr_finding_kind kind)
{
	for (size_t i = 0; i < r->finding_count; i++)
		if (r->finding[i].kind == kind && strcmp(r->finding[i].path, path) == 0)
			return &r->finding[i];
	return NULL;
}

enum atr_status repair_remove(struct repair *r, const char *path, struct atr_error *err)
{
	char whole[PATH_MAX];
	int result;

	if (!r->apply)
		return ATR_OK;
	if (snprintf(whole, sizeof whole, "%s/%s", r->copy, path) >= (int)sizeof whole)
		return atr_error_set(err, ATR_EINVAL, r->copy, -1, "path too long");
	result = r->files.unlink(r->files.context, whole);
	return result < 0 && result != -ENOENT ? atr_file_error(err, result, whole, -1, "remove")
	                                       : ATR_OK;
}

/* ---- findings ---- */

static void take_finding(void *arg, const struct atr_finding *f)
{
	struct repair *r = arg;
	size_t n = strlen(r->copy);
	const char *below =
	        strncmp(f->path, r->copy, n) == 0 && f->path[n] == '/' ? f->path + n + 1 : f->path;
	struct repair_finding *larger;

	if (r->finding_count == r->finding_capacity) {
		size_t capacity = r->finding_capacity == 0 ? 64 : 2 * r->finding_capacity;

		larger = realloc(r->finding, capacity * sizeof *larger);
		if (larger == NULL) {
			r->out_of_memory = 1;
			return;
		}
		r->finding = larger;
		r->finding_capacity = capacity;
	}
	larger = &r->finding[r->finding_count];
	*larger = (struct repair_finding){f->kind, strdup(below), strdup(f->text)};
	if (larger->path == NULL || larger->text == NULL) {
		free(larger->path);
		free(larger->text);
		r->out_of_memory = 1;
		return;
	}
	r->finding_count++;
}

static void forget_findings(struct repair *r)
{
	for (size_t i = 0; i < r->finding_count; i++) {
		free(r->finding[i].path);
		free(r->finding[i].text);
	}
	r->finding_count = 0;
}

/* Opens and verifies r->copy. */
static enum atr_status look(struct repair *r, int without_meta, struct atr_error *err)
{
	const struct atr_verify_options verify = {0};
	struct atr_inspect_options options = {
	        .files = &r->files,
	        .account = r->account,
	        .stream = r->stream,
	        .key = r->options->key,
	        .key_bytes = r->options->key_bytes,
	        .prev_key = r->options->prev_key,
	        .prev_key_bytes = r->options->prev_key_bytes,
	        .allow_clear = 1,
	        .without_meta = without_meta,
	        .finding = take_finding,
	        .finding_arg = r,
	};
	struct atr_verify_counts counts;
	enum atr_status rc;

	forget_findings(r);
	rc = atr_inspect_open(r->copy, &options, &r->in, err);
	if (rc == ATR_OK)
		rc = atr_inspect_verify(r->in, &verify, &counts, err);
	if (rc == ATR_OK && r->out_of_memory)
		rc = atr_error_set(err, ATR_ENOMEM, r->dir, -1, "no memory");
	return rc;
}

static void forget(struct repair *r)
{
	atr_inspect_close(r->in);
	r->in = NULL;
	free(r->block);
	r->block = NULL;
	atr_seqset_free(&r->usable);
	json_decref(r->subjects);
	r->subjects = NULL;
	r->last_seq = r->orphan_last_seq = 0;
	r->drop_index = 0;
	forget_findings(r);
}

/* What is not understood is not damage, and a disk that fails is not repaired here. */
static enum atr_status refuse(const struct repair *r, enum atr_finding_kind kind,
                              enum atr_status status, const char *text, struct atr_error *err)
{
	for (size_t i = 0; i < r->finding_count; i++)
		if (r->finding[i].kind == kind)
			return atr_error_set(err, status, r->dir, -1, "%s: %s: %s", text,
			                     r->finding[i].path, r->finding[i].text);
	return ATR_OK;
}

/* Finds what is to be done in r->copy, and does it if it may. */
static enum atr_status work(struct repair *r, struct atr_error *err)
{
	enum atr_status rc = look(r, 1, err);

	r->result->lost = 0;
	if (rc == ATR_OK)
		rc = refuse(r, ATR_FINDING_UNSUPPORTED, ATR_EUNSUPPORTED, "not understood", err);
	if (rc == ATR_OK)
		rc = refuse(r, ATR_FINDING_SYSTEM, ATR_EIO, "cannot be read", err);
	if (rc == ATR_OK && r->in->meta_is_lost) {
		r->subjects = json_object();
		if (r->subjects == NULL)
			rc = atr_error_set(err, ATR_ENOMEM, r->dir, -1, "no memory");
	}
	if (rc == ATR_OK)
		rc = repair_blocks(r, err);
	if (rc == ATR_OK)
		rc = repair_meta(r, err);
	/* a second pass that could not read what the first one could would lose it */
	if (rc == ATR_OK && r->in->found[ATR_FINDING_SYSTEM] > 0)
		rc = atr_error_set(err, ATR_EIO, r->dir, -1,
		                   "nothing was changed: a file could not be read the second time");
	if (rc == ATR_OK && !r->result->changed)
		rc = refuse(r, ATR_FINDING_DAMAGE, ATR_EFORMAT,
		            "not repaired, by nothing known here", err);
	forget(r);
	return rc;
}

/* The copy has no damage, and the messages that were to be kept. */
static enum atr_status check(struct repair *r, struct atr_error *err)
{
	struct atr_inspect_state state;
	enum atr_status rc = look(r, 0, err);

	if (rc == ATR_OK)
		rc = refuse(r, ATR_FINDING_DAMAGE, ATR_EFORMAT,
		            "nothing was changed, since damage would remain", err);
	if (rc == ATR_OK) {
		atr_inspect_state(r->in, &state);
		if (state.messages != r->result->messages)
			rc = atr_error_set(err, ATR_EFORMAT, r->dir, -1,
			                   "nothing was changed: the repaired copy has %" PRIu64
			                   " messages, expected %" PRIu64,
			                   state.messages, r->result->messages);
	}
	forget(r);
	return rc;
}

/* ---- the directories ---- */

static enum atr_status name_directories(struct repair *r, char copy[PATH_MAX], char aside[PATH_MAX],
                                        char parent[PATH_MAX], struct atr_error *err)
{
	const char *name = filetree_parent(r->dir, parent);
	time_t now = (time_t)(r->files.realtime_ns(r->files.context) / 1000000000);
	struct tm tm;
	char when[32];

	if (gmtime_r(&now, &tm) == NULL || strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &tm) == 0)
		return atr_error_set(err, ATR_EIO, r->dir, -1, "the clock has no time");
	if (snprintf(copy, PATH_MAX, "%s/.repair-%s", parent, name) >= PATH_MAX ||
	    snprintf(aside, PATH_MAX, "%s/%s.damaged-%s", parent, name, when) >= PATH_MAX ||
	    strlen(aside) >= sizeof r->result->aside)
		return atr_error_set(err, ATR_EINVAL, r->dir, -1, "path too long");
	return ATR_OK;
}

/* The copies are opened under the one lock that is held. */
static int already_locked(void *context, int fd, int exclusive)
{
	(void)context;
	(void)fd;
	(void)exclusive;
	return 0;
}

static enum atr_status move(struct repair *r, const char *from, const char *to,
                            struct atr_error *err)
{
	int result = r->files.rename(r->files.context, from, to);

	return result < 0 ? atr_file_error(err, result, from, -1, "rename") : ATR_OK;
}

/* The repaired copy takes the place of the original. At once, where the file system can; else a
 * kill in between leaves no stream under the name, and both beside it. */
static enum atr_status exchange(struct repair *r, const char *aside, const char *parent,
                                struct atr_error *err)
{
	enum atr_status rc;
	int result = -ENOSYS;

	if (r->files.exchange != NULL) {
		rc = move(r, r->copy, aside, err);
		if (rc != ATR_OK)
			return rc;
		result = r->files.exchange(r->files.context, r->dir, aside);
		if (result < 0)
			(void)move(r, aside, r->copy, NULL);
	}
	if (result == -ENOSYS || result == -EINVAL || result == -EOPNOTSUPP) {
		rc = move(r, r->dir, aside, err);
		if (rc != ATR_OK)
			return rc;
		rc = move(r, r->copy, r->dir, err);
		if (rc != ATR_OK) {
			(void)move(r, aside, r->dir, NULL);
			return rc;
		}
	} else if (result < 0) {
		return atr_file_error(err, result, r->dir, -1, "exchange");
	}
	return atr_file_sync_directory(&r->files, parent, err);
}

static int is_pending(const struct repair *r, const char *dir)
{
	char msgs[PATH_MAX];

	return atr_rewrite_is_pending(&r->files, dir) ||
	       (snprintf(msgs, sizeof msgs, "%s/msgs", dir) < (int)sizeof msgs &&
	        atr_rewrite_is_pending(&r->files, msgs));
}

/* In the copy. */
static enum atr_status finish_rewrite(struct repair *r, struct atr_error *err)
{
	char msgs[PATH_MAX];
	enum atr_status rc;

	repair_tell(r, "rewrite.tmp", 0, 0, "the interrupted exchange of files is finished");
	rc = atr_rewrite_recover(&r->files, r->copy, err);
	if (rc == ATR_OK && snprintf(msgs, sizeof msgs, "%s/msgs", r->copy) < (int)sizeof msgs)
		rc = atr_rewrite_recover(&r->files, msgs, err);
	return rc;
}

/* Steps 2 to 6. */
static enum atr_status repair_copy(struct repair *r, int pending, struct atr_error *err)
{
	char copy[PATH_MAX], aside[PATH_MAX], parent[PATH_MAX];
	enum atr_status rc = name_directories(r, copy, aside, parent, err);

	if (rc != ATR_OK)
		return rc;
	memcpy(r->copy, copy, sizeof r->copy);
	rc = filetree_remove(&r->files, r->copy, err); /* of a killed repair */
	if (rc == ATR_OK)
		rc = filetree_copy(&r->files, r->dir, r->copy, err);
	r->apply = 1;
	r->quiet = 0;
	if (rc == ATR_OK && pending)
		rc = finish_rewrite(r, err);
	if (rc == ATR_OK)
		rc = work(r, err);
	if (rc == ATR_OK)
		rc = check(r, err);
	if (rc == ATR_OK)
		rc = filetree_own(&r->files, r->copy, r->dir, err);
	if (rc == ATR_OK)
		rc = filetree_sync(&r->files, r->copy, err);
	if (rc == ATR_OK)
		rc = exchange(r, aside, parent, err);
	if (rc == ATR_OK)
		(void)snprintf(r->result->aside, sizeof r->result->aside, "%s", aside);
	else
		(void)filetree_remove(&r->files, copy, NULL);
	return rc;
}

enum atr_status atr_repair(const char *dir, const struct atr_repair_options *options,
                           struct atr_repair_result *result, struct atr_error *err)
{
	const struct atr_file_table *files =
	        options->files != NULL ? options->files : &atr_file_real;
	struct repair *r = calloc(1, sizeof *r);
	const char *slash = strrchr(dir, '/');
	struct atr_error ignored;
	enum atr_status rc;
	int fd = -1, pending;

	memset(result, 0, sizeof *result);
	if (err == NULL)
		err = &ignored;
	if (r == NULL)
		return atr_error_set(err, ATR_ENOMEM, dir, -1, "no memory");
	r->options = options;
	r->result = result;
	r->files = *files;
	r->files.lock = already_locked;
	r->dir = dir;
	(void)snprintf(r->account, sizeof r->account, "%s",
	               options->account != NULL ? options->account : "$G");
	(void)snprintf(r->stream, sizeof r->stream, "%s",
	               options->stream != NULL ? options->stream
	               : slash != NULL         ? slash + 1
	                                       : dir);
	(void)snprintf(r->copy, sizeof r->copy, "%s", dir);
	rc = atr_file_lock_directory(files, r->dir, 1, &fd, err);
	pending = rc == ATR_OK && is_pending(r, dir);
	if (rc == ATR_OK && pending && options->dry_run)
		repair_tell(
		        r, "rewrite.tmp", 0, 0,
		        "the interrupted exchange of files would be finished first; what else is "
		        "to be done shows then");
	if (rc == ATR_OK && !pending) {
		r->quiet = !options->dry_run;
		rc = work(r, err);
	}
	if (rc == ATR_OK && !options->dry_run && (pending || result->changed))
		rc = repair_copy(r, pending, err);
	forget(r);
	free(r->finding);
	if (fd >= 0)
		(void)files->close(files->context, fd);
	free(r);
	return rc;
}
