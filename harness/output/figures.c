/* figures.c - see figures.h. */
#include "harness/output/figures.h"

#include "harness/analysis/transfer.h"
#include "harness/output/headline.h"
#include "harness/output/rates.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

const struct figure figures[] = {
        {"overhead", "summary.csv", FIGURE_OF_ALL, "throughput_msgs_s",
         "Overhead against payload size",
         "Throughput lost against plaintext, the documented range shaded (it has no upper end), "
         "and CPU time added per message (of a server: by the server's process) on a logarithmic "
         "scale. Bars are 95 % intervals, with an arrow where they are cut; hollow points are not "
         "distinguishable from plaintext, a triangle at the foot lies below the axis, of CPU time "
         "at zero or less; “plaintext again” is the same arm measured a second time and shows "
         "what this machine cannot tell apart. The axes of all targets and versions are the "
         "same."},
        {"cpu", "summary.csv", FIGURE_OF_ALL, "cpu_ns_per_msg", "CPU per message",
         "The number is what one message costs the process that owns the store; the height of the "
         "bar is relative to plaintext in the same workload, with its 95 % interval."},
        {"against", "summary.csv", FIGURE_OF_BOTH, "throughput_msgs_s", "Store against server",
         "The same workloads on servers and on the embedded store, which does little but store: "
         "the same cipher is a larger share of its work, and what it adds in time is the least "
         "that a message can cost with this library's cipher code."},
        {"transfer", "transfer.csv", FIGURE_OF_TRANSFER, "cpu_ns_per_msg",
         "Transfer: what two sizes say of the others",
         "Filled: CPU time that a cipher adds to a published message, as measured; line: a + b · "
         "bytes through the cells of 1 KiB and 64 KiB (ringed), which predicts the rest. Hollow: "
         "may be zero. Where no cost per byte can be told from zero there is no line; dotted is "
         "what it may be at most. Dashed: the line of the embedded store, the floor."},
        {"disk", "summary.csv", FIGURE_OF_ALL, "disk_allocated_bytes", "Disk growth",
         "How much more the stream's directory takes than in plaintext: blocks that the file "
         "system gave, and bytes in the files, all on one axis. The store has the same block size "
         "in all arms; newer servers make smaller blocks under a cipher, hence more files."},
        {"latency", "summary.csv", FIGURE_OF_ALL, "latency_p50_ns", "Latency",
         "Service times: from the operation's own start to its end, also where a rate was given "
         "(response times are those of the next figure). Percentiles of single operations; medians "
         "over the rounds, on a logarithmic scale; bars are 95 % intervals against plaintext. Of a "
         "server with many messages under way it is mostly waiting."},
        {"rates", "summary.csv", FIGURE_OF_RATES, "response_p99_ns",
         "Response time at a given rate",
         "Operations start at moments that are given (an open loop), at a share of what plaintext "
         "does here at most; the response time counts from that moment, whether the operation "
         "could start then or not. Percentiles of single operations, compared round by round; "
         "bars are 95 % intervals (bootstrap over the rounds)."},
        {"throughput", "summary.csv", FIGURE_OF_ALL, "throughput_msgs_s", "Throughput",
         "Messages per second on a logarithmic scale, and the same as payload bytes per second. "
         "Plaintext is the median of its rounds, the others are what they lose of it, compared "
         "round by round, with the 95 % interval of that; “plaintext again” is the same arm a "
         "second time. Where the bar reaches plaintext, faster or slower cannot be told."},
        {"classes", "summary.csv", FIGURE_OF_CLASSES, "throughput_msgs_s",
         "Overhead by operation class",
         "Each row is one kind of operation, the dearest on top; of a class with several sizes the "
         "one nearest to that of the first sentence. “Per message” is per message of the stream "
         "where an operation takes a whole one: opening, purging, converting, backing up. ≤: not "
         "distinguishable from plaintext; it costs at most the end of its bar, or the noise "
         "floor, what plaintext is off when measured again, where that is higher."},
        {NULL, NULL, FIGURE_OF_ALL, NULL, NULL, NULL}};

/* ---- which pictures there are ---- */

const struct summary_row *figures_subject(const struct summary *s, size_t number)
{
	const struct summary_row *cell = headline_cell(s);
	if (cell == NULL && number == 1)
		return rates_next_cell(s, NULL);
	for (size_t n = 1; n < number && cell != NULL; n++)
		cell = headline_next_cell(s, cell);
	/* The harness alone has no place beside others. */
	return cell != NULL && number > 1 && strcmp(cell->target, "null") == 0 ? NULL : cell;
}

