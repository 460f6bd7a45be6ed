/* size_input.c - see size_input.h. */
#include "cli/size_input.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/footprint.h"
#include "workloads/keys_file.h"

#define RATE_MAX        1e9 /* messages a second */
#define COUNT_MAX       UINT64_C(1000000000000)
#define STORED_MAX      1152921504606846976.0 /* 1 EiB */
#define RECORD_MAX      (UINT64_C(32) << 20)  /* the server accepts no longer one */
#define SECOND_NS       UINT64_C(1000000000)
#define HOUR_NS         (3600 * SECOND_NS)
#define KEPT_NS_MIN     SECOND_NS
#define KEPT_NS_MAX     (UINT64_C(100) * 365 * 24 * HOUR_NS)
#define SYNC_DEFAULT_NS (120 * SECOND_NS)
#define SUBJECT_DEFAULT UINT64_C(20)
/* Bytes that a token may have: all but white space, '.', '*' and '>', generously. */
#define SUBJECT_LETTERS 247.0
#define FILE_BYTES_MAX  9.2e18 /* a server reads max_file as 64 bits with a sign */

/* ---- values ---- */

struct unit {
	const char *name;
	double factor;
};

static const struct unit thousands[] = {{"", 1}, {"k", 1e3}, {"m", 1e6}, {NULL, 0}};
static const struct unit binary[] = {
        {"", 1},  {"k", 1024.0}, {"m", 1048576.0}, {"g", 1073741824.0}, {"t", 1099511627776.0},
        {NULL, 0}};
static const struct unit times[] = {{"s", 1e9},     {"m", 6e10},     {"h", 3.6e12},
                                    {"d", 8.64e13}, {"w", 6.048e14}, {NULL, 0}};

/* A decimal number directly followed by one of the units. */
static int number_read(const char *text, const struct unit *units, double *out)
{
	char *end;
	double v;

	if ((*text < '0' || *text > '9') || strpbrk(text, "xXpP") != NULL)
		return -1;
	v = strtod(text, &end);
	for (; units->name != NULL; units++)
		if (strcmp(end, units->name) == 0) {
			*out = v * units->factor;
			return isfinite(*out) ? 0 : -1;
		}
	return -1;
}

enum kind { RATE, SIZES, BYTES, COUNT, READS, AGE, SYNC, TARGET, PERCENT, NAME, SUBJECT };

struct key {
	const char *name;
	enum kind kind;
	size_t offset;
	double low, high;
	const char *expected;
};

#define AT(member) offsetof(struct size_demand, member)

/* In the order of SIZE_KEYS. */
static const struct key keys[] = {
        {"rate", RATE, AT(rate), 0, RATE_MAX, "more than 0 and at most 1000m messages a second"},
        {"peak", RATE, AT(peak), 0, RATE_MAX, "more than 0 and at most 1000m messages a second"},
        {"sizes", SIZES, AT(sizes), 0, 0, ""},
        {"subject-bytes", BYTES, AT(subject_bytes), 1, 65535, "1 to 65535 bytes"},
        {"headers-bytes", BYTES, AT(headers_bytes), 0, 65536, "0 to 64k bytes"},
        {"subjects", COUNT, AT(subjects), 1, 1e9, "a whole number of 1 to 1000000000"},
        {"max-age", AGE, AT(max_age_ns), (double)KEPT_NS_MIN, (double)KEPT_NS_MAX,
         "a time of 1s to 36500d, such as 12h, 7d or 4w"},
        {"max-bytes", BYTES, AT(max_bytes), 1, STORED_MAX,
         "bytes or a size such as 500g or 2t (k, m, g, t: powers of 1024), up to 1 EiB"},
        {"max-msgs", COUNT, AT(max_msgs), 1, (double)COUNT_MAX,
         "a whole number of 1 to 1000000000000"},
        {"max-msgs-per-subject", COUNT, AT(max_msgs_per_subject), 1, (double)COUNT_MAX,
         "a whole number of 1 to 1000000000000"},
        {"streams", COUNT, AT(streams), 1, 100000, "a whole number of 1 to 100000"},
        {"replicas", COUNT, AT(replicas), 1, 5, "1 to 5"},
        {"consumers", COUNT, AT(consumers), 0, 100000, "a whole number of 0 to 100000"},
        {"reads", READS, AT(reads), 0, 100000, "a number of 0 to 100000"},
        {"sync", SYNC, AT(sync_interval_ns), (double)SECOND_NS, (double)(24 * HOUR_NS),
         "always, or a time of 1s to 24h"},
        {"target", TARGET, AT(target), 0, 0, "nats, nats:VERSION, nats:newest or store"},
        {"headroom", PERCENT, AT(headroom_pct), 0, 100, "a percentage of 0 to 100"},
        {"deleted", PERCENT, AT(deleted_pct), 0, 99, "a percentage of 0 to 99"},
        {"name", NAME, AT(name), 0, SIZE_NAME_BYTES - 1, "1 to 63 letters, digits, '-' or '_'"},
        {"subject", SUBJECT, AT(subject), 0, SIZE_SUBJECT_BYTES - 1,
         "a subject of letters, digits, '-', '_', '*' and '>' between dots, the first of them no "
         "wildcard"},
};
_Static_assert(sizeof(keys) / sizeof(keys[0]) == SIZE_KEY_COUNT, "a key for each flag");

