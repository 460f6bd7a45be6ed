/* synthetic.c - see synthetic.h. */
#include "tests/unit/synthetic.h"

#include "harness/analysis/stats.h"

#include <ftw.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct synthetic_cell synthetic_quick[] = {
        {"publish-64b", "publish", "2m", 64, 280000, 12, 610, 0.97, 150, 85},
        {"publish-1k", "publish", "2m", 1024, 120000, 12, 1280, 0.97, 280, 150},
        {"publish-8k", "publish", "2m", 8192, 16000, 12, 5950, 0.97, 1200, 930},
        {"publish-64k", "publish", "2m", 65536, 2000, 12, 26500, 0.97, 8400, 7000},
        {"publish-256k", "publish", "2m", 262144, 500, 12, 104000, 0.97, 33500, 28000},
        {"read-1k", "read", "2m", 1024, 800000, 12, 185, 0.99, 136, 113},
        {"publish-always-1k", "publish-always", "always", 1024, 1300, 8, 150000, 0.12, 700, 400},
        {"get-1k", "get", "2m", 1024, 500, 8, 400000, 0.99, 270000, 210000},
};
const size_t synthetic_quick_count = sizeof(synthetic_quick) / sizeof(synthetic_quick[0]);

static const struct synthetic_cell nats_new[] = {
        {"publish-128b", "publish", "2m", 128, 52000, 8, 3817, 0.97, 150, 75},
        {"publish-1k", "publish", "2m", 1024, 39000, 12, 5076, 0.97, 1340, 265},
        {"publish-8k", "publish", "2m", 8192, 13000, 8, 15015, 0.98, 9400, 1450},
        {"publish-64k", "publish", "2m", 65536, 1900, 8, 72000, 0.98, 65000, 9300},
        {"read-1k", "read", "2m", 1024, 82000, 8, 2433, 0.96, 950, 170},
};
const struct synthetic_suite synthetic_nats_new = {"nats", "2.15.1", nats_new,
                                                   sizeof(nats_new) / sizeof(nats_new[0])};

static const struct synthetic_cell nats_old[] = {
        {"publish-128b", "publish", "2m", 128, 63000, 8, 3164, 0.97, 5610, 5850},
        {"publish-1k", "publish", "2m", 1024, 41000, 12, 4785, 0.97, 7260, 10140},
        {"publish-8k", "publish", "2m", 8192, 13000, 8, 15037, 0.98, 25900, 28200},
        {"publish-64k", "publish", "2m", 65536, 1900, 8, 102000, 0.98, 111000, 125000},
        {"read-1k", "read", "2m", 1024, 82000, 8, 2299, 0.96, 1130, 1190},
};
const struct synthetic_suite synthetic_nats_old = {"nats", "2.9.10", nats_old,
                                                   sizeof(nats_old) / sizeof(nats_old[0])};

