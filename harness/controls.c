/* controls.c - see controls.h. */
#include "harness/controls.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ciphers/secret.h"

#define SOME_SEQUENCES     8
#define CANARY_NEEDLES_MAX 4
#define CANARY_BYTES_MIN   6 /* shorter ones would turn up in ciphertext by chance */
#define CANARY_BYTES_MAX   64
#define SCAN_BYTES         (1024 * 1024)

typedef unsigned long long ull; /* for messages */

/* ---- reading back ---- */

/* The streams' messages together must be as many as were published, numbered without a gap, less
 * what was removed. */
static int check_counts(const struct target *target, const struct generator *g,
                        const struct workload *w, struct target_place *place, uint64_t expected,
                        struct target_error *error)
{
	uint64_t messages = 0, last = 0, live = expected - generator_gone(g);

	for (uint32_t s = 0; s < w->streams; s++) {
		struct target_state state;
		if (target->state(place, s, &state, error) != 0)
			return -1;
		messages += state.messages;
		last += state.last_sequence;
	}
	if (messages == live && last == expected)
		return 0;
	return target_fail(error, TARGET_VERIFY,
	                   "the store has %llu messages up to sequence %llu, expected %llu up to "
	                   "%llu",
	                   (ull)messages, (ull)last, (ull)live, (ull)expected);
}

static int read_stream(const struct target *target, const struct generator *g,
                       struct target_place *place, uint32_t stream, uint64_t *checked,
                       struct target_error *error)
{
	struct target_reader *reader = NULL;
	struct target_message m;
	struct target_state state;
	uint64_t sequence = 1, live;
	int rc;

	if (target->state(place, stream, &state, error) != 0 ||
	    target->reader_open(place, stream, &reader, error) != 0)
		return -1;
	while ((rc = target->next(reader, sequence, &m, error)) == 0) {
		live = generator_live(g, sequence, state.last_sequence);
		if (live == UINT64_MAX) {
			rc = target_fail(error, TARGET_VERIFY,
			                 "stream %u: sequence %llu is there, expected none from "
			                 "%llu on",
			                 stream + 1, (ull)m.sequence, (ull)sequence);
			break;
		}
		sequence = live;
		rc = generator_check(g, stream, sequence, &m, error);
		if (rc != 0)
			break;
		++*checked;
		sequence++;
	}
	target->reader_close(reader);
	if (rc < 0)
		return -1;
	if (generator_live(g, sequence, state.last_sequence) == UINT64_MAX)
		return 0;
	return target_fail(error, TARGET_VERIFY,
	                   "stream %u: reading ended after sequence %llu, expected %llu",
	                   stream + 1, (ull)(sequence - 1), (ull)state.last_sequence);
}

int controls_read_all(const struct target *target, const struct generator *g,
                      const struct workload *w, struct target_place *place, uint64_t expected,
                      uint64_t *checked, struct target_error *error)
{
	if (check_counts(target, g, w, place, expected, error) != 0)
		return -1;
	for (uint32_t s = 0; s < w->streams; s++)
		if (read_stream(target, g, place, s, checked, error) != 0)
			return -1;
	return 0;
}

static int read_some_of(const struct target *target, const struct generator *g,
                        struct target_place *place, uint32_t stream, uint64_t *checked,
                        struct target_error *error)
{
	struct target_reader *reader = NULL;
	struct target_message m;
	struct target_state state;
	int rc = 0;

	if (target->state(place, stream, &state, error) != 0)
		return -1;
	if (state.last_sequence == 0)
		return 0;
	if (target->reader_open(place, stream, &reader, error) != 0)
		return -1;
	for (uint64_t i = 0; rc == 0 && i < SOME_SEQUENCES; i++) {
		/* From the first to the last, evenly. */
		uint64_t sequence = 1 + i * (state.last_sequence - 1) / (SOME_SEQUENCES - 1);
		rc = target->get(reader, sequence, &m, error);
		if (rc == 0)
			rc = generator_check(g, stream, sequence, &m, error);
		if (rc == 0)
			++*checked;
	}
	target->reader_close(reader);
	return rc;
}

