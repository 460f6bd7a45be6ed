/* progress.c - see progress.h. */
#include "harness/output/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness/measure/clock.h"

#define PLAIN_EVERY_NS UINT64_C(30000000000)

void progress_start(struct progress *p, double whole)
{
	memset(p, 0, sizeof(*p));
	p->shown = isatty(STDERR_FILENO);
	p->started_ns = p->told_ns = clock_ns();
	p->whole = whole;
}

double progress_left_s(const struct progress *p, uint64_t now_ns)
{
	double elapsed_s = (double)(now_ns - p->started_ns) / 1e9;

	if (p->done <= 0 || p->whole <= 0)
		return -1;
	return elapsed_s * (p->whole - p->done) / p->done;
}

const char *progress_duration(double seconds, char text[PROGRESS_TEXT_BYTES])
{
	unsigned long long s = seconds < 0 ? 0 : (unsigned long long)(seconds + 0.5);

	if (s < 100)
		snprintf(text, PROGRESS_TEXT_BYTES, "about %llu s", s);
	else if (s < 6000)
		snprintf(text, PROGRESS_TEXT_BYTES, "about %llu min", (s + 30) / 60);
	else
		snprintf(text, PROGRESS_TEXT_BYTES, "about %llu h %llu min", s / 3600,
		         s % 3600 / 60);
	return text;
}

/* The table, cut to the terminal. Its lines are ASCII: a column is a byte. */
static void draw_table(struct progress *p)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	const char *at = p->table;

	(void)ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
	if (size.ws_row == 0 || size.ws_col == 0)
		size = (struct winsize){.ws_row = 24, .ws_col = 80};
	p->lines = 0;
	p->table_is_new = 0;
	while (at != NULL && *at != '\0' && p->lines + 2 < size.ws_row) {
		int bytes = (int)strcspn(at, "\n");
		fprintf(stderr, "\r\033[K%.*s\n", bytes < size.ws_col ? bytes : size.ws_col - 1,
		        at);
		p->lines++;
		at += bytes;
		at += *at == '\n';
	}
}

void progress_table(struct progress *p, char *text)
{
	free(p->table);
	p->table = text;
	p->table_is_new = 1;
}

static void show_part(const struct progress *p, double done)
{
	if (p->whole > 0)
		fprintf(stderr, "%3.0f %%  ", 100 * (done < p->whole ? done / p->whole : 1));
}

/* Nothing where it is not known. */
static void show_left(const struct progress *p, uint64_t now_ns, const char *before)
{
	char duration[PROGRESS_TEXT_BYTES];
	double left_s = progress_left_s(p, now_ns);

	if (left_s >= 0)
		fprintf(stderr, "%s%s left", before, progress_duration(left_s, duration));
}

void progress_update(struct progress *p, double done, const char *text)
{
	p->done = done;
	if (!p->shown) {
		uint64_t now_ns = clock_ns();
		if (now_ns - p->told_ns < PLAIN_EVERY_NS)
			return;
		p->told_ns = now_ns;
		show_part(p, done);
		fprintf(stderr, "%s  %.0f s so far", text, (double)(now_ns - p->started_ns) / 1e9);
		show_left(p, now_ns, ", ");
		fputc('\n', stderr);
		return;
	}
	if (p->table_is_new)
		progress_clear(p);
	if (!p->drawn)
		draw_table(p);
	fputs("\r\033[K", stderr);
	show_part(p, done);
	fputs(text, stderr);
	show_left(p, clock_ns(), "  ");
	fflush(stderr);
	p->drawn = 1;
}

void progress_clear(struct progress *p)
{
	if (!p->drawn)
		return;
	if (p->lines > 0)
		fprintf(stderr, "\033[%uA", p->lines);
	fputs("\r\033[J", stderr);
	fflush(stderr);
	p->lines = 0;
	p->drawn = 0;
}

void progress_end(struct progress *p)
{
	progress_clear(p);
	free(p->table);
	p->table = NULL;
}
