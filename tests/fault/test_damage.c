/* test_damage.c - every single bit flipped (in some one of each byte) and every truncation of every
 * file of seven stores that servers wrote, read in process: what is returned was stored, and what
 * changed is named.
 *
 * Each damaged store ends in one class:
 *   named         a finding (or the refusal to open) names the file that was changed
 *   counted       the subject length of a live record turned its subject into another one that the
 *                 state file lists: the numbers per subject differ and that is named, but which of
 *                 the subject's messages it is cannot be told
 *   immaterial    nothing is different: the file is one that no reader needs, or the record is
 *                 deleted and only its unhashed lengths changed
 *   undetectable  something is different, but the format has no check that would show it: the
 *                 subject length or header length of a live record, and the state files of clear
 *                 streams (idx, o.dat), which have no checksum
 * Anything else fails the test: a message that was never stored, or a silent difference.
 */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/block.h"
#include "store/hash.h"
#include "store/inspect.h"
#include "tests/fault/overlay.h"

#define MESSAGES_MAX  256
#define CONSUMERS_MAX 8

/* What reading a store gives, small enough to compare. */
struct outcome {
	enum atr_status open_status;
	char open_path[1024];
	uint64_t config;                /* hash of the configuration, names and Created */
	uint64_t message[MESSAGES_MAX]; /* hash of all parts of a message */
	int maybe_deleted[MESSAGES_MAX];
	size_t message_count;
	uint64_t consumer[CONSUMERS_MAX];
	size_t consumer_count;
	struct atr_inspect_state state;
	size_t findings;      /* notes apart */
	size_t dump_findings; /* those that a dump makes; verify is asked when there are none */
	size_t naming;        /* of these, which name the changed file */
	size_t notes;
};

enum class { NAMED, COUNTED, IMMATERIAL, UNDETECTABLE, CLASSES };

struct tally {
	size_t count[CLASSES];
	size_t deleted_record; /* of the immaterial ones */
	size_t clear_state;    /* of the undetectable ones */
};

struct subject {
	struct overlay overlay;
	char dir[4096], account[256], stream[256];
	uint8_t key[64];
	size_t key_bytes;
	int encrypted;
	struct atr_hash_key digest;
	struct outcome healthy;
	uint64_t stored[MESSAGES_MAX]; /* every message record, deleted ones too */
	size_t stored_count;
	const char *changed; /* path of the file that is changed now */
	struct outcome *now;
};

static uint64_t digest(const struct atr_hash_key *key, uint64_t seed, const void *data,
                       size_t bytes)
{
	uint8_t *joined = malloc(bytes + 16);
	uint64_t h;

	memcpy(joined, &seed, 8);
	memcpy(joined + 8, &bytes, 8);
	if (bytes > 0)
		memcpy(joined + 16, data, bytes);
	h = atr_hash64(key, joined, bytes + 16);
	free(joined);
	return h;
}

static uint64_t digest_message(const struct atr_hash_key *key, const struct atr_message *m)
{
	uint64_t h = digest(key, m->sequence, &m->time_ns, sizeof m->time_ns);

	h = digest(key, h, m->subject, m->subject_bytes);
	h = digest(key, h, m->headers, m->headers_bytes);
	return digest(key, h, m->payload, m->payload_bytes);
}

/* Whether a finding names the changed file: its path, to the letter. Two files say what another one
 * lacks, as no other place can: the state file (of the block, or index.db) that goes up to a later
 * sequence than a block that was cut or lists other subjects than it has, and the checksum in
 * meta.sum for the meta.inf beside it. */
static int names(const struct atr_finding *f, const char *changed)
{
	const char *slash = strrchr(changed, '/'), *dot = strrchr(changed, '.');
	size_t dir_bytes = (size_t)(slash - changed) + 1, stem_bytes = (size_t)(dot - changed);

	if (strcmp(f->path, changed) == 0)
		return 1;
	if (strncmp(f->path, changed, dir_bytes) != 0)
		return 0;
	if (strcmp(dot, ".blk") == 0 && strcmp(f->path + dir_bytes, "index.db") != 0 &&
	    (strncmp(f->path, changed, stem_bytes) != 0 || f->path[stem_bytes] != '.'))
		return 0;
	if (strcmp(dot, ".blk") == 0)
		return strstr(f->text, "does not fit, not used: ") != NULL ||
		       strncmp(f->text, "subject '", 9) == 0;
	return strcmp(slash, "/meta.inf") == 0 && strcmp(f->path + dir_bytes, "meta.sum") == 0;
}

