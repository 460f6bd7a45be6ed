/* large.c - atrest-large: does a message cost more, does a store need more, when there are many?
 *
 * For each cipher, in processes of their own: a stream of --messages messages of 128 bytes under
 * one subject, and one of --subjects subjects of 16 bytes, two messages each, in scattered order;
 * flush async. Each is appended, opened with its state file, and opened without. A row is the
 * median over the rounds; the ciphers take turns in going first.
 *
 * What is dirty is written back before each stream, outside the time.
 *
 *   second, last   ns per message of the second million and of the last, written
 *   ratio          last / second, within the round
 *   memory         resident bytes at the end less those after the first million, per message; of
 *                  the subjects: less those of a stream of as many messages under one subject
 *   open, rebuilt  ms to open with index.db and without
 */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/analysis/stats.h"
#include "harness/measure/clock.h"
#include "harness/micro/bench.h"

#define PAYLOAD_BYTES 128
#define POOL_BYTES    ((size_t)4 * 1024 * 1024)
#define ROUNDS_MAX    20
#define CIPHERS       3
/* Coprime to every round number of subjects: each subject comes once before one comes again. */
#define SCATTER UINT64_C(7368787)

static const char *const ciphers[CIPHERS] = {"none", "chachapoly", "aes"};
static const uint8_t key[] = "large key";

/* What a child measured of one stream. */
struct figures {
	double second_ns, last_ns; /* per message */
	double rss_first, rss_end; /* bytes, after the first million and at the end */
	double open_ms, rebuilt_ms;
	double open_rss;
};

struct row {
	struct figures one[ROUNDS_MAX], many[ROUNDS_MAX], same[ROUNDS_MAX];
};

/* ---- in the child ---- */