int controls_read_some(const struct target *target, const struct generator *g,
                       const struct workload *w, struct target_place *place, uint64_t expected,
                       uint64_t *checked, struct target_error *error)
{
	if (check_counts(target, g, w, place, expected, error) != 0)
		return -1;
	for (uint32_t s = 0; s < w->streams; s++)
		if (read_some_of(target, g, place, s, checked, error) != 0)
			return -1;
	return 0;
}

/* ---- canary ---- */

struct needle {
	const uint8_t *bytes;
	size_t count;
	const char *what;
	int subject;
	int found;
};

struct scan {
	struct needle needles[CANARY_NEEDLES_MAX];
	size_t needle_count;
	int enciphered;
	int subjects_clear; /* in the file at hand */
	uint8_t *buffer;    /* what may be the start of a needle, then SCAN_BYTES */
	struct target_error *error;
};

/* nftw takes no argument. */
static _Thread_local struct scan *current_scan;

static void add_needle(struct scan *s, const void *bytes, size_t count, const char *what,
                       int subject)
{
	if (count < CANARY_BYTES_MIN)
		return;
	if (count > CANARY_BYTES_MAX)
		count = CANARY_BYTES_MAX;
	s->needles[s->needle_count++] =
	        (struct needle){.bytes = bytes, .count = count, .what = what, .subject = subject};
}

static int all_found(const struct scan *s)
{
	for (size_t i = 0; i < s->needle_count; i++)
		if (!s->needles[i].found)
			return 0;
	return 1;
}

static int scan_fd(struct scan *s, int fd, const char *path)
{
	size_t kept = 0;
	uint64_t offset = 0;
	ssize_t n;

	while ((n = read(fd, s->buffer + kept, SCAN_BYTES)) > 0) {
		size_t have = kept + (size_t)n;
		for (size_t i = 0; i < s->needle_count; i++) {
			struct needle *needle = &s->needles[i];
			const uint8_t *at;
			if (needle->found)
				continue;
			at = memmem(s->buffer, have, needle->bytes, needle->count);
			if (at == NULL || (s->subjects_clear && needle->subject))
				continue;
			needle->found = 1;
			if (s->enciphered)
				return target_fail(s->error, TARGET_VERIFY,
				                   "clear text on disk: the %s stands at %s:%llu",
				                   needle->what, path,
				                   (ull)(offset + (uint64_t)(at - s->buffer)));
		}
		if (!s->enciphered && all_found(s))
			return 0;
		kept = have < CANARY_BYTES_MAX - 1 ? have : CANARY_BYTES_MAX - 1;
		memmove(s->buffer, s->buffer + have - kept, kept);
		offset += have - kept;
	}
	if (n < 0)
		return target_fail(s->error, TARGET_FAILED, "%s: %s", path, strerror(errno));
	return 0;
}

static int scan_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	struct scan *s = current_scan;
	const char *extension;
	int fd, rc;

	(void)st;
	(void)at;
	if (type == FTW_D || type == FTW_SL || (!s->enciphered && all_found(s)))
		return 0;
	/* Servers before 2.10 list the subjects of each block there, enciphered or not. */
	extension = strrchr(path, '.');
	s->subjects_clear = extension != NULL && strcmp(extension, ".fss") == 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return target_fail(s->error, TARGET_FAILED, "%s: %s", path, strerror(errno));
	rc = scan_fd(s, fd, path);
	close(fd);
	return rc;
}

int controls_canary(const struct generator *g, const char *directory, int enciphered,
                    struct target_error *error)
{
	struct scan s = {.enciphered = enciphered, .error = error};
	struct target_message m;
	uint64_t op = UINT64_MAX, first = 1;
	uint32_t stream = 0;
	int rc;

