#include "tests/unit/convert_make.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void convert_make_copy(const char *from, const char *to)
{
	char source[PATH_MAX], target[PATH_MAX];
	const struct dirent *entry;
	DIR *dir = opendir(from);

	assert_non_null(dir);
	assert_true(mkdir(to, 0750) == 0 || errno == EEXIST);
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		assert_true(snprintf(source, sizeof source, "%s/%s", from, entry->d_name) <
		            (int)sizeof source);
		assert_true(snprintf(target, sizeof target, "%s/%s", to, entry->d_name) <
		            (int)sizeof target);
		assert_int_equal(stat(source, &st), 0);
		if (S_ISDIR(st.st_mode)) {
			convert_make_copy(source, target);
		} else {
			size_t bytes;
			uint8_t *content = fixture_read(source, &bytes);

			assert_non_null(content);
			fixture_write(target, content, bytes);
			free(content);
		}
	}
	(void)closedir(dir);
}

static void count_finding(void *arg, const struct atr_finding *f)
{
	unsigned *count = arg;

	*count += f->kind != ATR_FINDING_NOTE;
}

/* The real files, without the look for other processes, which is most of a short conversion. */
static const struct atr_file_table *real_files(void)
{
	static struct atr_file_table files;

	files = atr_file_real;
	files.holder = NULL;
	return &files;
}

static struct atr_inspect_options options_of(const struct atr_place *place,
                                             const struct convert_keys *keys)
{
	return (struct atr_inspect_options){
	        .files = real_files(),
	        .account = place->account,
	        .stream = place->stream,
	        .key = (const uint8_t *)keys->key,
	        .key_bytes = keys->key != NULL ? strlen(keys->key) : 0,
	        .prev_key = (const uint8_t *)keys->prev,
	        .prev_key_bytes = keys->prev != NULL ? strlen(keys->prev) : 0,
	};
}

static enum atr_status write_messages(struct atr_inspect *in, FILE *out, struct atr_error *err)
{
	struct atr_inspect_message m;
	enum atr_status rc;

	while ((rc = atr_inspect_next(in, &m, err)) == ATR_OK) {
		char payload[65], headers[65];

		atr_inspect_sha256_hex(m.message.payload, m.message.payload_bytes, payload);
		atr_inspect_sha256_hex(m.message.headers, m.message.headers_bytes, headers);
		(void)fprintf(out, "msg %" PRIu64 " %" PRId64 " %.*s %s %s\n", m.message.sequence,
		              m.message.time_ns, (int)m.message.subject_bytes, m.message.subject,
		              headers, payload);
	}
	return rc == ATR_END ? ATR_OK : rc;
}

static enum atr_status write_rest(struct atr_inspect *in, FILE *out, struct atr_error *err)
{
	struct atr_inspect_consumer c;
	struct atr_inspect_stream s;
	struct atr_inspect_state state;
	uint64_t first, last = 0;
	enum atr_status rc = ATR_OK;

	atr_inspect_stream(in, &s);
	atr_inspect_state(in, &state);
	while (atr_inspect_next_deleted(in, last, &first, &last) == ATR_OK)
		(void)fprintf(out, "deleted %" PRIu64 " %" PRIu64 "\n", first, last);
	(void)fprintf(out, "state %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
	              state.messages, state.bytes, state.last_seq > 0 ? state.first_seq : 0,
	              state.last_seq);
	for (size_t i = 0; i < s.consumers && rc == ATR_OK; i++) {
		rc = atr_inspect_consumer(in, i, &c, err);
		(void)fprintf(out,
		              "consumer %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		              " %" PRIu64 "\n",
		              c.name, c.delivered_consumer_seq, c.delivered_stream_seq,
		              c.ack_floor_consumer_seq, c.ack_floor_stream_seq, c.num_ack_pending,
		              c.num_redelivered);
	}
	return rc;
}

enum atr_status convert_make_text(const struct atr_place *place, const struct convert_keys *keys,
                                  char **text, unsigned *findings, struct atr_error *err)
{
	struct atr_inspect_options options = options_of(place, keys);
	struct atr_inspect *in;
	enum atr_status rc;
	size_t bytes;
	FILE *out;

	*text = NULL;
	*findings = 0;
	options.finding = count_finding;
	options.finding_arg = findings;
	rc = atr_inspect_open(place->dir, &options, &in, err);
	if (rc != ATR_OK)
		return rc;
	out = open_memstream(text, &bytes);
	assert_non_null(out);
	rc = write_messages(in, out, err);
	if (rc == ATR_OK)
		rc = write_rest(in, out, err);
	assert_int_equal(fclose(out), 0);
	atr_inspect_close(in);
	if (rc != ATR_OK) {
		free(*text);
		*text = NULL;
	}
	return rc;
}

enum atr_status convert_make_run(const struct atr_file_table *files, const struct atr_place *place,
                                 const struct convert_keys *keys, const char *cipher,
                                 enum atr_convert_for wanted_for, struct atr_convert_result *result,
                                 struct atr_error *err)
{
	struct atr_inspect_options options = options_of(place, keys);
	struct atr_convert_options how = {
	        .cipher = cipher != NULL ? atr_cipher_find(cipher, NULL) : NULL,
	        .wanted_for = wanted_for,
	};
	struct atr_inspect *in;
	enum atr_status rc;

	memset(result, 0, sizeof *result);
	options.files = files != NULL ? files : real_files();
	options.exclusive = 1;
	rc = atr_convert_recover(files, place->dir, err);
	if (rc == ATR_OK)
		rc = atr_inspect_open(place->dir, &options, &in, err);
	if (rc != ATR_OK)
		return rc;
	rc = atr_convert(in, &how, result, err);
	atr_inspect_close(in);
	return rc;
}

int convert_make_is(const struct atr_place *place, const struct convert_keys *keys,
                    const char *cipher)
{
	struct atr_inspect_options options = options_of(place, keys);
	struct atr_inspect_stream s;
	struct atr_inspect *in;
	int is;

	if (atr_inspect_open(place->dir, &options, &in, NULL) != ATR_OK)
		return 0;
	atr_inspect_stream(in, &s);
	is = strcmp(s.cipher, cipher) == 0;
	atr_inspect_close(in);
	return is;
}

static void print_finding(void *arg, const struct atr_finding *f)
{
	unsigned *count = arg;

	if (f->kind == ATR_FINDING_NOTE)
		return;
	print_message("%s: %s: %s\n", atr_finding_text(f->kind), f->path, f->text);
	++*count;
}

void convert_make_verify(const struct atr_place *place, const char *key, const char *cipher)
{
	struct convert_keys keys = {key, NULL};
	struct atr_inspect_options options = options_of(place, &keys);
	struct atr_verify_options how = {.cipher = cipher};
	struct atr_verify_counts counts;
	struct atr_inspect *in;
	struct atr_error err;
	unsigned findings = 0;

	options.finding = print_finding;
	options.finding_arg = &findings;
	assert_ok(atr_inspect_open(place->dir, &options, &in, &err), &err);
	assert_ok(atr_inspect_verify(in, &how, &counts, &err), &err);
	atr_inspect_close(in);
	assert_int_equal(findings, 0);
	assert_int_equal(counts.under_prev_key, 0);
}
