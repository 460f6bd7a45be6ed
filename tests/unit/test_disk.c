/* Disk usage of a tree made up of every kind of file a store has. */
#include "harness/measure/disk.h"

#include <errno.h>
#include <fcntl.h>
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

static char root[64];

static int setup(void **state)
{
	(void)state;
	strcpy(root, "test-disk-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return filesystem_remove_tree(root);
}

static void make_directory(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void make_file(const char *name, size_t bytes)
{
	char path[256], text[8192] = {0};
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, bytes), bytes);
	assert_int_equal(fsync(fd), 0);
	close(fd);
}

static void files_are_counted_by_kind(void **state)
{
	struct disk_usage u;

	(void)state;
	make_directory("msgs");
	make_directory("obs");
	make_directory("obs/C");
	make_file("meta.inf", 500);
	make_file("meta.sum", 16);
	make_file("meta.key", 72);
	make_file("msgs/1.blk", 5000);
	make_file("msgs/2.blk", 1);
	make_file("msgs/1.key", 72);
	make_file("msgs/2.key", 72);
	make_file("msgs/index.db", 300);
	make_file("msgs/1.idx", 40);
	make_file("msgs/1.fss", 50);
	make_file("obs/C/meta.inf", 200);
	make_file("obs/C/meta.sum", 16);
	make_file("obs/C/meta.key", 64);
	make_file("obs/C/o.dat", 90);
	make_file(".lock", 0);
	assert_int_equal(disk_usage_read(root, &u, NULL), 0);
	assert_int_equal(u.kind[DISK_BLK].files, 2);
	assert_int_equal(u.kind[DISK_BLK].apparent_bytes, 5001);
	assert_int_equal(u.kind[DISK_KEY].files, 4);
	assert_int_equal(u.kind[DISK_KEY].apparent_bytes, 72 * 3 + 64);
	assert_int_equal(u.kind[DISK_META].files, 4);
	assert_int_equal(u.kind[DISK_META].apparent_bytes, 500 + 16 + 200 + 16);
	assert_int_equal(u.kind[DISK_STATE].files, 5);
	assert_int_equal(u.kind[DISK_STATE].apparent_bytes, 300 + 40 + 50 + 90);
	assert_int_equal(u.total.files, 15);
	assert_int_equal(u.total.apparent_bytes, 5001 + 280 + 732 + 480);
	uint64_t allocated = 0;
	for (int k = 0; k < DISK_KINDS; k++)
		allocated += u.kind[k].allocated_bytes;
	assert_int_equal(u.total.allocated_bytes, allocated);
	assert_true(u.kind[DISK_BLK].allocated_bytes >= 5001);
}

static void names_that_only_look_alike_are_state(void **state)
{
	(void)state;
	assert_int_equal(disk_kind_of("12.blk"), DISK_BLK);
	assert_int_equal(disk_kind_of(".blk"), DISK_STATE);
	assert_int_equal(disk_kind_of("1.blk.tmp"), DISK_STATE);
	assert_int_equal(disk_kind_of("blk"), DISK_STATE);
	assert_int_equal(disk_kind_of("meta.key"), DISK_KEY);
	assert_int_equal(disk_kind_of("meta.info"), DISK_STATE);
	assert_string_equal(disk_kind_name(DISK_STATE), "state");
}

static void holes_are_apparent_and_not_allocated(void **state)
{
	struct disk_usage u;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/1.blk", root);
	make_file("1.blk", 1);
	assert_int_equal(truncate(path, 10 << 20), 0);
	assert_int_equal(disk_usage_read(root, &u, NULL), 0);
	assert_int_equal(u.total.apparent_bytes, 10 << 20);
	assert_true(u.total.allocated_bytes < 1 << 20);
}

static void links_are_not_followed(void **state)
{
	struct disk_usage u;
	char path[128];

	(void)state;
	make_file("1.blk", 10);
	snprintf(path, sizeof(path), "%s/2.blk", root);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	snprintf(path, sizeof(path), "%s/loop", root);
	assert_int_equal(symlink(".", path), 0);
	assert_int_equal(disk_usage_read(root, &u, NULL), 0);
	assert_int_equal(u.total.files, 1);
	assert_int_equal(u.total.apparent_bytes, 10);
}

static void a_missing_directory_is_named(void **state)
{
	struct disk_usage u;
	char path[256];

	(void)state;
	assert_int_equal(disk_usage_read("/nonexistent/store", &u, path), -ENOENT);
	assert_string_equal(path, "/nonexistent/store");
	assert_int_equal(u.total.files, 0);
}

static void written_bytes_reach_the_device(void **state)
{
	struct disk_device before, after;
	struct filesystem fs;

	(void)state;
	if (filesystem_read(root, &fs) != 0 || !fs.durable || disk_device_read(0, &before) != 0)
		skip();
	make_file("1.blk", 8192);
	assert_int_equal(disk_device_read(0, &after), 0);
	assert_true(after.written_bytes >= before.written_bytes + 8192);
	assert_int_equal(disk_device_read(getpid(), &before), 0);
	assert_true(before.written_bytes >= after.written_bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(files_are_counted_by_kind, setup, teardown),
	        cmocka_unit_test(names_that_only_look_alike_are_state),
	        cmocka_unit_test_setup_teardown(holes_are_apparent_and_not_allocated, setup,
	                                        teardown),
	        cmocka_unit_test_setup_teardown(links_are_not_followed, setup, teardown),
	        cmocka_unit_test(a_missing_directory_is_named),
	        cmocka_unit_test_setup_teardown(written_bytes_reach_the_device, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
