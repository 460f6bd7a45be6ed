/* plan.c - see plan.h. */
#include "harness/plan.h"

#include "harness/targets/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64: small, seeded, good enough to shuffle. */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t random_mix(uint64_t seed, uint64_t a, uint64_t b)
{
	uint64_t state = seed ^ (a * UINT64_C(0xd6e8feb86659fd93));

	state = random_next(&state) ^ (b * UINT64_C(0xa0761d6478bd642f));
	return random_next(&state);
}

/* 0..count-1 in random order. The modulo's bias is below 2^-50 for any count used here. */
static void shuffled(uint32_t *out, uint32_t count, uint64_t *state)
{
	for (uint32_t i = 0; i < count; i++)
		out[i] = i;
	for (uint32_t i = count; i > 1; i--) {
		uint32_t j = (uint32_t)(random_next(state) % i);
		uint32_t held = out[i - 1];
		out[i - 1] = out[j];
		out[j] = held;
	}
}

const char *plan_target_text(const struct plan_target *target, char text[PLAN_TARGET_BYTES])
{
	snprintf(text, PLAN_TARGET_BYTES, "%s%s%s", target->name,
	         target->version[0] == '\0' ? "" : " ", target->version);
	return text;
}

uint32_t plan_square_rounds(size_t arms)
{
	return (uint32_t)(arms % 2 == 0 ? arms : 2 * arms);
}

void plan_square(size_t arms, uint64_t seed, uint32_t *order)
{
	uint32_t k = (uint32_t)arms;
	uint32_t rounds = plan_square_rounds(arms);
	uint32_t labels[PLAN_ARMS_MAX], rows[2 * PLAN_ARMS_MAX];
	uint64_t state = seed;

	shuffled(labels, k, &state);
	shuffled(rows, rounds, &state);
	for (uint32_t r = 0; r < rounds; r++) {
		for (uint32_t p = 0; p < k; p++) {
			/* First row 0, k-1, 1, k-2, 2 ...: every difference mod k once. Row r adds
			 * r; for odd k the second k rows are the first ones backwards. */
			uint32_t at = r < k ? p : k - 1 - p;
			uint32_t step = at % 2 == 0 ? at / 2 : k - 1 - at / 2;
			order[rows[r] * k + p] = labels[(step + r) % k];
		}
	}
}

/* ---- arms ---- */

static int arm_add(struct plan_cell *cell, const char *cipher, const char *suffix,
                   const struct plan_request *request, size_t dir, size_t program, char error[256])
{
	struct plan_arm *arm = &cell->arms[cell->arm_count];
	const char *at = dir == 0 ? "" : "@";
	const char *dir_name = dir == 0 ? "" : request->dirs[dir].name;
	const char *plus = program == 0 ? "" : "+";
	const char *program_name = program == 0 ? "" : request->programs[program - 1].name;

	if (cell->arm_count == PLAN_ARMS_MAX) {
		snprintf(error, 256,
		         "more than %d arms: ask for fewer ciphers, directories or programs",
		         PLAN_ARMS_MAX);
		return -1;
	}
	if ((size_t)snprintf(arm->name, sizeof(arm->name), "%s%s%s%s%s%s", cipher, suffix, at,
	                     dir_name, plus, program_name) >= sizeof(arm->name)) {
		snprintf(error, 256, "the names of directory '%s' and program '%s' are too long",
		         dir_name, program_name);
		return -1;
	}
	for (size_t i = 0; i < cell->arm_count; i++) {
		if (strcmp(cell->arms[i].name, arm->name) == 0) {
			snprintf(error, 256, "two arms are named '%s'", arm->name);
			return -1;
		}
	}
	arm->cipher = cipher;
	arm->dir = dir;
	arm->program = program;
	cell->arm_count++;
	return 0;
}

/* A server keeps what it is told to where it wants to: no directories. */
static int server_arms(struct plan_cell *cell, const struct plan_request *request, char error[256])
{
	for (size_t program = 0; program <= request->program_count; program++) {
		for (size_t s = 0; s < request->server_count; s++) {
			const char *cipher = request->servers[s].cipher;
			size_t first = cell->arm_count;
			if (arm_add(cell, cipher, "", request, 0, program, error) != 0)
				return -1;
			if (program == 0 && strcmp(cipher, "none") == 0 &&
			    arm_add(cell, cipher, "-twin", request, 0, 0, error) != 0)
				return -1;
			for (size_t a = first; a < cell->arm_count; a++)
				cell->arms[a].server = s;
		}
	}
	if (cell->arm_count > 0)
		return 0;
	snprintf(error, 256, "target %s: no server was named for it", TARGET_SERVER_NAME);
	return -1;
}

static int cell_arms(struct plan_cell *cell, const struct plan_request *request, int ciphers,
                     char error[256])
{
	/* What keeps nothing has no directory either. */
	size_t dirs = ciphers ? request->dir_count : 1;

	for (size_t program = 0; program <= request->program_count; program++) {
		for (size_t dir = 0; dir < dirs; dir++) {
			if (arm_add(cell, "none", "", request, dir, program, error) != 0)
				return -1;
			if (program == 0 && dir == 0 &&
			    arm_add(cell, "none", "-twin", request, 0, 0, error) != 0)
				return -1;
			for (size_t c = 0; ciphers && c < request->cipher_count; c++)
				if (strcmp(request->ciphers[c], "none") != 0 &&
				    arm_add(cell, request->ciphers[c], "", request, dir, program,
				            error) != 0)
					return -1;
		}
	}
	return 0;
}

