/* ratios.c - atrest-ratios: rounds, rows, printing. See ratios.h. */
#include "harness/micro/ratios.h"

#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/analysis/stats.h"
#include "harness/measure/clock.h"
#include "store/footprint.h"
#include "store/file.h"

#define ROUNDS_DEFAULT    7
#define MEMORY_BYTES      ((uint64_t)1 << 30)
#define MEMORY_LIMIT      ((double)(24 << 20))
#define BLOCK_LIMIT_BYTES 128
#define CREATE_WARN_US    40

const size_t ratios_payload[RATIOS_SIZES] = {16, 128, 1024, 8192, 65536};
const char *const ratios_cipher[RATIOS_CIPHERS] = {"none", "chachapoly", "aes"};
uint8_t *ratios_pool;

static struct parts parts[RATIOS_ROUNDS_MAX][RATIOS_SIZES];
static struct figures figures[RATIOS_ROUNDS_MAX][RATIOS_CIPHERS][RATIOS_SIZES];
static size_t rounds = ROUNDS_DEFAULT;
static int as_json;
static clockid_t clock_id = CLOCK_MONOTONIC;
static json_t *json_rows;
static unsigned missed;

uint64_t ratios_now_ns(void)
{
	return clock_of_ns(clock_id);
}

size_t ratios_record_bytes(size_t size)
{
	return (size_t)atr_footprint_record_bytes(sizeof RATIOS_SUBJECT - 1, 0,
	                                          ratios_payload[size]);
}

uint64_t ratios_each_bytes(size_t size)
{
	uint64_t bytes = RATIOS_EACH_MESSAGES * ratios_record_bytes(size);

	return bytes < RATIOS_SLICE_BYTES ? bytes : RATIOS_SLICE_BYTES;
}

/* ---- rows ---- */

/* A row is ok when ratio <= 1. */
static void print_row(const char *what, const char *cipher, size_t payload, double value,
                      double parts_value, double limit, double ratio, const char *unit)
{
	int ok = ratio <= 1;

	missed += !ok;
	if (as_json) {
		(void)json_array_append_new(
		        json_rows,
		        json_pack("{s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:s, s:b}", "what", what,
		                  "cipher", cipher, "payload_bytes", (json_int_t)payload, "value",
		                  value, "parts", parts_value, "limit", limit, "ratio", ratio,
		                  "unit", unit, "ok", ok));
		return;
	}
	(void)printf("%-22s %-10s %6zu  %10.1f  %10.1f  %10.1f %-4s %6.2f  %s\n", what, cipher,
	             payload, value, parts_value, limit, unit, ratio, ok ? "ok" : "MISS");
}

static double median(const double *x)
{
	return stats_median(x, rounds);
}

/* One figure of all rounds against factor x parts + allowance of the same round. */
struct rule {
	const char *what;
	double factor, allowance;
	double (*parts)(const struct parts *p, size_t cipher); /* NULL: a pair, see figures */
	size_t figure;                                         /* offset in struct figures */
};

static const struct rule rules[] = {
        {"append async", 1.15, 60, parts_async, offsetof(struct figures, async)},
        {"append each", 1.1, 60, parts_each, offsetof(struct figures, each)},
        {"append sync always", 1.05, 0, NULL, offsetof(struct figures, always)},
        {"read in order", 1.1, 40, parts_read, offsetof(struct figures, read)},
        {"open without state", 1.2, 0, parts_read, offsetof(struct figures, open)},
};

static double figure_of(size_t round, size_t cipher, size_t size, size_t offset)
{
	double value;

	memcpy(&value, (const char *)&figures[round][cipher][size] + offset, sizeof value);
	return value;
}

static void print_rule(const struct rule *rule, size_t cipher, size_t size)
{
	double value[RATIOS_ROUNDS_MAX], sum[RATIOS_ROUNDS_MAX], limit[RATIOS_ROUNDS_MAX],
	        ratio[RATIOS_ROUNDS_MAX];

	for (size_t i = 0; i < rounds; i++) {
		value[i] = figure_of(i, cipher, size, rule->figure);
		sum[i] = rule->parts != NULL ? rule->parts(&parts[i][size], cipher)
		                             : figures[i][cipher][size].always_parts;
		limit[i] = rule->factor * sum[i] + rule->allowance;
		ratio[i] = value[i] / limit[i];
	}
	print_row(rule->what, ratios_cipher[cipher], ratios_payload[size], median(value),
	          median(sum), median(limit), median(ratio), "ns");
}

