/* run_folder.c - see run_folder.h. */
#include "harness/output/run_folder.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/output/replace.h"

#define RESULTS "results"

int run_folder_make(const char *path)
{
	char part[RUN_FOLDER_BYTES];
	size_t bytes = strlen(path);

	if (bytes == 0 || bytes >= sizeof(part))
		return bytes == 0 ? -ENOENT : -ENAMETOOLONG;
	for (size_t i = 1; i <= bytes; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

void run_folder_label(const char *label, char out[RUN_LABEL_BYTES])
{
	char host[256] = "host";

	if (label == NULL) {
		gethostname(host, sizeof(host) - 1);
		label = host;
	}
	snprintf(out, RUN_LABEL_BYTES, "%.63s", label);
	for (char *c = out; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL)
			*c = '-';
}

/* A name that nobody has yet: two runs may start within one second. */
static int make_up(struct run_folder *folder, const char *label)
{
	char stamp[32], shown[RUN_LABEL_BYTES];
	time_t now = time(NULL);
	struct tm utc;
	int rc = run_folder_make(RESULTS);

	gmtime_r(&now, &utc);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &utc);
	run_folder_label(label, shown);
	for (int again = 1; rc == 0 && again < 100; again++) {
		if (again == 1)
			snprintf(folder->path, sizeof(folder->path), RESULTS "/%s-%s", stamp,
			         shown);
		else
			snprintf(folder->path, sizeof(folder->path), RESULTS "/%s-%s-%d", stamp,
			         shown, again);
		if (mkdir(folder->path, 0755) == 0)
			return 0;
		if (errno != EEXIST)
			rc = -errno;
	}
	return rc == 0 ? -EEXIST : rc;
}

int run_folder_open(struct run_folder *folder, const char *given, const char *label,
                    char error[512])
{
	char samples[RUN_FOLDER_BYTES];
	int rc;

	memset(folder, 0, sizeof(*folder));
	folder->fd = -1;
	folder->made_up = given == NULL;
	snprintf(folder->path, sizeof(folder->path), "%s", given == NULL ? RESULTS : given);
	rc = given == NULL ? make_up(folder, label) : run_folder_make(given);
	if (rc == 0 && (folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		rc = -errno;
	if (rc != 0) {
		snprintf(error, 512, "%.300s: cannot make the folder of the results: %s",
		         folder->path, strerror(-rc));
	} else if (flock(folder->fd, LOCK_EX | LOCK_NB) != 0) {
		snprintf(error, 512, "%.300s: another run is writing its results there",
		         folder->path);
		rc = -1;
	} else if (access(run_folder_file(folder, "samples.csv", samples), F_OK) == 0) {
		snprintf(error, 512, "%.300s: holds the results of a run, expected a new folder",
		         folder->path);
		rc = -EEXIST;
	}
	if (rc != 0)
		run_folder_close(folder);
	return rc == -ENOTDIR ? -EEXIST : rc;
}

int run_folder_open_again(struct run_folder *folder, const char *path, char error[512])
{
	size_t bytes = strlen(path);

	memset(folder, 0, sizeof(*folder));
	while (bytes > 1 && path[bytes - 1] == '/')
		bytes--;
	folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder->fd < 0 || bytes >= sizeof(folder->path)) {
		snprintf(error, 512, "%.300s: %s", path,
		         strerror(folder->fd < 0 ? errno : ENAMETOOLONG));
	} else if (flock(folder->fd, LOCK_EX | LOCK_NB) != 0) {
		snprintf(error, 512, "%.300s: a run is writing its results there", path);
	} else {
		snprintf(folder->path, sizeof(folder->path), "%.*s", (int)bytes, path);
		return 0;
	}
	run_folder_close(folder);
	return -1;
}

void run_folder_close(struct run_folder *folder)
{
	if (folder->fd >= 0)
		close(folder->fd);
	folder->fd = -1;
}

const char *run_folder_file(const struct run_folder *folder, const char *name, char *path)
{
	/* A path that is cut here is refused by the kernel as missing. */
	if ((size_t)snprintf(path, RUN_FOLDER_BYTES, "%s/%s", folder->path, name) >=
	    RUN_FOLDER_BYTES)
		path[0] = '\0';
	return path;
}

static int store_text(const char *path, const char *text, size_t bytes, char error[512])
{
	int rc = replace_file(path, text, bytes);

	if (rc == 0)
		return 0;
	snprintf(error, 512, "%.300s: %s", path, strerror(-rc));
	return -1;
}

int run_folder_workloads(const struct run_folder *folder, const struct workload *workloads,
                         size_t count, char error[512])
{
	char path[RUN_FOLDER_BYTES], name[WORKLOAD_NAME_BYTES + 32];
	char *all = NULL, *one = NULL;
	size_t all_bytes = 0, one_bytes = 0;
	FILE *out = open_memstream(&all, &all_bytes);
	int rc = run_folder_make(run_folder_file(folder, "workloads", path));

	if (rc != 0 || out == NULL)
		snprintf(error, 512, "%.300s: %s", path, strerror(rc == 0 ? ENOMEM : -rc));
	rc = rc == 0 && out != NULL ? 0 : -1;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		FILE *file = open_memstream(&one, &one_bytes);
		if (file == NULL || workload_write(&workloads[i], file) != 0 || fclose(file) != 0)
			rc = -1;
		if (rc == 0 && i > 0)
			fputc('\n', out);
		if (rc == 0)
			fwrite(one, 1, one_bytes, out);
		snprintf(name, sizeof(name), "workloads/%s.ini", workloads[i].name);
		if (rc == 0)
			rc = store_text(run_folder_file(folder, name, path), one, one_bytes, error);
		else
			snprintf(error, 512, "out of memory");
		free(one);
		one = NULL;
	}
	if (out != NULL && fclose(out) != 0)
		rc = -1;
	if (rc == 0)
		rc = store_text(run_folder_file(folder, "workload.ini", path), all, all_bytes,
		                error);
	free(all);
	return rc;
}

int run_folder_json(const struct run_folder *folder, const char *name, const json_t *content,
                    char error[512])
{
	char path[RUN_FOLDER_BYTES];
	char *text = json_dumps(content, JSON_INDENT(2));
	size_t bytes = text == NULL ? 0 : strlen(text);
	int rc = -1;

	if (text == NULL) {
		snprintf(error, 512, "out of memory for %s", name);
		return -1;
	}
	text[bytes] = '\n'; /* where the NUL was; the length goes with it */
	rc = store_text(run_folder_file(folder, name, path), text, bytes + 1, error);
	free(text);
	return rc;
}

int run_folder_latest(const struct run_folder *folder, char error[512])
{
	char *full = folder->made_up ? realpath(folder->path, NULL) : NULL;
	char *name = full == NULL ? NULL : strrchr(full, '/');
	char latest[RUN_FOLDER_BYTES], fresh[RUN_FOLDER_BYTES];
	int rc = -1;

	if (!folder->made_up)
		return 0;
	if (name != NULL) {
		*name++ = '\0';
		/* Renamed into place, so that the link is there at every moment. */
		if ((size_t)snprintf(latest, sizeof(latest), "%s/latest", full) < sizeof(latest) &&
		    (size_t)snprintf(fresh, sizeof(fresh), "%s/latest.new", full) < sizeof(fresh)) {
			unlink(fresh);
			if (symlink(name, fresh) == 0)
				rc = rename(fresh, latest);
		}
	}
	if (rc != 0) {
		snprintf(error, 512, "%.300s: no link \"latest\" beside it: %s", folder->path,
		         strerror(errno));
		if (name != NULL)
			unlink(fresh);
	}
	free(full);
	return rc;
}
