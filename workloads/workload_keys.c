/* workload_keys.c - the table of keys and the value of each kind from its text. Numbers are read
 * strictly: digits and the named suffixes, no sign, no blank, no hexadecimal, no "nan".
 */
#include "workloads/workload_keys.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FIELD(name) offsetof(struct workload, name)
#define KIB         UINT64_C(1024)
#define MIB         (KIB * KIB)

static const char *const operations[] = {
        "publish",  "read-sequential", "read-random", "mixed", "read-last",
        "tail",     "delete",          "purge",       "open",  "convert",
        "snapshot", "restore",         NULL};
static const char *const distributions[] = {"round-robin", "uniform", "zipf", NULL};
static const char *const flushes[] = {"each", "async", NULL};
static const char *const syncs[] = {"interval", "always", "none", NULL};
static const char *const reads[] = {"block", "record", NULL};
static const char *const caches[] = {"warm", "cold", NULL};
static const char *const states[] = {"kept", "none", NULL};
static const char *const converts[] = {"encrypt", "cipher", "rotate", NULL};
static const char *const consumers[] = {"pull", "ordered", NULL};
static const char *const checks[] = {"some", "all", NULL};
static const char *const arrivals[] = {"even", "poisson", NULL};

const struct workload_key workload_keys[] = {
        {"question", KEY_TEXT, FIELD(question), 1, WORKLOAD_QUESTION_BYTES_MAX, NULL},
        {"class", KEY_NAME, FIELD(class_), 1, WORKLOAD_NAME_BYTES - 1, NULL},
        {"operation", KEY_WORD, FIELD(operation), 0, 0, operations},
        {"messages", KEY_COUNT64, FIELD(messages), 1, UINT64_C(1) << 40, NULL},
        {"fill_messages", KEY_COUNT64, FIELD(fill_messages), 0, UINT64_C(1) << 40, NULL},
        {"rounds", KEY_COUNT32, FIELD(rounds), 1, 10000, NULL},
        {"seed", KEY_COUNT64, FIELD(seed), 0, UINT64_MAX, NULL},
        {"sizes", KEY_SIZES, FIELD(sizes), 1, 32 * MIB, NULL},
        {"headers_bytes", KEY_BYTES32, FIELD(headers_bytes), 0, 64 * KIB, NULL},
        {"headers_share", KEY_SHARE, FIELD(headers_share), 0, 1, NULL},
        {"compressibility", KEY_SHARE, FIELD(compressibility), 0, 1, NULL},
        {"subject_prefix", KEY_SUBJECT, FIELD(subject_prefix), 1, 100, NULL},
        {"subjects", KEY_COUNT32, FIELD(subjects), 1, 10000000, NULL},
        {"subject_distribution", KEY_WORD, FIELD(subject_distribution), 0, 0, distributions},
        {"zipf_exponent", KEY_SHARE, FIELD(zipf_exponent), 0, 10, NULL},
        {"publishers", KEY_COUNT32, FIELD(publishers), 1, 256, NULL},
        {"readers", KEY_COUNT32, FIELD(readers), 1, 256, NULL},
        {"streams", KEY_COUNT32, FIELD(streams), 1, 256, NULL},
        {"read_share", KEY_SHARE, FIELD(read_share), 0, 1, NULL},
        {"flush", KEY_WORD, FIELD(flush), 0, 0, flushes},
        {"sync", KEY_SYNC, FIELD(sync), 0, 0, syncs},
        {"block_bytes", KEY_BLOCK, FIELD(block_bytes), 4 * KIB, 64 * MIB, NULL},
        {"read", KEY_WORD, FIELD(read), 0, 0, reads},
        {"key_ahead", KEY_COUNT32, FIELD(key_ahead), 0, 4096, NULL},
        {"keystream_ahead", KEY_BYTES32, FIELD(keystream_ahead_bytes), 0, 16 * MIB, NULL},
        {"cache", KEY_WORD, FIELD(cache), 0, 0, caches},
        {"state", KEY_WORD, FIELD(state), 0, 0, states},
        {"convert", KEY_WORD, FIELD(convert), 0, 0, converts},
        {"window", KEY_COUNT32, FIELD(window), 1, 65536, NULL},
        {"consumer", KEY_WORD, FIELD(consumer), 0, 0, consumers},
        {"server_heap", KEY_BYTES64, FIELD(server_heap_bytes), 0, UINT64_C(1) << 29, NULL},
        {"max_bytes", KEY_BYTES64, FIELD(max_bytes), 0, UINT64_C(1) << 50, NULL},
        {"check", KEY_WORD, FIELD(check), 0, 0, checks},
        {"latency_every", KEY_COUNT32, FIELD(latency_every), 0, 1000000, NULL},
        {"rate", KEY_COUNT64, FIELD(rate_msgs_s), 0, 100000000, NULL},
        {"rate_share", KEY_SHARE, FIELD(rate_share), 0, 2, NULL},
        {"arrivals", KEY_WORD, FIELD(arrivals), 0, 0, arrivals},
        {NULL, KEY_TEXT, 0, 0, 0, NULL},
};