static double resident_bytes(void)
{
	unsigned long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%lu %lu", &size, &resident) != 2)
		bench_die("/proc/self/statm", "cannot be read");
	(void)fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static struct atr_store_options options_of(const char *cipher)
{
	struct atr_store_options o = {.cipher = atr_cipher_find(cipher, NULL),
	                              .sync = ATR_SYNC_NONE,
	                              .flush = ATR_FLUSH_ASYNC,
	                              .stream = "S",
	                              .account = "$G",
	                              .config_json = "{\"subjects\":[\">\"]}"};

	if (atr_cipher_encrypts(o.cipher)) {
		o.key = key;
		o.key_bytes = sizeof key - 1;
	}
	return o;
}

/* ns per message of messages first .. end - 1, the last one written. */
static double append_some(struct atr_store *store, const uint8_t *pool, uint64_t first,
                          uint64_t end, uint64_t subjects)
{
	char subject[32] = "subject.00000000";
	struct atr_message m = {
	        .subject = subject, .subject_bytes = 16, .payload_bytes = PAYLOAD_BYTES};
	struct atr_error err;
	uint64_t start = clock_ns();

	for (uint64_t i = first; i < end; i++) {
		if (subjects > 1) {
			uint64_t n = i * SCATTER % subjects;

			for (unsigned digit = 16; digit > 8; n /= 10)
				subject[--digit] = (char)('0' + n % 10);
		}
		m.payload = pool + i * PAYLOAD_BYTES % (POOL_BYTES - PAYLOAD_BYTES);
		bench_check(atr_store_append(store, &m, NULL, &err), &err);
	}
	bench_check(atr_store_flush(store, &err), &err);
	return (double)(clock_ns() - start) / (double)(end - first);
}

static void child_append(const char *dir, const char *cipher, uint64_t messages, uint64_t subjects)
{
	uint64_t million = messages >= 3000000 ? 1000000 : messages / 3;
	struct atr_store_options o = options_of(cipher);
	uint8_t *pool = malloc(POOL_BYTES);
	struct figures f = {0};
	struct atr_store *store;
	struct atr_error err;

	if (pool == NULL || atr_file_real.random(NULL, pool, POOL_BYTES) != 0)
		bench_die("memory", "none left");
	bench_check(atr_store_create(dir, &o, &store, &err), &err);
	bench_check(atr_store_fill_keys(store, &err), &err);
	(void)append_some(store, pool, 0, million, subjects);
	f.rss_first = resident_bytes();
	f.second_ns = append_some(store, pool, million, 2 * million, subjects);
	if (messages > 3 * million)
		(void)append_some(store, pool, 2 * million, messages - million, subjects);
	f.last_ns = append_some(store, pool, messages - million, messages, subjects);
	f.rss_end = resident_bytes();
	bench_check(atr_store_close(store, &err), &err);
	free(pool);
	(void)printf("%f %f %f %f\n", f.second_ns, f.last_ns, f.rss_first, f.rss_end);
}

static void child_open(const char *dir, const char *cipher, uint64_t messages)
{
	struct atr_store_options o = options_of(cipher);
	struct atr_store_state s;
	struct atr_store *store;
	struct atr_error err;
	uint64_t start;
	double ms;

	/* a flusher's 6 MiB of buffers, touched when it starts, belong to appending */
	o.flush = ATR_FLUSH_EACH;
	start = clock_ns();
	bench_check(atr_store_open(dir, &o, &store, &err), &err);
	ms = (double)(clock_ns() - start) / 1e6;
	atr_store_state(store, &s);
	if (s.messages != messages)
		bench_die(dir, "another number of messages than was appended");
	(void)printf("%f %f\n", ms, resident_bytes());
	/* as it was: nothing is written, not even a state file */
	_exit(fflush(stdout) == 0 ? 0 : 4);
}

/* ---- in the parent ---- */

static FILE *start_child(const char *step, const char *dir, const char *cipher, uint64_t messages,
                         uint64_t subjects, pid_t *pid)
{
	char count[32], names[32];
	int ends[2];

	(void)snprintf(count, sizeof count, "%" PRIu64, messages);
	(void)snprintf(names, sizeof names, "%" PRIu64, subjects);
	if (pipe(ends) != 0 || (*pid = fork()) < 0)
		bench_die("a child", "no process");
	if (*pid == 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)execl("/proc/self/exe", "atrest-large", "--step", step, dir, cipher, count,
		            names, (char *)NULL);
		_exit(127);
	}
	(void)close(ends[1]);
	return fdopen(ends[0], "r");
}

static void end_child(FILE *from, pid_t pid, int complete)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status != 0 || !complete)
		bench_die("a child", "the measuring process failed");
	(void)fclose(from);
}

static void measure_open(const char *dir, const char *cipher, uint64_t messages, double *ms,
                         double *rss)
{
	pid_t pid;
	FILE *from = start_child("open", dir, cipher, messages, 0, &pid);

	end_child(from, pid, from != NULL && fscanf(from, "%lf %lf", ms, rss) == 2);
}

/* What earlier streams left to be written back would be paid for by the next one. */
static void drain(const char *parent)
{
	int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) != 0)
		bench_die(parent, "cannot be synced");
	(void)close(fd);
	sync(); /* and below it, where it is an image in a file */
}

static void measure(const char *parent, const char *cipher, uint64_t messages, uint64_t subjects,
                    struct figures *out)
{
	char dir[PATH_MAX], state[PATH_MAX + 32];
	double ignored;
	pid_t pid;
	FILE *from;

	if (snprintf(dir, sizeof dir, "%s/stream", parent) >= (int)sizeof dir)
		bench_die(parent, "path too long");
	drain(parent);
	from = start_child("append", dir, cipher, messages, subjects, &pid);
	end_child(from, pid,
	          from != NULL && fscanf(from, "%lf %lf %lf %lf", &out->second_ns, &out->last_ns,
	                                 &out->rss_first, &out->rss_end) == 4);
	(void)snprintf(state, sizeof state, "%s/msgs/index.db", dir);
	if (access(state, F_OK) != 0)
		bench_die(state, "was not written");
	measure_open(dir, cipher, messages, &out->open_ms, &out->open_rss);
	if (unlink(state) != 0)
		bench_die(state, "cannot be removed");
	measure_open(dir, cipher, messages, &out->rebuilt_ms, &ignored);
	bench_remove(dir);
}