static void take_finding(void *arg, const struct atr_finding *f)
{
	struct subject *s = arg;

	if (f->kind == ATR_FINDING_NOTE) {
		s->now->notes++;
		return;
	}
	s->now->findings++;
	if (s->changed != NULL && names(f, s->changed))
		s->now->naming++;
}

static void read_store(struct subject *s, struct outcome *out)
{
	struct atr_inspect_options options = {
	        .files = &s->overlay.table,
	        .account = s->account,
	        .stream = s->stream,
	        .key = s->key_bytes > 0 ? s->key : NULL,
	        .key_bytes = s->key_bytes,
	        .finding = take_finding,
	        .finding_arg = s,
	};
	struct atr_verify_options promise = {0};
	struct atr_inspect_consumer consumer;
	struct atr_inspect_message message;
	struct atr_inspect_stream stream;
	struct atr_verify_counts counts;
	struct atr_inspect *in;
	struct atr_error err = {0};
	enum atr_status rc;

	memset(out, 0, sizeof *out);
	s->now = out;
	out->open_status = atr_inspect_open(s->dir, &options, &in, &err);
	if (out->open_status != ATR_OK) {
		snprintf(out->open_path, sizeof out->open_path, "%s", err.path);
		assert_true(err.text[0] != '\0');
		return;
	}
	atr_inspect_stream(in, &stream);
	out->config = digest(&s->digest, 0, stream.config_json, strlen(stream.config_json));
	out->config = digest(&s->digest, out->config, stream.created, strlen(stream.created));
	out->config = digest(&s->digest, out->config, stream.cipher, strlen(stream.cipher));
	atr_inspect_state(in, &out->state);
	/* what a dump does */
	while ((rc = atr_inspect_next(in, &message, &err)) == ATR_OK) {
		assert_true(out->message_count < MESSAGES_MAX);
		out->message[out->message_count] = digest_message(&s->digest, &message.message);
		out->maybe_deleted[out->message_count++] = message.maybe_deleted;
	}
	assert_int_equal(rc, ATR_END);
	for (size_t i = 0; i < stream.consumers; i++) {
		assert_true(i < CONSUMERS_MAX);
		if (atr_inspect_consumer(in, i, &consumer, &err) != ATR_OK)
			continue;
		out->consumer[out->consumer_count++] = digest(
		        &s->digest, digest(&s->digest, 0, consumer.name, strlen(consumer.name)),
		        &consumer.delivered_consumer_seq,
		        sizeof consumer -
		                offsetof(struct atr_inspect_consumer, delivered_consumer_seq));
	}
	out->dump_findings = out->findings;
	if (out->findings == 0)
		assert_int_equal(atr_inspect_verify(in, &promise, &counts, &err), ATR_OK);
	atr_inspect_close(in);
}

static int contains(const uint64_t *list, size_t count, uint64_t value)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == value)
			return 1;
	return 0;
}

/* Every returned message was stored as it is; a deleted one says that it may be. */
static int is_right(const struct subject *s, const struct outcome *o)
{
	for (size_t i = 0; i < o->message_count; i++) {
		if (contains(s->healthy.message, s->healthy.message_count, o->message[i]))
			continue;
		if (!o->maybe_deleted[i] || !contains(s->stored, s->stored_count, o->message[i]))
			return 0;
	}
	return 1;
}

static int is_same(const struct outcome *a, const struct outcome *b)
{
	return a->open_status == b->open_status && a->config == b->config &&
	       a->message_count == b->message_count &&
	       memcmp(a->message, b->message, a->message_count * sizeof *a->message) == 0 &&
	       memcmp(a->maybe_deleted, b->maybe_deleted,
	              a->message_count * sizeof *a->maybe_deleted) == 0 &&
	       a->consumer_count == b->consumer_count &&
	       memcmp(a->consumer, b->consumer, a->consumer_count * sizeof *a->consumer) == 0 &&
	       memcmp(&a->state, &b->state, sizeof a->state) == 0;
}

