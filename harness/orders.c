/* orders.c - see orders.h. */
#include "harness/orders.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {
        [ORDER_SETUP] = "setup", [ORDER_FILL] = "fill", [ORDER_SLICE] = "slice"};

/* ---- writing ---- */

/* The object's line; takes the reference. */
static char *line_of(json_t *object)
{
	char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
	char *line = NULL;

	json_decref(object);
	if (text != NULL && (line = realloc(text, strlen(text) + 2)) != NULL)
		strcat(line, "\n");
	else
		free(text);
	return line;
}

/* The resolved workload as its file's text. */
static json_t *workload_text(const struct workload *w)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	json_t *string = NULL;

	if (out == NULL)
		return NULL;
	int failed = workload_write(w, out) != 0;
	if (fclose(out) == 0 && !failed)
		string = json_stringn(text, bytes);
	free(text);
	return string;
}

/* The texts of a server, each a member of that name. */
#define SERVER_TEXTS(T)                                                                            \
	T(program)                                                                                 \
	T(version)                                                                                 \
	T(urls)                                                                                    \
	T(user)                                                                                    \
	T(password)                                                                                \
	T(creds)                                                                                   \
	T(nkey)                                                                                    \
	T(tls_cert)                                                                                \
	T(tls_key)                                                                                 \
	T(tls_ca)

/* What is empty is left out. */
static json_t *server_object(const struct order_server *server)
{
	json_t *o = json_pack("{sI}", "replicas", (json_int_t)server->replicas);

#define T(name)                                                                                    \
	if (server->name[0] != '\0')                                                               \
		json_object_set_new(o, #name, json_string(server->name));
	SERVER_TEXTS(T)
#undef T
	return o;
}

char *orders_write(const struct order *order)
{
	const char *kind = kind_names[order->kind];
	char seed[32];

	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)order->seed);
	if (order->kind == ORDER_SETUP)
		return line_of(json_pack(
		        "{ss ss ss ss ss sI so ss so}", "order", kind, "target", order->target,
		        "cipher", order->cipher, "provider", order->provider, "seed", seed,
		        "key_bytes", (json_int_t)order->key_bytes, "server",
		        server_object(&order->server), "name", order->workload.name, "workload",
		        workload_text(&order->workload)));
	if (order->kind == ORDER_FILL)
		return line_of(json_pack("{ss ss}", "order", kind, "directory", order->directory));
	return line_of(json_pack("{ss ss sb sb sb sI}", "order", kind, "directory",
	                         order->directory, "synced", order->synced, "control",
	                         order->control, "keep", order->keep, "injected_ns",
	                         (json_int_t)order->injected_ns));
}

char *orders_write_hello(const struct order_hello *hello)
{
	return line_of(json_pack("{si ss ss ss}", "protocol", ORDERS_PROTOCOL, "version",
	                         hello->version, "commit", hello->commit, "build", hello->build));
}

