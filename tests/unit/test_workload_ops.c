/* Operations: the same bytes for the same seed on every machine (digests are pinned), and the
 * shares that were asked for. */
#include "workloads/workload.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#define DRAWS 200000

static void set(struct workload *w, const char *key, const char *value)
{
	struct workload_error err;

	if (workload_set(w, key, value, &err) != 0)
		fail_msg("%s", err.text);
}

/* SHA-256, in hexadecimal, of the pool and of what the first 1000 operations look like. */
static void digest(const struct workload *w, uint64_t seed, char hex[65])
{
	struct workload_ops *ops = workload_ops_new(w, seed);
	size_t pool_bytes = workload_pool_bytes(w);
	uint8_t *pool = malloc(pool_bytes), sum[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned sum_bytes;

	assert_non_null(ops);
	assert_non_null(pool);
	workload_pool_fill(w, seed, pool);
	EVP_DigestInit_ex(md, EVP_sha256(), NULL);
	EVP_DigestUpdate(md, pool, pool_bytes);
	for (uint64_t i = 0; i < 1000; i++) {
		struct workload_message m;
		char line[256];
		size_t bytes;
		workload_message_at(ops, i, &m);
		const char *subject = workload_subject(ops, m.subject_index, &bytes);
		assert_int_equal(strlen(subject), bytes);
		snprintf(line, sizeof(line), "%llu %u %u %s %llu %d\n",
		         (unsigned long long)m.pool_offset, m.payload_bytes, m.headers_bytes,
		         subject, (unsigned long long)workload_sequence_at(ops, i, 100000),
		         workload_is_read(ops, i));
		EVP_DigestUpdate(md, line, strlen(line));
	}
	EVP_DigestFinal_ex(md, sum, &sum_bytes);
	for (unsigned i = 0; i < sum_bytes; i++)
		sprintf(hex + 2 * i, "%02x", sum[i]);
	EVP_MD_CTX_free(md);
	free(pool);
	workload_ops_free(ops);
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
	struct workload w;
	char hex[65], other[65];

	(void)state;
	workload_init(&w);
	digest(&w, 1, hex);
	assert_string_equal(hex,
	                    "a7fd346f0c86a3c700245c808b3ed2ac5584460dd6aedd1cb40658b0077eeb4a");
	digest(&w, 2, other);
	assert_string_not_equal(hex, other);

	set(&w, "sizes", "128:70,4k-5k:25,64k:5");
	set(&w, "headers_bytes", "96");
	set(&w, "headers_share", "0.3");
	set(&w, "compressibility", "0.5");
	set(&w, "subjects", "10000");
	set(&w, "subject_distribution", "zipf");
	digest(&w, 1, hex);
	assert_string_equal(hex,
	                    "2b843ac13939b8378853448b083f25bc84eb6c48d365d2a4987df45046d9071c");
}

static void messages_stay_within_the_pool(void **state)
{
	static const char *const sizes[] = {"1", "64", "3m", "1-5m", "1,2,31m"};
	struct workload w;
	struct workload_message m;

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		workload_init(&w);
		set(&w, "sizes", sizes[s]);
		size_t pool_bytes = workload_pool_bytes(&w);
		assert_true(pool_bytes >= 4 * 1024 * 1024);
		assert_true(pool_bytes >= 2 * (size_t)workload_payload_bytes_max(&w));
		struct workload_ops *ops = workload_ops_new(&w, s);
		uint64_t highest = 0;
		for (uint64_t i = 0; i < DRAWS; i++) {
			workload_message_at(ops, i, &m);
			assert_true(m.pool_offset + m.payload_bytes <= pool_bytes);
			if (m.pool_offset + m.payload_bytes > highest)
				highest = m.pool_offset + m.payload_bytes;
		}
		assert_true(highest > pool_bytes - pool_bytes / 1000); /* and use all of it */
		workload_ops_free(ops);
	}
}

