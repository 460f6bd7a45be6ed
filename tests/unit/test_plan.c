/* test_plan.c - arms, squares, rounds and their order. */
#include "tests/unit/harness_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "harness/plan.h"
#include "harness/targets/target.h"

static struct workload workloads[3];

static void request_init(struct plan_request *request)
{
	static const char *const names[] = {"publish-1k", "read-1k", "get-1k"};

	memset(request, 0, sizeof(*request));
	for (size_t i = 0; i < 3; i++) {
		workload_init(&workloads[i]);
		snprintf(workloads[i].name, sizeof(workloads[i].name), "%s", names[i]);
		workloads[i].rounds = i == 2 ? 8 : 12;
	}
	request->workloads = workloads;
	request->workload_count = 3;
	snprintf(request->targets[0].name, sizeof(request->targets[0].name), "%s", "store");
	request->target_count = 1;
	request->ciphers[0] = "none";
	request->ciphers[1] = "chachapoly";
	request->ciphers[2] = "aes";
	request->cipher_count = 3;
	snprintf(request->dirs[0].name, sizeof(request->dirs[0].name), "default");
	request->dir_count = 1;
	request->seed = 7;
}

static void dir_add(struct plan_request *request, const char *name)
{
	struct plan_place *place = &request->dirs[request->dir_count++];

	snprintf(place->name, sizeof(place->name), "%s", name);
}

/* Of a square: every arm at every position equally often, every ordered pair of neighbours
 * equally often. */
static void check_square(size_t k, uint64_t seed)
{
	uint32_t rounds = plan_square_rounds(k);
	uint32_t *order = calloc(rounds * k, sizeof(*order));
	uint32_t *at = calloc(k * k, sizeof(*at));
	uint32_t *after = calloc(k * k, sizeof(*after));

	plan_square(k, seed, order);
	for (uint32_t r = 0; r < rounds; r++) {
		for (size_t p = 0; p < k; p++) {
			uint32_t arm = order[r * k + p];
			assert_in_range(arm, 0, k - 1);
			at[arm * k + p]++;
			if (p > 0)
				after[order[r * k + p - 1] * k + arm]++;
		}
	}
	for (size_t i = 0; i < k * k; i++) {
		assert_int_equal(at[i], rounds / k);
		assert_int_equal(after[i], i / k == i % k ? 0 : rounds / k);
	}
	free(order);
	free(at);
	free(after);
}

static void squares_are_balanced_for_position_and_neighbour(void **state)
{
	(void)state;
	for (size_t k = 2; k <= 14; k++)
		for (uint64_t seed = 0; seed < 5; seed++)
			check_square(k, seed);
}

static void squares_differ_with_the_seed_only(void **state)
{
	uint32_t a[16], b[16];
	int differing = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		plan_square(4, seed, a);
		plan_square(4, seed, b);
		assert_memory_equal(a, b, sizeof(a));
		plan_square(4, seed + 1, b);
		differing += memcmp(a, b, sizeof(a)) != 0;
	}
	assert_in_range(differing, 18, 20);
}

static void arms_are_ciphers_and_a_twin(void **state)
{
	struct plan_request request;
	struct plan plan;
	char error[256];

	(void)state;
	request_init(&request);
	assert_int_equal(plan_make(&request, &plan, error), 0);
	assert_int_equal(plan.cell_count, 3);
	assert_int_equal(plan.cells[0].arm_count, 4);
	assert_string_equal(plan.cells[0].arms[0].name, "none");
	assert_string_equal(plan.cells[0].arms[1].name, "none-twin");
	assert_string_equal(plan.cells[0].arms[1].cipher, "none");
	assert_string_equal(plan.cells[0].arms[2].name, "chachapoly");
	assert_string_equal(plan.cells[0].arms[3].name, "aes");
	plan_free(&plan);
}

