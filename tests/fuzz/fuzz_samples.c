/* fuzz_samples.c - any text as samples.csv: refused with a line, or its rows can be written and
 * read again. The trailer's digest stands in the way of mutations, so a file without one
 * (an interrupted run) is what mostly gets through.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/output/samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void write_again(const struct samples *samples)
{
	struct samples again = {0};
	struct samples_writer *writer;
	char path[64], error[512] = "";
	size_t i;

	(void)snprintf(path, sizeof(path), "/dev/shm/fuzz-samples-%d", (int)getpid());
	(void)unlink(path);
	if (samples_writer_open(path, &writer) != 0)
		return;
	for (i = 0; i < samples->count; i++)
		if (samples_writer_add(writer, &samples->rows[i]) != 0)
			abort();
	if (samples_writer_close(writer, 1) != 0)
		abort();
	if (samples_read(path, &again, error) != CSV_RESULT_OK || !again.complete ||
	    again.count != samples->count) {
		fprintf(stderr, "%s\n", error);
		abort();
	}
	samples_free(&again);
	(void)unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct samples samples = {0};
	char path[64], error[512] = "";
	const int fd = memfd_create("samples", 0);

	if (fd < 0 || write(fd, data, bytes) != (ssize_t)bytes)
		abort();
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (samples_read(path, &samples, error) == CSV_RESULT_OK)
		write_again(&samples);
	else if (error[0] == '\0' || strchr(error, '\n'))
		abort();
	samples_free(&samples);
	(void)close(fd);
	return 0;
}