void workload_init(struct workload *w)
{
	memset(w, 0, sizeof(*w));
	strcpy(w->name, "workload");
	w->operation = WORKLOAD_PUBLISH;
	w->messages = 100000;
	w->rounds = 12;
	w->sizes[0] = (struct workload_size){1024, 1024, 1};
	w->size_count = 1;
	w->headers_share = 1;
	strcpy(w->subject_prefix, "atrest.pub");
	w->subjects = 1;
	w->subject_distribution = WORKLOAD_UNIFORM;
	w->zipf_exponent = 1;
	w->publishers = 1;
	w->readers = 1;
	w->streams = 1;
	w->read_share = 0.5;
	w->flush = WORKLOAD_FLUSH_EACH;
	w->sync = WORKLOAD_SYNC_INTERVAL;
	w->sync_interval_ns = WORKLOAD_SYNC_INTERVAL_NS;
	w->block_bytes = 2 * 1024 * 1024;
	w->read = WORKLOAD_READ_BLOCK;
	w->key_ahead = 16;
	w->keystream_ahead_bytes = 16 * 1024;
	w->cache = WORKLOAD_WARM;
	w->state = WORKLOAD_STATE_KEPT;
	w->convert = WORKLOAD_CONVERT_ENCRYPT;
	w->window = 512;
	w->server_heap_bytes = UINT64_C(64) << 20;
	w->consumer = WORKLOAD_CONSUMER_PULL;
	w->check = WORKLOAD_CHECK_SOME;
	w->latency_every = 1;
	w->arrivals = WORKLOAD_ARRIVALS_EVEN;
}