static void none_alone_is_plaintext_twice(void **state)
{
	struct plan_request request;
	struct plan plan;
	char error[256];

	(void)state;
	request_init(&request);
	request.cipher_count = 1;
	assert_int_equal(plan_make(&request, &plan, error), 0);
	assert_int_equal(plan.cells[0].arm_count, 2);
	assert_string_equal(plan.cells[0].arms[0].name, "none");
	assert_string_equal(plan.cells[0].arms[1].name, "none-twin");
	plan_free(&plan);
}

static void plaintext_is_there_without_being_asked_for(void **state)
{
	struct plan_request request;
	struct plan plan;
	char error[256];

	(void)state;
	request_init(&request);
	request.ciphers[0] = "aes";
	request.cipher_count = 1;
	assert_int_equal(plan_make(&request, &plan, error), 0);
	assert_int_equal(plan.cells[0].arm_count, 3);
	assert_string_equal(plan.cells[0].arms[0].name, "none");
	/* Three arms: squares of six rounds. */
	assert_int_equal(plan.cells[0].square_rounds, 6);
	assert_int_equal(plan.cells[0].rounds, 12);
	assert_int_equal(plan.cells[2].rounds, 12); /* asked for 8 */
	plan_free(&plan);
}

static void further_directories_and_programs_are_arms(void **state)
{
	static const char *const names[] = {"none",        "none-twin",     "chachapoly",
	                                    "aes",         "none@luks",     "chachapoly@luks",
	                                    "aes@luks",    "none+old",      "chachapoly+old",
	                                    "aes+old",     "none@luks+old", "chachapoly@luks+old",
	                                    "aes@luks+old"};
	struct plan_request request;
	struct plan plan;
	char error[256];

	(void)state;
	request_init(&request);
	dir_add(&request, "luks");
	snprintf(request.programs[0].name, sizeof(request.programs[0].name), "old");
	request.program_count = 1;
	assert_int_equal(plan_make(&request, &plan, error), 0);
	assert_int_equal(plan.cells[0].arm_count, sizeof(names) / sizeof(names[0]));
	for (size_t i = 0; i < plan.cells[0].arm_count; i++)
		assert_string_equal(plan.cells[0].arms[i].name, names[i]);
	assert_int_equal(plan.cells[0].arms[4].dir, 1);
	assert_int_equal(plan.cells[0].arms[7].program, 1);
	plan_free(&plan);
}

static void what_keeps_nothing_knows_no_cipher_and_no_directory(void **state)
{
	struct plan_request request;
	struct plan plan;
	char error[256];

	(void)state;
	request_init(&request);
	dir_add(&request, "luks");
	snprintf(request.targets[0].name, sizeof(request.targets[0].name), "%s", "null");
	assert_int_equal(plan_make(&request, &plan, error), 0);
	assert_int_equal(plan.cells[0].arm_count, 2);
	plan_free(&plan);
}

static void server_add(struct plan_request *request, const char *cipher, const char *urls)
{
	struct plan_server *server = &request->servers[request->server_count++];

	snprintf(server->cipher, sizeof(server->cipher), "%s", cipher);
	snprintf(server->urls, sizeof(server->urls), "%s", urls);
}

/* Each arm knows whom to ask; the twin asks the servers of plaintext. */
static void servers_that_are_there_are_arms(void **state)
{
	static const struct {
		const char *name;
		size_t server;
	} arms[] = {{"aes", 0}, {"none", 1}, {"none-twin", 1}};
	struct plan_request request;
	struct plan plan;
	char error[256];

	(void)state;
	if (target_find(TARGET_SERVER_NAME) == NULL)
		skip();
	request_init(&request);
	dir_add(&request, "luks");
	snprintf(request.targets[0].name, sizeof(request.targets[0].name), "%s",
	         TARGET_SERVER_NAME);
	assert_int_equal(plan_make(&request, &plan, error), -1);
	assert_non_null(strstr(error, "no server was named"));
	server_add(&request, "aes", "nats://a:4222");
	assert_int_equal(plan_make(&request, &plan, error), 0);
	assert_int_equal(plan.cells[0].arm_count, 1);
	assert_int_equal(plan.cells[0].rounds, 12);
	plan_free(&plan);
	server_add(&request, "none", "nats://b:4222,nats://c:4222");
	assert_int_equal(plan_make(&request, &plan, error), 0);
	assert_int_equal(plan.cells[0].arm_count, sizeof(arms) / sizeof(arms[0]));
	for (size_t i = 0; i < plan.cells[0].arm_count; i++) {
		assert_string_equal(plan.cells[0].arms[i].name, arms[i].name);
		assert_int_equal(plan.cells[0].arms[i].server, arms[i].server);
	}
	plan_free(&plan);
}

