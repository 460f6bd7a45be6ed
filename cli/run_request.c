/* run_request.c - see run_request.h. */
#include "cli/run_request.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/nats_config.h"
#include "cli/run_cells.h"

/* Points to each side; an interval exists from 6 rounds on, and is of use from 8. */
#define PRECISION_DEFAULT  2
#define PRECISION_RIGOROUS 1
#define PRECISION_MIN      0.1
#define PRECISION_MAX      50
#define ROUNDS_LEAST       8
#define ROUNDS_RIGOROUS    20
#define BUDGET_RIGOROUS_S  3600
#define BUDGET_NS_MIN      UINT64_C(1000000000)
#define BUDGET_NS_MAX      UINT64_C(2592000000000000)

/* ---- lists ---- */

/* Cuts a copy of text at its commas; *copy owns the pieces. Count, or -1: empty piece, too
 * many. */
static int split(const char *text, char **copy, const char *out[PLAN_CHOICES_MAX])
{
	int count = 0;
	char *at, *piece;

	at = *copy = strdup(text);
	if (at == NULL)
		return -1;
	while ((piece = strsep(&at, ",")) != NULL) {
		if (*piece == '\0' || count == PLAN_CHOICES_MAX)
			return -1;
		out[count++] = piece;
	}
	return count;
}

/* Names become parts of file names and of arms' names. */
static int name_is_good(const char *name, size_t bytes)
{
	if (bytes == 0 || bytes >= PLAN_NAME_BYTES / 2)
		return 0;
	for (size_t i = 0; i < bytes; i++)
		if (!isalnum((unsigned char)name[i]) && strchr("._-", name[i]) == NULL)
			return 0;
	return 1;
}

/* NAME=PATH of --dir and --arm. */
static int read_place(const char *option, const char *text, const char *what,
                      struct plan_place *places, size_t *count)
{
	const char *equals = strchr(text, '=');
	size_t name_bytes = equals == NULL ? 0 : (size_t)(equals - text);
	struct plan_place *place;

	if (!name_is_good(text, name_bytes) || equals[1] == '\0')
		return complain(EXIT_USAGE,
		                "%s: found '%s', expected NAME=%s (a name of up to %d letters, "
		                "digits, '.', '_', '-')",
		                option, text, what, PLAN_NAME_BYTES / 2 - 1);
	if (*count == PLAN_CHOICES_MAX)
		return complain(EXIT_USAGE, "%s: more than %d", option, PLAN_CHOICES_MAX);
	place = &places[*count];
	snprintf(place->name, sizeof(place->name), "%.*s", (int)name_bytes, text);
	if ((size_t)snprintf(place->path, sizeof(place->path), "%s", equals + 1) >=
	    sizeof(place->path))
		return complain(EXIT_USAGE, "%s: the path of '%s' is too long", option,
		                place->name);
	for (size_t i = 0; i < *count; i++)
		if (strcmp(places[i].name, place->name) == 0)
			return complain(EXIT_USAGE, "%s: '%s' is named twice", option, place->name);
	++*count;
	return EXIT_FINE;
}

/* ---- parts of the request ---- */

static int read_dirs(const struct run_arguments *a, struct plan_request *request)
{
	struct stat st;

	for (size_t i = 0; i < a->dirs.count; i++) {
		struct plan_place *place = &request->dirs[request->dir_count];
		int code = read_place("--dir", a->dirs.value[i], "PATH", request->dirs,
		                      &request->dir_count);
		if (code != EXIT_FINE)
			return code;
		if (stat(place->path, &st) != 0 || !S_ISDIR(st.st_mode))
			return complain(EXIT_USAGE, "--dir: %s: expected a directory", place->path);
		if (access(place->path, W_OK | X_OK) != 0)
			return complain(EXIT_SYSTEM, "--dir: %s: cannot be written", place->path);
	}
	if (request->dir_count == 0) {
		snprintf(request->dirs[0].name, sizeof(request->dirs[0].name), "default");
		request->dir_count = 1;
	}
	return EXIT_FINE;
}

static int read_programs(const struct run_arguments *a, struct plan_request *request)
{
	for (size_t i = 0; i < a->programs.count; i++) {
		struct plan_place *place = &request->programs[request->program_count];
		int code = read_place("--arm", a->programs.value[i], "PROGRAM", request->programs,
		                      &request->program_count);
		if (code != EXIT_FINE)
			return code;
		if (access(place->path, X_OK) != 0)
			return complain(EXIT_USAGE, "--arm: %s: expected a program", place->path);
	}
	return EXIT_FINE;
}