const struct workload_key *workload_key_find(const char *name)
{
	for (const struct workload_key *k = workload_keys; k->name; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

const char *workload_key_word(const char *name, const struct workload *w)
{
	const struct workload_key *key = workload_key_find(name);
	unsigned i;

	memcpy(&i, (const char *)w + key->offset, sizeof(i));
	return key->words[i];
}

/* Edit distance of two short words, one row of the usual matrix at a time. */
static size_t distance(const char *a, const char *b)
{
	size_t row[32], b_bytes = strlen(b);

	if (b_bytes >= sizeof(row) / sizeof(row[0]))
		return SIZE_MAX;
	for (size_t j = 0; j <= b_bytes; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < b_bytes; j++) {
			size_t best = diagonal + (a[i] != b[j]);
			diagonal = row[j + 1];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (diagonal + 1 < best)
				best = diagonal + 1;
			row[j + 1] = best;
		}
	}
	return row[b_bytes];
}

const char *workload_key_nearest(const char *name)
{
	const char *nearest = NULL;
	size_t least = 4; /* four edits away is another word */

	for (const struct workload_key *k = workload_keys; k->name; k++) {
		size_t d = distance(name, k->name);
		if (d < least && d < strlen(k->name)) {
			least = d;
			nearest = k->name;
		}
	}
	return nearest;
}

/* Digits at *text as a number, *text moved behind them. -1: no digit, or above 2^64 - 1. */
static int take_digits(const char **text, uint64_t *out)
{
	const char *p = *text;
	uint64_t n = 0;

	if (!isdigit((unsigned char)*p))
		return -1;
	for (; isdigit((unsigned char)*p); p++) {
		uint64_t digit = (uint64_t)(*p - '0');
		if (n > (UINT64_MAX - digit) / 10)
			return -1;
		n = n * 10 + digit;
	}
	*text = p;
	*out = n;
	return 0;
}

/* Digits with k, m or g (either case). */
static int take_bytes(const char **text, uint64_t *out)
{
	uint64_t n, unit = 1;

	if (take_digits(text, &n) != 0)
		return -1;
	switch (tolower((unsigned char)**text)) {
	case 'k':
		unit = KIB;
		break;
	case 'm':
		unit = MIB;
		break;
	case 'g':
		unit = MIB * KIB;
		break;
	default:
		*out = n;
		return 0;
	}
	if (n > UINT64_MAX / unit)
		return -1;
	(*text)++;
	*out = n * unit;
	return 0;
}

/* Digits with at most one point; strtod alone would take nan, inf, signs and exponents. An
 * exponent is allowed, since the writer prints small weights with one. */
static int take_decimal(const char **text, double *out)
{
	const char *p = *text;
	size_t digits = 0, points = 0;

	for (; isdigit((unsigned char)*p) || *p == '.'; p++) {
		digits += *p != '.';
		points += *p == '.';
	}
	if (digits == 0 || points > 1)
		return -1;
	if (*p == 'e' && (p[1] == '-' || p[1] == '+') && isdigit((unsigned char)p[2]))
		for (p += 2; isdigit((unsigned char)*p); p++)
			;
	char *end;
	*out = strtod(*text, &end);
	if (end != p)
		return -1;
	*text = p;
	return 0;
}

static int set_count(const struct workload_key *key, const char *text, struct workload *w)
{
	char *field = (char *)w + key->offset;
	uint64_t n;
	int wide = key->kind == KEY_COUNT64 || key->kind == KEY_BYTES64 || key->kind == KEY_BLOCK;
	int bytes = key->kind != KEY_COUNT32 && key->kind != KEY_COUNT64;

	if (key->kind == KEY_BLOCK && strcmp(text, "server") == 0) {
		w->block_bytes = WORKLOAD_BLOCK_BYTES_SERVER;
		return 0;
	}
	if ((bytes ? take_bytes(&text, &n) : take_digits(&text, &n)) != 0 || *text)
		return -1;
	if (n < key->low || n > key->high)
		return -1;
	if (wide) {
		memcpy(field, &n, sizeof(n));
	} else {
		uint32_t small = (uint32_t)n;
		memcpy(field, &small, sizeof(small));
	}
	return 0;
}

static int set_share(const struct workload_key *key, const char *text, struct workload *w)
{
	double value;

	if (take_decimal(&text, &value) != 0 || *text)
		return -1;
	if (!(value >= (double)key->low && value <= (double)key->high))
		return -1;
	memcpy((char *)w + key->offset, &value, sizeof(value));
	return 0;
}

static int set_word(const struct workload_key *key, const char *text, struct workload *w)
{
	/* The enums of struct workload have no negative value and start at 0. */
	_Static_assert(sizeof(enum workload_operation) == sizeof(unsigned), "enum");

	for (unsigned i = 0; key->words[i]; i++) {
		if (strcmp(key->words[i], text) == 0) {
			memcpy((char *)w + key->offset, &i, sizeof(i));
			return 0;
		}
	}
	return -1;
}

static int is_name(const char *text)
{
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("._-", *text))
			return 0;
	return 1;
}

/* Printable, and free of the ';' that starts a comment behind a blank. */
static int is_text(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f || *text == ';')
			return 0;
	return 1;
}

/* Tokens between points: none empty, no blank, no wildcard. */
static int is_subject(const char *text)
{
	char before = '.';

	for (; *text; text++) {
		if (*text <= ' ' || *text == 0x7f || strchr("*>;", *text))
			return 0;
		if (*text == '.' && before == '.')
			return 0;
		before = *text;
	}
	return before != '.';
}

static int set_text(const struct workload_key *key, const char *text, struct workload *w)
{
	size_t bytes = strlen(text);

	if (bytes < key->low || bytes > key->high)
		return -1;
	if ((key->kind == KEY_NAME && !is_name(text)) ||
	    (key->kind == KEY_TEXT && !is_text(text)) ||
	    (key->kind == KEY_SUBJECT && !is_subject(text)))
		return -1;
	memcpy((char *)w + key->offset, text, bytes + 1);
	return 0;
}

/* LOW[-HIGH][:WEIGHT], blanks around it allowed. */
static int take_size(const struct workload_key *key, const char **text, struct workload_size *size)
{
	const char *p = *text + strspn(*text, " \t");
	uint64_t low, high;

	if (take_bytes(&p, &low) != 0)
		return -1;
	high = low;
	if (*p == '-' && (p++, take_bytes(&p, &high)) != 0)
		return -1;
	size->weight = 1;
	if (*p == ':' && (p++, take_decimal(&p, &size->weight)) != 0)
		return -1;
	if (low < key->low || high < low || high > key->high)
		return -1;
	if (!(size->weight > 0 && size->weight <= WORKLOAD_WEIGHT_MAX))
		return -1;
	size->low_bytes = (uint32_t)low;
	size->high_bytes = (uint32_t)high;
	*text = p + strspn(p, " \t");
	return 0;
}

