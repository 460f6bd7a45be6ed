/* Workload files: what is accepted, and that each bad one is refused with file, line, what was
 * found and what is expected. */
#include "workloads/workload_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* 64 characters, one too many. */
#define LONG_NAME "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int parse_bytes(const char *text, size_t bytes, struct workload *w,
                       struct workload_error *err)
{
	FILE *in = bytes ? fmemopen((void *)(uintptr_t)text, bytes, "r")
	                 : fopen("/dev/null", "r"); /* fmemopen refuses 0 bytes */
	int rc;

	assert_non_null(in);
	rc = workload_parse_stream(in, "dir/case.ini", w, err);
	fclose(in);
	return rc;
}

static int parse(const char *text, struct workload *w, struct workload_error *err)
{
	return parse_bytes(text, strlen(text), w, err);
}

static void good(const char *text, struct workload *w)
{
	struct workload_error err;

	if (parse(text, w, &err) != 0)
		fail_msg("refused: %s", err.text);
}

static void values_of_every_key(void **state)
{
	struct workload w;

	(void)state;
	good("\xef\xbb\xbf# byte order mark and CRLF\r\n"
	     "  [workload] # the only section\r\n"
	     "question: Is it \"dear\" = so?\r\n"
	     "class = publish\r\noperation = mixed\r\nmessages = 1099511627776\r\n"
	     "fill_messages=7\r\nrounds = 8 ; inline comment\r\nseed = 18446744073709551615\r\n"
	     "sizes = 128:70, 4k-5k:25.5 ,64K:5\r\nheaders_bytes = 96\r\nheaders_share = 0.3\r\n"
	     "compressibility = .5\r\nsubject_prefix = orders.eu\r\nsubjects = 10000\r\n"
	     "subject_distribution = zipf\r\nzipf_exponent = 1.1\r\npublishers = 4\r\n"
	     "readers = 3\r\nstreams = 2\r\nread_share = 1\r\nflush = async\r\nsync = 500ms\r\n"
	     "block_bytes = server\r\nread = record\r\nkey_ahead = 0\r\nkeystream_ahead = 0\r\n"
	     "cache = cold\r\nlatency_every = 0\r\nwindow = 1\r\nconsumer = ordered\r\n"
	     "max_bytes = 8g\r\ncheck = all\r\nserver_heap = 1m\r\n"
	     "rate = 100000000\r\nrate_share = 1.5\r\narrivals = poisson",
	     &w);
	assert_string_equal(w.name, "case");
	assert_string_equal(w.question, "Is it \"dear\" = so?");
	assert_string_equal(w.class_, "publish");
	assert_int_equal(w.operation, WORKLOAD_MIXED);
	assert_int_equal(w.messages, UINT64_C(1) << 40);
	assert_int_equal(w.fill_messages, 7);
	assert_int_equal(w.rounds, 8);
	assert_true(w.seed == UINT64_MAX);
	assert_int_equal(w.size_count, 3);
	assert_int_equal(w.sizes[0].low_bytes, 128);
	assert_int_equal(w.sizes[0].high_bytes, 128);
	assert_true(w.sizes[0].weight == 70);
	assert_int_equal(w.sizes[1].low_bytes, 4096);
	assert_int_equal(w.sizes[1].high_bytes, 5120);
	assert_true(w.sizes[1].weight == 25.5);
	assert_int_equal(w.sizes[2].low_bytes, 65536);
	assert_int_equal(w.headers_bytes, 96);
	assert_true(w.headers_share == 0.3);
	assert_true(w.compressibility == 0.5);
	assert_string_equal(w.subject_prefix, "orders.eu");
	assert_int_equal(w.subjects, 10000);
	assert_int_equal(w.subject_distribution, WORKLOAD_ZIPF);
	assert_true(w.zipf_exponent == 1.1);
	assert_int_equal(w.publishers, 4);
	assert_int_equal(w.readers, 3);
	assert_int_equal(w.streams, 2);
	assert_true(w.read_share == 1);
	assert_int_equal(w.flush, WORKLOAD_FLUSH_ASYNC);
	assert_int_equal(w.sync, WORKLOAD_SYNC_INTERVAL);
	assert_int_equal(w.sync_interval_ns, 500000000);
	assert_true(w.block_bytes == WORKLOAD_BLOCK_BYTES_SERVER);
	assert_int_equal(w.read, WORKLOAD_READ_RECORD);
	assert_int_equal(w.key_ahead, 0);
	assert_int_equal(w.keystream_ahead_bytes, 0);
	assert_int_equal(w.cache, WORKLOAD_COLD);
	assert_int_equal(w.latency_every, 0);
	assert_int_equal(w.window, 1);
	assert_int_equal(w.consumer, WORKLOAD_CONSUMER_ORDERED);
	assert_true(w.max_bytes == UINT64_C(8) << 30);
	assert_int_equal(w.server_heap_bytes, 1 << 20);
	assert_int_equal(w.check, WORKLOAD_CHECK_ALL);
	assert_int_equal(w.rate_msgs_s, 100000000);
	assert_true(w.rate_share == 1.5);
	assert_int_equal(w.arrivals, WORKLOAD_ARRIVALS_POISSON);
}

