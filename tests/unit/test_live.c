/* test_live.c - the table of a run at work, and how the terminal gets it. */
#include "tests/unit/harness_fixture.h"

#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/output/live.h"
#include "harness/output/progress.h"
#include "tests/unit/synthetic.h"

static struct workload workloads[2];
static struct plan_request request;
static struct plan plan;

static int plan_of_two_cells(void **state)
{
	static const char *const names[] = {"publish-1k", "read-1k"};
	char error[256];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		workload_init(&workloads[i]);
		snprintf(workloads[i].name, sizeof(workloads[i].name), "%s", names[i]);
	}
	request.workloads = workloads;
	request.workload_count = 2;
	snprintf(request.targets[0].name, sizeof(request.targets[0].name), "store");
	request.target_count = 1;
	request.ciphers[0] = "aes";
	request.cipher_count = 1;
	snprintf(request.dirs[0].name, sizeof(request.dirs[0].name), "default");
	request.dir_count = 1;
	request.rounds = 8;
	return plan_make(&request, &plan, error);
}

static int plan_away(void **state)
{
	(void)state;
	plan_free(&plan);
	return 0;
}

static void cells_have_rounds_and_each_arms_interval(void **state)
{
	const struct synthetic_noise noise = {0.02, 0.01, 0};
	const struct schedule_rule rule = {.precision_points = 3, .rounds_max = 200};
	struct samples samples = {0};
	char *text;

	(void)state;
	text = live_table(&plan, &rule, &samples);
	assert_non_null(strstr(text, "publish-1k"));
	assert_null(strstr(text, "reached"));
	free(text);
	synthetic_add(&samples, &synthetic_quick[1], 1, noise, 3);
	text = live_table(&plan, &rule, &samples);
	print_message("%s", text);
	assert_non_null(strstr(text, "reached"));
	assert_non_null(strstr(text, "none-twin "));
	assert_non_null(strstr(text, "aes 10."));
	assert_non_null(strstr(text, "12"));
	for (const char *c = text; *c != '\0'; c++)
		assert_true((unsigned char)*c < 0x80);
	free(text);
	samples_free(&samples);
}

/* What a child wrote on a terminal of so many rows and columns. */
static void on_terminal(unsigned short rows, unsigned short columns, char *out, size_t bytes)
{
	struct winsize size = {.ws_row = rows, .ws_col = columns};
	size_t used = 0;
	ssize_t n;
	int fd;
	pid_t pid = forkpty(&fd, NULL, NULL, &size);

	assert_true(pid >= 0);
	if (pid == 0) {
		struct progress p;
		progress_start(&p, 10);
		progress_table(&p, strdup("first line\nsecond line is long\nthird\n"));
		progress_update(&p, 1, "at work");
		progress_update(&p, 2, "still at work");
		progress_clear(&p);
		fputs("warning\n", stderr);
		progress_update(&p, 3, "again");
		progress_table(&p, strdup("narrower\n"));
		progress_update(&p, 4, "end");
		progress_end(&p);
		_exit(0);
	}
	while (used + 1 < bytes && (n = read(fd, out + used, bytes - used - 1)) > 0)
		used += (size_t)n;
	out[used] = '\0';
	close(fd);
	waitpid(pid, NULL, 0);
}

static size_t times(const char *text, const char *word)
{
	size_t n = 0;

	for (; (text = strstr(text, word)) != NULL; text++)
		n++;
	return n;
}

static void a_terminal_shows_the_table_above_the_line(void **state)
{
	char text[4096];

	(void)state;
	on_terminal(24, 80, text, sizeof(text));
	/* Drawn once, taken away for the warning, drawn again; then the new one. */
	assert_int_equal(times(text, "second line is long"), 2);
	assert_int_equal(times(text, "narrower"), 1);
	assert_int_equal(times(text, "\033[3A\r\033[J"), 2);
	assert_int_equal(times(text, "\033[1A\r\033[J"), 1);
	assert_non_null(strstr(text, " 20 %  still at work"));
}

/* A log: a plain line every 30 s, with the part, the time so far and what is left. */
static void elsewhere_a_plain_line_says_what_is_left(void **state)
{
	struct progress p;
	char out[256] = "";
	int was = dup(STDERR_FILENO), pipes[2];
	ssize_t got;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_true(was >= 0 && dup2(pipes[1], STDERR_FILENO) >= 0);
	progress_start(&p, 10);
	progress_update(&p, 1, "too soon");
	p.started_ns -= UINT64_C(40000000000);
	p.told_ns = p.started_ns;
	progress_update(&p, 4, "round 3 of 8");
	p.told_ns = p.started_ns;
	p.whole = 0;
	progress_update(&p, 4, "no end to be seen");
	progress_end(&p);
	dup2(was, STDERR_FILENO);
	close(was);
	close(pipes[1]);
	got = read(pipes[0], out, sizeof(out) - 1);
	close(pipes[0]);
	assert_true(got > 0);
	assert_string_equal(out, " 40 %  round 3 of 8  40 s so far, about 60 s left\n"
	                         "no end to be seen  40 s so far\n");
}

static void a_small_terminal_shows_what_fits(void **state)
{
	char text[4096];

	(void)state;
	on_terminal(4, 12, text, sizeof(text));
	assert_int_equal(times(text, "first line"), 2);
	assert_int_equal(times(text, "second line"), 2);
	assert_int_equal(times(text, "second line is"), 0);
	assert_int_equal(times(text, "third"), 0);
	assert_int_equal(times(text, "\033[2A\r\033[J"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(cells_have_rounds_and_each_arms_interval,
	                                        plan_of_two_cells, plan_away),
	        cmocka_unit_test(a_terminal_shows_the_table_above_the_line),
	        cmocka_unit_test(a_small_terminal_shows_what_fits),
	        cmocka_unit_test(elsewhere_a_plain_line_says_what_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
