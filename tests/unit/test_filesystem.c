/* File systems of this machine, a made-up sysfs, and what is done to files. */
#include "harness/measure/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/measure/disk.h"

#define FILE_BYTES (1 << 20)

static char root[64];

static int setup(void **state)
{
	(void)state;
	strcpy(root, "test-filesystem-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return filesystem_remove_tree(root);
}

static void path_of(char path[PATH_MAX], const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s", root, name);
}

static void make_directories(const char *name)
{
	char path[PATH_MAX];

	path_of(path, name);
	for (char *slash = path; (slash = strchr(slash + 1, '/')) != NULL;) {
		*slash = 0;
		mkdir(path, 0700);
		*slash = '/';
	}
	mkdir(path, 0700);
}

static void make_text(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *out;

	path_of(path, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void make_large(const char *name)
{
	static char text[FILE_BYTES];
	char path[PATH_MAX];
	int fd;

	path_of(path, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	close(fd);
}

static void shared_memory_is_not_durable(void **state)
{
	struct filesystem fs;

	(void)state;
	if (filesystem_read("/dev/shm", &fs) != 0 || strcmp(fs.type, "tmpfs") != 0)
		skip();
	assert_false(fs.durable);
	assert_false(fs.network);
	assert_string_equal(fs.mount, "/dev/shm");
	assert_string_equal(fs.encryption, "none");
}

static void the_mount_of_a_directory_is_found(void **state)
{
	struct filesystem fs;

	(void)state;
	assert_int_equal(filesystem_read("/proc/self", &fs), 0);
	assert_string_equal(fs.type, "proc");
	assert_string_equal(fs.mount, "/proc");
	assert_int_equal(filesystem_read(root, &fs), 0);
	assert_true(fs.total_bytes >= fs.free_bytes);
	assert_true(fs.free_bytes > 0);
	assert_true(fs.block_bytes >= 512);
	assert_true(fs.source[0] && fs.mount[0] && fs.options[0] && fs.encryption[0]);
	assert_int_equal(filesystem_read("/nonexistent", &fs), -ENOENT);
}

/* LVM on a partition of a RAID of which one disk is LUKS, as sysfs shows it. */
static void encryption_is_found_below_other_layers(void **state)
{
	char encryption[96], path[PATH_MAX];

	(void)state;
	make_directories("dm-1/dm");
	make_text("dm-1/dm/uuid", "LVM-abc\n");
	make_directories("dm-1/slaves");
	make_directories("md0/md0p1");
	make_text("md0/md0p1/partition", "1\n");
	make_directories("md0/slaves");
	make_directories("dm-0/dm");
	make_text("dm-0/dm/uuid", "CRYPT-LUKS2-0123456789abcdef-name\n");
	path_of(path, "dm-1/slaves/md0p1");
	assert_int_equal(symlink("../../md0/md0p1", path), 0);
	path_of(path, "md0/slaves/sda");
	assert_int_equal(symlink("../../sda", path), 0);
	make_directories("sda");
	path_of(path, "dm-1");
	filesystem_device_encryption(path, encryption);
	assert_string_equal(encryption, "");
	path_of(path, "md0/slaves/dm-0");
	assert_int_equal(symlink("../../dm-0", path), 0);
	path_of(path, "dm-1");
	filesystem_device_encryption(path, encryption);
	assert_string_equal(encryption, "dm-crypt (LUKS2)");
	/* A second cipher on top. */
	make_text("dm-1/dm/uuid", "CRYPT-PLAIN-name\n");
	filesystem_device_encryption(path, encryption);
	assert_string_equal(encryption, "dm-crypt (PLAIN) + dm-crypt (LUKS2)");
}

/* sysfs has no circles; a walk through one must end all the same. */
static void devices_in_a_circle_end(void **state)
{
	char encryption[96], path[PATH_MAX];

	(void)state;
	make_directories("a/slaves");
	path_of(path, "a/slaves/a");
	assert_int_equal(symlink("..", path), 0);
	path_of(path, "a");
	filesystem_device_encryption(path, encryption);
	assert_string_equal(encryption, "");
}

static void creating_files_has_a_price_and_leaves_them(void **state)
{
	struct disk_usage u;
	char scratch[PATH_MAX];
	uint64_t ns;

	(void)state;
	assert_int_equal(filesystem_file_create_ns(root, scratch, &ns), 0);
	assert_in_range(ns, 200, 100000000);
	assert_memory_equal(scratch, root, strlen(root));
	assert_int_equal(disk_usage_read(scratch, &u, NULL), 0);
	assert_int_equal(u.total.files, 16);
	assert_int_equal(filesystem_remove_tree(scratch), 0);
	assert_int_equal(access(scratch, F_OK), -1);
	assert_int_equal(filesystem_file_create_ns("/nonexistent", scratch, &ns), -ENOENT);
	assert_string_equal(scratch, "");
	assert_int_equal(ns, 0);
}

static void syncing_has_a_price_and_leaves_nothing(void **state)
{
	struct disk_usage u;
	uint64_t ns;

	(void)state;
	assert_int_equal(filesystem_fsync_ns(root, &ns), 0);
	assert_in_range(ns, 200, UINT64_C(10000000000));
	assert_int_equal(disk_usage_read(root, &u, NULL), 0);
	assert_int_equal(u.total.files, 0);
	assert_int_equal(filesystem_fsync_ns("/nonexistent", &ns), -ENOENT);
}

static void removing_does_not_follow_links(void **state)
{
	char path[PATH_MAX];

	(void)state;
	make_directories("keep");
	make_text("keep/file", "x");
	make_directories("gone/deeper");
	make_text("gone/deeper/file", "x");
	path_of(path, "gone/link");
	assert_int_equal(symlink("../keep", path), 0);
	path_of(path, "gone");
	assert_int_equal(filesystem_remove_tree(path), 0);
	assert_int_equal(access(path, F_OK), -1);
	path_of(path, "keep/file");
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(filesystem_remove_tree("/nonexistent/tree"), 0);
}

static void truncating_empties_every_file(void **state)
{
	struct disk_usage u;

	(void)state;
	make_directories("a");
	make_large("a/1.blk");
	make_large("2.blk");
	assert_int_equal(filesystem_truncate_tree(root), 0);
	assert_int_equal(disk_usage_read(root, &u, NULL), 0);
	assert_int_equal(u.total.files, 2);
	assert_int_equal(u.total.apparent_bytes, 0);
	assert_int_equal(u.total.allocated_bytes, 0);
}

static void cold_is_cold_and_warm_is_warm(void **state)
{
	struct filesystem fs;
	uint64_t bytes;
	char path[PATH_MAX];

	(void)state;
	make_directories("a");
	make_large("a/1.blk");
	make_large("2.blk");
	make_text("empty", "");
	assert_int_equal(filesystem_cached_bytes(root, &bytes), 0);
	assert_int_equal(bytes, 2 * FILE_BYTES);
	assert_int_equal(filesystem_read(root, &fs), 0);
	if (!fs.durable)
		skip(); /* the page cache is all that tmpfs has */
	assert_int_equal(filesystem_drop_cache(root, &bytes), 0);
	assert_int_equal(bytes, 0);
	path_of(path, "2.blk");
	assert_int_equal(filesystem_warm_cache(path), 0);
	assert_int_equal(filesystem_cached_bytes(root, &bytes), 0);
	assert_int_equal(bytes, FILE_BYTES);
	assert_int_equal(filesystem_warm_cache(root), 0);
	assert_int_equal(filesystem_cached_bytes(root, &bytes), 0);
	assert_int_equal(bytes, 2 * FILE_BYTES);
	assert_int_equal(filesystem_drop_cache("/nonexistent", NULL), -ENOENT);
}

static void limits_are_known(void **state)
{
	uint64_t memory = filesystem_memory_limit_bytes();

	(void)state;
	assert_true(memory > 1 << 20);
	assert_true(filesystem_dirty_background_bytes() > 0);
	assert_int_equal(filesystem_drain(root), 0);
	assert_int_equal(filesystem_drain("/nonexistent"), -ENOENT);
}

int main(void)
{
#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(shared_memory_is_not_durable),
	        WITH_ROOT(the_mount_of_a_directory_is_found),
	        WITH_ROOT(encryption_is_found_below_other_layers),
	        WITH_ROOT(devices_in_a_circle_end),
	        WITH_ROOT(creating_files_has_a_price_and_leaves_them),
	        WITH_ROOT(syncing_has_a_price_and_leaves_nothing),
	        WITH_ROOT(removing_does_not_follow_links),
	        WITH_ROOT(truncating_empties_every_file),
	        WITH_ROOT(cold_is_cold_and_warm_is_warm),
	        WITH_ROOT(limits_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