/* Percent that the cipher adds to plaintext, against the percent it must add. */
static void print_overhead(const char *what, size_t offset, int each, size_t cipher, size_t size)
{
	double value[RATIOS_ROUNDS_MAX], ideal[RATIOS_ROUNDS_MAX], limit[RATIOS_ROUNDS_MAX],
	        ratio[RATIOS_ROUNDS_MAX];

	for (size_t i = 0; i < rounds; i++) {
		const struct parts *p = &parts[i][size];
		double c = each ? p->cipher_call[cipher] : p->cipher_byte[cipher] * p->record_bytes;
		double plain = each ? parts_each(p, 0) : parts_async(p, 0);

		value[i] = 100 *
		           (figure_of(i, cipher, size, offset) / figure_of(i, 0, size, offset) - 1);
		ideal[i] = 100 * c / plain;
		limit[i] = 1.3 * ideal[i] + 3;
		ratio[i] = value[i] / limit[i];
	}
	print_row(what, ratios_cipher[cipher], ratios_payload[size], median(value), median(ideal),
	          median(limit), median(ratio), "%");
}

static void print_gets(size_t cipher, size_t size)
{
	double limit = ratios_payload[size] <= 1024 ? 6000 : 10000, value[RATIOS_ROUNDS_MAX];

	if (ratios_payload[size] > 8192)
		return; /* no target is set */
	for (size_t i = 0; i < rounds; i++)
		value[i] = figures[i][cipher][size].get;
	print_row("get at random", ratios_cipher[cipher], ratios_payload[size], median(value), 0,
	          limit, median(value) / limit, "ns");
}

/* Whatever the size of the stream; the target is that of 1 GiB. */
static void print_open_state(size_t cipher, size_t size)
{
	double value[RATIOS_ROUNDS_MAX], limit = 3;

	for (size_t i = 0; i < rounds; i++)
		value[i] = figures[i][cipher][size].open_state_ms;
	print_row("open 64M, state good", ratios_cipher[cipher], ratios_payload[size],
	          median(value), 0, limit, median(value) / limit, "ms");
}

static void print_all(void)
{
	for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++)
		for (size_t size = 0; size < RATIOS_SIZES; size++)
			for (size_t cipher = 0; cipher < RATIOS_CIPHERS; cipher++)
				print_rule(&rules[r], cipher, size);
	for (size_t size = 0; size < RATIOS_SIZES; size++)
		for (size_t cipher = 0; cipher < RATIOS_CIPHERS; cipher++)
			print_gets(cipher, size);
	for (size_t size = 0; size < RATIOS_SIZES; size++)
		for (size_t cipher = 0; cipher < RATIOS_CIPHERS; cipher++)
			print_open_state(cipher, size);
	for (size_t cipher = 1; cipher < RATIOS_CIPHERS; cipher++)
		for (size_t size = 0; size < RATIOS_SIZES; size++) {
			print_overhead("overhead async", offsetof(struct figures, async), 0, cipher,
			               size);
			print_overhead("overhead each", offsetof(struct figures, each), 1, cipher,
			               size);
		}
}

static void print_memory(const char *dir)
{
	char program[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);

	if (n <= 0)
		bench_die("/proc/self/exe", "cannot be read");
	program[n] = '\0';
	for (size_t cipher = 0; cipher < RATIOS_CIPHERS; cipher++) {
		struct memory m = {0};
		double limit;

		memory_measure(program, dir, cipher, MEMORY_BYTES, &m);
		limit = (MEMORY_LIMIT + (double)(m.blocks * BLOCK_LIMIT_BYTES)) / (1 << 20);
		const struct {
			const char *what;
			uint64_t bytes;
		} rows[] = {{"memory append 1 GiB", m.append},
		            {"memory open 1 GiB", m.open},
		            {"memory read 1 GiB", m.read}};

		for (size_t i = 0; i < 3; i++) {
			double mib = (double)rows[i].bytes / (1 << 20) -
			             (double)RATIOS_POOL_BYTES / (1 << 20);

			print_row(rows[i].what, ratios_cipher[cipher], 1024, mib, 0, limit,
			          mib / limit, "MiB");
		}
	}
}

static double median_part(size_t offset, int inverse)
{
	double x[RATIOS_ROUNDS_MAX * RATIOS_SIZES], value;

	for (size_t i = 0; i < rounds * RATIOS_SIZES; i++) {
		memcpy(&value, (const char *)&parts[i / RATIOS_SIZES][i % RATIOS_SIZES] + offset,
		       sizeof value);
		x[i] = inverse ? 1 / value : value;
	}
	return stats_median(x, rounds * RATIOS_SIZES);
}