static int has_metric(const struct summary *s, const char *metric)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->rows[i].arm, "none") == 0 && strcmp(s->rows[i].metric, metric) == 0)
			return 1;
	return 0;
}

static int has_other_class(const struct summary *s, const struct summary_row *cell)
{
	for (size_t i = 0; i < s->count; i++)
		if (summary_same_target(&s->rows[i], cell) &&
		    strcmp(s->rows[i].class_, cell->class_) != 0 &&
		    strcmp(s->rows[i].metric, "throughput_msgs_s") == 0)
			return 1;
	return 0;
}

/* Some workload has rows of the store and of a server. */
static int has_both(const struct summary *s)
{
	for (size_t i = 0; i < s->count; i++)
		for (size_t j = i + 1; j < s->count && summary_is_server(&s->rows[i]); j++)
			if (strcmp(s->rows[j].target, "store") == 0 &&
			    strcmp(s->rows[j].workload, s->rows[i].workload) == 0)
				return 1;
	return 0;
}

/* Of the server's own CPU time, which is not known of servers elsewhere. */
static int has_payload(const struct summary *s, const struct summary_row *of, uint64_t bytes)
{
	for (size_t i = 0; i < s->count; i++)
		if (summary_same_target(&s->rows[i], of) && s->rows[i].payload_bytes == bytes &&
		    strcmp(s->rows[i].class_, "publish") == 0 &&
		    strcmp(s->rows[i].metric, "cpu_ns_per_msg") == 0)
			return 1;
	return 0;
}

static int has_transfer(const struct summary *s)
{
	for (const struct summary_row *cell = headline_cell(s);
	     cell != NULL && summary_is_server(cell); cell = headline_next_cell(s, cell))
		if (has_payload(s, cell, TRANSFER_SMALL_BYTES) &&
		    has_payload(s, cell, TRANSFER_LARGE_BYTES))
			return 1;
	return 0;
}

static void name_picture(const struct figure *figure, size_t number, char name[FIGURES_NAME_BYTES])
{
	if (number == 1)
		snprintf(name, FIGURES_NAME_BYTES, "%s", figure->name);
	else
		snprintf(name, FIGURES_NAME_BYTES, "%s-%zu", figure->name, number);
}

int figures_picture(const struct figure *figure, const struct summary *s, size_t number,
                    char name[FIGURES_NAME_BYTES])
{
	const struct summary_row *cell = figures_subject(s, number);
	name_picture(figure, number, name);
	if (cell == NULL || !has_metric(s, figure->metric))
		return 0;
	switch (figure->kind) {
	case FIGURE_OF_ALL:
	case FIGURE_OF_RATES:
		return number == 1;
	case FIGURE_OF_CLASSES:
		return has_other_class(s, cell);
	case FIGURE_OF_BOTH:
		return number == 1 && has_both(s);
	case FIGURE_OF_TRANSFER:
		return number == 1 && has_transfer(s);
	}
	return 0;
}

/* ---- gnuplot ---- */

static const char *script_folder(void)
{
	static const char *const folders[] = {ATREST_SOURCE_DIR "/plots", ATREST_DATA_DIR "/plots"};
	for (size_t i = 0; i < 2; i++) {
		char style[PATH_MAX];
		snprintf(style, sizeof(style), "%s/style.gp", folders[i]);
		if (access(style, R_OK) == 0)
			return folders[i];
	}
	return NULL;
}

