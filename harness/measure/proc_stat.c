/* proc_stat.c - see proc_stat.h. */
#include "harness/measure/proc_stat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int proc_stat_read(pid_t pid, struct proc_stat *out)
{
	char path[64], text[1024];
	const char *at;
	size_t bytes;
	FILE *in;

	memset(out, 0, sizeof(*out));
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	in = fopen(path, "re");
	if (in == NULL)
		return -errno;
	bytes = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[bytes] = '\0';
	/* Field 2 is the program's name in parentheses, which may hold anything: fields 3, 14, 15
	 * and 22 are counted from the last one that closes. */
	at = strrchr(text, ')');
	if (at == NULL ||
	    sscanf(at + 1,
	           " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
	           " %*d %*d %*d %*d %*d %*d %" SCNu64,
	           &out->state, &out->user_ticks, &out->system_ticks, &out->start_ticks) != 4)
		return -EPROTO;
	return 0;
}