/* Expected count of a share, within five standard deviations. */
static void near_share(uint64_t count, double share, const char *what)
{
	double sd = sqrt(DRAWS * share * (1 - share));

	if (fabs((double)count - DRAWS * share) > 5 * sd + 1)
		fail_msg("%s: found %llu of %d, expected %.0f +- %.0f", what,
		         (unsigned long long)count, DRAWS, DRAWS * share, 5 * sd);
}

static void sizes_come_in_their_shares(void **state)
{
	struct workload w;
	struct workload_message m;
	uint64_t small = 0, range = 0, large = 0, lower_half = 0, low_end = 0, high_end = 0;
	double total = 0;

	(void)state;
	workload_init(&w);
	set(&w, "sizes", "128:70,1000-1009:25,64k:5");
	struct workload_ops *ops = workload_ops_new(&w, 3);
	for (uint64_t i = 0; i < DRAWS; i++) {
		workload_message_at(ops, i, &m);
		small += m.payload_bytes == 128;
		large += m.payload_bytes == 65536;
		if (m.payload_bytes >= 1000 && m.payload_bytes <= 1009) {
			range++;
			lower_half += m.payload_bytes < 1005;
			low_end += m.payload_bytes == 1000;
			high_end += m.payload_bytes == 1009;
		}
		total += m.payload_bytes;
	}
	assert_int_equal(small + range + large, DRAWS);
	near_share(small, 0.70, "128");
	near_share(range, 0.25, "1000-1009");
	near_share(large, 0.05, "64k");
	near_share(lower_half, 0.125, "1000-1004");
	near_share(low_end, 0.025, "1000");
	near_share(high_end, 0.025, "1009");
	double mean = workload_payload_bytes_mean(&w);
	assert_true(fabs(mean - (0.7 * 128 + 0.25 * 1004.5 + 0.05 * 65536)) < 1e-6);
	assert_true(fabs(total / DRAWS - mean) < 0.02 * mean);
	assert_int_equal(workload_payload_bytes_max(&w), 65536);
	workload_ops_free(ops);
}

static void subjects_follow_their_distribution(void **state)
{
	static const char *const names[] = {"round-robin", "uniform", "zipf"};
	struct workload w;
	struct workload_message m;

	(void)state;
	for (size_t d = 0; d < 3; d++) {
		uint64_t count[100] = {0};
		double weights = 0;
		workload_init(&w);
		set(&w, "subjects", "100");
		set(&w, "subject_distribution", names[d]);
		set(&w, "zipf_exponent", "1.2");
		struct workload_ops *ops = workload_ops_new(&w, 4);
		for (uint64_t i = 0; i < DRAWS; i++) {
			workload_message_at(ops, i, &m);
			assert_true(m.subject_index < 100);
			count[m.subject_index]++;
		}
		for (int k = 0; k < 100; k++)
			weights += pow(k + 1, -1.2);
		for (int k = 0; k < 100; k++) {
			if (d == 0)
				assert_int_equal(count[k], DRAWS / 100);
			else
				near_share(count[k], d == 1 ? 0.01 : pow(k + 1, -1.2) / weights,
				           names[d]);
		}
		workload_ops_free(ops);
	}
}

static void subject_texts_are_numbered(void **state)
{
	struct workload w;
	char prefix[101], wanted[128];
	size_t bytes;

	(void)state;
	workload_init(&w);
	memset(prefix, 'p', 100);
	prefix[100] = 0;
	set(&w, "subject_prefix", prefix);
	set(&w, "subjects", "1000001");
	struct workload_ops *ops = workload_ops_new(&w, 5);
	for (uint32_t i = 0; i < 1000001; i += 100000) {
		snprintf(wanted, sizeof(wanted), "%s.%u", prefix, (unsigned)i);
		assert_string_equal(workload_subject(ops, i, &bytes), wanted);
		assert_int_equal(bytes, strlen(wanted));
	}
	workload_ops_free(ops);
}