static int plan_cell(struct plan *plan, const struct plan_choice *choice, char error[256])
{
	const struct plan_request *request = plan->request;
	const struct plan_target *at = &request->targets[choice->target];
	const struct target *target = target_find(at->name);
	struct plan_cell *cell = &plan->cells[plan->cell_count++];
	uint32_t rounds = request->rounds != 0 ? request->rounds : choice->rounds;

	cell->workload = &request->workloads[choice->workload];
	cell->target = at;
	cell->messages_max = choice->messages_max;
	cell->rate_msgs_s = cell->workload->rate_msgs_s;
	if (target == NULL) {
		snprintf(error, 256, "unknown target '%s', expected one of %s", at->name,
		         target_names());
		return -1;
	}
	if (!target_can(target, cell->workload->operation)) {
		snprintf(error, 256, "%s: target %s has no such operation as this workload's",
		         cell->workload->name, target->name);
		return -1;
	}
	if (strcmp(target->name, TARGET_SERVER_NAME) == 0
	            ? server_arms(cell, request, error) != 0
	            : cell_arms(cell, request, target->ciphers, error) != 0)
		return -1;
	if (rounds == 0)
		rounds = cell->workload->rounds;
	if (rounds == 0)
		rounds = 1;
	cell->square_rounds = plan_square_rounds(cell->arm_count);
	cell->rounds =
	        (rounds + cell->square_rounds - 1) / cell->square_rounds * cell->square_rounds;
	return 0;
}

int plan_cell_has(const struct plan_cell *cell, const char *workload, const char *target,
                  const char *version)
{
	return strcmp(cell->workload->name, workload) == 0 &&
	       strcmp(cell->target->name, target) == 0 &&
	       (cell->target->version[0] == '\0' || strcmp(cell->target->version, version) == 0);
}

void plan_cell_workload(const struct plan_cell *cell, struct workload *out)
{
	*out = *cell->workload;
	out->rate_msgs_s = cell->rate_msgs_s;
	out->rate_share = 0;
	if (cell->messages_max != 0 && out->messages > cell->messages_max)
		out->messages = cell->messages_max;
}

static size_t cell_count(const struct plan_request *request)
{
	return request->choices != NULL ? request->choice_count
	                                : request->workload_count * request->target_count;
}

static int plan_cells(struct plan *plan, char error[256])
{
	const struct plan_request *request = plan->request;

	for (size_t w = 0; w < request->workload_count; w++) {
		for (size_t earlier = 0; earlier < w; earlier++) {
			if (strcmp(request->workloads[earlier].name, request->workloads[w].name) ==
			    0) {
				snprintf(error, 256, "two workloads are named '%s'",
				         request->workloads[w].name);
				return -1;
			}
		}
	}
	for (size_t i = 0; i < cell_count(request); i++) {
		struct plan_choice choice = {.workload = i / request->target_count,
		                             .target = i % request->target_count};
		if (plan_cell(plan, request->choices != NULL ? &request->choices[i] : &choice,
		              error) != 0)
			return -1;
	}
	return 0;
}

/* ---- order ---- */

void plan_round(const struct plan *plan, uint32_t c, uint32_t round, struct plan_slice *slices)
{
	const struct plan_cell *cell = &plan->cells[c];
	uint32_t k = (uint32_t)cell->arm_count;
	uint32_t square = round / cell->square_rounds;
	uint32_t order[2 * PLAN_ARMS_MAX * PLAN_ARMS_MAX];

	plan_square(k, random_mix(plan->request->seed, c + 1, square + 1), order);
	for (uint32_t p = 0; p < k; p++) {
		struct plan_slice *slice = &slices[p];
		slice->cell = c;
		slice->arm = order[(round % cell->square_rounds) * k + p];
		slice->round = round;
		slice->position = p;
		slice->square = square;
	}
}

int plan_make(const struct plan_request *request, struct plan *out, char error[256])
{
	size_t cells = cell_count(request);
	uint32_t rounds = 0;
	size_t slices = 0;
	uint32_t *order;

	memset(out, 0, sizeof(*out));
	out->request = request;
	out->cells = calloc(cells == 0 ? 1 : cells, sizeof(*out->cells));
	order = calloc(cells == 0 ? 1 : cells, sizeof(*order));
	if (out->cells == NULL || order == NULL)
		goto memory;
	if (plan_cells(out, error) != 0)
		goto fail;
	for (size_t c = 0; c < cells; c++) {
		if (out->cells[c].rounds > rounds)
			rounds = out->cells[c].rounds;
		slices += (size_t)out->cells[c].rounds * out->cells[c].arm_count;
	}
	out->slices = calloc(slices == 0 ? 1 : slices, sizeof(*out->slices));
	if (out->slices == NULL)
		goto memory;
	for (uint32_t round = 0; round < rounds; round++) {
		uint64_t state = random_mix(request->seed, 0, round + 1);
		shuffled(order, (uint32_t)cells, &state);
		for (size_t i = 0; i < cells; i++) {
			if (round >= out->cells[order[i]].rounds)
				continue;
			plan_round(out, order[i], round, &out->slices[out->slice_count]);
			out->slice_count += out->cells[order[i]].arm_count;
		}
	}
	free(order);
	return 0;
memory:
	snprintf(error, 256, "out of memory for %zu cells", cells);
fail:
	free(order);
	plan_free(out);
	return -1;
}

void plan_free(struct plan *plan)
{
	free(plan->cells);
	free(plan->slices);
	memset(plan, 0, sizeof(*plan));
}