static int sizes_set(const char *text, struct size_demand *d, char *expected, size_t bytes)
{
	struct workload w;
	struct workload_error why;
	const char *wanted;

	workload_init(&w);
	if (workload_set(&w, "sizes", text, &why) == 0) {
		memcpy(d->sizes, w.sizes, sizeof(d->sizes));
		d->size_count = w.size_count;
		return 0;
	}
	wanted = strstr(why.text, "expected ");
	snprintf(expected, bytes, "%.*s", (int)bytes - 1,
	         wanted != NULL ? wanted + strlen("expected ") : why.text);
	return -1;
}

/* What has a unit is rounded: 1.1t is no whole number of bytes. Counts are whole, but for what the
 * computer makes of 2.3m. */
static int whole_set(const struct key *key, const char *text, const struct unit *units, void *field)
{
	double v, whole;
	int strict;

	if (number_read(text, units, &v) != 0)
		return -1;
	strict = units == thousands || isdigit((unsigned char)text[strlen(text) - 1]);
	whole = round(v);
	if (whole < key->low || whole > key->high || (strict && fabs(v - whole) > 4.5e-16 * v))
		return -1;
	*(uint64_t *)field = (uint64_t)whole;
	return 0;
}

static int real_set(const struct key *key, const char *text, const struct unit *units, void *field)
{
	double v;

	if (number_read(text, units, &v) != 0 || v < key->low || v > key->high)
		return -1;
	*(double *)field = v;
	return 0;
}

static int sync_set(const struct key *key, const char *text, struct size_demand *d)
{
	d->always = strcmp(text, "always") == 0;
	return d->always ? 0 : whole_set(key, text, times, &d->sync_interval_ns);
}

static int target_set(const char *text, struct size_demand *d)
{
	const char *colon = strchr(text, ':');
	size_t bytes = colon != NULL ? (size_t)(colon - text) : strlen(text);

	d->version[0] = '\0';
	if (colon != NULL &&
	    (colon[1] == '\0' || strlen(colon + 1) >= sizeof(d->version) || bytes != 4))
		return -1;
	if ((bytes != 4 || strncmp(text, "nats", 4) != 0) && strcmp(text, "store") != 0)
		return -1;
	snprintf(d->target, sizeof(d->target), "%.*s", (int)bytes, text);
	if (colon != NULL && strcmp(colon + 1, "newest") != 0)
		snprintf(d->version, sizeof(d->version), "%s", colon + 1);
	return 0;
}

