/* workload_write.c - struct workload to a file that reads back as the same struct: every key,
 * sizes in bytes, numbers with all their digits.
 */
#include "workloads/workload_keys.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* As few digits as read back as the same number. */
static void write_decimal(double value, FILE *out)
{
	char text[32];

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	fputs(text, out);
}

static void write_sizes(const struct workload *w, FILE *out)
{
	for (size_t i = 0; i < w->size_count; i++) {
		const struct workload_size *s = &w->sizes[i];
		/* One piece a line: all together may be longer than a line. */
		fprintf(out, "%s%" PRIu32, i ? ",\n        " : "", s->low_bytes);
		if (s->high_bytes != s->low_bytes)
			fprintf(out, "-%" PRIu32, s->high_bytes);
		if (s->weight != 1) {
			fputc(':', out);
			write_decimal(s->weight, out);
		}
	}
	fputc('\n', out);
}

static void write_sync(const struct workload *w, FILE *out)
{
	uint64_t ms = w->sync_interval_ns / 1000000;

	if (w->sync != WORKLOAD_SYNC_INTERVAL)
		fprintf(out, "%s\n", workload_key_word("sync", w));
	else if (ms % 60000 == 0)
		fprintf(out, "%" PRIu64 "m\n", ms / 60000);
	else if (ms % 1000 == 0)
		fprintf(out, "%" PRIu64 "s\n", ms / 1000);
	else
		fprintf(out, "%" PRIu64 "ms\n", ms);
}

static void write_value(const struct workload_key *key, const struct workload *w, FILE *out)
{
	const char *field = (const char *)w + key->offset;
	uint64_t n;
	uint32_t small;
	double share;

	switch (key->kind) {
	case KEY_COUNT32:
	case KEY_BYTES32:
		memcpy(&small, field, sizeof(small));
		fprintf(out, "%" PRIu32 "\n", small);
		break;
	case KEY_COUNT64:
	case KEY_BYTES64:
	case KEY_BLOCK:
		memcpy(&n, field, sizeof(n));
		if (key->kind == KEY_BLOCK && n == WORKLOAD_BLOCK_BYTES_SERVER)
			fprintf(out, "server\n");
		else
			fprintf(out, "%" PRIu64 "\n", n);
		break;
	case KEY_SHARE:
		memcpy(&share, field, sizeof(share));
		write_decimal(share, out);
		fputc('\n', out);
		break;
	case KEY_WORD:
		fprintf(out, "%s\n", workload_key_word(key->name, w));
		break;
	case KEY_NAME:
	case KEY_TEXT:
	case KEY_SUBJECT:
		fprintf(out, "%s\n", field);
		break;
	case KEY_SIZES:
		write_sizes(w, out);
		break;
	case KEY_SYNC:
		write_sync(w, out);
		break;
	}
}

int workload_write(const struct workload *w, FILE *out)
{
	fprintf(out, "# %s: every key, resolved\n", w->name);
	for (const struct workload_key *key = workload_keys; key->name; key++) {
		/* A question or class that is not set has no text that could be read back. */
		if ((key->kind == KEY_TEXT || key->kind == KEY_NAME) &&
		    !*((const char *)w + key->offset))
			continue;
		fprintf(out, "%s = ", key->name);
		write_value(key, w, out);
	}
	return fflush(out) == 0 && !ferror(out) ? 0 : -1;
}