/* The last line of what a child wrote, since gnuplot ends with the error. */
static void read_last_line(int fd, char line[256])
{
	char text[4096];
	size_t have = 0;
	for (;;) {
		ssize_t n = read(fd, text + have, sizeof(text) - 1 - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
		if (have > sizeof(text) / 2) {
			memmove(text, text + have - sizeof(text) / 2, sizeof(text) / 2);
			have = sizeof(text) / 2;
		}
	}
	while (have > 0 && (text[have - 1] == '\n' || text[have - 1] == ' '))
		have--;
	text[have] = '\0';
	char *start = strrchr(text, '\n');
	snprintf(line, 256, "%.255s", start != NULL ? start + 1 : text);
}

/* Runs a program in a folder with its errors in line. Its exit status, or -errno. */
static int run_in(const char *folder, char *const argv[], char line[256])
{
	int ends[2];
	if (pipe(ends) != 0)
		return -errno;
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addchdir_np(&actions, folder);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	posix_spawn_file_actions_addclose(&actions, ends[1]);
	pid_t child;
	int rc = posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	line[0] = '\0';
	if (rc != 0) {
		close(ends[0]);
		return -rc;
	}
	read_last_line(ends[0], line);
	close(ends[0]);
	int status;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* One picture: of the how manieth target and version, when it is of one. */
static enum figures_result draw(const char *scripts, const char *dir, const struct figure *f,
                                const char *picture, size_t number, const char *format,
                                const struct summary_row *cell, char error[512])
{
	char script[64];
	char csv[PATH_MAX + 16];
	char output[PATH_MAX + 80];
	char payload[24];
	char subject[24];
	char line[256];
	snprintf(script, sizeof(script), "%s.gp", f->name);
	snprintf(csv, sizeof(csv), "%s/%s", dir, f->csv);
	snprintf(output, sizeof(output), "%s/plots/%s.%s", dir, picture, format);
	snprintf(payload, sizeof(payload), "%" PRIu64, cell->payload_bytes);
	snprintf(subject, sizeof(subject), "%zu", number);
	/* spawn's argv is not const, for old reasons; it is not written to. */
	char *argv[] = {(char *)"gnuplot",    (char *)"-d", (char *)"-c", script, csv, output,
	                (char *)cell->class_, payload,      subject,      NULL};
	int rc = run_in(scripts, argv, line);
	if (rc == 0)
		return FIGURES_OK;
	unlink(output);
	if (rc == -ENOENT) {
		snprintf(error, 512, "gnuplot is not installed (package gnuplot-nox): no figures");
		return FIGURES_NO_GNUPLOT;
	}
	if (rc < 0)
		snprintf(error, 512, "gnuplot: %s", strerror(-rc));
	else
		snprintf(error, 512, "gnuplot %s: %s", script, line);
	return FIGURES_FAILED;
}

static const char *const formats[] = {"svg", "png"};

/* None of another summary may stay, whatever happens next. */
static void remove_old(const char *dir)
{
	char path[PATH_MAX + 80];
	for (const struct figure *f = figures; f->name != NULL; f++) {
		for (size_t n = 1; n <= FIGURES_SUBJECTS_MAX; n++) {
			char name[FIGURES_NAME_BYTES];
			name_picture(f, n, name);
			for (size_t i = 0; i < 2; i++) {
				snprintf(path, sizeof(path), "%s/plots/%s.%s", dir, name,
				         formats[i]);
				unlink(path);
			}
		}
	}
}

/* The picture in both formats; error is that of the first that failed. */
static enum figures_result draw_formats(const char *scripts, const char *dir,
                                        const struct figure *f, const char *picture, size_t number,
                                        const struct summary_row *cell, char error[512])
{
	for (size_t i = 0; i < 2; i++) {
		enum figures_result rc =
		        draw(scripts, dir, f, picture, number, formats[i], cell, error);
		if (rc != FIGURES_OK)
			return rc;
	}
	return FIGURES_OK;
}

static enum figures_result draw_all(const char *dir, const struct summary *s,
                                    const struct summary_row *cell, char error[512])
{
	const char *scripts = script_folder();
	enum figures_result worst = FIGURES_OK;
	if (scripts == NULL) {
		snprintf(error, 512, "no scripts in %s nor %s: no figures",
		         ATREST_SOURCE_DIR "/plots", ATREST_DATA_DIR "/plots");
		return FIGURES_NO_GNUPLOT;
	}
	for (const struct figure *f = figures; f->name != NULL; f++) {
		for (size_t n = 1; n <= FIGURES_SUBJECTS_MAX; n++) {
			char picture[FIGURES_NAME_BYTES];
			char reason[512];
			if (!figures_picture(f, s, n, picture))
				continue;
			enum figures_result rc =
			        draw_formats(scripts, dir, f, picture, n, cell, reason);
			if (rc != FIGURES_OK && worst == FIGURES_OK)
				snprintf(error, 512, "%s", reason);
			if (rc == FIGURES_NO_GNUPLOT)
				return rc;
			if (rc != FIGURES_OK)
				worst = rc;
		}
	}
	return worst;
}

enum figures_result figures_draw(const char *dir, const struct summary *s, char error[512])
{
	char folder[PATH_MAX + 16];
	char *whole = realpath(dir, NULL);
	const struct summary_row *cell = figures_subject(s, 1);
	enum figures_result rc = FIGURES_FAILED;
	if (whole == NULL) {
		snprintf(error, 512, "%.300s: %s", dir, strerror(errno));
		return FIGURES_FAILED;
	}
	snprintf(folder, sizeof(folder), "%s/plots", whole);
	if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
		snprintf(error, 512, "%.300s: %s", folder, strerror(errno));
	} else {
		remove_old(whole);
		rc = cell != NULL ? draw_all(whole, s, cell, error) : FIGURES_OK;
	}
	free(whole);
	return rc;
}
