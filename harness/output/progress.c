/* progress.c - see progress.h. */
#include "harness/output/progress.h"

#include <stdio.h>
#include <string.h>
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

void progress_update(struct progress *p, double done, const char *text)
{
	char duration[PROGRESS_TEXT_BYTES];
	double left_s;

	p->done = done;
	if (!p->shown) {
		uint64_t now_ns = clock_ns();
		if (now_ns - p->told_ns < PLAIN_EVERY_NS)
			return;
		p->told_ns = now_ns;
		fprintf(stderr, "%s  %.0f %%, %.0f s so far\n", text,
		        p->whole > 0 ? 100 * done / p->whole : 0,
		        (double)(now_ns - p->started_ns) / 1e9);
		return;
	}
	left_s = progress_left_s(p, clock_ns());
	fprintf(stderr, "\r\033[K%3.0f %%  %s", p->whole > 0 ? 100 * done / p->whole : 0, text);
	if (left_s >= 0)
		fprintf(stderr, "  %s left", progress_duration(left_s, duration));
	fflush(stderr);
	p->drawn = 1;
}

void progress_clear(struct progress *p)
{
	if (!p->drawn)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	p->drawn = 0;
}
