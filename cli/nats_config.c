/* nats_config.c - what the jetstream { } block of a configuration means. */
#include "cli/nats_config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ciphers/secret.h"

/* What was set in jetstream { }; a later jetstream { } replaces it, as in the server's map. */
struct setting {
	struct nats_value value;
	const char *spelling; /* constant; NULL = not set */
	const char *file;
	int line;
};

enum setting_name { SET_KEY, SET_PREV_KEY, SET_CIPHER, SET_STORE_DIR, SET_SYNC_INTERVAL, SETTINGS };

struct reader {
	struct nats_syntax *syntax;
	nats_config_warn_fn *warn;
	void *warn_arg;
	struct setting setting[SETTINGS];
	int has_tpm;
	int inside; /* jetstream { } */
};

static void caution(const struct reader *r, const char *name, int line, const char *text)
{
	char message[PATH_MAX + 256];

	if (r->warn == NULL)
		return;
	(void)snprintf(message, sizeof message, "%s:%d: %s", name, line, text);
	nats_one_line(message);
	r->warn(r->warn_arg, message);
}

/* ---- what we look for ---- */

struct keyword {
	const char *word;
	enum setting_name setting;
};

static const struct keyword keywords[] = {
        {"key", SET_KEY},
        {"ek", SET_KEY},
        {"encryption_key", SET_KEY},
        {"prev_key", SET_PREV_KEY},
        {"prev_ek", SET_PREV_KEY},
        {"prev_encryption_key", SET_PREV_KEY},
        {"cipher", SET_CIPHER},
        {"store_dir", SET_STORE_DIR},
        {"storedir", SET_STORE_DIR},
        {"sync_interval", SET_SYNC_INTERVAL},
        {"sync", SET_SYNC_INTERVAL},
};

static void forget_settings(struct reader *r)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		nats_value_free(&r->setting[i].value);
		r->setting[i] = (struct setting){0};
	}
	r->has_tpm = 0;
}

