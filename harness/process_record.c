/* process_record.c - see process_record.h. */
#include "harness/process_record.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "harness/measure/proc_stat.h"

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

char process_record_state(pid_t pid)
{
	struct proc_stat stat;

	return proc_stat_read(pid, &stat) == 0 ? stat.state : '\0';
}

int process_record_write(const char *path, pid_t pid)
{
	struct proc_stat stat;
	char boot[BOOT_BYTES];
	FILE *file;
	int rc;

	if (proc_stat_read(pid, &stat) != 0 || read_boot(boot) != 0)
		return -ESRCH;
	file = fopen(path, "we");
	if (file == NULL)
		return -errno;
	rc = fprintf(file, "%d %llu %s\n", (int)pid, (unsigned long long)stat.start_ticks, boot) < 0
	             ? -EIO
	             : 0;
	if (fclose(file) != 0 && rc == 0)
		rc = -errno;
	return rc;
}

/* Through a descriptor of the process: what is compared is what the signal goes to. */
static int kill_that(pid_t pid, unsigned long long start)
{
	int fd = pidfd_open(pid, 0), rc = 0;
	struct proc_stat stat;

	if (fd < 0)
		return errno == ESRCH ? 0 : -errno;
	if (proc_stat_read(pid, &stat) == 0 && stat.start_ticks == start && stat.state != 'Z') {
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
