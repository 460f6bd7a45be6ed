/* convert_resume.c - convert.tmp: what a conversion has done, so that after a kill the next one
 * goes on.
 *
 *   convert 1 CIPHER FOR
 *   block NUMBER BYTES TAIL LAST_NUMBER LAST_SEQ      for each block of the source, in order
 *
 * BYTES and TAIL (its last 8 bytes as they are in the file) tell that the source's block is still
 * the same one; LAST_NUMBER is the last block that was made of it, LAST_SEQ the last sequence in
 * that. Lines are written when what they name is synced. Whether a copied block is right is for the
 * comparison to say: it reads all of them.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/convert_inner.h"

#define TAIL_BYTES    8
#define LOG_BYTES_MAX ((size_t)256 * 1024 * 1024)

static const char *cipher_name(const struct convert *c)
{
	return c->cipher != NULL ? atr_cipher_name(c->cipher) : "none";
}

static int first_line(const struct convert *c, char *line, size_t line_bytes)
{
	return snprintf(line, line_bytes, "convert 1 %s %s\n", cipher_name(c),
	                c->for_2_9 ? "2.9" : "2.10");
}

static enum atr_status append(struct convert *c, const char *line, struct atr_error *err)
{
	char path[PATH_MAX];
	enum atr_status rc = filetree_join(path, c->sibling, CONVERT_LOG_NAME, err);

	if (rc == ATR_OK)
		rc = atr_file_write_all(c->files, c->log_fd, path, line, strlen(line), c->log_bytes,
		                        err);
	if (rc == ATR_OK)
		c->log_bytes += strlen(line);
	return rc;
}

static enum atr_status open_log(struct convert *c, int flags, struct atr_error *err)
{
	char path[PATH_MAX];
	enum atr_status rc = filetree_join(path, c->sibling, CONVERT_LOG_NAME, err);

	if (rc != ATR_OK)
		return rc;
	c->log_fd = c->files->open(c->files->context, path, flags, 0640);
	return c->log_fd < 0 ? atr_file_error(err, c->log_fd, path, -1, "create") : ATR_OK;
}

enum atr_status convert_log_begin(struct convert *c, struct atr_error *err)
{
	char line[64];
	enum atr_status rc = open_log(c, O_WRONLY | O_CREAT | O_TRUNC, err);

	if (rc != ATR_OK)
		return rc;
	(void)first_line(c, line, sizeof line);
	c->log_bytes = 0;
	return append(c, line, err);
}

/* The last bytes of a block of the source as they are in the file, as hex. */
static enum atr_status raw_tail(const struct convert *c, const struct survey_block *b,
                                char hex[2 * TAIL_BYTES + 1], struct atr_error *err)
{
	uint8_t tail[TAIL_BYTES] = {0};
	size_t bytes = b->file_bytes < TAIL_BYTES ? (size_t)b->file_bytes : TAIL_BYTES;
	char path[PATH_MAX];
	enum atr_status rc;
	int fd;

	survey_block_path(c->in, b->number, "blk", path, sizeof path);
	fd = c->files->open(c->files->context, path, O_RDONLY, 0);
	if (fd < 0)
		return atr_file_error(err, fd, path, -1, "open");
	rc = atr_file_read_exact(c->files, fd, path, tail, bytes, b->file_bytes - bytes, err);
	(void)c->files->close(c->files->context, fd);
	for (size_t i = 0; i < TAIL_BYTES; i++)
		(void)sprintf(hex + 2 * i, "%02x", tail[i]);
	return rc;
}

enum atr_status convert_log_block(struct convert *c, size_t source, uint64_t number, uint64_t last,
                                  struct atr_error *err)
{
	const struct survey_block *b = &c->in->block[source];
	char hex[2 * TAIL_BYTES + 1], line[160];
	enum atr_status rc = raw_tail(c, b, hex, err);

	if (rc != ATR_OK)
		return rc;
	(void)snprintf(line, sizeof line,
	               "block %" PRIu64 " %" PRIu64 " %s %" PRIu64 " %" PRIu64 "\n", b->number,
	               b->file_bytes, hex, number, last);
	return append(c, line, err);
}

/* ---- resuming ---- */

/* Takes one line: *source is where to look for its block from on, and becomes the one behind it.
 * 0 when the line is no block's, or not this source's. */
