/* audit.c - the strength of the key, and what the opened stream shows. */
#include "store/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *atr_severity_text(enum atr_severity severity)
{
	static const char *const texts[] = {"info", "warn", "high"};

	return texts[severity];
}

void audit_group_add(struct audit_group *group, const char *path, uint64_t bytes)
{
	if (group->files++ == 0)
		(void)snprintf(group->path, sizeof group->path, "%s", path);
	group->bytes += bytes;
}

void audit_tell(struct audit *a, const struct audit_kind *kind, const struct audit_group *group,
                const char *evidence, ...)
{
	struct atr_audit_finding finding = {
	        .severity = kind->severity,
	        .id = kind->id,
	        .path = group->path,
	        .files = group->files,
	        .bytes = group->bytes,
	        .consequence = kind->consequence,
	        .remedy = kind->remedy,
	};
	char text[1024];
	va_list args;

	if (group->files == 0)
		return;
	va_start(args, evidence);
	(void)vsnprintf(text, sizeof text, evidence, args);
	va_end(args);
	finding.evidence = text;
	a->options->each(a->options->arg, &finding);
}

int audit_path(char path[PATH_MAX], const char *dir, const char *name)
{
	return snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX;
}

/* ---- the key ---- */

/* What one character out of its kind is worth, when nothing else is known. */
static double bits_of_classes(const uint8_t *key, size_t key_bytes)
{
	int lower = 0, upper = 0, digit = 0, other = 0, binary = 0;
	uint8_t seen[256] = {0};
	size_t distinct = 0;
	double per_character;

	for (size_t i = 0; i < key_bytes; i++) {
		uint8_t c = key[i];

		distinct += seen[c]++ == 0;
		lower |= c >= 'a' && c <= 'z';
		upper |= c >= 'A' && c <= 'Z';
		digit |= c >= '0' && c <= '9';
		binary |= c < 0x20 || c > 0x7e;
		other |= c >= 0x20 && c <= 0x7e && !(c >= 'a' && c <= 'z') &&
		         !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9');
	}
	per_character = log2(
	        (double)(26 * lower + 26 * upper + 10 * digit + 33 * other + (binary ? 161 : 0)) +
	        1e-9);
	/* few different characters: a repetition, whatever their kind */
	if (log2((double)distinct + 1) < per_character)
		per_character = log2((double)distinct + 1);
	return per_character * (double)key_bytes;
}

static int is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* As words: a run of letters in one case (or with a first capital) is one of some 8000 words and
 * spellings, whatever its length; a digit one of ten; a separator one of 33. -1: not like words. */
static double bits_of_words(const uint8_t *key, size_t key_bytes)
{
	double bits = 0;
	size_t in_words = 0;

	for (size_t i = 0; i < key_bytes;) {
		size_t n = 0;

		if (!is_letter(key[i])) {
			if (key[i] < 0x20 || key[i] > 0x7e)
				return -1;
			bits += key[i] >= '0' && key[i] <= '9' ? 3.33 : 5.05;
			i++;
			continue;
		}
		for (n = 1; i + n < key_bytes && is_letter(key[i + n]); n++)
			if ((key[i + n] < 'a') != (key[i + n - 1] < 'a') &&
			    (n > 1 || key[i + n] < 'a'))
				break; /* the case changes inside: another word */
		bits += n < 3 ? 4.7 * (double)n : 13;
		in_words += n >= 3 ? n : 0;
		i += n;
	}
	return in_words * 5 >= key_bytes * 2 ? bits : -1;
}

double atr_audit_key_bits(const uint8_t *key, size_t key_bytes, int *words)
{
	double classes, as_words;

	*words = 0;
	if (key == NULL || key_bytes == 0)
		return 0;
	classes = bits_of_classes(key, key_bytes);
	as_words = bits_of_words(key, key_bytes);
	if (as_words >= 0 && as_words < classes) {
		*words = 1;
		return as_words;
	}
	return classes;
}