static void one_key_is_enough_and_the_rest_has_defaults(void **state)
{
	struct workload w, defaults;

	(void)state;
	workload_init(&defaults);
	strcpy(defaults.name, "case");
	strcpy(defaults.class_, "read-random");
	defaults.operation = WORKLOAD_READ_RANDOM;
	good("operation = read-random\n", &w);
	assert_memory_equal(&w, &defaults, sizeof(w));
}

static void sizes_go_on_over_several_lines(void **state)
{
	struct workload w;

	(void)state;
	good("sizes = 1,\n\t2-3:0.5,\n# between\n        4 ; and behind\nrounds = 3\n", &w);
	assert_int_equal(w.size_count, 3);
	assert_int_equal(w.sizes[1].high_bytes, 3);
	assert_int_equal(w.sizes[2].low_bytes, 4);
	assert_int_equal(w.rounds, 3);
}

static void durations_have_units(void **state)
{
	struct workload w;

	(void)state;
	good("sync = 1ms\n", &w);
	assert_int_equal(w.sync_interval_ns, 1000000);
	good("sync = 24h\n", &w);
	assert_int_equal(w.sync_interval_ns, UINT64_C(86400000000000));
	good("sync = always\n", &w);
	assert_int_equal(w.sync, WORKLOAD_SYNC_ALWAYS);
	good("sync = none\n", &w);
	assert_int_equal(w.sync, WORKLOAD_SYNC_NONE);
}

/* Text of a file, and what the message must hold; every one is tried. */
struct bad {
	const char *text;
	const char *message;
};