static int take_line(struct convert *c, const char *line, size_t *source)
{
	uint64_t number, bytes, kept_number, last;
	char tail[2 * TAIL_BYTES + 1], hex[2 * TAIL_BYTES + 1];
	size_t at = *source;

	if (sscanf(line, "block %" SCNu64 " %" SCNu64 " %16[0-9a-f] %" SCNu64 " %" SCNu64, &number,
	           &bytes, tail, &kept_number, &last) != 5)
		return 0;
	while (at < c->in->block_count && c->in->block[at].number < number)
		at++;
	if (at == c->in->block_count || c->in->block[at].number != number ||
	    c->in->block[at].file_bytes != bytes ||
	    raw_tail(c, &c->in->block[at], hex, NULL) != ATR_OK || strcmp(tail, hex) != 0 ||
	    kept_number <= c->kept_number || last <= c->kept_last_seq)
		return 0;
	c->kept_number = kept_number;
	c->kept_last_seq = last;
	*source = at + 1;
	return 1;
}

/* Lines that are whole and true, into skip_blocks ...; log_bytes is behind the last of them. */
static enum atr_status read_log(struct convert *c, struct atr_error *err)
{
	char path[PATH_MAX], head[64];
	uint8_t *text = NULL;
	size_t bytes = 0, source = 0;
	enum atr_status rc = filetree_join(path, c->sibling, CONVERT_LOG_NAME, err);
	char *line, *end;

	if (rc == ATR_OK)
		rc = atr_file_read_whole(c->files, path, LOG_BYTES_MAX, &text, &bytes, err);
	if (rc != ATR_OK)
		return rc == ATR_ENOTFOUND || rc == ATR_EFORMAT ? ATR_OK : rc;
	c->log_bytes = (uint64_t)first_line(c, head, sizeof head);
	line = (char *)text + c->log_bytes;
	if (bytes < c->log_bytes || memcmp(text, head, c->log_bytes) != 0)
		line = (char *)text + bytes; /* for something else */
	while ((end = strchr(line, '\n')) != NULL) {
		*end = '\0';
		if (!take_line(c, line, &source))
			break;
		line = end + 1;
		c->log_bytes = (uint64_t)(line - (char *)text);
		c->skip_blocks = source;
	}
	free(text);
	return ATR_OK;
}

struct leftovers {
	struct convert *c;
	enum atr_status rc;
	struct atr_error *err;
};

/* Of msgs/ the blocks that are kept stay. */
static int remove_block(void *arg, const char *name)
{
	struct leftovers *l = arg;
	char path[PATH_MAX];
	const char *suffix;
	uint64_t number = survey_block_number(name, &suffix);

	if (number != 0 && number <= l->c->kept_number)
		return 0;
	l->rc = filetree_join(path, l->c->msgs, name, l->err);
	if (l->rc == ATR_OK)
		l->rc = filetree_remove(l->c->files, path, l->err);
	return l->rc != ATR_OK;
}

/* Of the sibling msgs/ and the log stay. */
static int remove_other(void *arg, const char *name)
{
	struct leftovers *l = arg;
	char path[PATH_MAX];

	if (strcmp(name, "msgs") == 0 || strcmp(name, CONVERT_LOG_NAME) == 0)
		return 0;
	l->rc = filetree_join(path, l->c->sibling, name, l->err);
	if (l->rc == ATR_OK)
		l->rc = filetree_remove(l->c->files, path, l->err);
	return l->rc != ATR_OK;
}

static enum atr_status remove_leftovers(struct convert *c, struct atr_error *err)
{
	struct leftovers l = {.c = c, .err = err};
	int result = c->files->list(c->files->context, c->msgs, remove_block, &l);

	if (result >= 0)
		result = c->files->list(c->files->context, c->sibling, remove_other, &l);
	if (l.rc != ATR_OK)
		return l.rc;
	return result < 0 ? atr_file_error(err, result, c->sibling, -1, "list") : ATR_OK;
}

/* The last kept block opens under the new key and cipher? */
static int opens(const struct convert *c)
{
	struct atr_seed seed;
	enum atr_status rc = atr_block_read_key(&c->home, c->kept_number, &seed, NULL);
	int same = rc == ATR_OK ? c->cipher != NULL &&
	                                  strcmp(atr_cipher_name(seed.cipher), cipher_name(c)) == 0
	                        : rc == ATR_ENOTFOUND && c->cipher == NULL;

	atr_secret_wipe(&seed, sizeof seed);
	return same;
}

enum atr_status convert_resume(struct convert *c, int *usable, struct atr_error *err)
{
	enum atr_status rc = read_log(c, err);

	*usable = 0;
	if (rc != ATR_OK || c->skip_blocks == 0)
		return rc;
	if (!opens(c)) {
		c->skip_blocks = 0;
		return ATR_OK;
	}
	rc = remove_leftovers(c, err);
	if (rc == ATR_OK)
		rc = open_log(c, O_WRONLY, err);
	*usable = rc == ATR_OK;
	return rc;
}
