/* Processor time and peak memory, of this process and of a child. */
#include "harness/measure/cpu.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/measure/clock.h"

#define MS UINT64_C(1000000)

/* Uses the processor until this process has used that much more. */
static void burn(uint64_t ns)
{
	uint64_t end = clock_of_ns(CLOCK_PROCESS_CPUTIME_ID) + ns;

	while (clock_of_ns(CLOCK_PROCESS_CPUTIME_ID) < end)
		;
}

static void the_own_clock_counts_work_and_not_waiting(void **state)
{
	struct cpu_process a, b, c, d;

	(void)state;
	assert_int_equal(cpu_process_read(0, &a), 0);
	burn(60 * MS);
	assert_int_equal(cpu_process_read(0, &b), 0);
	usleep(100000);
	assert_int_equal(cpu_process_read(0, &c), 0);
	d = cpu_process_since(&a, &b);
	assert_in_range(d.total_ns, 60 * MS, 90 * MS);
	assert_int_equal(d.user_ns + d.system_ns, d.total_ns);
	assert_true(cpu_process_since(&b, &c).total_ns < 20 * MS);
}

static void a_child_is_read_by_its_pid(void **state)
{
	struct cpu_process a, b;
	uint64_t bytes;
	int status, ready[2];
	char c;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		burn(50 * MS);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(cpu_process_read(pid, &a), 0);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(cpu_process_read(pid, &b), 0);
	assert_in_range(b.total_ns, 50 * MS, 90 * MS);
	assert_true(cpu_process_since(&a, &b).total_ns <= b.total_ns);
	assert_int_equal(cpu_memory_peak_bytes(pid, &bytes), 0);
	assert_true(bytes > 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(cpu_process_read(pid, &a), -ESRCH);
	assert_int_equal(cpu_memory_peak_bytes(pid, &bytes), -ENOENT);
}

static void user_and_system_are_split_in_proportion(void **state)
{
	struct cpu_process a = {1000, 0, 0}, b = {1400, 10, 30}, d = cpu_process_since(&a, &b);

	(void)state;
	assert_int_equal(d.total_ns, 400);
	assert_int_equal(d.user_ns, 100);
	assert_int_equal(d.system_ns, 300);
	/* No tick in between. */
	d = cpu_process_since(&a, &(struct cpu_process){1300, 0, 0});
	assert_int_equal(d.user_ns, 300);
	assert_int_equal(d.system_ns, 0);
	/* Never below 0. */
	d = cpu_process_since(&b, &a);
	assert_int_equal(d.total_ns, 0);
}

static void the_machine_is_busy_with_us_at_least(void **state)
{
	struct cpu_machine a, b, d;

	(void)state;
	assert_int_equal(cpu_machine_read(&a), 0);
	burn(200 * MS);
	assert_int_equal(cpu_machine_read(&b), 0);
	d = cpu_machine_since(&a, &b);
	/* The ticks of /proc/stat, two of them uncertain; a host may steal some of ours. */
	assert_true(d.busy_ns + d.steal_ns + 50 * MS >= 200 * MS);
	assert_int_equal(cpu_other_ns(&d, d.busy_ns), 0);
	assert_int_equal(cpu_other_ns(&d, d.busy_ns + 1), 0);
	assert_int_equal(cpu_other_ns(&d, d.busy_ns - 1), 1);
}

static void the_peak_is_reset(void **state)
{
	const size_t bytes = 64 * 1024 * 1024;
	uint64_t before, during, after;
	void *map;

	(void)state;
	if (cpu_memory_peak_reset(0) == -EACCES)
		skip();
	assert_int_equal(cpu_memory_peak_bytes(0, &before), 0);
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(map != MAP_FAILED);
	memset(map, 1, bytes);
	munmap(map, bytes);
	assert_int_equal(cpu_memory_peak_bytes(0, &during), 0);
	assert_true(during >= before + bytes * 9 / 10);
	assert_int_equal(cpu_memory_peak_reset(0), 0);
	assert_int_equal(cpu_memory_peak_bytes(0, &after), 0);
	assert_true(after < during - bytes / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_own_clock_counts_work_and_not_waiting),
	        cmocka_unit_test(a_child_is_read_by_its_pid),
	        cmocka_unit_test(user_and_system_are_split_in_proportion),
	        cmocka_unit_test(the_machine_is_busy_with_us_at_least),
	        cmocka_unit_test(the_peak_is_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
