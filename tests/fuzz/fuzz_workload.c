/* fuzz_workload.c - any text as a workload file: refused with a line, or it can be written and
 * read again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/workload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Malloc'd text of w; stops the run when it cannot be written. */
static char *written(const struct workload *w)
{
	char *text = NULL;
	size_t text_bytes = 0;
	FILE *out = open_memstream(&text, &text_bytes);

	if (!out || workload_write(w, out) != 0 || fclose(out) != 0)
		abort();
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct workload first, second;
	struct workload_error err = {0};
	char *text, *again;
	FILE *in;
	int rc;

	if (bytes == 0)
		return 0;
	in = fmemopen((void *)(uintptr_t)data, bytes, "r");
	if (!in)
		return 0;
	rc = workload_parse_stream(in, "fuzz.ini", &first, &err);
	(void)fclose(in);
	if (rc != 0 && !strstr(err.text, "fuzz.ini"))
		abort();
	if (rc != 0 || workload_check(&first, &err) != 0)
		return 0;

	text = written(&first);
	in = fmemopen(text, strlen(text), "r");
	if (!in || workload_parse_stream(in, "fuzz.ini", &second, &err) != 0) {
		fprintf(stderr, "%s\n%s", err.text, text);
		abort();
	}
	(void)fclose(in);
	again = written(&second);
	if (strcmp(text, again) != 0)
		abort();
	free(again);
	free(text);
	return 0;
}