/* ARM=NS of --inject, such as none-twin=65. */
static int read_injections(const struct run_arguments *a, struct run_request *out)
{
	out->injections = calloc(a->injects.count + 1, sizeof(*out->injections));
	if (out->injections == NULL)
		return complain(EXIT_SYSTEM, "out of memory");
	out->options.injections = out->injections;
	for (size_t i = 0; i < a->injects.count; i++) {
		struct run_injection *in = &out->injections[out->options.injection_count++];
		const char *text = a->injects.value[i], *equals = strrchr(text, '=');
		if (equals == NULL || equals == text || options_u64(equals + 1, &in->ns) != 0 ||
		    in->ns > UINT64_C(1000000000))
			return complain(EXIT_USAGE,
			                "--inject: found '%s', expected ARM=NS such as "
			                "none-twin=65",
			                text);
		in->arm = strndup(text, (size_t)(equals - text));
		if (in->arm == NULL)
			return complain(EXIT_SYSTEM, "out of memory");
	}
	return EXIT_FINE;
}

static int read_ciphers(const struct run_arguments *a, const char *from_config,
                        struct run_request *out)
{
	struct plan_request *request = &out->options.request;
	const char *list = a->cipher;
	int count;

	if (list == NULL)
		list = from_config != NULL ? from_config : "none,chachapoly,aes";
	count = split(list, &out->ciphers, request->ciphers);
	if (count < 0)
		return complain(EXIT_USAGE,
		                "--cipher: found '%s', expected a list such as none,chachapoly,aes",
		                list);
	request->cipher_count = (size_t)count;
	for (int i = 0; i < count; i++) {
		if (atr_cipher_find(request->ciphers[i], NULL) == NULL)
			return complain(EXIT_USAGE,
			                "--cipher: unknown cipher '%s', expected none, chachapoly "
			                "or aes",
			                request->ciphers[i]);
		for (int j = 0; j < i; j++)
			if (strcmp(request->ciphers[j], request->ciphers[i]) == 0)
				return complain(EXIT_USAGE, "--cipher: %s is named twice",
				                request->ciphers[i]);
	}
	return EXIT_FINE;
}

static int wants_cipher(const struct plan_request *request, const char *name)
{
	for (size_t i = 0; i < request->cipher_count; i++)
		if (strcmp(request->ciphers[i], name) == 0)
			return 1;
	return 0;
}

static int read_providers(const struct run_arguments *a, struct run_options *options)
{
	struct provider_choice *choice = &options->providers;

	choice->chachapoly = atr_cipher_find("chachapoly", NULL);
	for (size_t i = 0; i < a->providers.count; i++)
		if (providers_pin(choice, a->providers.value[i]) != 0)
			return complain(
			        EXIT_USAGE,
			        "--provider: found '%s', expected CIPHER=PROVIDER as listed "
			        "by `atrest ciphers`",
			        a->providers.value[i]);
	if (!choice->pinned && wants_cipher(&options->request, "chachapoly") &&
	    providers_choose(choice) != 0)
		return complain(EXIT_SYSTEM, "measuring the providers of chachapoly failed");
	return EXIT_FINE;
}

/* ---- all of it ---- */

static void warn_config(void *arg, const char *line)
{
	(void)arg;
	warn_line("%s", line);
}

/* The cipher and the sync policy of a server's configuration; "none" when it sets no key. Its key
 * stays unused, a run has one of its own. The cipher is constant text, the caller frees sync. */
static int read_config(const char *path, const char **cipher, char **sync)
{
	struct nats_config config;
	char error[512];

	if (nats_config_read(path, NULL, warn_config, NULL, &config, error, sizeof(error)) != 0)
		return complain(EXIT_USAGE, "%s", error);
	*cipher = "none";
	if (config.key_bytes > 0)
		*cipher = config.cipher == NULL ? "chachapoly" : config.cipher;
	*sync = config.sync_interval;
	config.sync_interval = NULL;
	nats_config_free(&config);
	return EXIT_FINE;
}

static int read_rounds(const struct run_arguments *a, uint32_t *rounds)
{
	uint64_t n = 0;

	*rounds = 0;
	if (a->rounds == NULL)
		return EXIT_FINE;
	if (options_u64(a->rounds, &n) != 0 || n < 1 || n > 10000)
		return complain(EXIT_USAGE, "--rounds: found '%s', expected 1 to 10000", a->rounds);
	*rounds = (uint32_t)n;
	return EXIT_FINE;
}

/* What a precision is asked with, and a fixed number of rounds is not: two that exclude each other.
 */
static int refuse_both(const struct run_arguments *a)
{
	const char *fixed = a->quick ? "--quick" : a->rounds != NULL ? "--rounds" : NULL;
	const char *open = a->rigorous            ? "--rigorous"
	                   : a->precision != NULL ? "--precision"
	                   : a->budget != NULL    ? "--budget"
	                                          : NULL;

	if (fixed == NULL || open == NULL)
		return EXIT_FINE;
	return complain(EXIT_USAGE, "%s and %s: expected one of them", fixed, open);
}