static const struct bad bad_values[] = {
        {"rounds = 0\n", "case.ini:1: rounds: found \"0\", expected a whole number of 1 to 10000"},
        {"\n\nrounds = -1\n", "case.ini:3: rounds: found \"-1\""},
        {"rounds =\n", "case.ini:1: rounds: found \"\", expected a whole number"},
        {"rounds = +1\n", "found \"+1\""},
        {"rounds = 1 2\n", "found \"1 2\""},
        {"rounds = 0x10\n", "found \"0x10\""},
        {"rounds = 1e3\n", "found \"1e3\""},
        {"rounds = 2147483648\n", "found \"2147483648\""},
        {"rounds = 4294967297\n", "found \"4294967297\""}, /* 1 in 32 bits */
        {"messages = 9223372036854775808\n", "expected a whole number of 1 to 1099511627776"},
        {"messages = 18446744073709551617\n", "found \"18446744073709551617\""},
        {"messages = 1k\n", "found \"1k\""},
        {"seed = 18446744073709551616\n", "expected a whole number of 0 to 18446744073709551615"},
        {"sizes = 0\n", "sizes: found \"0\", expected 1 to 32 sizes of 1 to 32m"},
        {"sizes = -1\n", "found \"-1\""},
        {"sizes = 2147483648\n", "found \"2147483648\""},
        {"sizes = 33m\n", "found \"33m\""},
        {"sizes = 18014398509481985k\n", "found \"18014398509481985k\""}, /* 1k in 64 bits */
        {"sizes = \n", "found \"\""},
        {"sizes = 1,\n", "found \"1,\""},
        {"sizes = ,1\n", "found \",1\""},
        {"sizes = 1 2\n", "found \"1 2\""},
        {"sizes = 1kb\n", "found \"1kb\""},
        {"sizes = 2-1\n", "found \"2-1\""},
        {"sizes = 1-\n", "found \"1-\""},
        {"sizes = 1:0\n", "found \"1:0\""},
        {"sizes = 1:-1\n", "found \"1:-1\""},
        {"sizes = 1:nan\n", "found \"1:nan\""},
        {"sizes = 1:inf\n", "found \"1:inf\""},
        {"sizes = 1:1e-400\n", "found \"1:1e-400\""}, /* 0 */
        {"sizes = 1:2000000000\n", "found \"1:2000000000\""},
        {"sizes = 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1\n",
         "expected 1 to 32 sizes"},
        {"read_share = nan\n", "read_share: found \"nan\", expected a number of 0 to 1, as 0.3"},
        {"read_share = NaN\n", "found \"NaN\""},
        {"read_share = inf\n", "found \"inf\""},
        {"read_share = 1.0001\n", "found \"1.0001\""},
        {"read_share = -0.1\n", "found \"-0.1\""},
        {"read_share = 0.1.2\n", "found \"0.1.2\""},
        {"read_share = .\n", "found \".\""},
        {"read_share = 50%\n", "found \"50%\""},
        {"read_share = 0x1p-1\n", "found \"0x1p-1\""},
        {"zipf_exponent = 11\n", "expected a number of 0 to 10"},
        {"headers_bytes = 65537\n", "expected a size of 0 to 65536 bytes"},
        {"block_bytes = 1k\n", "expected a size of 4k to 64m, or server"},
        {"block_bytes = 17592186044418m\n", "found \"17592186044418m\""},
        {"block_bytes = servers\n", "found \"servers\""},
        {"operation = read\n", "expected one of publish, read-sequential, read-random, mixed"},
        {"operation = PUBLISH\n", "found \"PUBLISH\""},
        {"window = 0\n", "window: found \"0\", expected a whole number of 1 to 65536"},
        {"window = 65537\n", "found \"65537\""},
        {"max_bytes = -1\n", "expected a size of 0 to 1125899906842624 bytes"},
        {"max_bytes = 1048577g\n", "found \"1048577g\""},
        {"consumer = push\n", "expected one of pull, ordered"},
        {"check = none\n", "expected one of some, all"},
        {"flush = always\n", "expected one of each, async"},
        {"sync = 0\n", "expected always, none, or a duration"},
        {"sync = 0s\n", "found \"0s\""},
        {"sync = 2\n", "found \"2\""},
        {"sync = 2 m\n", "found \"2 m\""},
        {"sync = 25h\n", "found \"25h\""},
        {"sync = 307445734562m\n", "found \"307445734562m\""}, /* small in 64 bits */
        {"sync = interval\n", "found \"interval\""},
        {"class = two words\n", "expected 1 to 63 letters, digits"},
        {"class = a,b\n", "found \"a,b\""},
        {"subject_prefix = a..b\n", "expected 1 to 100 bytes, subject tokens"},
        {"subject_prefix = .a\n", "found \".a\""},
        {"subject_prefix = a.\n", "found \"a.\""},
        {"subject_prefix = a.*\n", "found \"a.*\""},
        {"subject_prefix = a b\n", "found \"a b\""},
        {"question =\n", "expected 1 to 180 bytes of text"},
        {"question = a;b\n", "found \"a;b\""},
};