/* Cells one by one, with rounds of their own; a target's version is part of its name. */
static void cells_are_chosen(void **state)
{
	static const struct plan_choice choices[] = {{2, 0, 0, 0}, {0, 1, 4, 3}, {1, 1, 0, 0}};
	struct plan_request request;
	struct workload own;
	struct plan plan;
	char error[256], text[PLAN_TARGET_BYTES];

	(void)state;
	request_init(&request);
	request.targets[1] = request.targets[0];
	snprintf(request.targets[1].version, sizeof(request.targets[1].version), "2.15.1");
	request.target_count = 2;
	request.choices = choices;
	request.choice_count = 3;
	assert_int_equal(plan_make(&request, &plan, error), 0);
	assert_int_equal(plan.cell_count, 3);
	assert_ptr_equal(plan.cells[0].workload, &workloads[2]);
	assert_int_equal(plan.cells[0].rounds, 8);
	assert_int_equal(plan.cells[1].rounds, 4);
	assert_int_equal(plan.cells[2].rounds, 12);
	plan_cell_workload(&plan.cells[1], &own);
	assert_int_equal(own.messages, 3);
	plan_cell_workload(&plan.cells[0], &own);
	assert_int_equal(own.messages, workloads[2].messages);
	assert_string_equal(plan_target_text(plan.cells[0].target, text), "store");
	assert_string_equal(plan_target_text(plan.cells[1].target, text), "store 2.15.1");
	plan_free(&plan);
	request.rounds = 20;
	assert_int_equal(plan_make(&request, &plan, error), 0);
	assert_int_equal(plan.cells[1].rounds, 20);
	plan_free(&plan);
}

static void rounds_are_made_up_to_whole_squares(void **state)
{
	static const struct {
		uint32_t asked;
		size_t ciphers;
		uint32_t rounds;
	} cases[] = {{1, 3, 4}, {4, 3, 4},  {5, 3, 8}, {12, 3, 12}, {13, 3, 16},
	             {1, 2, 6}, {7, 2, 12}, {3, 1, 4}, {8, 1, 8}};
	struct plan_request request;
	struct plan plan;
	char error[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request_init(&request);
		request.rounds = cases[i].asked;
		request.cipher_count = cases[i].ciphers;
		assert_int_equal(plan_make(&request, &plan, error), 0);
		assert_int_equal(plan.cells[0].rounds, cases[i].rounds);
		plan_free(&plan);
	}
}

/* Each (cell, arm) once in each of its rounds; rounds never go back; a cell's slices of a round
 * are back to back. */
static void every_slice_is_there_once_rounds_outside(void **state)
{
	struct plan_request request;
	struct plan plan;
	char error[256];
	unsigned char seen[3][4][12] = {{{0}}};

	(void)state;
	request_init(&request);
	assert_int_equal(plan_make(&request, &plan, error), 0);
	assert_int_equal(plan.slice_count, 4 * (12 + 12 + 8));
	for (size_t i = 0; i < plan.slice_count; i++) {
		const struct plan_slice *s = &plan.slices[i];
		assert_int_equal(seen[s->cell][s->arm][s->round]++, 0);
		assert_int_equal(s->square, s->round / 4);
		assert_int_equal(s->position, i % 4);
		if (i > 0)
			assert_true(s->round >= plan.slices[i - 1].round);
		if (i % 4 != 0)
			assert_int_equal(s->cell, plan.slices[i - 1].cell);
	}
	plan_free(&plan);
}