static int read_rule(const struct run_arguments *a, struct run_options *o)
{
	struct schedule_rule *rule = &o->rule;
	uint64_t budget_ns = 0;

	if (refuse_both(a) != EXIT_FINE)
		return EXIT_USAGE;
	if (a->precision == NULL && a->budget == NULL && !a->rigorous)
		return EXIT_FINE;
	rule->precision_points = a->rigorous ? PRECISION_RIGOROUS : PRECISION_DEFAULT;
	rule->budget_s = a->rigorous ? BUDGET_RIGOROUS_S : 0;
	rule->rounds_max = SCHEDULE_ROUNDS_MAX;
	if (a->precision != NULL &&
	    (options_percent(a->precision, &rule->precision_points) != 0 ||
	     !(rule->precision_points >= PRECISION_MIN && rule->precision_points <= PRECISION_MAX)))
		return complain(EXIT_USAGE, "--precision: found '%s', expected 0.1%% to 50%%",
		                a->precision);
	if (a->budget != NULL && (options_duration_ns(a->budget, &budget_ns) != 0 ||
	                          budget_ns < BUDGET_NS_MIN || budget_ns > BUDGET_NS_MAX))
		return complain(EXIT_USAGE,
		                "--budget: found '%s', expected 1s to 720h, such as 10m",
		                a->budget);
	if (a->budget != NULL)
		rule->budget_s = (double)budget_ns / 1e9;
	o->width_is_asked = a->precision != NULL || a->rigorous;
	o->is_rigorous = a->rigorous;
	o->request.rounds = a->rigorous ? ROUNDS_RIGOROUS : ROUNDS_LEAST;
	return EXIT_FINE;
}

static int read_seed(const struct run_arguments *a, uint64_t *seed)
{
	uint8_t bytes[4];

	*seed = 0;
	if (a->seed != NULL && (options_u64(a->seed, seed) != 0 || *seed > INT64_MAX))
		return complain(EXIT_USAGE,
		                "--seed: found '%s', expected a whole number less than 2^63",
		                a->seed);
	if (a->seed != NULL)
		return EXIT_FINE;
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return complain(EXIT_SYSTEM, "no random seed");
	for (size_t i = 0; i < sizeof(bytes); i++)
		*seed = *seed << 8 | bytes[i];
	return EXIT_FINE;
}

static int read_scratch_image(const struct run_arguments *a, struct run_options *options)
{
	struct plan_place *place = &options->request.dirs[0];

	if (a->scratch_image == NULL)
		return EXIT_FINE;
	if (a->dirs.count > 0)
		return complain(EXIT_USAGE, "--scratch-image and --dir: expected one of them");
	if (options_bytes(a->scratch_image, &options->scratch_bytes) != 0 ||
	    options->scratch_bytes == 0 || options->scratch_bytes > INT64_MAX)
		return complain(EXIT_USAGE,
		                "--scratch-image: found '%s', expected a size such as 4g",
		                a->scratch_image);
	snprintf(place->name, sizeof(place->name), "scratch-image");
	return EXIT_FINE;
}

static void warn_run(const char *text)
{
	warn_line("%s", text);
}

int run_request_make(const struct run_arguments *arguments, int argc, char *const *argv, int first,
                     struct run_request *request)
{
	struct run_options *o = &request->options;
	const char *cipher = NULL;
	char *sync = NULL;
	int code;

	memset(request, 0, sizeof(*request));
	o->label = arguments->label;
	o->output = arguments->output;
	o->keep = arguments->keep_stores;
	o->warn = warn_run;
	o->arguments = request->arguments = run_targets_arguments(&arguments->targets, argc, argv);
	if (o->arguments == NULL)
		return complain(EXIT_SYSTEM, "out of memory");
	code = read_rounds(arguments, &o->request.rounds);
	if (code == EXIT_FINE)
		code = read_rule(arguments, o);
	if (code == EXIT_FINE && arguments->nats_config != NULL)
		code = read_config(arguments->nats_config, &cipher, &sync);
	if (code == EXIT_FINE)
		code = read_seed(arguments, &o->request.seed);
	if (code == EXIT_FINE)
		code = read_ciphers(arguments, cipher, request);
	if (code == EXIT_FINE)
		code = run_targets_read(&arguments->targets, o);
	if (code == EXIT_FINE)
		code = read_dirs(arguments, &o->request);
	if (code == EXIT_FINE)
		code = read_scratch_image(arguments, o);
	if (code == EXIT_FINE)
		code = read_programs(arguments, &o->request);
	if (code == EXIT_FINE)
		code = read_injections(arguments, request);
	if (code == EXIT_FINE)
		code = run_cells_read(arguments, argv + first, (size_t)(argc - first), sync,
		                      request);
	if (code == EXIT_FINE)
		code = read_providers(arguments, o);
	free(sync);
	return code;
}

void run_request_free(struct run_request *request)
{
	run_cells_free(request);
	for (size_t i = 0; i < request->options.injection_count; i++)
		free((char *)(uintptr_t)request->injections[i].arm);
	free(request->injections);
	free(request->arguments);
	free(request->ciphers);
	memset(request, 0, sizeof(*request));
}