static void audit_key(struct audit *a)
{
	static const struct audit_kind guessable = {
	        ATR_SEVERITY_HIGH, "weak-key",
	        "the key is not stretched: whoever has one key file tries guesses offline, at one "
	        "HMAC-SHA-256 and one AEAD opening each",
	        "make 32 random bytes (openssl rand -base64 32) the key and convert the stream"};
	static const struct audit_kind short_of_full = {
	        ATR_SEVERITY_WARN, "weak-key",
	        "guesses are tried offline against any key file; the key is the only secret of "
	        "the whole store",
	        "make 32 random bytes (openssl rand -base64 32) the key and convert the stream"};
	const struct atr_audit_options *o = a->options;
	struct audit_group group = {.files = 0};
	char path[PATH_MAX];
	int words;
	double bits;

	if (o->key == NULL || !a->encrypted || !audit_path(path, a->dir, "meta.key"))
		return;
	bits = atr_audit_key_bits(o->key, o->key_bytes, &words);
	if (bits >= 112)
		return;
	audit_group_add(&group, path, 0);
	audit_tell(a, bits < 70 ? &guessable : &short_of_full, &group,
	           "the server key has %zu bytes%s: about %.0f bits at most", o->key_bytes,
	           words ? " and looks like words" : "", bits);
}

/* ---- the opened stream ---- */

/* Records of messages that do not live any more. */
static enum atr_status audit_deleted(struct audit *a, struct atr_error *err)
{
	static const struct audit_kind kind = {
	        ATR_SEVERITY_WARN, "deleted-but-present",
	        "whoever has the key reads them; servers do not erase under a cipher either, also "
	        "when asked to",
	        "atrest stream convert rewrites every block with its live messages only"};
	struct atr_inspect *in = a->in;
	struct atr_record record;
	enum atr_status rc;
	char path[PATH_MAX];
	int readable;

	for (size_t i = 0; i < in->block_count; i++) {
		struct survey_block *b = &in->block[i];
		struct audit_group group = {.files = 0};
		uint64_t count = 0, bytes = 0, first = 0, last = 0;

		rc = scan_open(in, &in->scan, b, &readable, err);
		if (rc != ATR_OK)
			return rc;
		if (!readable)
			continue;
		while ((rc = scan_next(in, &in->scan, &record, NULL, err)) == ATR_OK) {
			uint64_t sequence = record.message.sequence;

			if (record.kind != ATR_RECORD_MESSAGE ||
			    (sequence >= b->first_seq && sequence <= b->last_seq &&
			     atr_seqset_has(&in->live, sequence)))
				continue;
			if (count++ == 0)
				first = sequence;
			last = sequence;
			bytes += record.record_bytes;
		}
		if (rc != ATR_END)
			return rc;
		if (count == 0)
			continue;
		survey_block_path(in, b->number, "blk", path, sizeof path);
		audit_group_add(&group, path, bytes);
		audit_tell(a, &kind, &group,
		           "%" PRIu64 " deleted messages with %" PRIu64
		           " bytes are still in the block, among sequences %" PRIu64 " to %" PRIu64,
		           count, bytes, first, last);
	}
	return ATR_OK;
}

static enum atr_status audit_keys(struct audit *a, struct atr_error *err)
{
	static const struct audit_kind previous = {
	        ATR_SEVERITY_WARN, "previous-key",
	        "whoever knows the previous key still reads them; without it in the configuration "
	        "a server cannot",
	        "atrest stream convert --prev-key-file rotates all of it"};
	static const struct audit_kind mixed = {
	        ATR_SEVERITY_INFO, "mixed-ciphers",
	        "blocks that were written before a change keep the cipher of their time",
	        "atrest stream convert --cipher puts all blocks under one"};
	struct audit_group old = {.files = 0}, others = {.files = 0};
	const char *cipher;
	char path[PATH_MAX];
	enum atr_status rc = atr_inspect_open_keys(a->in, err);

