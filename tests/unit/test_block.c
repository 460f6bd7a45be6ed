#include "store/block.h"

#include <stdlib.h>
#include <string.h>

#include "store/bytes.h"
#include "store/s2.h"
#include "tests/unit/store_fixture.h"

static const struct atr_keyring ring = {.key = (const uint8_t *)"s3cr3t", .key_bytes = 6};
static const struct atr_keyring other = {.key = (const uint8_t *)"other", .key_bytes = 5};
static const char *const ciphers[] = {"none", "chachapoly", "aes"};

static struct atr_block_home home_of(const char *dir, const struct atr_keyring *keys)
{
	struct atr_block_home home = {.files = &atr_file_real,
	                              .msgs_path = dir,
	                              .account = "$G",
	                              .stream = "ORDERS",
	                              .ring = keys};

	return home;
}

/* Writes <number>.blk and its key file: content enciphered under a fresh seed. */
static void write_block(const char *dir, const char *cipher, unsigned number,
                        const uint8_t *content, size_t bytes)
{
	const struct atr_cipher *c = atr_cipher_find(cipher, NULL);
	char name[32], context[32];
	uint8_t *out = malloc(bytes + 1);

	memcpy(out, content, bytes);
	(void)snprintf(name, sizeof name, "%u.key", number);
	(void)atr_file_real.unlink(NULL, fixture_path(dir, name));
	if (atr_cipher_encrypts(c)) {
		uint8_t sealed[ATR_KEYFILE_BYTES_MAX];
		struct atr_keystream *stream;
		struct atr_seed seed;
		size_t sealed_bytes;

		assert_int_equal(atr_keyfile_make(&atr_file_real, c, &seed), ATR_OK);
		(void)snprintf(context, sizeof context, "ORDERS:%u", number);
		assert_int_equal(atr_keyfile_seal(&seed, ring.key, ring.key_bytes, "$G", context,
		                                  sealed, &sealed_bytes),
		                 ATR_OK);
		fixture_write(fixture_path(dir, name), sealed, sealed_bytes);
		stream = atr_keystream_new(c, seed.seed, seed.nonce, 0);
		assert_int_equal(atr_keystream_xor(stream, 0, out, out, bytes), 0);
		atr_keystream_free(stream);
	}
	(void)snprintf(name, sizeof name, "%u.blk", number);
	fixture_write(fixture_path(dir, name), out, bytes);
	free(out);
}

/* count records of varying size, the payload following from the sequence. *starts (count + 1)
 * receives where each begins. */
static uint8_t *make_records(unsigned number, size_t count, size_t payload_max, size_t *bytes,
                             size_t *starts)
{
	uint8_t *payload = malloc(payload_max + 1);
	uint8_t *out = malloc(count * (payload_max + 64));
	struct atr_hash_key key;
	char name[32];

	(void)snprintf(name, sizeof name, "ORDERS-%u", number);
	assert_int_equal(atr_hash_key_init(&key, name), 0);
	*bytes = 0;
	for (size_t i = 0; i < count; i++) {
		struct atr_message m = {.sequence = i + 1,
		                        .time_ns = (int64_t)i,
		                        .subject = "orders.eu",
		                        .subject_bytes = 9,
		                        .payload = payload};

		m.payload_bytes = (i * 7919) % (payload_max + 1);
		memset(payload, (int)i, m.payload_bytes);
		if (i % 3 == 0) {
			m.headers = (const uint8_t *)"NATS/1.0\r\nA: b\r\n\r\n";
			m.headers_bytes = 18;
		}
		starts[i] = *bytes;
		*bytes += atr_record_encode(&key, &m, out + *bytes);
	}
	starts[count] = *bytes;
	free(payload);
	return out;
}