static void print_parts(void)
{
	double create_us = median_part(offsetof(struct parts, create_file), 0) / 1000;

	if (!as_json)
		(void)printf(
		        "parts: clock %.1f ns, copy %.1f GB/s, write %.1f GB/s in 128 KiB, "
		        "read %.1f GB/s, chachapoly %.2f GB/s, aes %.2f GB/s, new file %.1f us\n"
		        "%-22s %-10s %6s  %10s  %10s  %10s %-4s %6s\n",
		        median_part(offsetof(struct parts, clock), 0),
		        median_part(offsetof(struct parts, copy_byte), 1),
		        median_part(offsetof(struct parts, piece_write_byte), 1),
		        median_part(offsetof(struct parts, piece_read_byte), 1),
		        median_part(offsetof(struct parts, cipher_byte[1]), 1),
		        median_part(offsetof(struct parts, cipher_byte[2]), 1), create_us, "what",
		        "cipher", "bytes", "store", "parts", "limit", "", "ratio");
	if (create_us > CREATE_WARN_US)
		(void)fprintf(stderr,
		              "warning: creating a file takes %.0f us here: encrypted rows, which "
		              "create more, are dearer than they need to be\n",
		              create_us);
}

/* ---- main ---- */

static int usage(void)
{
	(void)fprintf(
	        stderr,
	        "usage: atrest-ratios [--rounds N] [--json] [--cpu] [--no-memory] [DIRECTORY]\n"
	        "  measures the store beside the machine's own speeds in DIRECTORY (default: "
	        "the current one)\n"
	        "  --cpu: processor time of all threads instead of wall time\n");
	return 2;
}

static void measure_rounds(const char *dir)
{
	for (size_t i = 0; i < rounds; i++) {
		/* every other round backwards, so that drift cancels */
		for (size_t k = 0; k < RATIOS_SIZES; k++) {
			size_t size = i % 2 == 0 ? k : RATIOS_SIZES - 1 - k;

			parts_measure(dir, size, &parts[i][size]);
			for (size_t c = 0; c < RATIOS_CIPHERS; c++) {
				size_t cipher = (c + i) % RATIOS_CIPHERS;

				figures_measure(dir, cipher, size, &figures[i][cipher][size]);
			}
		}
		if (isatty(STDERR_FILENO))
			(void)fprintf(stderr, "\rround %zu of %zu", i + 1, rounds);
	}
	if (isatty(STDERR_FILENO))
		(void)fprintf(stderr, "\r%30s\r", "");
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
	        {"rounds", required_argument, NULL, 'r'}, {"json", no_argument, NULL, 'j'},
	        {"no-memory", no_argument, NULL, 'm'},    {"cpu", no_argument, NULL, 'c'},
	        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
	char dir[PATH_MAX];
	int option, with_memory = 1;

	ratios_pool = malloc(RATIOS_POOL_BYTES);
	if (ratios_pool == NULL || atr_file_real.random(NULL, ratios_pool, RATIOS_POOL_BYTES) != 0)
		bench_die("memory", "none left");
	if (argc == 6 && strcmp(argv[1], "--memory") == 0)
		return memory_child(argv[2], argv[3], argv[4], argv[5]);
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == 'r')
			rounds = strtoul(optarg, NULL, 10);
		else if (option == 'j')
			as_json = 1;
		else if (option == 'm')
			with_memory = 0;
		else if (option == 'c')
			clock_id = CLOCK_PROCESS_CPUTIME_ID;
		else
			return option == 'h' ? (usage(), 0) : usage();
	}
	if (argc - optind > 1 || rounds < 1 || rounds > RATIOS_ROUNDS_MAX)
		return usage();
	if (snprintf(dir, sizeof dir, "%s/atrest-ratios-XXXXXX",
	             optind < argc ? argv[optind] : ".") >= (int)sizeof dir ||
	    mkdtemp(dir) == NULL)
		bench_die(optind < argc ? argv[optind] : ".", "no directory can be made there");
	json_rows = json_array();
	measure_rounds(dir);
	print_parts();
	print_all();
	if (with_memory)
		print_memory(dir);
	if (as_json)
		(void)json_dumpf(json_rows, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	else
		(void)printf("%u rows missed their target\n", missed);
	json_decref(json_rows);
	bench_remove(dir);
	free(ratios_pool);
	return 0;
}