	if (rc != ATR_OK)
		return rc;
	cipher = a->in->meta->encrypted && !a->in->meta_is_lost
	                 ? atr_cipher_name(a->in->meta->seed.cipher)
	                 : "none";
	for (size_t i = 0; i < a->in->block_count; i++) {
		const struct survey_block *b = &a->in->block[i];

		survey_block_path(a->in, b->number, b->has_key ? "key" : "blk", path, sizeof path);
		if (b->under_prev_key)
			audit_group_add(&old, path, b->file_bytes);
		if (strcmp(b->cipher, "?") != 0 && strcmp(b->cipher, "none") != 0 &&
		    strcmp(b->cipher, cipher) != 0)
			audit_group_add(&others, path, b->file_bytes);
	}
	audit_tell(a, &previous, &old, "%" PRIu64 " blocks open with the previous key only",
	           old.files);
	audit_tell(a, &mixed, &others,
	           "%" PRIu64 " blocks are under another cipher than %s, which meta.key has",
	           others.files, cipher);
	return ATR_OK;
}

static enum atr_status audit_consumers(struct audit *a, struct atr_error *err)
{
	static const struct audit_kind previous = {
	        ATR_SEVERITY_HIGH, "consumer-other-key",
	        "servers convert streams when a key is rotated, but never consumers: they do not "
	        "recover this one under the new key",
	        "atrest stream convert --prev-key-file converts consumers too"};
	static const struct audit_kind clear = {
	        ATR_SEVERITY_WARN, "clear-consumer",
	        "its configuration (filter subjects, delivery subject) and its position are "
	        "readable",
	        "atrest stream convert --cipher encrypts it"};
	struct audit_group old = {.files = 0}, unsealed = {.files = 0};
	struct atr_inspect_consumer c;
	char path[PATH_MAX];
	enum atr_status rc;

	for (size_t i = 0; i < a->in->consumer_count; i++) {
		rc = atr_inspect_consumer(a->in, i, &c, err);
		if (rc == ATR_ENOMEM || rc == ATR_EMFILE)
			return rc;
		if (snprintf(path, sizeof path, "%s/obs/%s/meta.key", a->dir, c.name) >=
		    (int)sizeof path)
			continue;
		if (rc == ATR_EAUTH || (rc == ATR_OK && c.under_prev_key))
			audit_group_add(&old, path, 0);
		if (rc == ATR_OK && a->encrypted && strcmp(c.cipher, "none") == 0)
			audit_group_add(&unsealed, path, 0);
	}
	audit_tell(a, &previous, &old, "%" PRIu64 " consumer%s not under the current key",
	           old.files, old.files == 1 ? " is" : "s are");
	audit_tell(a, &clear, &unsealed, "%" PRIu64 " consumer%s without a key file",
	           unsealed.files, unsealed.files == 1 ? " is" : "s are");
	return ATR_OK;
}

enum atr_status atr_audit(const char *dir, struct atr_inspect *in,
                          const struct atr_audit_options *options, struct atr_error *err)
{
	struct audit a = {
	        .files = options->files != NULL ? options->files : &atr_file_real,
	        .options = options,
	        .dir = dir,
	        .in = in,
	};
	const char *slash = strrchr(dir, '/');
	struct atr_error ignored;
	enum atr_status rc;

	if (err == NULL)
		err = &ignored;
	(void)snprintf(a.stream, sizeof a.stream, "%s",
	               options->stream != NULL ? options->stream
	               : slash != NULL         ? slash + 1
	                                       : dir);
	rc = audit_files(&a, err);
	if (rc == ATR_OK)
		audit_key(&a);
	if (rc == ATR_OK && options->against != NULL)
		rc = audit_images(&a, err);
	if (rc == ATR_OK && in != NULL)
		rc = audit_keys(&a, err);
	if (rc == ATR_OK && in != NULL)
		rc = audit_consumers(&a, err);
	if (rc == ATR_OK && in != NULL)
		rc = audit_deleted(&a, err);
	for (size_t i = 0; i < a.consumer_count; i++)
		free(a.consumer[i]);
	free(a.consumer);
	free(a.block);
	return rc;
}