static void known_blocks_are_read(void **state)
{
	static const uint64_t words[] = {1, 2, 3, 4, 5, 6, 2};
	json_t *all = fixture_vectors();
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(all, "block"), i, v)
	{
		const struct atr_cipher *c = atr_cipher_find(fixture_text(v, "cipher"), NULL);
		struct atr_block_home home = home_of(*state, &ring);
		uint8_t sealed[ATR_KEYFILE_BYTES_MAX];
		size_t n, sealed_bytes, file_bytes, plain_bytes, count = 0;
		uint8_t *seed = fixture_hex(v, "seed_hex", &n), *file, *plain;
		uint8_t *nonce = fixture_hex(v, "nonce_hex", &n);
		struct atr_seed s = {.cipher = c};
		struct atr_record r;
		struct atr_walk *walk;
		struct atr_error err;
		uint8_t lchk[8];

		memcpy(s.seed, seed, 32);
		memcpy(s.nonce, nonce, n);
		assert_int_equal(atr_keyfile_seal(&s, ring.key, ring.key_bytes, "$G", "ORDERS:1",
		                                  sealed, &sealed_bytes),
		                 ATR_OK);
		file = fixture_hex(v, "file_hex", &file_bytes);
		plain = fixture_hex(v, "plain_hex", &plain_bytes);
		fixture_write(fixture_path(*state, "1.key"), sealed, sealed_bytes);
		fixture_write(fixture_path(*state, "1.blk"), file, file_bytes);
		assert_ok(atr_walk_open(&home, 1, &walk, &err), &err);
		while (atr_walk_next(walk, &r, &err) == ATR_OK) {
			assert_true(count < 7);
			assert_int_equal(r.message.sequence, words[count++]);
		}
		assert_int_equal(atr_walk_file_bytes(walk), plain_bytes);
		assert_true(count >= 6);
		assert_ok(atr_walk_last_check(walk, lchk, &err), &err);
		assert_memory_equal(lchk, plain + plain_bytes - 8, 8);
		assert_memory_equal(atr_walk_seed(walk)->seed, seed, 32);
		atr_walk_close(walk);
		free(seed);
		free(nonce);
		free(file);
		free(plain);
	}
	json_decref(all);
}

static void check_walk(struct atr_walk *walk, size_t first, size_t count, const size_t *starts)
{
	struct atr_error err = {0};
	struct atr_record r;

	for (size_t i = first; i < count; i++) {
		assert_ok(atr_walk_next(walk, &r, &err), &err);
		assert_int_equal(atr_walk_offset(walk), starts[i]);
		assert_int_equal(r.message.sequence, i + 1);
		for (size_t b = 0; b < r.message.payload_bytes; b++)
			assert_int_equal(r.message.payload[b], (uint8_t)i);
	}
	assert_status(atr_walk_next(walk, &r, &err), ATR_END, &err);
}

static void records_across_pieces_are_whole(void **state)
{
	static const size_t shapes[][2] = {{20000, 200}, {400, 9000}, {12, 700000}, {1, 0}, {0, 1}};

	for (size_t s = 0; s < 5; s++)
		for (size_t c = 0; c < 3; c++) {
			struct atr_block_home home = home_of(*state, &ring);
			size_t *starts = malloc((shapes[s][0] + 1) * sizeof *starts), bytes;
			uint8_t *content =
			        make_records(1, shapes[s][0], shapes[s][1], &bytes, starts);
			struct atr_walk *walk;
			struct atr_error err;

			write_block(*state, ciphers[c], 1, content, bytes);
			assert_ok(atr_walk_open(&home, 1, &walk, &err), &err);
			assert_int_equal(atr_walk_file_bytes(walk), bytes);
			assert_true((atr_walk_seed(walk) != NULL) == (c > 0));
			check_walk(walk, 0, shapes[s][0], starts);
			atr_walk_seek(walk, starts[shapes[s][0] / 2]);
			check_walk(walk, shapes[s][0] / 2, shapes[s][0], starts);
			atr_walk_seek(walk, 0);
			check_walk(walk, 0, shapes[s][0], starts);
			atr_walk_close(walk);
			free(content);
			free(starts);
		}
}

static void one_walk_goes_over_blocks_of_any_cipher(void **state)
{
	struct atr_block_home home = home_of(*state, &ring);
	size_t starts[101], bytes;
	struct atr_walk *walk = NULL;
	struct atr_error err;

	for (unsigned n = 1; n <= 6; n++) {
		uint8_t *content = make_records(n, 100, 3000, &bytes, starts);

		write_block(*state, ciphers[n % 3], n, content, bytes);
		free(content);
	}
	for (unsigned n = 1; n <= 6; n++) {
		assert_ok(n == 1 ? atr_walk_open(&home, n, &walk, &err)
		                 : atr_walk_reopen(walk, n, &err),
		          &err);
		check_walk(walk, 0, 100, starts);
	}
	assert_status(atr_walk_reopen(walk, 7, &err), ATR_ENOTFOUND, &err);
	assert_ok(atr_walk_reopen(walk, 2, &err), &err);
	check_walk(walk, 0, 100, starts);
	atr_walk_close(walk);
}