static void order_follows_from_the_seed(void **state)
{
	struct plan_request request;
	struct plan a, b;
	char error[256];

	(void)state;
	request_init(&request);
	assert_int_equal(plan_make(&request, &a, error), 0);
	assert_int_equal(plan_make(&request, &b, error), 0);
	assert_memory_equal(a.slices, b.slices, a.slice_count * sizeof(a.slices[0]));
	plan_free(&b);
	request.seed++;
	assert_int_equal(plan_make(&request, &b, error), 0);
	assert_memory_not_equal(a.slices, b.slices, a.slice_count * sizeof(a.slices[0]));
	plan_free(&a);
	plan_free(&b);
}

static void bad_requests_are_refused(void **state)
{
	struct plan_request request;
	struct plan plan;
	char error[256];

	(void)state;
	request_init(&request);
	snprintf(request.targets[0].name, sizeof(request.targets[0].name), "%s", "disk");
	assert_int_equal(plan_make(&request, &plan, error), -1);
	assert_non_null(strstr(error, "unknown target 'disk'"));

	request_init(&request);
	snprintf(workloads[1].name, sizeof(workloads[1].name), "%s", workloads[0].name);
	assert_int_equal(plan_make(&request, &plan, error), -1);
	assert_non_null(strstr(error, "two workloads are named 'publish-1k'"));

	request_init(&request);
	dir_add(&request, "x");
	dir_add(&request, "x");
	assert_int_equal(plan_make(&request, &plan, error), -1);
	assert_non_null(strstr(error, "two arms are named 'none@x'"));

	request_init(&request);
	for (int i = 0; i < 15; i++) {
		char name[16];
		snprintf(name, sizeof(name), "d%d", i);
		dir_add(&request, name);
		snprintf(request.programs[i].name, sizeof(request.programs[i].name), "p%d", i);
	}
	request.program_count = 15;
	assert_int_equal(plan_make(&request, &plan, error), -1);
	assert_non_null(strstr(error, "more than 64 arms"));
}

/* What a target has no function for is no cell of it. */
static void an_operation_needs_its_functions(void **state)
{
	static const enum workload_operation optional[] = {WORKLOAD_READ_LAST, WORKLOAD_DELETE,
	                                                   WORKLOAD_PURGE,     WORKLOAD_CONVERT,
	                                                   WORKLOAD_SNAPSHOT,  WORKLOAD_RESTORE};
	struct target bare = target_null;

	(void)state;
	bare.last = NULL;
	bare.remove = NULL;
	bare.purge = NULL;
	bare.convert = NULL;
	bare.restore = NULL;
	for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
		assert_int_equal(target_can(&bare, optional[i]), 0);
		assert_int_equal(target_can(&target_null, optional[i]), 1);
	}
	for (unsigned op = WORKLOAD_PUBLISH; op <= WORKLOAD_RESTORE; op++)
		assert_int_equal(target_can(&target_null, (enum workload_operation)op), 1);
	assert_int_equal(target_can(&bare, WORKLOAD_TAIL), 1);
	assert_int_equal(target_can(&bare, WORKLOAD_OPEN), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(squares_are_balanced_for_position_and_neighbour),
	        cmocka_unit_test(squares_differ_with_the_seed_only),
	        cmocka_unit_test(arms_are_ciphers_and_a_twin),
	        cmocka_unit_test(none_alone_is_plaintext_twice),
	        cmocka_unit_test(plaintext_is_there_without_being_asked_for),
	        cmocka_unit_test(further_directories_and_programs_are_arms),
	        cmocka_unit_test(what_keeps_nothing_knows_no_cipher_and_no_directory),
	        cmocka_unit_test(servers_that_are_there_are_arms),
	        cmocka_unit_test(cells_are_chosen),
	        cmocka_unit_test(rounds_are_made_up_to_whole_squares),
	        cmocka_unit_test(every_slice_is_there_once_rounds_outside),
	        cmocka_unit_test(order_follows_from_the_seed),
	        cmocka_unit_test(bad_requests_are_refused),
	        cmocka_unit_test(an_operation_needs_its_functions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
