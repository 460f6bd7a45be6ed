/* progress.h - one line on a terminal that says how far a run is and how long it will take, below
 * a table if there is one.
 *
 * Written between slices, by the process that measures nothing; a plain line every 30 s, with
 * the time that is left too, where standard error is no terminal. No colours.
 */
#ifndef ATREST_HARNESS_OUTPUT_PROGRESS_H
#define ATREST_HARNESS_OUTPUT_PROGRESS_H

#include <stdint.h>

struct progress {
	int shown;        /* standard error is a terminal */
	int drawn;        /* the line is there */
	char *table;      /* above the line, "" or whole lines; NULL: none */
	unsigned lines;   /* of the table, as drawn */
	int table_is_new; /* since it was drawn */
	uint64_t started_ns;
	uint64_t told_ns; /* the last plain line */
	double whole;     /* of the work, in whatever unit; 0: unknown */
	double done;
};

void progress_start(struct progress *p, double whole);
/* done of the whole is done; text says what comes now. */
void progress_update(struct progress *p, double done, const char *text);
/* Whole lines to be above the line from the next update on: as many and as much of them as the
 * terminal has room for. text is malloc'd and becomes p's. */
void progress_table(struct progress *p, char *text);
/* Takes all of it away, for other output; the next update draws it again. */
void progress_clear(struct progress *p);
/* Takes it away and frees the table. */
void progress_end(struct progress *p);

/* Seconds that are left when it goes on like this; negative when nothing is known yet. */
double progress_left_s(const struct progress *p, uint64_t now_ns);
/* "about 40 s", "about 3 min", "about 2 h 10 min"; returns text. */
#define PROGRESS_TEXT_BYTES 32
const char *progress_duration(double seconds, char text[PROGRESS_TEXT_BYTES]);

#endif