static double median_of(const struct figures *f, size_t offset, unsigned rounds)
{
	double x[ROUNDS_MAX] = {0};

	for (unsigned i = 0; i < rounds; i++)
		memcpy(&x[i], (const char *)&f[i] + offset, sizeof x[i]);
	return stats_median(x, rounds);
}

static double median_ratio(const struct figures *f, unsigned rounds)
{
	double x[ROUNDS_MAX] = {0};

	for (unsigned i = 0; i < rounds; i++)
		x[i] = f[i].last_ns / f[i].second_ns;
	return stats_median(x, rounds);
}

static json_t *row_of(const char *cipher, uint64_t messages, uint64_t subjects,
                      const struct figures *f, double bytes, unsigned rounds)
{
	return json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "cipher", cipher,
	                 "messages", (json_int_t)messages, "subjects", (json_int_t)subjects,
	                 "second_ns_per_msg",
	                 median_of(f, offsetof(struct figures, second_ns), rounds),
	                 "last_ns_per_msg", median_of(f, offsetof(struct figures, last_ns), rounds),
	                 "last_to_second", median_ratio(f, rounds),
	                 subjects > 1 ? "bytes_per_subject" : "bytes_per_msg", bytes, "open_ms",
	                 median_of(f, offsetof(struct figures, open_ms), rounds), "rebuilt_ms",
	                 median_of(f, offsetof(struct figures, rebuilt_ms), rounds), "open_rss_mib",
	                 median_of(f, offsetof(struct figures, open_rss), rounds) / (1 << 20));
}

static double number(const json_t *row, const char *name)
{
	return json_real_value(json_object_get(row, name));
}

static void print_row(const json_t *row)
{
	uint64_t subjects = (uint64_t)json_integer_value(json_object_get(row, "subjects"));

	(void)printf("%-10s %10" PRIu64 " %9" PRIu64
	             " %8.1f %8.1f %6.2f %8.2f per %-7s %9.2f %9.1f %8.1f\n",
	             json_string_value(json_object_get(row, "cipher")),
	             (uint64_t)json_integer_value(json_object_get(row, "messages")), subjects,
	             number(row, "second_ns_per_msg"), number(row, "last_ns_per_msg"),
	             number(row, "last_to_second"),
	             number(row, subjects > 1 ? "bytes_per_subject" : "bytes_per_msg"),
	             subjects > 1 ? "subject" : "message", number(row, "open_ms"),
	             number(row, "rebuilt_ms"), number(row, "open_rss_mib"));
}

static double per(double bytes, uint64_t count)
{
	return bytes / (double)count;
}

static void print_all(const struct row *rows, uint64_t messages, uint64_t subjects, unsigned rounds,
                      int as_json)
{
	json_t *all = json_array();
	uint64_t rest = messages - (messages >= 3000000 ? 1000000 : messages / 3);

	for (unsigned c = 0; c < CIPHERS; c++) {
		const struct row *r = &rows[c];
		size_t end = offsetof(struct figures, rss_end);

		(void)json_array_append_new(
		        all,
		        row_of(ciphers[c], messages, 1, r->one,
		               per(median_of(r->one, end, rounds) -
		                           median_of(r->one, offsetof(struct figures, rss_first),
		                                     rounds),
		                   rest),
		               rounds));
		(void)json_array_append_new(all, row_of(ciphers[c], 2 * subjects, subjects, r->many,
		                                        per(median_of(r->many, end, rounds) -
		                                                    median_of(r->same, end, rounds),
		                                            subjects),
		                                        rounds));
	}
	if (as_json) {
		(void)json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
		(void)putchar('\n');
	} else {
		size_t i;
		const json_t *row;

		(void)printf("%-10s %10s %9s %8s %8s %6s %8s %-11s %9s %9s %8s\n", "cipher",
		             "messages", "subjects", "second", "last", "ratio", "bytes", "",
		             "open ms", "rebuilt", "RSS MiB");
		json_array_foreach(all, i, row) print_row(row);
	}
	json_decref(all);
}

