/* print_json.c - see print_json.h. */
#include "cli/print_json.h"

#include <errno.h>
#include <stdio.h>

int print_json(json_t *object, size_t flags)
{
	int rc = -1;

	if (object == NULL)
		errno = ENOMEM;
	else if (json_dumpf(object, stdout, flags) == 0 && putchar('\n') != EOF)
		rc = 0;
	json_decref(object);
	return rc;
}
