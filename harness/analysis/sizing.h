/* sizing.h - what a message costs at any size, from the rows of a run. Pure functions of rows.
 *
 * Point  a cell of fixed size: bytes of its records, and the estimate over its rounds of CPU time
 *        per message (Hodges-Lehmann, Wilcoxon interval). Cells whose sizes differ by less than a
 *        quarter are one point at their mean: a line through two of them would be their noise.
 * Kind   all cells of a curve are of one class and under the same settings: the class that comes
 *        first below, and of its settings those that most rows have.
 * Curve  points by size, straight lines between them. Beyond them the last line goes on, and the
 *        answer says so. Of a single point the cost is taken per message below and per byte above,
 *        which is the most that a cost of so much per message and so much per byte can be.
 * Mix    the weighted sum of what its sizes cost. The points are measured apart, so that each end
 *        of the interval is as far off as theirs, weighted and added as squares.
 *
 * The bytes are those of the record (30 + subject + headers + payload), since that is what is
 * copied, hashed, enciphered and written.
 */
#ifndef ATREST_HARNESS_ANALYSIS_SIZING_H
#define ATREST_HARNESS_ANALYSIS_SIZING_H

#include "harness/analysis/repeat.h"
#include "harness/analysis/stats.h"
#include "harness/output/samples.h"

#include <stddef.h>

#define SIZING_POINTS_MAX 32
#define SIZING_CIPHERS    3 /* none, chachapoly, aes, in this order */
#define SIZING_TEXT_BYTES 512
#define SIZING_NAME_BYTES 64
/* Of a record beside its payload, where no row tells: 30, and the 12 of the harness's subject. */
#define SIZING_OTHER_BYTES 42

extern const char *const sizing_ciphers[SIZING_CIPHERS];

struct sizing_point {
	double bytes;                   /* mean */
	double least_bytes, most_bytes; /* of its cells */
	struct stats_interval value;
	size_t rounds; /* values it is made of */
};

struct sizing_curve {
	struct sizing_point point[SIZING_POINTS_MAX]; /* ascending */
	size_t count;
};

struct sizing_size {
	double record_bytes;
	double weight;
};

struct sizing_cost {
	struct stats_interval value; /* NaN: nothing was measured */
	int beyond;                  /* some of it is beyond the points of the curve */
};

struct sizing_cost sizing_at(const struct sizing_curve *curve, const struct sizing_size *mix,
                             size_t count);
/* Sum of weighted estimates that were measured apart. */
struct stats_interval sizing_sum(const double *weights, const struct stats_interval *values,
                                 size_t count);

/* Of one cipher. added: against plaintext of the same round. */
struct sizing_arm {
	const char *cipher;
	struct sizing_curve publish, publish_added; /* CPU ns per message */
	struct sizing_curve publish_time;           /* ns of the clock per message, one stream */
	struct sizing_curve read, read_added;       /* CPU ns per message read in order */
	/* ns until the streams are there, by the bytes of the blocks that a start reads or could
	 * (start_last: of the last one); points that differ by less than a factor of two are one.
	 */
	struct sizing_curve start;
	double start_state_bytes, start_streams; /* of the first point: mean */
	/* ns more per message where there is no state file; none without a start beside it */
	struct sizing_curve recover;
	int is_lost; /* the run has publish rows of it, and none that can be used */
};

/* What the rows are chosen by. */
struct sizing_choice {
	const char *target;  /* "nats", "store"; NULL: servers before the store */
	const char *version; /* NULL: the newest */
	const char *flush;   /* of the store: "each" or "async" */
	int always;          /* sync = always */
	/* Bytes of the last block of each stream that an open row opened, together; the format says
	 * it. NULL: starts are placed by all bytes. */
	double (*last_bytes)(const struct sample *row);
};

struct sizing {
	char target[SIZING_NAME_BYTES], version[SIZING_NAME_BYTES];
	char flush[SIZING_NAME_BYTES];    /* of the store's publishes, "" of a server */
	char left_out[SIZING_NAME_BYTES]; /* a workload of another kind than its curve's, "" none */
	int is_server;
	int is_release;   /* every row is of a build that is fit to measure */
	int start_scales; /* starts with a state file read every enciphered block (before 2.10) */
	/* Starts with a state file read no block but the last (seen of 2.10.27 and 2.15.1: whole,
	 * of plaintext under 2.10 its last 8 bytes), and what those have is known. */
	int start_last;
	int interrupted; /* some result was */
	struct repeat_tally tally;
	struct sizing_arm arms[SIZING_CIPHERS];
};

enum sizing_result {
	SIZING_OK,
	SIZING_MISSING, /* reason names the cells that are not there */
	SIZING_MEMORY
};

/* Rows of the first directory and of this program alone, valid ones. Cells: publish (classes
 * publish, publish-async, publish-always; a window, no rate, nothing injected), read (read,
 * read-sequential, read-ordered, from the page cache), open (open, open-server, and -recover).
 * MISSING without a publish cell in plaintext, and without one under some cipher; of a cipher whose
 * rows cannot be used, is_lost. */
enum sizing_result sizing_make(const struct samples *samples, const struct sizing_choice *choice,
                               struct sizing *out, char reason[SIZING_TEXT_BYTES]);

/* Another run's rows behind those that are there; their rounds stay apart. 0, or -1: memory. */
int sizing_append(struct samples *all, const struct samples *more, uint64_t number);

struct sizing_opening {
	const struct sizing_size *mix;
	size_t mix_count;
	double messages, blk_bytes; /* of all streams */
	double last_bytes;          /* of the last block of each, together */
	double state_bytes;         /* of their state files */
	double streams;             /* 0, as state_bytes: as measured */
};

/* Until all is there after a start, ns; state: 0 without state file. More streams or longer state
 * files than were measured raise the upper end in proportion, which is the most they can cost. */
struct sizing_cost sizing_start(const struct sizing *s, const struct sizing_arm *arm,
                                const struct sizing_opening *o, int state);

/* ---- rows, also for what is predicted against what was measured ---- */

/* Bytes of a record of the row's workload. */
double sizing_record_bytes(const struct sample *row);
/* Cells whose costs are looked at, whether of one size or of several. */
int sizing_is_publish(const struct sample *row);
int sizing_is_open(const struct sample *row);
int sizing_is_recover(const struct sample *row); /* of those without a state file */
/* How many times the streams were opened, and their messages. */
double sizing_openings(const struct sample *row);

#endif
