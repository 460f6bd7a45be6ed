/* size_config.h - the configuration that a plan comes to: of the server, and of a stream. */
#ifndef ATREST_CLI_SIZE_CONFIG_H
#define ATREST_CLI_SIZE_CONFIG_H

#include <jansson.h>
#include <stdio.h>

#include "cli/size_plan.h"

/* The body of $JS.API.STREAM.CREATE.<name>: a new reference, NULL: memory. */
json_t *size_config_stream(const struct size_demand *demand);

/* The server's jetstream block, and before it max_payload where its default is too small. Of the
 * cipher chosen; the key is taken from the environment. malloc'd, NULL: memory. */
char *size_config_server(const struct size_plan *plan);

#endif