double synthetic_normal(uint64_t *state)
{
	/* Box and Muller; 53 bits, never 0. */
	double u = ((double)(stats_random(state) >> 11) + 1) / 9007199254740993.0;
	double v = (double)(stats_random(state) >> 11) / 9007199254740992.0;
	return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

void synthetic_folder(char path[64])
{
	snprintf(path, 64, "synthetic-XXXXXX");
	if (mkdtemp(path) == NULL)
		abort();
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void synthetic_remove(const char *path)
{
	(void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

char synthetic_here[64];

int synthetic_here_make(void **state)
{
	(void)state;
	synthetic_folder(synthetic_here);
	return 0;
}

int synthetic_here_remove(void **state)
{
	(void)state;
	synthetic_remove(synthetic_here);
	return 0;
}

const char *synthetic_path(const char *folder, const char *name)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static const char *const arms[] = {"none", "none-twin", "chachapoly", "aes"};
static const char *const ciphers[] = {"none", "none", "chachapoly", "aes"};
static const char *const providers[] = {"", "", "openssl", "openssl"};

static void fill_disk(struct sample *s, const struct synthetic_cell *c, int encrypted)
{
	uint64_t record = c->payload_bytes + 42;
	uint64_t blocks = (c->messages * record + s->block_bytes - 1) / s->block_bytes;
	s->blk_apparent_bytes = c->messages * record;
	s->blk_allocated_bytes = (s->blk_apparent_bytes + blocks * 2048) / 4096 * 4096;
	s->blk_files = blocks;
	s->key_apparent_bytes = encrypted ? 72 * blocks : 0;
	s->key_allocated_bytes = encrypted ? 4096 * blocks : 0;
	s->key_files = encrypted ? blocks : 0;
	s->meta_apparent_bytes = encrypted ? 700 : 560;
	s->meta_allocated_bytes = encrypted ? 12288 : 8192;
	s->meta_files = encrypted ? 3 : 2;
	s->disk_apparent_bytes =
	        s->blk_apparent_bytes + s->key_apparent_bytes + s->meta_apparent_bytes;
	s->disk_allocated_bytes =
	        s->blk_allocated_bytes + s->key_allocated_bytes + s->meta_allocated_bytes;
	s->files = s->blk_files + s->key_files + s->meta_files;
}

/* Of the name alone (FNV-1a): the same cell of two runs has the same. */
static void fill_digest(struct sample *s)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (const char *p = s->workload; *p != '\0'; p++)
		hash = (hash ^ (uint64_t)*p) * UINT64_C(0x100000001b3);
	snprintf(s->workload_digest, sizeof(s->workload_digest), "%016llx",
	         (unsigned long long)hash);
}

static void fill_sample(struct sample *s, const struct synthetic_cell *c, size_t arm,
                        uint32_t round, double shift, double slice)
{
	double added = arm == 2 ? c->chachapoly_ns : arm == 3 ? c->aes_ns : 0;
	double factor = exp(shift + slice);
	double wall_ns = (c->base_ns + added) * factor;
	double cpu_ns = (c->base_ns * c->cpu_share + added) * factor;

	memset(s, 0, sizeof(*s));
	snprintf(s->workload, sizeof(s->workload), "%s", c->workload);
	fill_digest(s);
	snprintf(s->class_, sizeof(s->class_), "%s", c->class_);
	snprintf(s->target, sizeof(s->target), "store");
	snprintf(s->target_version, sizeof(s->target_version), "0.1.0");
	snprintf(s->dir, sizeof(s->dir), "default");
	snprintf(s->cipher, sizeof(s->cipher), "%s", ciphers[arm]);
	snprintf(s->provider, sizeof(s->provider), "%s", providers[arm]);
	snprintf(s->arm, sizeof(s->arm), "%s", arms[arm]);
	s->round = round;
	s->position = (arm + round) % 4;
	s->square = round / 4;
	s->payload_bytes = c->payload_bytes;
	s->block_bytes = 2 << 20;
	snprintf(s->flush, sizeof(s->flush), "each");
	snprintf(s->sync, sizeof(s->sync), "%s", c->sync);
	snprintf(s->read, sizeof(s->read), "block");
	snprintf(s->cache, sizeof(s->cache), "warm");
	s->publishers = 1;
	s->streams = 1;
	s->messages = c->messages;
	s->payload_total_bytes = c->messages * c->payload_bytes;
	s->acked_s = wall_ns * (double)c->messages * 1e-9;
	/* No sync is owed before its interval has passed. */
	s->synced_s = strcmp(c->sync, "always") == 0 ? s->acked_s : 0;
	s->cpu_ns = (uint64_t)(cpu_ns * (double)c->messages);
	s->cpu_user_ns = s->cpu_ns / 2;
	s->cpu_system_ns = s->cpu_ns - s->cpu_user_ns;
	s->machine_cpu_ns = (uint64_t)(cpu_ns * 1.08 * (double)c->messages);
	s->rss_peak_bytes = 14 << 20;
	s->latency_count = c->messages;
	s->latency_p50_ns = (uint64_t)(wall_ns * 0.93);
	s->latency_p90_ns = (uint64_t)(wall_ns * 1.3);
	s->latency_p99_ns = (uint64_t)(wall_ns * 2.4 * exp(3 * slice));
	s->latency_p999_ns = (uint64_t)(wall_ns * 7 * exp(6 * slice));
	s->latency_max_ns = (uint64_t)(wall_ns * 40);
	fill_disk(s, c, arm >= 2);
	s->file_create_ns = 11000;
	snprintf(s->build, sizeof(s->build), "release");
	s->valid = 1;
}

void synthetic_add(struct samples *s, const struct synthetic_cell *cells, size_t count,
                   struct synthetic_noise noise, uint64_t seed)
{
	uint64_t state = seed;
	uint32_t rounds = 0;
	for (size_t i = 0; i < count; i++)
		rounds = cells[i].rounds > rounds ? cells[i].rounds : rounds;
	for (uint32_t round = 0; round < rounds; round++) {
		for (size_t i = 0; i < count; i++) {
			double shift = noise.round * synthetic_normal(&state);
			for (size_t p = 0; p < 4 && round < cells[i].rounds; p++) {
				struct sample row;
				size_t arm = (p + round) % 4;
				double slice = noise.slice * synthetic_normal(&state);
				if (arm == 1)
					slice += noise.twin;
				fill_sample(&row, &cells[i], arm, round, shift, slice);
				(void)samples_add(s, &row);
			}
		}
	}
	s->complete = 1;
}

void synthetic_add_server(struct samples *s, const struct synthetic_suite *suite,
                          struct synthetic_noise noise, uint64_t seed)
{
	size_t first = s->count;
	synthetic_add(s, suite->cells, suite->count, noise, seed);
	for (size_t i = first; i < s->count; i++) {
		struct sample *row = &s->rows[i];
		snprintf(row->target, sizeof(row->target), "%s", suite->target);
		snprintf(row->target_version, sizeof(row->target_version), "%s", suite->version);
		row->provider[0] = '\0';
		row->block_bytes = 0;
		row->window = 512;
		row->replicas = 1;
		snprintf(row->consumer, sizeof(row->consumer), "pull");
		row->client_cpu_ns = row->messages * (900 + row->payload_bytes / 4);
		row->machine_cpu_ns = row->cpu_ns + row->client_cpu_ns;
		if (strncmp(row->class_, "publish", strlen("publish")) == 0) {
			row->published = row->messages;
			row->acknowledged = row->messages;
			row->stored = row->messages;
		}
	}
}

int synthetic_write(const char *path, const struct samples *s, int complete)
{
	struct samples_writer *w;
	int rc;

	unlink(path);
	if (samples_writer_open(path, &w) != 0)
		return -1;
	rc = samples_writer_add_rows(w, s->rows, s->count);
	return samples_writer_close(w, complete) == 0 && rc == 0 ? 0 : -1;
}

size_t synthetic_field(const char *text, const char *column, size_t *bytes)
{
	const char *names = strchr(text, '\n') + 1;
	const char *row = strchr(names, '\n') + 1;

	for (;;) {
		size_t name_bytes = strcspn(names, ",\n");
		*bytes = strcspn(row, ",\n");
		if (strlen(column) == name_bytes && memcmp(names, column, name_bytes) == 0)
			return (size_t)(row - text);
		names += name_bytes + 1;
		row += *bytes + 1;
	}
}