static int percent_set(const struct key *key, const char *text, void *field)
{
	static const struct unit units[] = {{"", 1}, {"%", 1}, {NULL, 0}};

	return real_set(key, text, units, field);
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

static int text_set(const struct key *key, const char *text, const char *letters, char *field)
{
	if (text[0] == '\0' || strlen(text) > (size_t)key->high ||
	    text[strspn(text, letters)] != '\0')
		return -1;
	strcpy(field, text);
	return 0;
}

/* No empty token, a wildcard alone in its token, > only at the end. Servers refuse what takes their
 * own subjects in ($JS.API.>, $SYS.>). */
static int subject_set(const struct key *key, const char *text, char *field)
{
	if (strcmp(text, ">") == 0 || strncmp(text, "*.", 2) == 0)
		return -1;
	for (const char *token = text; token != NULL;) {
		size_t bytes = strcspn(token, ".");
		if (bytes == 0 || (bytes > 1 && memchr(token, '*', bytes) != NULL) ||
		    (memchr(token, '>', bytes) != NULL && (bytes > 1 || token[bytes] != '\0')))
			return -1;
		token = token[bytes] == '.' ? token + bytes + 1 : NULL;
	}
	return text_set(key, text, LETTERS ".*>", field);
}

/* 0, or -1 and what was expected. */
static int value_set(const struct key *key, const char *text, struct size_demand *d, char *expected,
                     size_t bytes)
{
	void *field = (char *)d + key->offset;

	snprintf(expected, bytes, "%s", key->expected);
	switch (key->kind) {
	case SIZES:
		return sizes_set(text, d, expected, bytes);
	case RATE:
		return real_set(key, text, thousands, field) != 0 || *(double *)field <= 0 ? -1 : 0;
	case READS:
		return real_set(key, text, thousands, field);
	case BYTES:
		return whole_set(key, text, binary, field);
	case COUNT:
		return whole_set(key, text, thousands, field);
	case AGE:
		return whole_set(key, text, times, field);
	case SYNC:
		return sync_set(key, text, d);
	case TARGET:
		return target_set(text, d);
	case PERCENT:
		return percent_set(key, text, field);
	case NAME:
		return text_set(key, text, LETTERS, field);
	case SUBJECT:
		return subject_set(key, text, field);
	}
	return -1;
}

/* ---- a file ---- */

/* "subject_bytes" is the flag --subject-bytes. */
static const struct key *key_find(const char *name)
{
	for (size_t i = 0; i < SIZE_KEY_COUNT; i++) {
		const char *a = keys[i].name, *b = name;
		while (*a != '\0' && (*a == '-' ? '_' : *a) == *b)
			a++, b++;
		if (*a == '\0' && *b == '\0')
			return &keys[i];
	}
	return NULL;
}

static const char *find(void *arg, const char *name, char reason[KEYS_FILE_REASON_BYTES])
{
	const struct key *key = key_find(name);
	char found[KEYS_FILE_SHOWN_BYTES];

	(void)arg;
	if (key == NULL)
		snprintf(reason, KEYS_FILE_REASON_BYTES,
		         "unknown key \"%s\", expected one of atrest size --help with '_' for '-'",
		         keys_file_shown(name, found));
	return key == NULL ? NULL : key->name;
}

static int set(void *arg, const char *name, const char *value, char reason[KEYS_FILE_REASON_BYTES])
{
	char expected[256], found[KEYS_FILE_SHOWN_BYTES];

	for (size_t i = 0; i < SIZE_KEY_COUNT; i++)
		if (keys[i].name == name &&
		    value_set(&keys[i], value, arg, expected, sizeof(expected)) == 0)
			return 0;
		else if (keys[i].name == name)
			break;
	snprintf(reason, KEYS_FILE_REASON_BYTES, "found \"%s\", expected %s",
	         keys_file_shown(value, found), expected);
	return -1;
}

static int file_read(const char *path, struct size_demand *d)
{
	const struct keys_file what = {
	        .section = "size", .continued = "sizes", .arg = d, .find = find, .set = set};
	char error[KEYS_FILE_ERROR_BYTES];
	FILE *in = fopen(path, "r");
	int count;

	if (in == NULL)
		return complain(EXIT_USAGE, "%s: %s", path, strerror(errno));
	count = keys_file_read(&what, in, path, error);
	(void)fclose(in);
	if (count < 0)
		return complain(EXIT_USAGE, "%s", error);
	if (count == 0)
		return complain(EXIT_USAGE, "%s: no key, expected at least rate = ...", path);
	return EXIT_FINE;
}

/* ---- what follows, and what does not go together ---- */

size_t size_input_mix(const struct size_demand *d, struct sizing_size mix[SIZE_MIX_MAX])
{
	double total = 0;
	size_t n = 0;

	for (size_t i = 0; i < d->size_count; i++)
		total += d->sizes[i].weight;
	for (size_t i = 0; i < d->size_count; i++) {
		const struct workload_size *s = &d->sizes[i];
		size_t pieces = s->high_bytes > s->low_bytes ? SIZE_PIECES : 1;
		double step = ((double)s->high_bytes - s->low_bytes) / (double)pieces;

		for (size_t p = 0; p < pieces; p++)
			mix[n++] = (struct sizing_size){
			        (double)atr_footprint_record_bytes(d->subject_bytes,
			                                           d->headers_bytes, s->low_bytes) +
			                step * ((double)p + (pieces > 1 ? 0.5 : 0)),
			        s->weight / total / (double)pieces};
	}
	return n;
}

uint64_t size_input_payload_max(const struct size_demand *d)
{
	uint64_t max = 0;

	for (size_t i = 0; i < d->size_count; i++)
		if (d->sizes[i].high_bytes > max)
			max = d->sizes[i].high_bytes;
	return max;
}

static double record_mean(const struct size_demand *d)
{
	struct sizing_size mix[SIZE_MIX_MAX];
	size_t n = size_input_mix(d, mix);
	double mean = 0;

	for (size_t i = 0; i < n; i++)
		mean += mix[i].weight * mix[i].record_bytes;
	return mean;
}

/* A deleted message makes room under every limit but that of its age. */
double size_input_kept_by(const struct size_demand *d, enum size_key limit)
{
	double published = 100 / (100 - d->deleted_pct);

	if (limit == SIZE_KEY_MAX_AGE && d->max_age_ns > 0)
		return d->rate / (double)d->streams * (double)d->max_age_ns / 1e9;
	if (limit == SIZE_KEY_MAX_BYTES && d->max_bytes > 0)
		return (double)d->max_bytes / record_mean(d) * published;
	if (limit == SIZE_KEY_MAX_MSGS && d->max_msgs > 0)
		return (double)d->max_msgs * published;
	if (limit == SIZE_KEY_MAX_MSGS_PER_SUBJECT && d->max_msgs_per_subject > 0)
		return (double)d->max_msgs_per_subject * (double)d->subjects * published;
	return INFINITY;
}

enum size_key size_input_limit(const struct size_demand *d)
{
	enum size_key first = SIZE_KEY_MAX_AGE;

	for (enum size_key i = first; i <= SIZE_KEY_MAX_MSGS_PER_SUBJECT; i++)
		if (size_input_kept_by(d, i) < size_input_kept_by(d, first))
			first = i;
	return first;
}

double size_input_kept(const struct size_demand *d)
{
	/* What is a whole number but for the last digit of the computer's is that number. */
	return floor(size_input_kept_by(d, size_input_limit(d)) * (1 + 1e-12));
}

double size_input_live(const struct size_demand *d)
{
	return ceil(size_input_kept(d) * (100 - d->deleted_pct) / 100 * (1 - 1e-12));
}

const char *size_input_name(enum size_key key)
{
	return keys[key].name;
}

/* Whether there can be so many subjects of that length below --subject. A wildcard is a byte at
 * least. */
static int check_subjects(const struct size_demand *d)
{
	size_t bytes = strlen(d->subject), wildcards = 0;

	for (const char *p = d->subject; *p != '\0'; p++)
		wildcards += *p == '*' || *p == '>';
	if (wildcards == 0 && d->subject_bytes != bytes)
		return complain(EXIT_USAGE,
		                "--subject-bytes: found %llu, expected %zu, the length of %s",
		                (unsigned long long)d->subject_bytes, bytes, d->subject);
	if (d->subject_bytes < bytes)
		return complain(EXIT_USAGE,
		                "--subject-bytes: found %llu, expected at least %zu for --subject "
		                "%s",
		                (unsigned long long)d->subject_bytes, bytes, d->subject);
	double most = pow(SUBJECT_LETTERS, (double)(d->subject_bytes - (bytes - wildcards)));
	if ((double)d->subjects > most)
		return complain(EXIT_USAGE,
		                "--subjects: found %llu, expected at most %.0f: %s has no more of "
		                "%llu bytes",
		                (unsigned long long)d->subjects, most, d->subject,
		                (unsigned long long)d->subject_bytes);
	return EXIT_FINE;
}

/* All streams together: what is kept, and what servers are told to reserve. */
static int check_stored(const struct size_demand *d)
{
	double live = size_input_live(d), record = record_mean(d);
	double deleted = size_input_kept(d) - live;
	double stored =
	        (live * record + deleted * ATR_FOOTPRINT_TOMBSTONE_BYTES) * (double)d->streams;

	if (stored > STORED_MAX)
		return complain(EXIT_USAGE,
		                "--%s: %.3g bytes would be kept on a node, expected at most 1 EiB",
		                size_input_name(size_input_limit(d)), stored);
	if ((double)d->max_bytes * (double)d->streams * (1 + d->headroom_pct / 100) >
	    FILE_BYTES_MAX)
		return complain(EXIT_USAGE,
		                "--max-bytes: %.3g bytes of %llu stream%s and %g %% of headroom "
		                "would be reserved, expected at most 8 EiB",
		                (double)d->max_bytes * (double)d->streams,
		                (unsigned long long)d->streams, d->streams == 1 ? "" : "s",
		                d->headroom_pct);
	return EXIT_FINE;
}

static int check(const struct size_demand *d)
{
	uint64_t record = atr_footprint_record_bytes(d->subject_bytes, d->headers_bytes,
	                                             size_input_payload_max(d));

	if (d->rate == 0)
		return complain(EXIT_USAGE, "--rate: not given, expected messages a second");
	if (d->peak < d->rate)
		return complain(EXIT_USAGE, "--peak: found %g, expected at least the mean, %g",
		                d->peak, d->rate);
	if (d->max_age_ns == 0 && d->max_bytes == 0 && d->max_msgs == 0 &&
	    d->max_msgs_per_subject == 0)
		return complain(EXIT_USAGE,
		                "no retention: expected --max-age, --max-bytes, --max-msgs or "
		                "--max-msgs-per-subject");
	if (d->consumers == 0 && d->reads > 0)
		return complain(EXIT_USAGE, "--reads: found %g, expected 0 without consumers",
		                d->reads);
	if (record > RECORD_MAX)
		return complain(EXIT_USAGE,
		                "--sizes: a record of %llu bytes, expected at most 32 MiB",
		                (unsigned long long)record);
	if (d->max_bytes > 0 && d->max_bytes < record)
		return complain(EXIT_USAGE,
		                "--max-bytes: found %llu, expected room for a record of %llu bytes",
		                (unsigned long long)d->max_bytes, (unsigned long long)record);
	if (size_input_kept(d) < 1)
		return complain(EXIT_USAGE,
		                "--max-age: less than one message would be kept in a stream at "
		                "this --rate, expected one at least");
	return check_subjects(d) == EXIT_FINE ? check_stored(d) : EXIT_USAGE;
}

int size_input_check_version(const struct size_demand *d, const char *version)
{
	char found[32] = "always";

	if (version[0] == '\0' || strverscmp(version, "2.10") >= 0 ||
	    (!d->always && d->sync_interval_ns == SYNC_DEFAULT_NS))
		return EXIT_FINE;
	if (!d->always)
		snprintf(found, sizeof(found), "%gs", (double)d->sync_interval_ns / 1e9);
	return complain(EXIT_USAGE,
	                "--sync: found %s, which servers can be told from 2.10 on, and the target "
	                "is %s, expected none (it is 2m there)",
	                found, version);
}

int size_input_read(const char *file, const struct size_flags *flags, struct size_demand *out)
{
	char expected[256], found[KEYS_FILE_SHOWN_BYTES];

	*out = (struct size_demand){.peak = -1,
	                            .sizes = {{1024, 1024, 1}},
	                            .size_count = 1,
	                            .subjects = 1,
	                            .streams = 1,
	                            .replicas = 1,
	                            .consumers = 1,
	                            .reads = -1,
	                            .sync_interval_ns = SYNC_DEFAULT_NS,
	                            .headroom_pct = 30,
	                            .name = "EVENTS",
	                            .subject = "events.>"};
	if (file != NULL && file_read(file, out) != EXIT_FINE)
		return EXIT_USAGE;
	for (size_t i = 0; i < SIZE_KEY_COUNT; i++)
		if (flags->text[i] != NULL &&
		    value_set(&keys[i], flags->text[i], out, expected, sizeof(expected)) != 0)
			return complain(EXIT_USAGE, "--%s: found '%s', expected %s", keys[i].name,
			                keys_file_shown(flags->text[i], found), expected);
	if (out->peak < 0)
		out->peak = out->rate;
	if (out->reads < 0)
		out->reads = (double)out->consumers;
	/* Not given: as long as --subject asks for. */
	if (out->subject_bytes == 0) {
		out->subject_bytes = strlen(out->subject);
		if (strpbrk(out->subject, "*>") != NULL && out->subject_bytes < SUBJECT_DEFAULT)
			out->subject_bytes = SUBJECT_DEFAULT;
	}
	return check(out);
}