static void headers_come_in_their_share_and_are_valid(void **state)
{
	struct workload w;
	struct workload_message m;
	uint64_t with = 0;

	(void)state;
	workload_init(&w);
	for (uint32_t bytes = 32; bytes < 200; bytes++) {
		w.headers_bytes = bytes;
		struct workload_ops *ops = workload_ops_new(&w, 6);
		const char *text = (const char *)workload_headers(ops);
		assert_memory_equal(text, "NATS/1.0\r\nAtrest-Pad: a", 23);
		assert_memory_equal(text + bytes - 4, "\r\n\r\n", 4);
		/* One field: no other line ends within. */
		assert_null(memchr(text + 10, '\r', bytes - 14));
		workload_ops_free(ops);
	}
	set(&w, "headers_share", "0.3");
	struct workload_ops *ops = workload_ops_new(&w, 6);
	for (uint64_t i = 0; i < DRAWS; i++) {
		workload_message_at(ops, i, &m);
		assert_true(m.headers_bytes == 0 || m.headers_bytes == w.headers_bytes);
		with += m.headers_bytes != 0;
	}
	near_share(with, 0.3, "headers");
	workload_ops_free(ops);
}

static void reads_come_in_their_share_and_cover_the_store(void **state)
{
	static const double shares[] = {0, 0.005, 0.5, 1};
	struct workload w;
	uint64_t count[10] = {0};

	(void)state;
	workload_init(&w);
	for (size_t s = 0; s < 4; s++) {
		uint64_t reads = 0;
		w.read_share = shares[s];
		struct workload_ops *ops = workload_ops_new(&w, 7);
		for (uint64_t i = 0; i < DRAWS; i++)
			reads += (uint64_t)workload_is_read(ops, i);
		near_share(reads, shares[s], "reads");
		workload_ops_free(ops);
	}
	struct workload_ops *ops = workload_ops_new(&w, 7);
	for (uint64_t i = 0; i < DRAWS; i++) {
		uint64_t seq = workload_sequence_at(ops, i, 10);
		assert_in_range(seq, 1, 10);
		count[seq - 1]++;
		assert_int_equal(workload_sequence_at(ops, i, 1), 1);
		/* A count of more than 32 bits. */
		assert_in_range(workload_sequence_at(ops, i, UINT64_C(1) << 40), 1,
		                UINT64_C(1) << 40);
	}
	for (size_t k = 0; k < 10; k++)
		near_share(count[k], 0.1, "sequence");
	workload_ops_free(ops);
}

/* Random bytes: all 256 values in their share. With compressibility, that many of each 64 bytes
 * are zero. */
/* Every sequence once, in an order that looks drawn and is the same everywhere. */
static void removals_take_each_sequence_once(void **state)
{
	static const uint64_t counts[] = {1, 2, 3, 120, 1000, 65536, 65537};
	static const uint64_t first[] = {93, 661, 541, 796, 106, 619};
	struct workload w;
	struct workload_ops *ops;

	(void)state;
	workload_init(&w);
	ops = workload_ops_new(&w, 42);
	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		uint8_t *seen = calloc(counts[c] + 1, 1);
		uint64_t upper = 0;
		for (uint64_t i = 0; i < counts[c]; i++) {
			uint64_t sequence = workload_removal_at(ops, i, counts[c]);
			assert_in_range(sequence, 1, counts[c]);
			assert_int_equal(seen[sequence]++, 0);
			upper += i < counts[c] / 2 && sequence > counts[c] / 2;
		}
		if (counts[c] >= 1000) /* half of the first half */
			assert_in_range(upper, counts[c] * 22 / 100, counts[c] * 28 / 100);
		free(seen);
	}
	for (uint64_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		assert_int_equal(workload_removal_at(ops, i, 1000), first[i]);
	workload_ops_free(ops);
}

