#include "store/scratch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/cipher.h"
#include "ciphers/prf.h"
#include "ciphers/secret.h"

#define OPEN_MAX_FILES 32
#define PIECE_BYTES    ((size_t)64 * 1024)

struct scratch {
	const struct atr_file_table *files;
	struct atr_file_table table;
	uint8_t *key; /* secret memory */
	struct {
		int fd; /* -1: free */
		struct atr_keystream *stream;
	} open[OPEN_MAX_FILES];
	uint8_t piece[PIECE_BYTES];
};

static struct atr_keystream **stream_of(struct scratch *s, int fd)
{
	for (size_t i = 0; i < OPEN_MAX_FILES; i++)
		if (s->open[i].fd == fd)
			return &s->open[i].stream;
	return NULL;
}

/* One thread at a time: a reader of closed stores is one. */
static int open_file(void *context, const char *path, int flags, unsigned mode)
{
	struct scratch *s = context;
	uint8_t sum[ATR_SHA256_BYTES];
	int fd = s->files->open(s->files->context, path, flags, mode);

	for (size_t i = 0; fd >= 0 && i < OPEN_MAX_FILES; i++) {
		if (s->open[i].fd >= 0)
			continue;
		if (atr_sha256((const uint8_t *)path, strlen(path), sum) == 0)
			s->open[i].stream = atr_keystream_new(atr_cipher_find("chachapoly", NULL),
			                                      s->key, sum, 0);
		if (s->open[i].stream == NULL)
			break;
		s->open[i].fd = fd;
		return fd;
	}
	if (fd < 0)
		return fd;
	(void)s->files->close(s->files->context, fd);
	return -EMFILE;
}

static int close_file(void *context, int fd)
{
	struct scratch *s = context;

	for (size_t i = 0; i < OPEN_MAX_FILES; i++)
		if (s->open[i].fd == fd) {
			atr_keystream_free(s->open[i].stream);
			s->open[i].stream = NULL;
			s->open[i].fd = -1;
		}
	return s->files->close(s->files->context, fd);
}

static ssize_t read_file(void *context, int fd, void *to, size_t bytes, uint64_t offset)
{
	struct scratch *s = context;
	struct atr_keystream **stream = stream_of(s, fd);
	ssize_t n = s->files->pread(s->files->context, fd, to, bytes, offset);

	if (n > 0 && (stream == NULL || atr_keystream_xor(*stream, offset, to, to, (size_t)n) != 0))
		return -EIO;
	return n;
}

static ssize_t write_file(void *context, int fd, const void *from, size_t bytes, uint64_t offset)
{
	struct scratch *s = context;
	struct atr_keystream **stream = stream_of(s, fd);
	size_t n = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;

	if (stream == NULL || atr_keystream_xor(*stream, offset, from, s->piece, n) != 0)
		return -EIO;
	return s->files->pwrite(s->files->context, fd, s->piece, n, offset);
}

/* ---- the rest is the other table's ---- */

static int sync_file(void *context, int fd)
{
	const struct atr_file_table *files = ((struct scratch *)context)->files;

	return files->sync(files->context, fd);
}

static int stat_path(void *context, const char *path, struct atr_file_stat *out)
{
	const struct atr_file_table *files = ((struct scratch *)context)->files;

	return files->stat(files->context, path, out);
}

static int unlink_path(void *context, const char *path)
{
	const struct atr_file_table *files = ((struct scratch *)context)->files;

	return files->unlink(files->context, path);
}

static int make_path(void *context, const char *path, unsigned mode)
{
	const struct atr_file_table *files = ((struct scratch *)context)->files;

	return files->mkdir(files->context, path, mode);
}

static int remove_path(void *context, const char *path)
{
	const struct atr_file_table *files = ((struct scratch *)context)->files;

	return files->rmdir(files->context, path);
}

static int list_path(void *context, const char *path, atr_file_entry_fn *each, void *arg)
{
	const struct atr_file_table *files = ((struct scratch *)context)->files;

	return files->list(files->context, path, each, arg);
}

static int lock_file(void *context, int fd, int exclusive)
{
	const struct atr_file_table *files = ((struct scratch *)context)->files;

	return files->lock(files->context, fd, exclusive);
}

static int64_t realtime_ns(void *context)
{
	const struct atr_file_table *files = ((struct scratch *)context)->files;

	return files->realtime_ns(files->context);
}

static uint64_t monotonic_ns(void *context)
{
	const struct atr_file_table *files = ((struct scratch *)context)->files;

	return files->monotonic_ns(files->context);
}

static int random_bytes(void *context, void *to, size_t bytes)
{
	const struct atr_file_table *files = ((struct scratch *)context)->files;

	return files->random(files->context, to, bytes);
}

/* A renamed file would have another nonce. */
static int refuse_rename(void *context, const char *from, const char *to)
{
	(void)context;
	(void)from;
	(void)to;
	return -ENOTSUP;
}

static int refuse_size(void *context, int fd, uint64_t bytes)
{
	(void)context;
	(void)fd;
	(void)bytes;
	return -ENOTSUP;
}

enum atr_status scratch_open(const struct atr_file_table *files, struct scratch **out,
                             const struct atr_file_table **table, struct atr_error *err)
{
	struct scratch *s = calloc(1, sizeof *s);

	*out = NULL;
	*table = NULL;
	if (s == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory");
	s->files = files;
	for (size_t i = 0; i < OPEN_MAX_FILES; i++)
		s->open[i].fd = -1;
	s->table = (struct atr_file_table){
	        .context = s,
	        .open = open_file,
	        .close = close_file,
	        .pread = read_file,
	        .pwrite = write_file,
	        .sync = sync_file,
	        .truncate = refuse_size,
	        .allocate = refuse_size,
	        .stat = stat_path,
	        .rename = refuse_rename,
	        .unlink = unlink_path,
	        .mkdir = make_path,
	        .rmdir = remove_path,
	        .list = list_path,
	        .lock = lock_file,
	        .realtime_ns = realtime_ns,
	        .monotonic_ns = monotonic_ns,
	        .random = random_bytes,
	};
	s->key = atr_secret_alloc(ATR_CIPHER_KEY_BYTES);
	if (s->key == NULL || files->random(files->context, s->key, ATR_CIPHER_KEY_BYTES) < 0) {
		enum atr_status rc = s->key == NULL ? ATR_ENOMEM : ATR_ERANDOM;

		scratch_close(s);
		return atr_error_set(err, rc, NULL, -1, "%s", atr_status_text(rc));
	}
	*out = s;
	*table = &s->table;
	return ATR_OK;
}

void scratch_close(struct scratch *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < OPEN_MAX_FILES; i++)
		atr_keystream_free(s->open[i].stream);
	atr_secret_free(s->key);
	free(s);
}
