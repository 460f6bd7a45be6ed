/* listing.c - the files and directories that a survey starts from. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/survey.h"

static int by_number(const void *a, const void *b)
{
	const struct survey_block *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static int by_name(const void *a, const void *b)
{
	const struct survey_consumer *x = a, *y = b;

	return strcmp(x->name, y->name);
}

struct listing {
	struct atr_inspect *in;
	size_t capacity;
	enum atr_status rc;
};

int survey_is_left_over(const char *stream, const char *name)
{
	const char *dash = name[0] == '.' ? strchr(name, '-') : NULL;
	size_t n = strlen(stream);

	if (dash != NULL)
		return strcmp(dash + 1, stream) == 0;
	return strncmp(name, stream, n) == 0 && name[n] == '.';
}

uint64_t survey_block_number(const char *name, const char **suffix)
{
	static const char *const suffixes[] = {"blk", "key", "idx", "fss"};
	uint64_t n = 0;
	size_t i = 0;

	if (name[0] == '0')
		return 0;
	for (; name[i] >= '0' && name[i] <= '9'; i++)
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (unsigned)(name[i] - '0'), &n))
			return 0;
	if (i == 0 || name[i] != '.')
		return 0;
	*suffix = name + i + 1;
	for (i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
		if (strcmp(*suffix, suffixes[i]) == 0)
			return n;
	return 0;
}

static struct survey_block *block_entry(struct listing *l, uint64_t number)
{
	struct atr_inspect *in = l->in;

	for (size_t i = in->block_count; i > 0 && i + 4 > in->block_count; i--)
		if (in->block[i - 1].number == number)
			return &in->block[i - 1];
	if (in->block_count == l->capacity) {
		size_t capacity = l->capacity == 0 ? 16 : 2 * l->capacity;
		struct survey_block *larger = realloc(in->block, capacity * sizeof *larger);

		if (larger == NULL)
			return NULL;
		in->block = larger;
		l->capacity = capacity;
	}
	in->block[in->block_count] = (struct survey_block){.number = number, .cipher = "?"};
	return &in->block[in->block_count++];
}

static int take_msgs_entry(void *arg, const char *name)
{
	struct listing *l = arg;
	struct survey_block *b;
	const char *suffix;
	uint64_t number = survey_block_number(name, &suffix);

	if (number == 0)
		return 0;
	b = block_entry(l, number);
	if (b == NULL)
		return -ENOMEM;
	b->has_blk |= strcmp(suffix, "blk") == 0;
	b->has_key |= strcmp(suffix, "key") == 0;
	b->has_idx |= strcmp(suffix, "idx") == 0;
	b->has_fss |= strcmp(suffix, "fss") == 0;
	return 0;
}

/* A name that should be a file and is something else is reported and not opened. */
static void check_is_file(struct atr_inspect *in, struct survey_block *b)
{
	struct atr_file_stat st;
	char path[PATH_MAX];

	survey_block_path(in, b->number, "blk", path, sizeof path);
	if (in->home.files->stat(in->home.files->context, path, &st) < 0)
		return; /* opening it says why */
	b->file_bytes = st.bytes;
	if (!st.is_directory && !st.is_special)
		return;
	survey_find(in, ATR_FINDING_DAMAGE, path, -1, 0, "%s, expected a block file",
	            st.is_directory ? "a directory" : "a device or pipe");
	b->unreadable = 1;
	in->losses++;
}

/* An entry without its block file: a key made ahead of its block, or what is left of one. */
static void check_orphan(struct atr_inspect *in, const struct survey_block *b, size_t blocks_below,
                         int blocks_above)
{
	char path[PATH_MAX];

	survey_block_path(in, b->number, "blk", path, sizeof path);
	if (b->has_idx || b->has_fss || (blocks_below > 0 && blocks_above))
		survey_find(in, ATR_FINDING_DAMAGE, path, -1, 0, "missing, its %s file is there",
		            b->has_idx   ? "idx"
		            : b->has_fss ? "fss"
		                         : "key");
}

