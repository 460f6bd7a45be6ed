/* histograms.c - see histograms.h. */
#include "harness/output/histograms.h"

#include "harness/measure/histogram.h"
#include "harness/output/csv.h"
#include "harness/output/replace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(HISTOGRAM_TEXT_BYTES + 1024 < CSV_LINE_BYTES_MAX, "a row is one line");

static const char *const columns[] = {"workload", "target", "target_version",  "arm",
                                      "round",    "kind",   "started_unix_ns", "buckets"};
#define COLUMN_COUNT (sizeof(columns) / sizeof(columns[0]))

enum kind { LATENCY, RESPONSE, KIND_COUNT };
static const char *const kind_names[KIND_COUNT] = {"latency", "response"};

/* ---- writing ---- */

struct histograms_writer {
	int fd;
	off_t bytes; /* of the file, whole lines only */
	struct csv_text line;
};

/* One write; what a failed or short one left is cut off again. */
static int append(struct histograms_writer *w)
{
	ssize_t n;

	if (w->line.failed)
		return -ENOMEM;
	do {
		n = write(w->fd, w->line.data, w->line.bytes);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)w->line.bytes) {
		w->bytes += n;
		return 0;
	}
	int rc = n < 0 ? -errno : -ENOSPC;
	return ftruncate(w->fd, w->bytes) == 0 ? rc : -errno;
}

/* The file up to the end of its last whole line. 0, or -errno. */
static int keep_whole_lines(struct histograms_writer *w, const char *path)
{
	char *text;
	size_t bytes;
	int rc = read_whole_file(path, CSV_FILE_BYTES_MAX, &text, &bytes);

	if (rc != 0)
		return rc;
	while (bytes > 0 && text[bytes - 1] != '\n')
		bytes--;
	free(text);
	w->bytes = (off_t)bytes;
	return ftruncate(w->fd, w->bytes) == 0 ? 0 : -errno;
}

int histograms_writer_open(const char *path, struct histograms_writer **out)
{
	struct histograms_writer *w = calloc(1, sizeof(*w));

	*out = NULL;
	if (w == NULL)
		return -ENOMEM;
	w->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int rc = w->fd < 0 ? -errno : keep_whole_lines(w, path);
	if (rc == 0 && w->bytes == 0) {
		csv_put_head(&w->line, HISTOGRAMS_SCHEMA, HISTOGRAMS_SCHEMA_VERSION, columns,
		             COLUMN_COUNT);
		rc = append(w);
		if (rc == 0)
			rc = sync_directory_of(path);
	}
	if (rc == 0) {
		*out = w;
		return 0;
	}
	(void)histograms_writer_close(w);
	return rc;
}

static int add_kind(struct histograms_writer *w, const struct sample *row, enum kind kind,
                    const char *buckets)
{
	if (buckets[0] == '\0')
		return 0;
	w->line.bytes = 0;
	csv_put_text(&w->line, row->workload);
	csv_put_text(&w->line, row->target);
	csv_put_text(&w->line, row->target_version);
	csv_put_text(&w->line, row->arm);
	csv_put_u64(&w->line, row->round);
	csv_put_text(&w->line, kind_names[kind]);
	csv_put_u64(&w->line, row->started_unix_ns);
	csv_put_plain(&w->line, buckets);
	csv_put_end(&w->line);
	return append(w);
}

int histograms_writer_add(struct histograms_writer *w, const struct sample *row,
                          const char *latency, const char *response)
{
	int rc = add_kind(w, row, LATENCY, latency);

	return rc == 0 ? add_kind(w, row, RESPONSE, response) : rc;
}

int histograms_writer_sync(struct histograms_writer *w)
{
	return fdatasync(w->fd) == 0 ? 0 : -errno;
}

int histograms_writer_close(struct histograms_writer *w)
{
	int rc = 0;

	if (w == NULL)
		return 0;
	if (w->fd >= 0 && fsync(w->fd) != 0)
		rc = -errno;
	if (w->fd >= 0 && close(w->fd) != 0 && rc == 0)
		rc = -errno;
	csv_text_free(&w->line);
	free(w);
	return rc;
}

/* ---- merging ---- */

/* One kind of one arm of one cell. */
struct merged {
	const struct sample *like; /* a row of it */
	enum kind kind;
	uint64_t slices; /* that are in it */
	uint64_t wanted; /* valid ones that recorded something */
	uint64_t max_ns; /* exact, of the rows */
	struct histogram h;
};

struct merging {
	const struct samples *samples;
	struct merged **arms;
	size_t count;
	struct histogram slice;
	char text[HISTOGRAM_TEXT_BYTES];
};