	if (generator_gone(g) > 0)
		first = generator_live(g, 1, generator_filled(g, 0));
	/* When all were removed no message has to be there. */
	if (first == UINT64_MAX && !enciphered)
		return 0;
	if (first == UINT64_MAX)
		first = 1;
	/* A publisher that came late may have left its stream empty. */
	while (stream < generator_streams(g) &&
	       (op = generator_op_of(g, stream, first)) == UINT64_MAX)
		stream++;
	if (op == UINT64_MAX)
		return target_fail(error, TARGET_FAILED, "no message to look for in the files");
	generator_message(g, stream, op, &m);
	add_needle(&s, m.payload, m.payload_bytes, "first payload", 0);
	add_needle(&s, m.headers, m.headers_bytes, "first header block", 0);
	add_needle(&s, m.subject, m.subject_bytes, "first subject", 1);
	if (s.needle_count == 0)
		return target_fail(
		        error, TARGET_FAILED,
		        "nothing to look for in the files: subject and payload of the first "
		        "message have less than %d bytes",
		        CANARY_BYTES_MIN);
	s.buffer = malloc(SCAN_BYTES + CANARY_BYTES_MAX);
	if (s.buffer == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	current_scan = &s;
	rc = nftw(directory, scan_entry, 16, FTW_PHYS);
	current_scan = NULL;
	free(s.buffer);
	if (rc != 0 && error->text[0] == '\0')
		return target_fail(error, TARGET_FAILED, "%s: %s", directory, strerror(errno));
	for (size_t i = 0; rc == 0 && !enciphered && i < s.needle_count; i++)
		if (!s.needles[i].found)
			rc = target_fail(error, TARGET_VERIFY,
			                 "%s: the %s is nowhere in the files of a plaintext store",
			                 directory, s.needles[i].what);
	return rc;
}

/* ---- all of it ---- */

static int refuses_wrong_key(const struct target *target, const struct target_options *options,
                             const char *directory, struct target_error *error)
{
	struct target_options wrong = *options;
	struct target_place *place = NULL;
	struct target_error why;
	uint8_t *key = atr_secret_alloc(options->key_bytes);
	int rc;

	if (key == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	memcpy(key, options->key, options->key_bytes);
	key[options->key_bytes / 2] ^= 1;
	wrong.key = key;
	wrong.use = TARGET_CHECK;
	if (target->open(&wrong, directory, &place, &why) == 0) {
		rc = target_fail(error, TARGET_VERIFY, "%s opens with a wrong key", directory);
		target->close(place, 0, &why);
	} else if (why.fault != TARGET_WRONG_KEY) {
		rc = target_fail(error, TARGET_VERIFY, "a wrong key is answered with: %.400s",
		                 why.text);
	} else {
		rc = 0;
	}
	atr_secret_free(key);
	return rc;
}

int controls_read_closed(const struct target *target, const struct target_options *options,
                         const char *directory, uint64_t expected, uint64_t *checked,
                         struct target_error *error)
{
	struct target_options check = *options;
	struct target_place *place = NULL;
	struct target_error why;
	int rc;

	check.use = TARGET_CHECK;
	error->text[0] = '\0';
	if (target->open(&check, directory, &place, error) != 0)
		return -1;
	rc = controls_read_all(target, options->generator, options->workload, place, expected,
	                       checked, error);
	if (target->close(place, 0, &why) != 0 && rc == 0) {
		*error = why;
		rc = -1;
	}
	return rc;
}

int controls_store(const struct target *target, const struct target_options *options,
                   const char *directory, uint64_t expected, uint64_t *checked,
                   struct target_error *error)
{
	int enciphered = strcmp(options->cipher, "none") != 0;
	int rc = controls_read_closed(target, options, directory, expected, checked, error);

	if (rc == 0 && target->stores)
		rc = controls_canary(options->generator, directory, enciphered, error);
	if (rc == 0 && target->stores && enciphered)
		rc = refuses_wrong_key(target, options, directory, error);
	return rc;
}
