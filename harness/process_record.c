/* process_record.c - see process_record.h. */
#include "harness/process_record.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define BOOT_BYTES 64
#define GONE_MS    1000

static int read_boot(char boot[BOOT_BYTES])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	int got;

	if (file == NULL)
		return -1;
	got = fscanf(file, "%63s", boot);
	(void)fclose(file);
	return got == 1 ? 0 : -1;
}

/* State and start time: fields 3 and 22. Field 2 is the program's name in parentheses, which may
 * hold anything, so fields are counted from the last one that closes. */
static int read_stat(pid_t pid, char *state, unsigned long long *start)
{
	char path[64], text[1024];
	const char *at;
	FILE *file;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	n = fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file);
	text[n] = '\0';
	at = strrchr(text, ')');
	if (at == NULL || sscanf(at, ") %c", state) != 1)
		return -1;
	for (int field = 2; field < 22 && at != NULL; field++)
		at = strchr(at + 1, ' ');
	return at != NULL && sscanf(at, " %llu", start) == 1 ? 0 : -1;
}

char process_record_state(pid_t pid)
{
	unsigned long long start;
	char state;

	return read_stat(pid, &state, &start) == 0 ? state : '\0';
}

int process_record_write(const char *path, pid_t pid)
{
	char boot[BOOT_BYTES], state;
	unsigned long long start;
	FILE *file;
	int rc;

	if (read_stat(pid, &state, &start) != 0 || read_boot(boot) != 0)
		return -ESRCH;
	file = fopen(path, "we");
	if (file == NULL)
		return -errno;
	rc = fprintf(file, "%d %llu %s\n", (int)pid, start, boot) < 0 ? -EIO : 0;
	if (fclose(file) != 0 && rc == 0)
		rc = -errno;
	return rc;
}

/* Through a descriptor of the process: what is compared is what the signal goes to. */
static int kill_that(pid_t pid, unsigned long long start)
{
	unsigned long long found;
	int fd = pidfd_open(pid, 0), rc = 0;
	char state;

	if (fd < 0)
		return errno == ESRCH ? 0 : -errno;
	if (read_stat(pid, &state, &found) == 0 && found == start && state != 'Z') {
		struct pollfd gone = {.fd = fd, .events = POLLIN};
		if (pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0)
			rc = poll(&gone, 1, GONE_MS) == 1 ? 1 : -ETIMEDOUT;
		else
			rc = errno == ESRCH ? 0 : -errno;
	}
	(void)close(fd);
	return rc;
}

int process_record_kill(const char *path)
{
	char boot[BOOT_BYTES], recorded[BOOT_BYTES];
	FILE *file = fopen(path, "re");
	unsigned long long start;
	int pid, got;

	if (file == NULL)
		return errno == ENOENT ? 0 : -errno;
	got = fscanf(file, "%d %llu %63s", &pid, &start, recorded);
	(void)fclose(file);
	if (got != 3 || pid <= 1 || read_boot(boot) != 0 || strcmp(boot, recorded) != 0)
		return 0;
	return kill_that((pid_t)pid, start);
}
