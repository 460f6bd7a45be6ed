/* backup_file.h - what backup and restore have in common: the pair of files, signals. */
#ifndef ATREST_CLI_BACKUP_FILE_H
#define ATREST_CLI_BACKUP_FILE_H

#include <limits.h>

/* The file beside a backup that has its configuration and state: backup.json for a file named
 * stream.tar.s2, else FILE.json. 0, or -1 when it is too long. */
int backup_file_json_path(const char *path, char json_path[PATH_MAX]);

/* The directory of path, "." where it names none; in a static buffer. */
const char *backup_file_directory(const char *path);

/* EXIT_FINE, or EXIT_SYSTEM after one line. */
int backup_file_sync_directory(const char *path);

/* From here on a signal ends the work between two messages; a closed pipe or a full file is an
 * error of the write. */
void backup_file_take_signals(void);
int backup_file_interrupted(void);

#endif
