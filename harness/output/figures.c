/* figures.c - see figures.h. */
#include "harness/output/figures.h"

#include "harness/output/headline.h"

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
        {"overhead", "Overhead against payload size",
         "Left: throughput lost against plaintext, the documented range shaded. Right: CPU time "
         "added per message, on a logarithmic scale. Bars are 95 % intervals; “plaintext again” "
         "is the same arm measured a second time and shows what this machine cannot tell apart.",
         0},
        {"cpu", "CPU per message",
         "The number is what one message costs; the height of the bar is relative to plaintext in "
         "the same workload.",
         0},
        {"throughput", "Throughput",
         "Messages per second on a logarithmic scale, and the same as payload bytes per second.",
         0},
        {"disk", "Disk growth",
         "How much more the stream's directory takes than in plaintext, at the same block size: "
         "blocks that the file system gave, and bytes in the files.",
         0},
        {"latency", "Latency",
         "Percentiles of single operations; medians over the rounds, on a logarithmic scale.", 0},
        {"classes", "Overhead by operation class",
         "Each row is one kind of operation, the dearest on top; of a class with several sizes the "
         "one nearest to that of the first sentence. “Per message” is per message of the stream "
         "where an operation takes a whole one: opening, purging, converting, backing up.",
         1},
        {NULL, NULL, NULL, 0}};

/* Rows of the target that the figures are of. */
static int is_of(const struct summary_row *row, const struct summary_row *cell)
{
	return strcmp(row->target, cell->target) == 0 &&
	       strcmp(row->target_version, cell->target_version) == 0;
}

int figures_apply(const struct figure *figure, const struct summary *s)
{
	const struct summary_row *cell = headline_cell(s);
	if (!figure->by_class || cell == NULL)
		return !figure->by_class;
	for (size_t i = 0; i < s->count; i++)
		if (is_of(&s->rows[i], cell) && strcmp(s->rows[i].class_, cell->class_) != 0)
			return 1;
	return 0;
}

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

static enum figures_result draw(const char *scripts, const char *dir, const char *name,
                                const char *format, const struct summary_row *cell, char error[512])
{
	char script[64];
	char summary[PATH_MAX + 16];
	char output[PATH_MAX + 80];
	char subject[HEADLINE_TEXT_BYTES];
	char payload[24];
	char line[256];
	snprintf(script, sizeof(script), "%s.gp", name);
	snprintf(summary, sizeof(summary), "%s/summary.csv", dir);
	snprintf(output, sizeof(output), "%s/plots/%s.%s", dir, name, format);
	snprintf(payload, sizeof(payload), "%" PRIu64, cell->payload_bytes);
	headline_subject(cell, subject);
	/* spawn's argv is not const, for old reasons; it is not written to. */
	char *argv[] = {(char *)"gnuplot",
	                (char *)"-d",
	                (char *)"-c",
	                script,
	                summary,
	                output,
	                (char *)cell->target,
	                (char *)cell->target_version,
	                (char *)cell->class_,
	                subject,
	                payload,
	                NULL};
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
		for (size_t i = 0; i < 2; i++) {
			snprintf(path, sizeof(path), "%s/plots/%s.%s", dir, f->name, formats[i]);
			unlink(path);
		}
	}
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
		for (size_t i = 0; i < 2 && figures_apply(f, s); i++) {
			char reason[512];
			enum figures_result rc =
			        draw(scripts, dir, f->name, formats[i], cell, reason);
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
	const struct summary_row *cell = headline_cell(s);
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
		if (cell == NULL)
			snprintf(error, 512, "no plaintext throughput: nothing to draw");
		else
			rc = draw_all(whole, s, cell, error);
	}
	free(whole);
	return rc;
}