static int set_sizes(const struct workload_key *key, const char *text, struct workload *w)
{
	struct workload_size sizes[WORKLOAD_SIZES_MAX] = {{0}};
	size_t count = 0;

	for (;;) {
		if (count == WORKLOAD_SIZES_MAX || take_size(key, &text, &sizes[count]) != 0)
			return -1;
		count++;
		if (!*text)
			break;
		if (*text++ != ',')
			return -1;
	}
	memcpy(w->sizes, sizes, sizeof(sizes));
	w->size_count = count;
	return 0;
}

static int set_sync(const char *text, struct workload *w)
{
	static const struct {
		const char *suffix;
		uint64_t ns;
	} units[] = {{"ms", 1000000},
	             {"s", 1000000000},
	             {"m", UINT64_C(60000000000)},
	             {"h", UINT64_C(3600000000000)}};
	uint64_t n;

	if (strcmp(text, "always") == 0 || strcmp(text, "none") == 0) {
		w->sync = *text == 'a' ? WORKLOAD_SYNC_ALWAYS : WORKLOAD_SYNC_NONE;
		return 0;
	}
	if (take_digits(&text, &n) != 0 || n == 0)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text, units[i].suffix) == 0 && n <= 24 * units[3].ns / units[i].ns) {
			w->sync = WORKLOAD_SYNC_INTERVAL;
			w->sync_interval_ns = n * units[i].ns;
			return 0;
		}
	}
	return -1;
}

static void say_expected(const struct workload_key *key, char *out, size_t bytes)
{
	int used;

	switch (key->kind) {
	case KEY_COUNT32:
	case KEY_COUNT64:
		snprintf(out, bytes, "a whole number of %" PRIu64 " to %" PRIu64, key->low,
		         key->high);
		break;
	case KEY_BYTES32:
	case KEY_BYTES64:
		snprintf(out, bytes, "a size of %" PRIu64 " to %" PRIu64 " bytes, as 512 or 16k",
		         key->low, key->high);
		break;
	case KEY_BLOCK:
		snprintf(out, bytes, "a size of 4k to 64m, or server");
		break;
	case KEY_SHARE:
		snprintf(out, bytes, "a number of %" PRIu64 " to %" PRIu64 ", as 0.3", key->low,
		         key->high);
		break;
	case KEY_WORD:
		used = snprintf(out, bytes, "one of");
		for (const char *const *word = key->words; *word; word++)
			used += snprintf(out + used, bytes - (size_t)used, "%s %s",
			                 word == key->words ? "" : ",", *word);
		break;
	case KEY_NAME:
		snprintf(out, bytes, "1 to %" PRIu64 " letters, digits, '.', '_' or '-'",
		         key->high);
		break;
	case KEY_TEXT:
		snprintf(out, bytes, "1 to %" PRIu64 " bytes of text without ';'", key->high);
		break;
	case KEY_SUBJECT:
		snprintf(out, bytes,
		         "1 to %" PRIu64 " bytes, subject tokens between '.', no blank or wildcard",
		         key->high);
		break;
	case KEY_SIZES:
		snprintf(out, bytes,
		         "1 to %d sizes of 1 to 32m with ',' between, each SIZE, LOW-HIGH or "
		         "SIZE:WEIGHT, as 128:70,1k-4k:25,64k:5",
		         WORKLOAD_SIZES_MAX);
		break;
	case KEY_SYNC:
		snprintf(out, bytes, "always, none, or a duration of 1ms to 24h, as 500ms or 2m");
		break;
	}
}

int workload_key_set(const struct workload_key *key, const char *text, struct workload *w,
                     char *expected, size_t expected_bytes)
{
	int rc = -1;

	switch (key->kind) {
	case KEY_COUNT32:
	case KEY_COUNT64:
	case KEY_BYTES32:
	case KEY_BYTES64:
	case KEY_BLOCK:
		rc = set_count(key, text, w);
		break;
	case KEY_SHARE:
		rc = set_share(key, text, w);
		break;
	case KEY_WORD:
		rc = set_word(key, text, w);
		break;
	case KEY_NAME:
	case KEY_TEXT:
	case KEY_SUBJECT:
		rc = set_text(key, text, w);
		break;
	case KEY_SIZES:
		rc = set_sizes(key, text, w);
		break;
	case KEY_SYNC:
		rc = set_sync(text, w);
		break;
	}
	if (rc != 0)
		say_expected(key, expected, expected_bytes);
	return rc;
}