/* ---- the lengths that no hash covers ---- */

struct lengths {
	struct {
		uint64_t subject, headers; /* offsets of the fields; headers 0 = none */
		int live;
	} at[MESSAGES_MAX];
	size_t count;
};

/* 1: byte `offset` of the block is an unhashed length of a live record, 2: of a deleted one. */
static int is_unhashed(const struct lengths *l, uint64_t offset)
{
	for (size_t i = 0; i < l->count; i++) {
		if ((offset >= l->at[i].subject && offset < l->at[i].subject + 2) ||
		    (l->at[i].headers != 0 && offset >= l->at[i].headers &&
		     offset < l->at[i].headers + 4))
			return l->at[i].live ? 1 : 2;
	}
	return 0;
}

/* All records of block 1: what was ever stored, and where the unhashed lengths are. */
static void walk_records(struct subject *s, struct lengths *l)
{
	struct atr_keyring ring = {s->key_bytes > 0 ? s->key : NULL, s->key_bytes, NULL, 0};
	char msgs[4200];
	struct atr_block_home home = {.files = &s->overlay.table,
	                              .msgs_path = msgs,
	                              .account = s->account,
	                              .stream = s->stream,
	                              .ring = &ring};
	struct atr_record r;
	struct atr_walk *walk;
	enum atr_status rc;

	memset(l, 0, sizeof *l);
	snprintf(msgs, sizeof msgs, "%s/msgs", s->dir);
	assert_int_equal(atr_walk_open(&home, 1, &walk, NULL), ATR_OK);
	while ((rc = atr_walk_next(walk, &r, NULL)) == ATR_OK) {
		uint64_t h = digest_message(&s->digest, &r.message);
		uint64_t offset = atr_walk_offset(walk);

		assert_true(l->count < MESSAGES_MAX && s->stored_count < MESSAGES_MAX);
		l->at[l->count].subject = offset + 20;
		if (r.message.headers_bytes > 0)
			l->at[l->count].headers = offset + 22 + r.message.subject_bytes;
		l->at[l->count++].live = contains(s->healthy.message, s->healthy.message_count, h);
		if (r.kind == ATR_RECORD_MESSAGE)
			s->stored[s->stored_count++] = h;
	}
	assert_int_equal(rc, ATR_END);
	atr_walk_close(walk);
}

/* ---- one damaged store ---- */