/* The files of one block may have come one by one, in any order: joined here. */
static void join_blocks(struct atr_inspect *in)
{
	size_t joined = 0, kept = 0, last = 0;

	if (in->block_count == 0)
		return;
	qsort(in->block, in->block_count, sizeof *in->block, by_number);
	for (size_t i = 1; i < in->block_count; i++) {
		struct survey_block *to = &in->block[joined], *b = &in->block[i];

		if (to->number != b->number) {
			in->block[++joined] = *b;
			continue;
		}
		to->has_blk |= b->has_blk;
		to->has_key |= b->has_key;
		to->has_idx |= b->has_idx;
		to->has_fss |= b->has_fss;
	}
	for (size_t i = 0; i <= joined; i++)
		if (in->block[i].has_blk)
			last = i;
	for (size_t i = 0; i <= joined; i++) {
		if (in->block[i].has_blk)
			in->block[kept++] = in->block[i];
		else
			check_orphan(in, &in->block[i], kept, i < last);
	}
	in->block_count = kept;
}

enum atr_status survey_list_blocks(struct atr_inspect *in, struct atr_error *err)
{
	struct listing l = {.in = in};
	int result =
	        in->home.files->list(in->home.files->context, in->msgs_path, take_msgs_entry, &l);

	if (result == -ENOENT) /* a stream that was never used */
		return ATR_OK;
	if (result < 0)
		return atr_file_error(err, result, in->msgs_path, -1, "list");
	join_blocks(in);
	for (size_t i = 0; i < in->block_count; i++)
		check_is_file(in, &in->block[i]);
	return ATR_OK;
}

static int take_consumer(void *arg, const char *name)
{
	struct listing *l = arg;
	struct atr_inspect *in = l->in;
	struct survey_consumer *larger;

	if (name[0] == '.') /* being deleted */
		return 0;
	if (in->consumer_count == l->capacity) {
		size_t capacity = l->capacity == 0 ? 16 : 2 * l->capacity;

		larger = realloc(in->consumer, capacity * sizeof *larger);
		if (larger == NULL)
			return -ENOMEM;
		in->consumer = larger;
		l->capacity = capacity;
	}
	in->consumer[in->consumer_count] = (struct survey_consumer){.name = strdup(name)};
	return in->consumer[in->consumer_count++].name == NULL ? -ENOMEM : 0;
}

enum atr_status survey_list_consumers(struct atr_inspect *in, struct atr_error *err)
{
	struct listing l = {.in = in};
	char path[PATH_MAX];
	size_t kept = 0;
	int result;

	if (snprintf(path, sizeof path, "%s/obs", in->dir) >= (int)sizeof path)
		return atr_error_set(err, ATR_EINVAL, in->dir, -1, "path too long");
	result = in->home.files->list(in->home.files->context, path, take_consumer, &l);
	if (result == -ENOENT)
		return ATR_OK;
	if (result < 0)
		return atr_file_error(err, result, path, -1, "list");
	for (size_t i = 0; i < in->consumer_count; i++) {
		struct survey_consumer c = in->consumer[i];
		struct atr_file_stat st;

		/* a file there is no consumer; verify names it. One that cannot be looked at stays:
		 * reading it says why. */
		if (snprintf(path, sizeof path, "%s/obs/%s", in->dir, c.name) < (int)sizeof path)
			result = in->home.files->stat(in->home.files->context, path, &st);
		else
			result = -ENOENT;
		if (result == -ENOENT || (result == 0 && !st.is_directory)) {
			free(c.name);
			continue;
		}
		in->consumer[kept++] = c;
	}
	in->consumer_count = kept;
	if (kept > 0)
		qsort(in->consumer, kept, sizeof *in->consumer, by_name);
	return ATR_OK;
}

enum atr_status survey_find_keyless(struct atr_inspect *in, struct atr_error *err)
{
	struct atr_record record;
	enum atr_status rc;
	int readable;

	if (!in->meta->encrypted)
		return ATR_OK;
	for (size_t i = 0; i < in->block_count; i++) {
		struct survey_block *b = &in->block[i];

		if (b->has_key || b->unreadable || b->file_bytes == 0)
			continue;
		rc = scan_open(in, &in->scan, b, &readable, err);
		if (rc != ATR_OK)
			return rc;
		if (!readable)
			continue;
		rc = atr_walk_next(in->scan.walk, &record, err);
		if (rc == ATR_EFORMAT) /* damage at the start of a clear block? */
			rc = atr_walk_resync(in->scan.walk, err) == ATR_OK ? ATR_OK : ATR_EFORMAT;
		if (rc == ATR_EFORMAT) {
			b->unreadable = b->key_is_missing = 1;
			b->cipher = "?";
			in->losses++;
		} else if (rc != ATR_OK && rc != ATR_END) {
			rc = survey_find_error(in, err);
			if (rc != ATR_OK)
				return rc;
		}
	}
	return ATR_OK;
}