static void a_limit_hides_what_is_being_written(void **state)
{
	struct atr_block_home home = home_of(*state, &ring);
	size_t starts[11], bytes;
	uint8_t *content = make_records(1, 10, 100, &bytes, starts);
	struct atr_walk *walk;
	struct atr_record r;
	struct atr_error err;

	write_block(*state, "aes", 1, content, bytes);
	assert_ok(atr_walk_open(&home, 1, &walk, &err), &err);
	atr_walk_limit(walk, bytes); /* what was read already cannot be hidden: a new walk */
	atr_walk_close(walk);
	write_block(*state, "aes", 1, content, starts[5]);
	assert_ok(atr_walk_open(&home, 1, &walk, &err), &err);
	check_walk(walk, 0, 5, starts);
	atr_walk_close(walk);
	write_block(*state, "none", 1, content, starts[5]);
	assert_ok(atr_walk_open(&home, 1, &walk, &err), &err);
	check_walk(walk, 0, 5, starts);
	write_block(*state, "none", 1, content, bytes);
	assert_status(atr_walk_next(walk, &r, &err), ATR_END, &err);
	atr_walk_limit(walk, bytes);
	check_walk(walk, 5, 10, starts);
	atr_walk_close(walk);
	free(content);
}

/* The last record cut at every byte: the ones before are read, the cut is named. */
static void a_cut_tail_is_damage_at_its_offset(void **state)
{
	struct atr_block_home home = home_of(*state, &ring);
	size_t starts[6], bytes;
	uint8_t *content = make_records(1, 5, 40, &bytes, starts);

	for (size_t cut = starts[4] + 1; cut < bytes; cut++) {
		struct atr_walk *walk;
		struct atr_record r;
		struct atr_error err;

		write_block(*state, "chachapoly", 1, content, cut);
		assert_ok(atr_walk_open(&home, 1, &walk, &err), &err);
		for (size_t i = 0; i < 4; i++)
			assert_ok(atr_walk_next(walk, &r, &err), &err);
		for (size_t i = 0; i < 3; i++) {
			assert_status(atr_walk_next(walk, &r, &err), ATR_EFORMAT, &err);
			assert_int_equal(err.offset, starts[4]);
			assert_int_equal(err.sequence, 5);
		}
		assert_status(atr_walk_resync(walk, &err), ATR_END, &err);
		atr_walk_close(walk);
	}
	free(content);
}

static void one_damaged_record_costs_one_record(void **state)
{
	static const int where[] = {0,  3,  5,
	                            21, 25, 40}; /* length, sequence, subject length, ... */

	for (size_t w = 0; w < 6; w++)
		for (size_t c = 0; c < 3; c++) {
			struct atr_block_home home = home_of(*state, &ring);
			size_t starts[101], bytes;
			uint8_t *content = make_records(1, 100, 900, &bytes, starts);
			struct atr_walk *walk;
			struct atr_record r;
			struct atr_error err;

			content[starts[50] + (size_t)where[w]] ^= 0x40;
			write_block(*state, ciphers[c], 1, content, bytes);
			assert_ok(atr_walk_open(&home, 1, &walk, &err), &err);
			for (size_t i = 0; i < 50; i++)
				assert_ok(atr_walk_next(walk, &r, &err), &err);
			assert_status(atr_walk_next(walk, &r, &err), ATR_EFORMAT, &err);
			assert_int_equal(err.offset, starts[50]);
			assert_ok(atr_walk_resync(walk, &err), &err);
			check_walk(walk, 51, 100, starts);
			atr_walk_close(walk);
			free(content);
		}
}

static void keys_decide(void **state)
{
	static const struct atr_keyring keyless;
	struct atr_block_home home = home_of(*state, &other);
	size_t starts[11], bytes;
	uint8_t *content = make_records(1, 10, 100, &bytes, starts);
	struct atr_walk *walk;
	struct atr_error err;

	write_block(*state, "aes", 1, content, bytes);
	assert_status(atr_walk_open(&home, 1, &walk, &err), ATR_EAUTH, &err);
	assert_null(walk);
	assert_non_null(strstr(err.path, "1.key"));
	home.ring = &keyless;
	assert_status(atr_walk_open(&home, 1, &walk, &err), ATR_ENOKEY, &err);
	home.ring = &ring;
	fixture_write(fixture_path(*state, "1.key"), content, 63);
	assert_status(atr_walk_open(&home, 1, &walk, &err), ATR_EFORMAT, &err);
	fixture_write(fixture_path(*state, "1.key"), content, 73);
	assert_status(atr_walk_open(&home, 1, &walk, &err), ATR_EFORMAT, &err);
	free(content);
}