static int usage(FILE *out, int code)
{
	(void)fprintf(
	        out,
	        "usage: atrest-large [--messages N] [--subjects N] [--rounds N] [--json] "
	        "[DIRECTORY]\n"
	        "  long streams and many subjects, under each cipher: does a message cost more at "
	        "the end,\n"
	        "  how much memory does it take, how long is opening with the state file and "
	        "without?\n"
	        "  defaults: 10000000 messages, 1000000 subjects, 3 rounds, the current "
	        "directory\n"
	        "  Example: atrest-large --rounds 1 /var/tmp\n");
	return code;
}

static void measure_rounds(const char *dir, uint64_t messages, uint64_t subjects, unsigned rounds,
                           struct row *rows)
{
	for (unsigned i = 0; i < rounds; i++)
		for (unsigned k = 0; k < CIPHERS; k++) {
			unsigned c = (k + i) % CIPHERS;

			measure(dir, ciphers[c], messages, 1, &rows[c].one[i]);
			measure(dir, ciphers[c], 2 * subjects, 1, &rows[c].same[i]);
			measure(dir, ciphers[c], 2 * subjects, subjects, &rows[c].many[i]);
			if (isatty(STDERR_FILENO))
				(void)fprintf(stderr, "\rround %u of %u, %-10s", i + 1, rounds,
				              ciphers[c]);
		}
	if (isatty(STDERR_FILENO))
		(void)fprintf(stderr, "\r%40s\r", "");
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {{"messages", required_argument, NULL, 'm'},
	                                             {"subjects", required_argument, NULL, 's'},
	                                             {"rounds", required_argument, NULL, 'r'},
	                                             {"json", no_argument, NULL, 'j'},
	                                             {"help", no_argument, NULL, 'h'},
	                                             {NULL, 0, NULL, 0}};
	uint64_t messages = 10000000, subjects = 1000000;
	static struct row rows[CIPHERS];
	unsigned rounds = 3;
	int option, as_json = 0;
	char dir[PATH_MAX];

	if (argc == 7 && strcmp(argv[1], "--step") == 0) {
		messages = strtoull(argv[5], NULL, 10);
		if (strcmp(argv[2], "append") == 0)
			child_append(argv[3], argv[4], messages, strtoull(argv[6], NULL, 10));
		else
			child_open(argv[3], argv[4], messages);
		return 0;
	}
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == 'm')
			messages = strtoull(optarg, NULL, 10);
		else if (option == 's')
			subjects = strtoull(optarg, NULL, 10);
		else if (option == 'r')
			rounds = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'j')
			as_json = 1;
		else
			return option == 'h' ? usage(stdout, 0) : usage(stderr, 2);
	}
	if (argc - optind > 1 || rounds < 1 || rounds > ROUNDS_MAX || messages < 3000 ||
	    subjects < 2 || subjects > 1000000)
		return usage(stderr, 2);
	if (snprintf(dir, sizeof dir, "%s/atrest-large-XXXXXX",
	             optind < argc ? argv[optind] : ".") >= (int)sizeof dir ||
	    mkdtemp(dir) == NULL)
		bench_die(optind < argc ? argv[optind] : ".", "no directory can be made there");
	measure_rounds(dir, messages, subjects, rounds, rows);
	print_all(rows, messages, subjects, rounds, as_json);
	(void)rmdir(dir);
	return 0;
}