static uint64_t count_of(const struct sample *s, enum kind kind)
{
	return kind == LATENCY ? s->latency_count : s->response_count;
}

static int same_arm(const struct sample *a, const struct sample *b)
{
	return strcmp(a->workload, b->workload) == 0 && strcmp(a->target, b->target) == 0 &&
	       strcmp(a->target_version, b->target_version) == 0 && strcmp(a->arm, b->arm) == 0;
}

static struct merged *merged_of(const struct merging *m, const struct sample *s, enum kind kind)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->arms[i]->kind == kind && same_arm(m->arms[i]->like, s))
			return m->arms[i];
	return NULL;
}

/* A place for each arm and kind that has something. 0, or -1: memory. */
static int arms_make(struct merging *m)
{
	m->arms = calloc(KIND_COUNT * m->samples->count + 1, sizeof(*m->arms));
	for (size_t i = 0; m->arms != NULL && i < KIND_COUNT * m->samples->count; i++) {
		const struct sample *s = &m->samples->rows[i / KIND_COUNT];
		enum kind kind = (enum kind)(i % KIND_COUNT);
		uint64_t max_ns = kind == LATENCY ? s->latency_max_ns : s->response_max_ns;
		struct merged *arm = merged_of(m, s, kind);
		if (s->valid != 1 || count_of(s, kind) == 0)
			continue;
		if (arm == NULL) {
			arm = calloc(1, sizeof(*arm));
			if (arm == NULL)
				return -1;
			arm->like = s;
			arm->kind = kind;
			histogram_init(&arm->h);
			m->arms[m->count++] = arm;
		}
		arm->wanted++;
		arm->max_ns = max_ns > arm->max_ns ? max_ns : arm->max_ns;
	}
	return m->arms == NULL ? -1 : 0;
}

static void merging_free(struct merging *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->count; i++)
		free(m->arms[i]);
	free(m->arms);
	free(m);
}

/* The valid row of that slice; NULL: there is none, as after a round that was done again. */
static const struct sample *slice_of(const struct samples *samples, const struct sample *like)
{
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *s = &samples->rows[i];
		if (s->started_unix_ns == like->started_unix_ns && s->round == like->round &&
		    s->valid == 1 && same_arm(s, like))
			return s;
	}
	return NULL;
}

static int take_kind(const char *field, enum kind *out, char reason[256])
{
	for (unsigned k = 0; k < KIND_COUNT; k++) {
		if (strcmp(field, kind_names[k]) == 0) {
			*out = (enum kind)k;
			return 0;
		}
	}
	snprintf(reason, 256, "column kind: found \"%.60s\", expected latency or response", field);
	return -1;
}

static int take_row(void *context, char *const *fields, char reason[256])
{
	struct merging *m = context;
	struct sample like = {0};
	const struct sample *s;
	enum kind kind;

	if (csv_take_text(columns[0], fields[0], like.workload, sizeof(like.workload), reason) ||
	    csv_take_text(columns[1], fields[1], like.target, sizeof(like.target), reason) ||
	    csv_take_text(columns[2], fields[2], like.target_version, sizeof(like.target_version),
	                  reason) ||
	    csv_take_text(columns[3], fields[3], like.arm, sizeof(like.arm), reason) ||
	    csv_take_u64(columns[4], fields[4], &like.round, reason) ||
	    take_kind(fields[5], &kind, reason) ||
	    csv_take_u64(columns[6], fields[6], &like.started_unix_ns, reason) ||
	    csv_take_text(columns[7], fields[7], m->text, sizeof(m->text), reason))
		return -1;
	histogram_init(&m->slice);
	if (histogram_parse(&m->slice, m->text) != 0) {
		snprintf(reason, 256, "column buckets: found \"%.60s\", expected EDGE:COUNT ...",
		         m->text);
		return -1;
	}
	s = slice_of(m->samples, &like);
	if (s == NULL || m->slice.count != count_of(s, kind) || m->slice.count == 0)
		return 0;
	struct merged *arm = merged_of(m, s, kind);
	histogram_merge(&arm->h, &m->slice);
	arm->slices++;
	return 0;
}

/* ---- as HdrHistogram's text ---- */

static double deviation_of(const struct histogram *h)
{
	double mean = histogram_mean(h), sum = 0;

	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		double off = (double)histogram_edge(i) - mean;
		sum += off * off * (double)h->bucket[i];
	}
	return h->count == 0 ? 0 : sqrt(sum / (double)h->count);
}