/* The content as a compressed block, under a cipher. */
static void write_compressed(const char *dir, const char *cipher, const uint8_t *content,
                             size_t bytes)
{
	uint8_t *packed;
	size_t packed_bytes;

	assert_int_equal(atr_s2_compress_block(content, bytes, &packed, &packed_bytes), ATR_OK);
	assert_true(packed_bytes < bytes / 2);
	write_block(dir, cipher, 1, packed, packed_bytes);
	free(packed);
}

static void compressed_blocks_are_read(void **state)
{
	struct atr_block_home home = home_of(*state, &ring);
	static size_t starts[2001];
	size_t bytes;
	uint8_t *content = make_records(1, 2000, 3000, &bytes, starts), lchk[8];
	struct atr_walk *walk;
	struct atr_error err;

	for (size_t c = 0; c < 3; c++) {
		write_compressed(*state, ciphers[c], content, bytes);
		assert_ok(atr_walk_open(&home, 1, &walk, &err), &err);
		assert_int_equal(atr_walk_is_compressed(walk), 1);
		assert_int_equal(atr_walk_end(walk), bytes);
		assert_true(atr_walk_file_bytes(walk) < bytes / 2);
		check_walk(walk, 0, 2000, starts);
		atr_walk_seek(walk, starts[700]);
		check_walk(walk, 700, 2000, starts);
		assert_ok(atr_walk_last_check(walk, lchk, &err), &err);
		assert_memory_equal(lchk, content + bytes - 8, 8);
		/* the same walk goes on with one that is not */
		write_block(*state, ciphers[c], 1, content, bytes);
		assert_ok(atr_walk_reopen(walk, 1, &err), &err);
		assert_int_equal(atr_walk_is_compressed(walk), 0);
		check_walk(walk, 0, 2000, starts);
		write_compressed(*state, ciphers[c], content, bytes);
		assert_ok(atr_walk_reopen(walk, 1, &err), &err);
		check_walk(walk, 0, 2000, starts);
		atr_walk_close(walk);
	}
	free(content);
}

/* Every read of a whole piece goes to memory that lies in its page as the bytes do in the file's.
 */
static ssize_t read_into_the_same_place_of_a_page(void *context, int fd, void *out, size_t bytes,
                                                  uint64_t offset)
{
	size_t *reads = context;

	if (bytes > 8) { /* not the check at the end of the file */
		(*reads)++;
		assert_int_equal((uintptr_t)out % 4096, offset % 4096);
	}
	return atr_file_real.pread(NULL, fd, out, bytes, offset);
}

static void pieces_are_read_to_where_the_file_has_a_page(void **state)
{
	static size_t starts[20001];
	struct atr_file_table files = atr_file_real;
	struct atr_block_home home = home_of(*state, NULL);
	struct atr_walk *walk;
	struct atr_error err;
	size_t bytes, reads = 0;
	uint8_t *content = make_records(1, 20000, 200, &bytes, starts);

	files.context = &reads;
	files.pread = read_into_the_same_place_of_a_page;
	home.files = &files;
	write_compressed(*state, "none", content, bytes);
	assert_ok(atr_walk_open(&home, 1, &walk, &err), &err);
	check_walk(walk, 0, 20000, starts);
	write_block(*state, "none", 1, content, bytes);
	assert_ok(atr_walk_reopen(walk, 1, &err), &err);
	atr_walk_seek(walk, starts[15000]); /* before anything is read there */
	check_walk(walk, 15000, 20000, starts);
	atr_walk_seek(walk, starts[10001]);
	check_walk(walk, 10001, 20000, starts);
	atr_walk_seek(walk, 0);
	check_walk(walk, 0, 20000, starts);
	assert_true(reads > 20);
	atr_walk_close(walk);
	free(content);
}

