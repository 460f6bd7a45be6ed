/* print_json.h - what --json of a command prints. */
#ifndef ATREST_CLI_PRINT_JSON_H
#define ATREST_CLI_PRINT_JSON_H

#include <jansson.h>

/* The object and a line end, on standard output; flags are those of json_dumpf. Takes the
 * reference; NULL: no memory. 0, or -1 and errno. */
int print_json(json_t *object, size_t flags);

#endif