/* A line per bucket that is not empty. Mean and deviation are those of the buckets' edges. */
static void put_hgrm(FILE *out, const struct merged *arm)
{
	const struct histogram *h = &arm->h;
	uint64_t seen = 0;

	fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
	        "1/(1-Percentile)");
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t edge = histogram_edge(i);
		if (h->bucket[i] == 0)
			continue;
		seen += h->bucket[i];
		fprintf(out, "%12.3f %14.12f %10" PRIu64 " ",
		        (double)(edge < arm->max_ns ? edge : arm->max_ns),
		        (double)seen / (double)h->count, seen);
		if (seen < h->count)
			fprintf(out, "%14.2f\n", (double)h->count / (double)(h->count - seen));
		else
			fprintf(out, "%14s\n", "inf");
	}
	fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", histogram_mean(h),
	        deviation_of(h));
	fprintf(out, "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n", (double)arm->max_ns,
	        h->count);
	fprintf(out, "#[Buckets = %12d, SubBuckets     = %12d]\n",
	        HISTOGRAM_TOP_BITS - HISTOGRAM_SUB_BITS + 1, 1 << HISTOGRAM_SUB_BITS);
	fprintf(out, "# nanoseconds; %" PRIu64 " of %" PRIu64 " slices\n", arm->slices,
	        arm->wanted);
}

static void name_of(const struct merged *arm, char name[NAME_MAX + 1])
{
	const struct sample *s = arm->like;
	int is_server = strcmp(s->target, "nats") == 0 || strcmp(s->target, "server") == 0;

	snprintf(name, NAME_MAX + 1, "%.63s-%.15s%s%.31s-%.100s-%s.hgrm", s->workload, s->target,
	         is_server ? "-" : "", is_server ? s->target_version : "", s->arm,
	         kind_names[arm->kind]);
	for (char *c = name; *c != '\0'; c++)
		if (*c == '/')
			*c = '_';
}

static int write_hgrm(const char *folder, const struct merged *arm, char error[512])
{
	char path[PATH_MAX], name[NAME_MAX + 1], *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	int rc = 0;

	if (out == NULL)
		return -ENOMEM;
	put_hgrm(out, arm);
	if (fclose(out) != 0)
		rc = -ENOMEM;
	name_of(arm, name);
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
		rc = -ENAMETOOLONG;
	if (rc == 0)
		rc = replace_file(path, text, bytes);
	free(text);
	if (rc != 0)
		snprintf(error, 512, "%.400s: %s", path, strerror(-rc));
	return rc;
}

/* None of other rows may stay. 0, or -errno. */
static int folder_empty(const char *folder)
{
	DIR *dir;
	struct dirent *entry;

	if (mkdir(folder, 0755) != 0 && errno != EEXIST)
		return -errno;
	dir = opendir(folder);
	if (dir == NULL)
		return -errno;
	while ((entry = readdir(dir)) != NULL) {
		size_t bytes = strlen(entry->d_name);
		if (bytes > 5 && strcmp(entry->d_name + bytes - 5, ".hgrm") == 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
	return 0;
}

static int write_all(const char *dir, const struct merging *m, char error[512])
{
	char folder[PATH_MAX];
	int rc;

	snprintf(folder, sizeof(folder), "%.4000s/histograms", dir);
	rc = folder_empty(folder);
	if (rc != 0)
		snprintf(error, 512, "%.400s: %s", folder, strerror(-rc));
	for (size_t i = 0; rc == 0 && i < m->count; i++)
		if (m->arms[i]->slices > 0)
			rc = write_hgrm(folder, m->arms[i], error);
	return rc;
}

int histograms_export(const char *dir, const struct samples *samples, char error[512])
{
	char path[PATH_MAX];
	struct merging *m;
	int complete, rc = 0;
	enum csv_result read;

	snprintf(path, sizeof(path), "%.4000s/histograms.csv", dir);
	if (access(path, F_OK) != 0)
		return 0;
	m = calloc(1, sizeof(*m));
	if (m != NULL)
		m->samples = samples;
	if (m == NULL || arms_make(m) != 0) {
		snprintf(error, 512, "out of memory");
		rc = -ENOMEM;
	} else {
		read = csv_read(path, HISTOGRAMS_SCHEMA, HISTOGRAMS_SCHEMA_VERSION, columns,
		                COLUMN_COUNT, take_row, m, &complete, error);
		if (read == CSV_RESULT_OK)
			rc = write_all(dir, m, error);
		else
			rc = read == CSV_RESULT_MALFORMED ? -EBADMSG : -EIO;
	}
	merging_free(m);
	return rc;
}