static int ends_with(const char *text, const char *end)
{
	return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static void judge(struct subject *s, const struct lengths *lengths, const char *what, size_t offset,
                  int bit, struct tally *tally)
{
	static struct outcome o;
	const char *path = s->changed + s->overlay.root_bytes;
	int same, unhashed = 0;

	read_store(s, &o);
	assert_int_equal(s->overlay.writes, 0);
	assert_int_equal(s->overlay.opened, 0);
	same = is_same(&o, &s->healthy);
	if (bit >= 0 && ends_with(path, ".blk"))
		unhashed = is_unhashed(lengths, offset);
	if (o.open_status != ATR_OK) {
		/* a store that does not open: named by one of its meta files */
		assert_true(o.open_status == ATR_EAUTH || o.open_status == ATR_EFORMAT);
		if (strncmp(path, "/meta.", 6) != 0 ||
		    strncmp(o.open_path, s->dir, strlen(s->dir)) != 0 ||
		    strncmp(o.open_path + strlen(s->dir), "/meta.", 6) != 0)
			fail_msg("%s of %s at %zu bit %d: refused for %s", what, path, offset, bit,
			         o.open_path);
		tally->count[NAMED]++;
		return;
	}
	if (o.findings > 0) {
		if (o.naming == 0)
			fail_msg("%s of %s at %zu bit %d: %zu findings, none names the file", what,
			         path, offset, bit, o.findings);
		if (o.dump_findings > 0 ? is_right(s, &o) : same)
			tally->count[NAMED]++;
		else if (unhashed == 1)
			tally->count[COUNTED]++;
		else
			fail_msg("%s of %s at %zu bit %d: a message that was not stored, or a "
			         "deleted one unmarked",
			         what, path, offset, bit);
		return;
	}
	if (same && (ends_with(path, ".fss") || ends_with(path, "thw.db") || unhashed == 2)) {
		tally->count[IMMATERIAL]++;
		tally->deleted_record += unhashed == 2;
		return;
	}
	if (!same && unhashed == 1) {
		tally->count[UNDETECTABLE]++;
		return;
	}
	if (!s->encrypted && (ends_with(path, ".idx") || ends_with(path, "o.dat"))) {
		/* no checksum; a changed time or count is as plausible as the right one */
		tally->count[UNDETECTABLE]++;
		tally->clear_state++;
		return;
	}
	fail_msg("%s of %s at %zu bit %d: %s, and nothing is said", what, path, offset, bit,
	         same ? "no difference seen" : "other contents");
}

/* every: each bit; else one bit of each byte, another one from byte to byte. */
static void flip_bits(struct subject *s, const struct lengths *l, int every, struct tally *tally)
{
	for (size_t f = 0; f < s->overlay.file_count; f++) {
		const struct overlay_file *file = &s->overlay.file[f];
		uint8_t *copy = malloc(file->bytes + 1);

		memcpy(copy, file->content, file->bytes);
		s->changed = file->path;
		overlay_replace(&s->overlay, f, copy, file->bytes);
		for (size_t i = 0; i < file->bytes; i++)
			for (int bit = 0; bit < 8; bit++) {
				if (!every && bit != (int)((i + 2) % 8))
					continue;
				copy[i] ^= (uint8_t)(1 << bit);
				judge(s, l, "flip", i, bit, tally);
				copy[i] ^= (uint8_t)(1 << bit);
			}
		overlay_restore(&s->overlay);
		free(copy);
	}
}

static void cut_at_every_byte(struct subject *s, const struct lengths *l, struct tally *tally)
{
	for (size_t f = 0; f < s->overlay.file_count; f++) {
		const struct overlay_file *file = &s->overlay.file[f];

		s->changed = file->path;
		for (size_t bytes = 0; bytes < file->bytes; bytes++) {
			/* a copy of that size: the sanitizer sees a read past it */
			uint8_t *copy = malloc(bytes);

			memcpy(copy, file->content, bytes);
			overlay_replace(&s->overlay, f, copy, bytes);
			judge(s, l, "cut", bytes, -1, tally);
			overlay_restore(&s->overlay);
			free(copy);
		}
	}
}

static void report(const char *name, const char *what, const struct tally *t)
{
	size_t all = 0;

	for (size_t i = 0; i < CLASSES; i++)
		all += t->count[i];
	print_message(
	        "%s, %s: %zu; %zu named, %zu counted, %zu immaterial (%zu in deleted records), "
	        "%zu undetectable by the format (%zu in unhashed lengths, %zu in clear state "
	        "files)\n",
	        name, what, all, t->count[NAMED], t->count[COUNTED], t->count[IMMATERIAL],
	        t->deleted_record, t->count[UNDETECTABLE], t->count[UNDETECTABLE] - t->clear_state,
	        t->clear_state);
}

/* How many flips end in the classes that are no proof; a check that goes missing changes them. */
struct expected {
	size_t counted, clear_state, deleted_record;
};

static void run_case(const char *name, const char *account, const char *stream, int every,
                     const struct expected *expected)
{
	static struct lengths lengths;
	struct subject *s = calloc(1, sizeof *s);
	struct tally flips = {0}, cuts = {0};
	char path[4096], line[4096];
	json_t *fixture;
	FILE *lines;

	snprintf(path, sizeof path, "%s/tests/fixtures/%s/expected.jsonl", ATREST_SOURCE_DIR, name);
	lines = fopen(path, "r");
	assert_non_null(lines);
	assert_non_null(fgets(line, sizeof line, lines));
	fclose(lines);
	fixture = json_loads(line, 0, NULL);
	assert_non_null(fixture);
	if (json_is_string(json_object_get(fixture, "key"))) {
		s->key_bytes = json_string_length(json_object_get(fixture, "key"));
		assert_true(s->key_bytes <= sizeof s->key);
		memcpy(s->key, json_string_value(json_object_get(fixture, "key")), s->key_bytes);
		s->encrypted = 1;
	}
	json_decref(fixture);
	snprintf(s->account, sizeof s->account, "%s", account);
	snprintf(s->stream, sizeof s->stream, "%s", stream);
	snprintf(s->dir, sizeof s->dir, "%s/tests/fixtures/%s/store/jetstream/%s/streams/%s",
	         ATREST_SOURCE_DIR, name, account, stream);
	assert_int_equal(overlay_load(&s->overlay, s->dir), 0);
	assert_int_equal(atr_hash_key_init(&s->digest, "digest"), 0);

	read_store(s, &s->healthy);
	assert_int_equal(s->healthy.open_status, ATR_OK);
	assert_int_equal(s->healthy.findings, 0);
	walk_records(s, &lengths);

	flip_bits(s, &lengths, every, &flips);
	report(name, "bits flipped", &flips);
	cut_at_every_byte(s, &lengths, &cuts);
	report(name, "truncations", &cuts);
	assert_true(flips.count[NAMED] > 0 && cuts.count[NAMED] > 0);
	assert_int_equal(flips.count[UNDETECTABLE] - flips.clear_state, 0);
	assert_int_equal(flips.count[COUNTED], expected->counted);
	assert_int_equal(flips.clear_state, expected->clear_state);
	assert_int_equal(flips.deleted_record, expected->deleted_record);
	overlay_free(&s->overlay);
	free(s);
}

static void old_aes_store_with_any_bit_flipped_or_cut(void **state)
{
	(void)state;
	run_case("nats-2.9.10/key-short-aes", "$G", "K", 1, &(struct expected){0});
}

static void old_chachapoly_workqueue_with_any_bit_flipped_or_cut(void **state)
{
	(void)state;
	run_case("nats-2.9.10/workqueue-chacha", "$G", "WQ", 1, &(struct expected){0});
}

static void new_aes_store_with_any_bit_flipped_or_cut(void **state)
{
	(void)state;
	run_case("nats-2.15.1/ttl-aes", "$G", "TTL", 1, &(struct expected){0});
}

static void old_store_with_interior_deletes_with_any_bit_flipped_or_cut(void **state)
{
	(void)state;
	run_case("nats-2.9.10/kv-aes", "$G", "KV_cfg", 0,
	         &(struct expected){.counted = 1, .deleted_record = 9});
}

static void new_store_with_tombstones_with_any_bit_flipped_or_cut(void **state)
{
	(void)state;
	run_case("nats-2.15.1/purges-chacha", "$G", "PSUB", 0,
	         &(struct expected){.deleted_record = 2});
}

static void old_clear_store_with_any_bit_flipped_or_cut(void **state)
{
	(void)state;
	run_case("nats-2.9.10/empty-plain", "$G", "REFILL", 1, &(struct expected){0});
}

static void clear_store_with_consumers_with_any_bit_flipped_or_cut(void **state)
{
	(void)state;
	run_case("nats-2.9.10/consumer-plain", "$G", "CONS", 0,
	         &(struct expected){.clear_state = 74});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(old_aes_store_with_any_bit_flipped_or_cut),
	        cmocka_unit_test(old_chachapoly_workqueue_with_any_bit_flipped_or_cut),
	        cmocka_unit_test(new_aes_store_with_any_bit_flipped_or_cut),
	        cmocka_unit_test(old_store_with_interior_deletes_with_any_bit_flipped_or_cut),
	        cmocka_unit_test(new_store_with_tombstones_with_any_bit_flipped_or_cut),
	        cmocka_unit_test(old_clear_store_with_any_bit_flipped_or_cut),
	        cmocka_unit_test(clear_store_with_consumers_with_any_bit_flipped_or_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