/* Columns that are empty or zero are left out: the run's own stay as they are. */
static json_t *row_object(const struct sample *row)
{
	json_t *o = json_object();

#define T(name)                                                                                    \
	if (row->name[0] != '\0')                                                                  \
		json_object_set_new(o, #name, json_string(row->name));
#define U(name)                                                                                    \
	if (row->name != 0)                                                                        \
		json_object_set_new(o, #name, json_integer((json_int_t)row->name));
#define F(name)                                                                                    \
	if (row->name != 0)                                                                        \
		json_object_set_new(o, #name, json_real(row->name));
	SAMPLES_COLUMNS(T, U, F)
#undef T
#undef U
#undef F
	return o;
}

char *orders_write_reply(const struct order_reply *reply, const struct sample *row)
{
	json_t *o = json_pack("{sb}", "ok", reply->ok);

	if (reply->library[0] != '\0')
		json_object_set_new(o, "library", json_string(reply->library));
	if (reply->warning[0] != '\0')
		json_object_set_new(o, "warning", json_string(reply->warning));
	if (reply->error.text[0] != '\0') {
		json_object_set_new(o, "fault", json_integer(reply->error.fault));
		json_object_set_new(o, "error", json_string(reply->error.text));
	}
	if (reply->latency[0] != '\0')
		json_object_set_new(o, "latency", json_string(reply->latency));
	if (reply->response[0] != '\0')
		json_object_set_new(o, "response", json_string(reply->response));
	if (row != NULL)
		json_object_set_new(o, "row", row_object(row));
	return line_of(o);
}

/* ---- reading ---- */

static json_t *object_of(const char *line, char error[256])
{
	json_error_t why;
	json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, &why);

	if (o != NULL && json_is_object(o))
		return o;
	snprintf(error, 256, "not a JSON object: %s (found '%.60s')",
	         o == NULL ? why.text : "another type", line);
	json_decref(o);
	return NULL;
}

/* Copies member key, which must be a text that fits. */
static int text_of(const json_t *o, const char *key, char *out, size_t bytes, char error[256])
{
	const char *text = json_string_value(json_object_get(o, key));

	if (text != NULL && strlen(text) < bytes) {
		memcpy(out, text, strlen(text) + 1);
		return 0;
	}
	snprintf(error, 256, "member '%s' is missing, no text, or too long", key);
	return -1;
}

static int u64_of(const json_t *o, const char *key, uint64_t *out, char error[256])
{
	const json_t *value = json_object_get(o, key);

	if (json_is_integer(value) && json_integer_value(value) >= 0) {
		*out = (uint64_t)json_integer_value(value);
		return 0;
	}
	snprintf(error, 256, "member '%s' is missing or no whole number", key);
	return -1;
}

static int read_server(const json_t *o, struct order_server *out, char error[256])
{
	uint64_t replicas = 0;

	if (u64_of(o, "replicas", &replicas, error) != 0)
		return -1;
	out->replicas = (uint32_t)replicas;
#define T(name)                                                                                    \
	if (json_object_get(o, #name) != NULL &&                                                   \
	    text_of(o, #name, out->name, sizeof(out->name), error) != 0)                           \
		return -1;
	SERVER_TEXTS(T)
#undef T
	return 0;
}

static int read_setup(const json_t *o, struct order *out, char error[256])
{
	struct workload_error why;
	uint64_t key_bytes = 0;
	char name[WORKLOAD_NAME_BYTES], seed[32];
	const char *text = json_string_value(json_object_get(o, "workload"));
	FILE *in;
	int rc;

	if (text_of(o, "target", out->target, sizeof(out->target), error) != 0 ||
	    text_of(o, "cipher", out->cipher, sizeof(out->cipher), error) != 0 ||
	    text_of(o, "provider", out->provider, sizeof(out->provider), error) != 0 ||
	    text_of(o, "name", name, sizeof(name), error) != 0 ||
	    text_of(o, "seed", seed, sizeof(seed), error) != 0 ||
	    u64_of(o, "key_bytes", &key_bytes, error) != 0 ||
	    read_server(json_object_get(o, "server"), &out->server, error) != 0)
		return -1;
	if (key_bytes > 4096 || text == NULL || text[0] == '\0') {
		snprintf(error, 256, "no workload, or a key of %llu bytes",
		         (unsigned long long)key_bytes);
		return -1;
	}
	out->key_bytes = (size_t)key_bytes;
	out->seed = strtoull(seed, NULL, 10);
	in = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	if (in == NULL) {
		snprintf(error, 256, "out of memory");
		return -1;
	}
	rc = workload_parse_stream(in, name, &out->workload, &why);
	fclose(in);
	if (rc != 0)
		snprintf(error, 256, "%.250s", why.text);
	return rc;
}

int orders_read(const char *line, struct order *out, char error[256])
{
	json_t *o = object_of(line, error);
	const char *kind = json_string_value(json_object_get(o, "order"));
	int rc = -1;

	memset(out, 0, sizeof(*out));
	if (o == NULL)
		return -1;
	if (kind == NULL) {
		snprintf(error, 256, "member 'order' is missing");
	} else if (strcmp(kind, kind_names[ORDER_SETUP]) == 0) {
		out->kind = ORDER_SETUP;
		rc = read_setup(o, out, error);
	} else if (strcmp(kind, kind_names[ORDER_FILL]) == 0 ||
	           strcmp(kind, kind_names[ORDER_SLICE]) == 0) {
		out->kind = strcmp(kind, kind_names[ORDER_FILL]) == 0 ? ORDER_FILL : ORDER_SLICE;
		out->synced = json_is_true(json_object_get(o, "synced"));
		out->control = json_is_true(json_object_get(o, "control"));
		out->keep = json_is_true(json_object_get(o, "keep"));
		rc = text_of(o, "directory", out->directory, sizeof(out->directory), error);
		if (rc == 0 && json_object_get(o, "injected_ns") != NULL)
			rc = u64_of(o, "injected_ns", &out->injected_ns, error);
	} else {
		snprintf(error, 256, "unknown order '%.60s'", kind);
	}
	json_decref(o);
	return rc;
}

int orders_read_hello(const char *line, struct order_hello *out, char error[256])
{
	json_t *o = object_of(line, error);
	uint64_t protocol = 0;
	int rc = -1;

	memset(out, 0, sizeof(*out));
	if (o == NULL)
		return -1;
	if (u64_of(o, "protocol", &protocol, error) != 0)
		;
	else if (protocol != ORDERS_PROTOCOL)
		snprintf(error, 256, "speaks protocol %llu of workers, expected %d",
		         (unsigned long long)protocol, ORDERS_PROTOCOL);
	else if (text_of(o, "version", out->version, sizeof(out->version), error) == 0 &&
	         text_of(o, "commit", out->commit, sizeof(out->commit), error) == 0 &&
	         text_of(o, "build", out->build, sizeof(out->build), error) == 0)
		rc = 0;
	json_decref(o);
	return rc;
}

/* A column that is there must have its type. */
static int read_row(const json_t *o, struct sample *row, char error[256])
{
#define T(name)                                                                                    \
	if (json_object_get(o, #name) != NULL &&                                                   \
	    text_of(o, #name, row->name, sizeof(row->name), error) != 0)                           \
		return -1;
#define U(name)                                                                                    \
	if (json_object_get(o, #name) != NULL && u64_of(o, #name, &row->name, error) != 0)         \
		return -1;
#define F(name)                                                                                    \
	if (json_object_get(o, #name) != NULL) {                                                   \
		if (!json_is_number(json_object_get(o, #name))) {                                  \
			snprintf(error, 256, "member '%s' is no number", #name);                   \
			return -1;                                                                 \
		}                                                                                  \
		row->name = json_number_value(json_object_get(o, #name));                          \
	}
	SAMPLES_COLUMNS(T, U, F)
#undef T
#undef U
#undef F
	return 0;
}

int orders_read_reply(const char *line, struct order_reply *out, char error[256])
{
	json_t *o = object_of(line, error);
	const json_t *text, *fault, *row;
	int rc = 0;

	out->ok = 0;
	memset(&out->error, 0, sizeof(out->error));
	out->library[0] = out->warning[0] = out->latency[0] = out->response[0] = '\0';
	if (o == NULL)
		return -1;
	text = json_object_get(o, "error");
	fault = json_object_get(o, "fault");
	row = json_object_get(o, "row");
	out->ok = json_is_true(json_object_get(o, "ok"));
	if (json_is_string(text)) {
		snprintf(out->error.text, sizeof(out->error.text), "%s", json_string_value(text));
		out->error.fault = json_is_integer(fault)
		                           ? (enum target_fault)json_integer_value(fault)
		                           : TARGET_FAILED;
	}
#define TEXT(name)                                                                                 \
	if (rc == 0 && json_object_get(o, #name) != NULL)                                          \
		rc = text_of(o, #name, out->name, sizeof(out->name), error);
	TEXT(library)
	TEXT(warning)
	TEXT(latency)
	TEXT(response)
#undef TEXT
	if (rc == 0 && json_is_object(row))
		rc = read_row(row, &out->row, error);
	if (rc == 0 && !out->ok && out->error.text[0] == '\0') {
		snprintf(error, 256, "a failure without a text");
		rc = -1;
	}
	json_decref(o);
	return rc;
}
