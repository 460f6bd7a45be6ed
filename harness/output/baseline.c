/* baseline.c - see baseline.h. */
#include "harness/output/baseline.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/output/csv.h"
#include "harness/output/replace.h"
#include "harness/output/run_folder.h"

#define BASELINES "results/baselines"

int baseline_path(const char *name, char path[BASELINE_PATH_BYTES], char error[512])
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                              "0123456789.-_";
	size_t bytes = strlen(name);

	if (bytes == 0 || bytes > 128 || name[0] == '.' || strspn(name, allowed) != bytes) {
		snprintf(error, 512,
		         "\"%.60s\" is no name of a baseline, expected letters, digits, '.', '-' "
		         "and "
		         "'_', no dot in front",
		         name);
		return -1;
	}
	snprintf(path, BASELINE_PATH_BYTES, BASELINES "/%s", name);
	return 0;
}

static int failed(char error[512], const char *path, int negative_errno)
{
	snprintf(error, 512, "%.300s: %s", path, strerror(-negative_errno));
	return -1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* 0, or -errno; what is not there is no failure. */
static int remove_folder(const char *path)
{
	return nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT ? 0 : -errno;
}

/* from/name to to/name; one that is not there is left out unless it must be. */
static int copy_file(const char *from, const char *to, const char *name, int must, char error[512])
{
	char source[BASELINE_PATH_BYTES], copy[BASELINE_PATH_BYTES];
	char *data;
	size_t bytes;

	if ((size_t)snprintf(source, sizeof(source), "%s/%s", from, name) >= sizeof(source) ||
	    (size_t)snprintf(copy, sizeof(copy), "%s/%s", to, name) >= sizeof(copy))
		return failed(error, from, -ENAMETOOLONG);
	int rc = read_whole_file(source, CSV_FILE_BYTES_MAX, &data, &bytes);
	if (rc == -ENOENT && !must)
		return 0;
	if (rc != 0)
		return failed(error, source, rc);
	rc = replace_file(copy, data, bytes);
	free(data);
	return rc == 0 ? 0 : failed(error, copy, rc);
}

static int copy_workloads(const char *from, const char *to, char error[512])
{
	char source[BASELINE_PATH_BYTES], copy[BASELINE_PATH_BYTES];
	int rc = 0;

	if ((size_t)snprintf(source, sizeof(source), "%s/workloads", from) >= sizeof(source) ||
	    (size_t)snprintf(copy, sizeof(copy), "%s/workloads", to) >= sizeof(copy))
		return failed(error, from, -ENAMETOOLONG);
	DIR *dir = opendir(source);
	if (dir == NULL)
		return errno == ENOENT ? 0 : failed(error, source, -errno);
	if (mkdir(copy, 0755) != 0)
		rc = failed(error, copy, -errno);
	for (struct dirent *e; rc == 0 && (e = readdir(dir)) != NULL;) {
		size_t bytes = strlen(e->d_name);
		if (bytes > 4 && strcmp(e->d_name + bytes - 4, ".ini") == 0)
			rc = copy_file(source, copy, e->d_name, 1, error);
	}
	closedir(dir);
	return rc;
}

/* The folder made beside takes the place of path, or changes places with what is there. */
static int take_place(const char *beside, const char *path, char error[512])
{
	int rc = rename(beside, path) == 0 ? 0 : -errno;

	if (rc == -ENOTEMPTY || rc == -EEXIST) {
		rc = renameat2(AT_FDCWD, beside, AT_FDCWD, path, RENAME_EXCHANGE) == 0 ? 0 : -errno;
		if (rc == 0)
			rc = remove_folder(beside);
	}
	if (rc != 0)
		return failed(error, path, rc);
	int fd = open(BASELINES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
		rc = failed(error, BASELINES, -errno);
	if (fd >= 0)
		close(fd);
	return rc;
}

int baseline_save(const char *dir, const char *path, char error[512])
{
	char beside[BASELINE_PATH_BYTES + 32];
	int rc = run_folder_make(BASELINES);

	if (rc != 0)
		return failed(error, BASELINES, rc);
	/* No name of a baseline begins with a dot. */
	snprintf(beside, sizeof(beside), BASELINES "/.new-%s", strrchr(path, '/') + 1);
	rc = remove_folder(beside);
	if (rc == 0 && mkdir(beside, 0755) != 0)
		rc = -errno;
	if (rc != 0)
		return failed(error, beside, rc);
	rc = copy_file(dir, beside, "samples.csv", 1, error);
	if (rc == 0)
		rc = copy_file(dir, beside, "machine.json", 1, error);
	if (rc == 0)
		rc = copy_file(dir, beside, "workload.ini", 0, error);
	if (rc == 0)
		rc = copy_workloads(dir, beside, error);
	if (rc == 0)
		rc = take_place(beside, path, error);
	if (rc != 0)
		(void)remove_folder(beside);
	return rc;
}
