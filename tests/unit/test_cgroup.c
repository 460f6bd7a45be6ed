/* Limits of control groups, read from made-up /proc files and group directories. */
#include "harness/measure/cgroup.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/measure/filesystem.h"
#include "harness/measure/mounts.h"

static char root[PATH_MAX / 2];

static int setup(void **state)
{
	char name[] = "test-cgroup-XXXXXX", full[PATH_MAX];

	(void)state;
	if (!mkdtemp(name) || !realpath(name, full))
		return -1;
	snprintf(root, sizeof(root), "%.2000s", full);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return filesystem_remove_tree(root);
}

/* Every %s in format is the root; directories on the way are made. */
static void make(const char *name, const char *format)
{
	char path[PATH_MAX];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		mkdir(path, 0700);
		*slash = '/';
	}
	out = fopen(path, "w");
	assert_non_null(out);
	for (const char *at = format; *at; at++) {
		if (at[0] == '%' && at[1] == 's') {
			fputs(root, out);
			at++;
		} else {
			fputc(*at, out);
		}
	}
	fclose(out);
}

static void the_tightest_level_of_version_2_wins(void **state)
{
	(void)state;
	make("cgroup", "0::/a/b\n");
	make("mountinfo", "30 1 0:26 / %s/g rw,relatime shared:1 - cgroup2 cgroup2 rw\n");
	make("g/a/b/cpu.max", "max 100000\n");
	make("g/a/b/memory.max", "max\n");
	assert_true(cgroup_quota_processors(root) == 0);
	assert_int_equal(cgroup_memory_limit_bytes(root), 0);
	make("g/a/cpu.max", "150000 100000\n");
	make("g/a/memory.max", "3000000000\n");
	make("g/memory.max", "2000000000\n");
	assert_true(fabs(cgroup_quota_processors(root) - 1.5) < 1e-9);
	assert_int_equal(cgroup_memory_limit_bytes(root), 2000000000);
	make("g/a/b/cpu.max", "50000 100000\n");
	make("g/a/b/cpu.stat", "usage_usec 9\nnr_throttled 3\nthrottled_usec 70\n");
	make("g/a/cpu.stat", "throttled_usec 5\n");
	assert_true(fabs(cgroup_quota_processors(root) - 0.5) < 1e-9);
	assert_int_equal(cgroup_throttled_us(root), 75);
}

static void version_1_has_a_tree_per_controller(void **state)
{
	(void)state;
	make("cgroup", "4:memory:/m\n3:cpu,cpuacct:/c\n1:name=systemd:/\n0::/\n");
	make("mountinfo", "36 30 0:27 / %s/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
	                  "38 30 0:29 / %s/mem rw - cgroup cgroup rw,memory\n"
	                  "45 30 0:36 / %s/unified rw - cgroup2 cgroup2 rw\n");
	make("cpu/c/cpu.cfs_quota_us", "200000\n");
	make("cpu/c/cpu.cfs_period_us", "100000\n");
	make("cpu/c/cpu.stat", "nr_periods 1\nnr_throttled 1\nthrottled_time 3000000\n");
	make("cpu/cpu.cfs_quota_us", "-1\n");
	make("cpu/cpu.cfs_period_us", "100000\n");
	make("mem/m/memory.limit_in_bytes", "9223372036854771712\n"); /* no limit */
	assert_true(fabs(cgroup_quota_processors(root) - 2) < 1e-9);
	assert_int_equal(cgroup_throttled_us(root), 3000);
	assert_int_equal(cgroup_memory_limit_bytes(root), 0);
	make("mem/memory.limit_in_bytes", "1073741824\n");
	assert_int_equal(cgroup_memory_limit_bytes(root), 1 << 30);
}

/* A container without a namespace of its own sees the host's path, but only its part mounted. */
static void only_what_is_mounted_counts(void **state)
{
	(void)state;
	make("cgroup", "0::/docker/abc/inner\n");
	make("mountinfo", "30 1 0:26 /docker/abc %s/with\\040blank rw - cgroup2 cgroup2 rw\n");
	make("with blank/memory.max", "1000\n");
	make("with blank/inner/memory.max", "2000\n");
	assert_int_equal(cgroup_memory_limit_bytes(root), 1000);
}

static void nothing_visible_is_no_limit(void **state)
{
	(void)state;
	assert_int_equal(cgroup_memory_limit_bytes(root), 0);
	make("cgroup", "0::/a\n");
	make("mountinfo", "garbage\n\n1 2 3 - x\n30 1 0:26 / %s/g rw - cgroup2 cgroup2 rw\n");
	assert_int_equal(cgroup_memory_limit_bytes(root), 0);
	assert_true(cgroup_quota_processors(root) == 0);
	assert_int_equal(cgroup_throttled_us(root), 0);
}

static void options_are_whole_words(void **state)
{
	(void)state;
	assert_true(mounts_has_option("rw,cpu,cpuacct", "cpu"));
	assert_true(mounts_has_option("rw,cpuacct,cpu", "cpu"));
	assert_false(mounts_has_option("rw,cpuacct", "cpu"));
	assert_false(mounts_has_option("rw,acpu", "cpu"));
}

int main(void)
{
#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	        WITH_ROOT(the_tightest_level_of_version_2_wins),
	        WITH_ROOT(version_1_has_a_tree_per_controller),
	        WITH_ROOT(only_what_is_mounted_counts),
	        WITH_ROOT(nothing_visible_is_no_limit),
	        cmocka_unit_test(options_are_whole_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
