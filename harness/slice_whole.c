/* slice_whole.c - operations on whole streams: what they find, the call that is timed, what becomes
 * of their files.
 */
#include "harness/slice_inner.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ciphers/secret.h"
#include "harness/controls.h"
#include "harness/measure/filesystem.h"

/* The other way to encipher; plaintext has none. */
static const char *other_cipher(const char *cipher)
{
	if (strcmp(cipher, "none") == 0)
		return "none";
	return strcmp(cipher, "aes") == 0 ? "chachapoly" : "aes";
}

static int previous_key_make(struct session *s, struct target_error *error)
{
	size_t bytes = s->options.key_bytes;

	s->previous_key = atr_secret_alloc(bytes);
	if (s->previous_key == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	/* The key that controls_store tries: it must be of no use afterwards. */
	memcpy(s->previous_key, s->options.key, bytes);
	s->previous_key[bytes / 2] ^= 1;
	s->before.key = s->previous_key;
	return 0;
}

int whole_open(struct session *s, struct target_error *error)
{
	const struct workload *w = &s->setup.workload;

	s->before = s->options;
	/* A snapshot is plaintext, whatever it is of. */
	if (w->operation == WORKLOAD_RESTORE)
		s->before.cipher = "none";
	if (w->operation == WORKLOAD_CONVERT && w->convert == WORKLOAD_CONVERT_ENCRYPT)
		s->before.cipher = "none";
	if (w->operation == WORKLOAD_CONVERT && w->convert == WORKLOAD_CONVERT_CIPHER)
		s->before.cipher = other_cipher(s->options.cipher);
	/* A provider is one of the arm's cipher. */
	if (strcmp(s->before.cipher, s->options.cipher) != 0)
		s->before.provider = NULL;
	if (w->operation != WORKLOAD_CONVERT || w->convert != WORKLOAD_CONVERT_ROTATE ||
	    strcmp(s->options.cipher, "none") == 0)
		return 0;
	return previous_key_make(s, error);
}

void whole_close(struct session *s)
{
	if (s->source[0] != '\0')
		(void)filesystem_truncate_tree(s->source);
	atr_secret_free(s->previous_key);
}

/* "<directory><suffix>" for streams' stores and snapshots beside the slice's own. */
static int path_beside(const char *directory, const char *suffix, char path[4096],
                       struct target_error *error)
{
	if ((size_t)snprintf(path, 4096, "%s%s", directory, suffix) < 4096)
		return 0;
	return target_fail(error, TARGET_USAGE, "%s: path too long", directory);
}

/* The snapshots are the same for every slice of a session: made once, from a store that is then
 * given up. */
static int source_make(struct session *s, const char *directory, struct target_error *error)
{
	char store[4096];

	if (s->source[0] != '\0')
		return 0;
	if (path_beside(directory, ".source", store, error) != 0 ||
	    path_beside(directory, ".snapshot", s->source, error) != 0 ||
	    slice_fill(s, &s->before, store, error) != 0 ||
	    s->target->snapshot(&s->before, store, s->source, error) != 0) {
		s->source[0] = '\0';
		return -1;
	}
	if (s->target->stores)
		(void)filesystem_truncate_tree(store);
	return 0;
}

int whole_before(struct session *s, const char *directory, struct target_error *error)
{
	if (s->setup.workload.operation == WORKLOAD_RESTORE)
		return source_make(s, directory, error);
	return slice_fill(s, &s->before, directory, error);
}

/* Opened, as many messages as there must be; closed by the next call, or after the slice. Nothing
 * was changed, so that closing has nothing to wait for. */
static int open_call(struct slice *slice, struct target_error *error)
{
	struct session *s = slice->session;
	struct target_place *before = slice->place;
	struct target_state state;

	slice_owner_cpu(slice, &slice->cpu_ended);
	slice->place = NULL;
	if (s->target->close(before, 0, error) != 0 ||
	    s->target->open(&s->options, slice->order->directory, &slice->place, error) != 0)
		return -1;
	for (uint32_t i = 0; i < s->setup.workload.streams; i++) {
		uint64_t filled = generator_filled(s->generator, i);
		if (s->target->state(slice->place, i, &state, error) != 0)
			return -1;
		if (state.messages != filled || state.last_sequence != filled)
			return target_fail(
			        error, TARGET_VERIFY,
			        "stream %u opened with %llu messages up to sequence %llu, expected "
			        "%llu",
			        i + 1, (unsigned long long)state.messages,
			        (unsigned long long)state.last_sequence,
			        (unsigned long long)filled);
	}
	return 0;
}

int whole_call(struct slice *slice, struct target_error *error)
{
	struct session *s = slice->session;
	const char *directory = slice->order->directory;
	char file[4096];

	switch (s->setup.workload.operation) {
	case WORKLOAD_PURGE:
		return s->target->purge(slice->place, error);
	case WORKLOAD_OPEN:
		return open_call(slice, error);
	case WORKLOAD_CONVERT:
		return s->target->convert(&s->before, &s->options, directory, error);
	case WORKLOAD_SNAPSHOT:
		if (path_beside(directory, ".snapshot", file, error) != 0)
			return -1;
		return s->target->snapshot(&s->options, directory, file, error);
	case WORKLOAD_RESTORE:
		return s->target->restore(&s->options, s->source, directory, error);
	default:
		return target_fail(error, TARGET_USAGE, "not an operation on whole streams");
	}
}

/* Restored beside the store it is of, and compared in full. */
static int snapshot_try(struct session *s, const char *directory, const char *file,
                        uint64_t *checked, struct target_error *error)
{
	char restored[4096];
	int rc;

	if (path_beside(directory, ".restored", restored, error) != 0)
		return -1;
	rc = s->target->restore(&s->options, file, restored, error);
	if (rc == 0)
		rc = controls_read_closed(s->target, &s->options, restored,
		                          s->setup.workload.fill_messages, checked, error);
	(void)filesystem_truncate_tree(restored);
	return rc;
}

int whole_after(struct slice *slice, uint64_t *checked, struct target_error *error)
{
	struct session *s = slice->session;
	const char *directory = slice->order->directory;
	char file[4096];

	if (!s->target->stores)
		return 0;
	if (s->setup.workload.operation == WORKLOAD_CONVERT)
		return s->target->is_under(&s->options, directory, error);
	if (s->setup.workload.operation != WORKLOAD_SNAPSHOT)
		return 0;
	if (path_beside(directory, ".snapshot", file, error) != 0)
		return -1;
	if (slice->order->control)
		return snapshot_try(s, directory, file, checked, error);
	return 0;
}