static void the_pool_is_as_compressible_as_asked(void **state)
{
	static const double shares[] = {0, 0.25, 0.5, 1};
	struct workload w;
	uint8_t *pool;

	(void)state;
	workload_init(&w);
	size_t bytes = workload_pool_bytes(&w);
	pool = malloc(bytes);
	assert_non_null(pool);
	for (size_t s = 0; s < 4; s++) {
		uint64_t count[256] = {0};
		w.compressibility = shares[s];
		memset(pool, 0xaa, bytes);
		workload_pool_fill(&w, 8, pool);
		for (size_t i = 0; i < bytes; i++)
			count[pool[i]]++;
		double random = (double)bytes * (1 - shares[s]) / 256;
		for (int v = 1; v < 256; v++)
			assert_true(fabs((double)count[v] - random) <= 5 * sqrt(random));
		assert_true(fabs((double)count[0] - random - shares[s] * (double)bytes) <=
		            5 * sqrt(random));
	}
	free(pool);
}

static void even_arrivals_are_equally_far_apart(void **state)
{
	static uint64_t at[3001];
	struct workload w;

	(void)state;
	workload_init(&w);
	w.messages = 3001;
	w.rate_msgs_s = 3000; /* a third of a microsecond is left over each time */
	workload_arrivals_fill(&w, 1, at);
	assert_int_equal(at[0], 0);
	assert_int_equal(at[3000], 1000000000); /* and adds up to nothing */
	for (size_t i = 1; i < 3001; i++)
		assert_in_range(at[i] - at[i - 1], 333333, 333334);
}

/* Of a Poisson process gaps are exponential: their mean is 1 / rate, a share of e^-x is longer than
 * x times that; how many fall into a window has a variance like its mean. */
static void poisson_arrivals_are_random_and_seeded(void **state)
{
	enum { COUNT = 100000, WINDOW = 50 };
	static uint64_t at[COUNT], again[COUNT];
	struct workload w;
	size_t longer[3] = {0};
	double gap = 1e9 / 20000, variance = 0;

	(void)state;
	workload_init(&w);
	w.messages = COUNT;
	w.rate_msgs_s = 20000;
	w.arrivals = WORKLOAD_ARRIVALS_POISSON;
	workload_arrivals_fill(&w, 7, at);
	workload_arrivals_fill(&w, 7, again);
	assert_memory_equal(at, again, sizeof(at));
	workload_arrivals_fill(&w, 8, again);
	assert_memory_not_equal(at, again, sizeof(at));
	/* The rate is that of the whole, not one by chance. */
	assert_in_range(at[COUNT - 1], (COUNT - 1) * (uint64_t)gap - 1,
	                (COUNT - 1) * (uint64_t)gap + 1);
	w.messages = 1;
	workload_arrivals_fill(&w, 7, again);
	assert_int_equal(again[0], 0);
	for (size_t i = 1; i < COUNT; i++) {
		assert_true(at[i] >= at[i - 1]);
		for (size_t x = 0; x < 3; x++)
			longer[x] += (double)(at[i] - at[i - 1]) > gap * (double)(x + 1);
	}
	for (size_t x = 0; x < 3; x++)
		assert_true(fabs((double)longer[x] / COUNT / exp(-(double)(x + 1)) - 1) < 0.03);
	for (size_t i = 0, n = 0, window = 1; i < COUNT; i++, n++) {
		if ((double)at[i] < gap * WINDOW * (double)window)
			continue;
		variance += ((double)n - WINDOW) * ((double)n - WINDOW) / (COUNT / WINDOW);
		n = 0;
		window++;
	}
	assert_true(variance > 0.85 * WINDOW && variance < 1.15 * WINDOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
	        cmocka_unit_test(messages_stay_within_the_pool),
	        cmocka_unit_test(sizes_come_in_their_shares),
	        cmocka_unit_test(subjects_follow_their_distribution),
	        cmocka_unit_test(subject_texts_are_numbered),
	        cmocka_unit_test(headers_come_in_their_share_and_are_valid),
	        cmocka_unit_test(reads_come_in_their_share_and_cover_the_store),
	        cmocka_unit_test(removals_take_each_sequence_once),
	        cmocka_unit_test(the_pool_is_as_compressible_as_asked),
	        cmocka_unit_test(even_arrivals_are_equally_far_apart),
	        cmocka_unit_test(poisson_arrivals_are_random_and_seeded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