static const struct bad bad_files[] = {
        {"mesages = 3\n", "case.ini:1: unknown key \"mesages\", did you mean messages?"},
        {"rounds = 3\nxyzzy_plugh = 3\n", "case.ini:2: unknown key \"xyzzy_plugh\", expected one"},
        {"= 3\n", "case.ini:1: unknown key \"\""},
        {"rounds = 3\nclass = a\nrounds = 3\n",
         "case.ini:3: second \"rounds\", expected each key once"},
        {"rounds = 3\nnonsense\n", "case.ini:2: no '=', expected key = value"},
        {"nonsense\nrounds = 0\n", "case.ini:1: no '='"},
        {"rounds = 0\nclass = a\nnonsense\n", "case.ini:1: rounds: found \"0\""},
        {"[other]\nrounds = 3\n", "case.ini:1: section [other], expected [workload] or none"},
        {"rounds = 3\n[other]\n", "case.ini:2: section [other]"},
        {"[workload\nrounds = 3\n", "case.ini:1: section [workload, expected"},
        {"[workload] x\n", "case.ini:1: found \"x\" after [workload]"},
        {"[workload]\nrounds = 3\n[workload]\nclass = a\n",
         "case.ini:3: second [workload], expected one"},
        {"class = a\n  rounds = 3\n", "case.ini:2: indented line, expected key = value"},
        {"  rounds = 3\n", "case.ini:1: indented line"},
        {"sizes = 1,\n[workload]\n 2\n", "case.ini:1: sizes: found \"1,\""},
        {"", "case.ini: no key, expected at least operation"},
        {"# only a comment\n[workload]\n", "case.ini: no key"},
        {"rounds = 3\r# old line ends\r", "case.ini:1: control character 0x0d"},
        {"question = \x1b[31m\n", "case.ini:1: control character 0x1b, expected text"},
        {"question = \x7f\n", "case.ini:1: control character 0x7f"},
        {"# \xff\xfe\n", "case.ini:1: bytes that are not UTF-8"},
        {"question = \xc0\xaf\n", "not UTF-8"},         /* overlong */
        {"question = \xed\xa0\x80\n", "not UTF-8"},     /* surrogate */
        {"question = \xf4\x90\x80\x80\n", "not UTF-8"}, /* above 10FFFF */
        {"question = \xe2\x82\n", "not UTF-8"},         /* cut */
};

static void refused(const struct bad *b)
{
	struct workload w;
	struct workload_error err;

	if (parse(b->text, &w, &err) == 0)
		fail_msg("accepted: %s", b->text);
	if (strncmp(err.text, "dir/case.ini:", 13) != 0 || !strstr(err.text, b->message))
		fail_msg("for <%s>\n found    <%s>\n expected <%s>", b->text, err.text, b->message);
}

static void every_bad_value_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_values) / sizeof(bad_values[0]); i++)
		refused(&bad_values[i]);
}

static void every_malformed_file_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_files) / sizeof(bad_files[0]); i++)
		refused(&bad_files[i]);
}

static void nul_bytes_are_refused(void **state)
{
	static const char text[] = "rounds = 3\nclass\0 = a\n";
	static const char utf16[] = "\xff\xfer\0o\0u\0";
	struct workload w;
	struct workload_error err;

	(void)state;
	assert_int_equal(parse_bytes(text, sizeof(text) - 1, &w, &err), -1);
	assert_string_equal(err.text, "dir/case.ini:2: NUL byte, expected text");
	assert_int_equal(parse_bytes(utf16, sizeof(utf16) - 1, &w, &err), -1);
	assert_string_equal(err.text, "dir/case.ini:1: NUL byte, expected text");
}

/* inih would split the line and read the rest as a key of its own. */
static void long_lines_are_refused_and_not_split(void **state)
{
	char text[512];
	struct workload w;
	struct workload_error err;

	(void)state;
	for (size_t blanks = 150; blanks < 230; blanks++) {
		memset(text, ' ', sizeof(text));
		memcpy(text, "class = a ;", 11);
		strcpy(text + blanks, "rounds = 3\nrounds = 4\n");
		size_t line = blanks + 10;
		if (line <= 198) {
			good(text, &w);
			assert_int_equal(w.rounds, 4); /* the first is in the comment */
		} else {
			assert_int_equal(parse(text, &w, &err), -1);
			assert_string_equal(err.text, "dir/case.ini:1: line longer than 198 bytes");
		}
	}
}

