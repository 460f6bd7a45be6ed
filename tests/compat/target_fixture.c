/* target_fixture.c - see target_fixture.h. */
#include "tests/compat/target_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/cipher.h"
#include "harness/generator.h"
#include "harness/measure/filesystem.h"

struct target_version target_versions[TARGET_VERSION_COUNT] = {{.wanted = "2.9.10"},
                                                               {.wanted = "2.15.1"}};

int target_fixture_find(void)
{
	struct target_error error;

	(void)unsetenv("NATS_SERVER"); /* of one version; here are two */
	for (int i = 0; i < TARGET_VERSION_COUNT; i++) {
		struct target_version *v = &target_versions[i];
		if (nats_server_find(v->wanted, v->program, v->found, &error) != 0) {
			printf("%s\n", error.text);
			return 77;
		}
	}
	return 0;
}

int target_fixture_make(void **state)
{
	char *root = strdup("/tmp/atrest-target-XXXXXX");

	if (root == NULL || mkdtemp(root) == NULL)
		return -1;
	*state = root;
	return 0;
}

int target_fixture_remove(void **state)
{
	(void)filesystem_remove_tree(*state);
	free(*state);
	return 0;
}

void target_fixture_order(struct order *setup, const struct target_version *version,
                          const char *cipher, enum workload_operation operation)
{
	struct workload *w = &setup->workload;

	memset(setup, 0, sizeof(*setup));
	snprintf(setup->target, sizeof(setup->target), "nats");
	snprintf(setup->cipher, sizeof(setup->cipher), "%s", cipher);
	snprintf(setup->provider, sizeof(setup->provider), "%s",
	         atr_cipher_provider(atr_cipher_find(cipher, NULL)));
	setup->seed = 11;
	setup->key_bytes = strlen(TARGET_FIXTURE_KEY);
	snprintf(setup->server.program, sizeof(setup->server.program), "%s", version->program);
	snprintf(setup->server.version, sizeof(setup->server.version), "%s", version->found);
	workload_init(w);
	snprintf(w->name, sizeof(w->name), "w");
	w->operation = operation;
	w->messages = 300;
	w->fill_messages = 300;
	w->sizes[0].low_bytes = 1024;
	w->sizes[0].high_bytes = 1024;
	w->subjects = 7;
	w->headers_bytes = 60;
	w->headers_share = 0.5;
	w->read_share = 0.5;
	w->window = 64;
}

const struct target_options *target_fixture_options(const struct order *setup)
{
	static struct target_server server;
	static struct target_options options;
	static struct generator *generator;

	generator_free(generator);
	generator = generator_new(&setup->workload, setup->seed);
	assert_non_null(generator);
	generator_reset(generator, workload_fills(&setup->workload));
	server = (struct target_server){.program = setup->server.program,
	                                .version = setup->server.version,
	                                .replicas = setup->server.replicas};
	server.urls = setup->server.urls[0] == '\0' ? NULL : setup->server.urls;
	server.user = setup->server.user[0] == '\0' ? NULL : setup->server.user;
	server.password = setup->server.password[0] == '\0' ? NULL : setup->server.password;
	server.nkey = setup->server.nkey[0] == '\0' ? NULL : setup->server.nkey;
	options = (struct target_options){.workload = &setup->workload,
	                                  .generator = generator,
	                                  .cipher = setup->cipher,
	                                  .key = (const uint8_t *)TARGET_FIXTURE_KEY,
	                                  .key_bytes = setup->key_bytes,
	                                  .server = &server,
	                                  .use = TARGET_CHECK};
	return &options;
}