/* An item directly inside jetstream { }. */
static int take_setting(struct reader *r, const struct nats_item *item)
{
	struct setting *s;
	size_t i;

	if (strcasecmp(item->key, "tpm") == 0)
		r->has_tpm = 1;
	for (i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
		if (strcasecmp(item->key, keywords[i].word) == 0)
			break;
	if (i == sizeof keywords / sizeof keywords[0])
		return 0;
	s = &r->setting[keywords[i].setting];
	if (s->spelling != NULL && s->spelling != keywords[i].word)
		return nats_syntax_fail(
		        r->syntax, item->file, item->line,
		        "both %s and %s are set: a server takes either one, at random", s->spelling,
		        keywords[i].word);
	if (item->value->kind != NATS_STRING)
		return nats_syntax_fail(r->syntax, item->file, item->line,
		                        "%s: found %s, expected a string: put quotes around it",
		                        keywords[i].word, nats_kind_text(item->value->kind));
	nats_value_free(&s->value);
	if (nats_value_copy(&s->value, item->value) != 0)
		return nats_syntax_fail(r->syntax, item->file, item->line, "out of memory");
	s->spelling = keywords[i].word;
	s->file = item->file;
	s->line = item->line;
	return 0;
}

/* ---- items ---- */

static void enter(void *arg, const char *key, int depth)
{
	struct reader *r = arg;

	if (depth != 0 || strcasecmp(key, "jetstream") != 0)
		return;
	forget_settings(r);
	r->inside = 1;
}

static int take_item(void *arg, const struct nats_item *item)
{
	struct reader *r = arg;

	if (item->depth == 0)
		r->inside = 0;
	return r->inside && item->depth == 1 ? take_setting(r, item) : 0;
}

/* ---- the result ---- */

static int to_secret(const struct nats_value *v, uint8_t **out, size_t *out_bytes)
{
	if (v->bytes == 0)
		return 0;
	*out = atr_secret_alloc(v->bytes);
	if (*out == NULL)
		return -1;
	memcpy(*out, v->text, v->bytes);
	*out_bytes = v->bytes;
	return 0;
}

static int take_cipher(struct reader *r, struct nats_config *out)
{
	const struct setting *s = &r->setting[SET_CIPHER];

	if (s->spelling == NULL)
		return 0;
	if (strcasecmp(s->value.text, "chacha") == 0 ||
	    strcasecmp(s->value.text, "chachapoly") == 0)
		out->cipher = "chachapoly";
	else if (strcasecmp(s->value.text, "aes") == 0)
		out->cipher = "aes";
	else
		return nats_syntax_fail(
		        r->syntax, s->file, s->line,
		        "Unknown cipher type: \"%.32s\", expected chacha, chachapoly or aes",
		        s->value.text);
	return 0;
}

static int finish(struct reader *r, const char *path, struct nats_config *out)
{
	const struct setting *key = &r->setting[SET_KEY], *prev = &r->setting[SET_PREV_KEY];
	const struct setting *cipher = &r->setting[SET_CIPHER];
	const struct setting *store = &r->setting[SET_STORE_DIR];
	const struct setting *sync = &r->setting[SET_SYNC_INTERVAL];

	if (r->has_tpm)
		return nats_syntax_fail(
		        r->syntax, path, 1,
		        key->spelling != NULL
		                ? "JetStream encryption key may not be used with TPM options"
		                : "TPM functionality is not supported on this platform");
	if (take_cipher(r, out) != 0)
		return -1;
	if (to_secret(&key->value, &out->key, &out->key_bytes) != 0 ||
	    to_secret(&prev->value, &out->prev_key, &out->prev_key_bytes) != 0)
		return nats_syntax_fail(r->syntax, path, 1, "out of memory");
	(void)snprintf(out->key_variable, sizeof out->key_variable, "%s", key->value.variable);
	(void)snprintf(out->prev_key_variable, sizeof out->prev_key_variable, "%s",
	               prev->value.variable);
	if (store->spelling != NULL) {
		out->store_dir = strdup(store->value.text);
		if (out->store_dir == NULL)
			return nats_syntax_fail(r->syntax, path, 1, "out of memory");
	}
	if (sync->spelling != NULL) {
		out->sync_interval = strdup(sync->value.text);
		if (out->sync_interval == NULL)
			return nats_syntax_fail(r->syntax, path, 1, "out of memory");
	}
	if (key->spelling != NULL && key->value.bytes == 0)
		caution(r, key->file, key->line,
		        key->value.variable[0] != '\0'
		                ? "the variable of the key is empty: the server would silently not "
		                  "encrypt"
		                : "the key is empty: the server would silently not encrypt");
	if (cipher->spelling != NULL && key->spelling == NULL)
		caution(r, cipher->file, cipher->line,
		        "a cipher without a key: the server would silently not encrypt");
	if (prev->spelling != NULL && key->spelling == NULL)
		caution(r, prev->file, prev->line, "a previous key without a key");
	return 0;
}

int nats_config_read(const char *path, const struct nats_config_source *source,
                     nats_config_warn_fn *warn, void *warn_arg, struct nats_config *out,
                     char *error, size_t error_bytes)
{
	static const struct nats_visitor visitor = {enter, take_item};
	struct reader r = {.warn = warn, .warn_arg = warn_arg};
	int rc;

	*out = (struct nats_config){0};
	r.syntax = nats_syntax_new(source, error, error_bytes);
	if (r.syntax == NULL) {
		(void)snprintf(error, error_bytes, "%s: out of memory", path);
		return -1;
	}
	rc = nats_syntax_read(r.syntax, path, &visitor, &r);
	if (rc == 0)
		rc = finish(&r, path, out);
	if (rc != 0)
		nats_config_free(out);
	forget_settings(&r);
	nats_syntax_free(r.syntax);
	return rc;
}

void nats_config_free(struct nats_config *config)
{
	atr_secret_free(config->key);
	atr_secret_free(config->prev_key);
	free(config->store_dir);
	free(config->sync_interval);
	*config = (struct nats_config){0};
}

const char *nats_config_variable_doubt(const char *value)
{
	if (value[0] == '\0')
		return "empty: the server would silently not encrypt";
	if (value[0] == '"' || value[0] == '\'')
		return "it begins with a quote, which the server takes away";
	if (value[0] == '$' && strncmp(value, "$2a$", 4) != 0)
		return "it begins with $: the server looks up a variable of that name";
	if (value[0] == '{' || value[0] == '[' || value[0] == '(')
		return "it begins with a bracket: the server reads a block or list";
	if (value[0] == '#' || strncmp(value, "//", 2) == 0)
		return "it begins like a comment";
	for (const char *c = value; *c != '\0'; c++) {
		if (nats_ends_bare(*c))
			return "white space , ; ] } or ' ends it for the server: it refuses it or "
			       "uses the beginning";
		if (*c == '\\')
			return "the server reads \\ as an escape";
	}
	switch (nats_kind_of(value)) {
	case NATS_NUMBER:
		return "the server reads it as a number and does not start";
	case NATS_BOOL:
		return "the server reads it as true or false and does not start";
	case NATS_DATE:
		return "the server reads it as a date and does not start";
	case NATS_STRING:
	case NATS_OTHER:
		break;
	}
	return NULL;
}
