#include "cli/backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"

#define PAIR_NAME "stream.tar.s2"
#define PAIR_JSON "backup.json"

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

int backup_file_interrupted(void)
{
	return interrupted;
}

void backup_file_take_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN}, now;

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	if (sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler != SIG_IGN) /* nohup */
		(void)sigaction(SIGHUP, &action, NULL);
	(void)sigaction(SIGXFSZ, &ignore, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

const char *backup_file_directory(const char *path)
{
	static char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return ".";
	if (slash == path)
		return "/";
	(void)snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
	return directory;
}

int backup_file_json_path(const char *path, char json_path[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	const char *base = slash != NULL ? slash + 1 : path;
	int n;

	if (strcmp(base, PAIR_NAME) == 0)
		n = snprintf(json_path, PATH_MAX, "%.*s" PAIR_JSON, (int)(base - path), path);
	else
		n = snprintf(json_path, PATH_MAX, "%s.json", path);
	return n < PATH_MAX ? 0 : -1;
}

int backup_file_sync_directory(const char *path)
{
	const char *directory = backup_file_directory(path);
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int code = EXIT_FINE;

	/* some file systems do not sync directories */
	if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
		code = complain(EXIT_SYSTEM, "%s: %s", directory, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return code;
}