static void huge_files_are_refused(void **state)
{
	size_t bytes = 2 * 1024 * 1024;
	char *text = malloc(bytes + 1);
	struct workload w;
	struct workload_error err;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < bytes; i++)
		text[i] = i % 64 == 63 ? '\n' : '#';
	text[bytes] = 0;
	assert_int_equal(parse(text, &w, &err), -1);
	assert_non_null(strstr(err.text, "case.ini:16385: more than 1048576 bytes"));
	free(text);
}

/* A size list may be as long as 4 KiB over all its lines. */
static void endless_sizes_are_refused(void **state)
{
	char text[8192] = "sizes = 1,\n";
	struct workload w;
	struct workload_error err;

	(void)state;
	for (int i = 0; i < 60; i++)
		strcat(text, " 00000000000000000000000000000000000000000000000000000000000000000"
		             "0000000000000000000000000000001,\n");
	assert_int_equal(parse(text, &w, &err), -1);
	assert_non_null(strstr(err.text, "sizes longer than 4095 bytes"));
}

static void files_that_cannot_be_read_are_named(void **state)
{
	struct workload w;
	struct workload_error err;

	(void)state;
	assert_int_equal(workload_parse_file("/nonexistent/a.ini", &w, &err), -1);
	assert_string_equal(err.text, "/nonexistent/a.ini: No such file or directory");
	assert_int_equal(workload_parse_file("/tmp", &w, &err), -1);
	assert_string_equal(err.text, "/tmp: Is a directory");
}

static void the_name_must_fit_a_row(void **state)
{
	static const char *const names[] = {"a b.ini", "a,b.ini", "", "dir/", LONG_NAME ".ini"};
	struct workload w;
	struct workload_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		FILE *in = fmemopen((char[]){"rounds = 3\n"}, 11, "r");
		assert_int_equal(workload_parse_stream(in, names[i], &w, &err), -1);
		assert_non_null(strstr(err.text, "file name, expected NAME.ini"));
		fclose(in);
	}
}

static void set_takes_the_same_values(void **state)
{
	struct workload w;
	struct workload_error err;

	(void)state;
	workload_init(&w);
	assert_int_equal(workload_set(&w, "messages", "7", &err), 0);
	assert_int_equal(w.messages, 7);
	assert_int_equal(workload_set(&w, "sizes", "1k,2k", &err), 0);
	assert_int_equal(w.size_count, 2);
	assert_int_equal(workload_set(&w, "messages", "0", &err), -1);
	assert_string_equal(err.text,
	                    "--set messages: found \"0\", expected a whole number of 1 to "
	                    "1099511627776");
	assert_int_equal(w.messages, 7);
	assert_int_equal(workload_set(&w, "sizes", "1,", &err), -1);
	assert_int_equal(w.size_count, 2); /* unchanged */
	assert_int_equal(workload_set(&w, "sises", "1", &err), -1);
	assert_string_equal(err.text, "--set: unknown key \"sises\", did you mean sizes?");
	assert_int_equal(workload_set(&w, "question", "a\nb", &err), -1);
	assert_int_equal(workload_set(&w, "question", "\xff", &err), -1);
	assert_non_null(strstr(err.text, "UTF-8"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(values_of_every_key),
	        cmocka_unit_test(one_key_is_enough_and_the_rest_has_defaults),
	        cmocka_unit_test(sizes_go_on_over_several_lines),
	        cmocka_unit_test(durations_have_units),
	        cmocka_unit_test(every_bad_value_is_refused),
	        cmocka_unit_test(every_malformed_file_is_refused),
	        cmocka_unit_test(nul_bytes_are_refused),
	        cmocka_unit_test(long_lines_are_refused_and_not_split),
	        cmocka_unit_test(huge_files_are_refused),
	        cmocka_unit_test(endless_sizes_are_refused),
	        cmocka_unit_test(files_that_cannot_be_read_are_named),
	        cmocka_unit_test(the_name_must_fit_a_row),
	        cmocka_unit_test(set_takes_the_same_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