/* Records damaged before they were compressed: the frame is whole. */
static void damage_inside_a_compressed_block_costs_one_record(void **state)
{
	struct atr_block_home home = home_of(*state, &ring);
	static size_t starts[101];
	size_t bytes;
	uint8_t *content = make_records(1, 100, 1000, &bytes, starts);
	struct atr_walk *walk;
	struct atr_record r;
	struct atr_error err;

	content[starts[50] + 25] ^= 1;
	content[bytes - 1] ^= 1;
	write_compressed(*state, "aes", content, bytes);
	assert_ok(atr_walk_open(&home, 1, &walk, &err), &err);
	for (size_t i = 0; i < 50; i++)
		assert_ok(atr_walk_next(walk, &r, &err), &err);
	assert_status(atr_walk_next(walk, &r, &err), ATR_EFORMAT, &err);
	assert_int_equal(err.offset, starts[50]);
	assert_non_null(strstr(err.text, "decompressed block"));
	assert_ok(atr_walk_resync(walk, &err), &err);
	for (size_t i = 51; i < 99; i++)
		assert_ok(atr_walk_next(walk, &r, &err), &err);
	assert_status(atr_walk_next(walk, &r, &err), ATR_EFORMAT, &err);
	assert_int_equal(err.offset, starts[99]);
	assert_status(atr_walk_resync(walk, &err), ATR_END, &err);
	atr_walk_close(walk);
	free(content);
}

/* Or the damage stands for the same bytes: an offset into a run, say. */
static void a_damaged_compressed_block_is_named(void **state)
{
	struct atr_block_home home = home_of(*state, &ring);
	static size_t starts[101];
	size_t bytes, file_bytes;
	uint8_t *content = make_records(1, 100, 1000, &bytes, starts), *file;
	struct atr_walk *walk;
	struct atr_error err;

	for (size_t c = 0; c < 3; c++) {
		size_t named = 0;

		write_compressed(*state, ciphers[c], content, bytes);
		file = fixture_read(fixture_path(*state, "1.blk"), &file_bytes);
		for (size_t at = 4; at < file_bytes - 8; at += 97) {
			file[at] ^= 4;
			fixture_write(fixture_path(*state, "1.blk"), file, file_bytes);
			if (atr_walk_open(&home, 1, &walk, &err) == ATR_OK) {
				check_walk(walk, 0, 100, starts);
				atr_walk_close(walk);
			} else {
				assert_int_equal(err.status, ATR_EFORMAT);
				assert_non_null(strstr(err.path, "1.blk"));
				assert_non_null(strstr(err.text, "compressed block"));
				assert_int_equal(err.offset, 0);
				named++;
			}
			file[at] ^= 4;
		}
		assert_true(named > file_bytes / 97 / 2);
		fixture_write(fixture_path(*state, "1.blk"), file, file_bytes - 1);
		assert_status(atr_walk_open(&home, 1, &walk, &err), ATR_EFORMAT, &err);
		free(file);
		write_block(*state, ciphers[c], 1, (const uint8_t *)"cmp\2\12 0123456789", 16);
		assert_status(atr_walk_open(&home, 1, &walk, &err), ATR_EUNSUPPORTED, &err);
	}
	free(content);
}

/* The one length whose first bytes are "cmp\0": a valid record, not a compressed block. */
static void a_first_record_that_spells_cmp_is_read(void **state)
{
	struct atr_block_home home = home_of(*state, &ring);
	uint8_t *out = malloc(7368035);
	struct atr_message m = {
	        .sequence = 1, .subject = "s", .subject_bytes = 1, .payload_bytes = 7368035 - 31};
	struct atr_hash_key key;
	struct atr_record r;
	struct atr_walk *walk;
	struct atr_error err;

	m.payload = calloc(1, m.payload_bytes);
	assert_int_equal(atr_hash_key_init(&key, "ORDERS-1"), 0);
	assert_int_equal(atr_record_encode(&key, &m, out), 7368035);
	assert_memory_equal(out, "cmp", 4);
	write_block(*state, "none", 1, out, 7368035);
	assert_ok(atr_walk_open(&home, 1, &walk, &err), &err);
	assert_ok(atr_walk_next(walk, &r, &err), &err);
	assert_int_equal(r.record_bytes, 7368035);
	atr_walk_close(walk);
	free((void *)(uintptr_t)m.payload);
	free(out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(known_blocks_are_read),
	        TEST(records_across_pieces_are_whole),
	        TEST(one_walk_goes_over_blocks_of_any_cipher),
	        TEST(a_limit_hides_what_is_being_written),
	        TEST(a_cut_tail_is_damage_at_its_offset),
	        TEST(one_damaged_record_costs_one_record),
	        TEST(keys_decide),
	        TEST(compressed_blocks_are_read),
	        TEST(pieces_are_read_to_where_the_file_has_a_page),
	        TEST(damage_inside_a_compressed_block_costs_one_record),
	        TEST(a_damaged_compressed_block_is_named),
	        TEST(a_first_record_that_spells_cmp_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
