/* test_both_ways.c - random changes of a stream on our side, opened by real servers, and on theirs,
 * opened by us: each cipher, each server, both directions.
 *
 * ATREST_SEED=N repeats one seed; ATREST_WAYS=N makes N sequences of each instead of one;
 * ATREST_ONLY='2.9.10, *' runs some of them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/compat/ways.h"

static struct {
	const char *wanted; /* and when it is not to be had any more, the newest */
	char version[32], program[1024];
} servers[] = {{"2.9.10", "", ""}, {"2.10.27", "", ""}, {"2.15.1", "", ""}};

static const char *const ciphers[] = {"none", "chachapoly", "aes"};

#define SERVERS (sizeof(servers) / sizeof(servers[0]))
#define CIPHERS (sizeof(ciphers) / sizeof(ciphers[0]))

static struct plan {
	size_t server, cipher;
	int theirs;
	char name[64];
} plans[SERVERS * CIPHERS * 2];

static uint64_t first_seed;
static unsigned sequences = 1;

static void run(const struct plan *plan, uint64_t seed)
{
	struct way way = {
	        .version = servers[plan->server].version,
	        .program = servers[plan->server].program,
	        .seed = seed,
	        .random = seed,
	        .folder = "/tmp/atrest-ways-XXXXXX",
	};

	assert_non_null(mkdtemp(way.folder));
	way_change_cipher(&way, ciphers[plan->cipher]);
	way.had_clear = plan->cipher == 0;
	print_message("%s: ATREST_SEED=%" PRIu64 " in %s\n", plan->name, seed, way.folder);
	if (plan->theirs)
		way_theirs(&way);
	else
		way_ours(&way);
	contents_free(&way.model);
	fixture_remove(way.folder); /* kept, and named above, when something failed */
}

static void stream_is_equal_on_the_other_side(void **state)
{
	const struct plan *plan = *state;

	for (unsigned i = 0; i < sequences; i++)
		run(plan, first_seed + i);
}

static int find(size_t i)
{
	char why[1024], command[1100], line[256] = "";
	FILE *pipe;

	if (server_find(servers[i].wanted, servers[i].program, sizeof(servers[i].program), why,
	                sizeof(why)) != 0 &&
	    server_find("newest", servers[i].program, sizeof(servers[i].program), why,
	                sizeof(why)) != 0) {
		printf("SKIP server: %s\n", why);
		return -1;
	}
	(void)snprintf(command, sizeof(command), "'%s' --version", servers[i].program);
	pipe = popen(command, "r");
	if (pipe == NULL || fgets(line, sizeof(line), pipe) == NULL ||
	    sscanf(line, "nats-server: v%31s", servers[i].version) != 1) {
		printf("SKIP server: %s says no version\n", servers[i].program);
		return -1;
	}
	(void)pclose(pipe);
	if (strcmp(servers[i].version, servers[i].wanted) != 0)
		printf("%s is not to be had: %s instead\n", servers[i].wanted, servers[i].version);
	return 0;
}

int main(void)
{
	const char *seed = getenv("ATREST_SEED"), *count = getenv("ATREST_WAYS");
	struct CMUnitTest tests[SERVERS * CIPHERS * 2];
	size_t n = 0;

	(void)unsetenv("JS_KEY");
	if (getenv("ATREST_ONLY") != NULL)
		cmocka_set_test_filter(getenv("ATREST_ONLY"));
	first_seed = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) * 1000;
	if (count != NULL)
		sequences = (unsigned)strtoul(count, NULL, 10);
	for (size_t i = 0; i < SERVERS; i++)
		if (find(i) != 0)
			return 77;
	for (size_t i = 0; i < SERVERS; i++)
		for (size_t c = 0; c < CIPHERS; c++)
			for (int theirs = 0; theirs < 2; theirs++, n++) {
				struct plan *plan = &plans[n];

				*plan = (struct plan){.server = i, .cipher = c, .theirs = theirs};
				(void)snprintf(plan->name, sizeof(plan->name), "%s, %s, %s",
				               servers[i].version, ciphers[c],
				               theirs ? "changed by it" : "changed by us");
				tests[n] = (struct CMUnitTest){
				        .name = plan->name,
				        .test_func = stream_is_equal_on_the_other_side,
				        .initial_state = plan};
			}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
