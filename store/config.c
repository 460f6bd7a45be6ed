#include "store/config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define MIB                   (UINT64_C(1024) * 1024)
#define BLOCK_BYTES_LARGE     (8 * MIB)
#define BLOCK_BYTES_MEDIUM    (4 * MIB)
#define BLOCK_BYTES_ENCRYPTED (2 * MIB)
#define BLOCK_BYTES_SMALL     UINT64_C(32000)
/* Account's largest payload where the stream sets none, and the subject length that is then
 * assumed: both the server's. */
#define PAYLOAD_BYTES_ASSUMED MIB
#define SUBJECT_BYTES_ASSUMED 256u

/* What the server writes, in its order. omit: left out unless it is given. */
static const struct {
	const char *name;
	json_type type; /* JSON_TRUE stands for both booleans */
	const char *value;
	int omit;
} members[] = {
        {"name", JSON_STRING, "\"\"", 0},
        {"description", JSON_STRING, NULL, 1},
        {"subjects", JSON_ARRAY, NULL, 1},
        {"retention", JSON_STRING, "\"limits\"", 0},
        {"max_consumers", JSON_INTEGER, "-1", 0},
        {"max_msgs", JSON_INTEGER, "-1", 0},
        {"max_bytes", JSON_INTEGER, "-1", 0},
        {"max_age", JSON_INTEGER, "0", 0},
        {"max_msgs_per_subject", JSON_INTEGER, "-1", 0},
        {"max_msg_size", JSON_INTEGER, "-1", 0},
        {"discard", JSON_STRING, "\"old\"", 0},
        {"storage", JSON_STRING, "\"file\"", 0},
        {"num_replicas", JSON_INTEGER, "1", 0},
        {"no_ack", JSON_TRUE, NULL, 1},
        {"template_owner", JSON_STRING, NULL, 1},
        {"duplicate_window", JSON_INTEGER, "120000000000", 0},
        {"placement", JSON_OBJECT, NULL, 1},
        {"mirror", JSON_OBJECT, NULL, 1},
        {"sources", JSON_ARRAY, NULL, 1},
        {"republish", JSON_OBJECT, NULL, 1},
        {"allow_direct", JSON_TRUE, "false", 0},
        {"mirror_direct", JSON_TRUE, "false", 0},
        {"discard_new_per_subject", JSON_TRUE, NULL, 1},
        {"sealed", JSON_TRUE, "false", 0},
        {"deny_delete", JSON_TRUE, "false", 0},
        {"deny_purge", JSON_TRUE, "false", 0},
        {"allow_rollup_hdrs", JSON_TRUE, "false", 0},
};

#define MEMBERS (sizeof members / sizeof members[0])

void atr_config_time(int64_t time_ns, char text[40])
{
	int64_t seconds = time_ns / 1000000000, fraction = time_ns % 1000000000;
	time_t t = (time_t)seconds;
	struct tm utc;
	size_t n;

	(void)gmtime_r(&t, &utc);
	n = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &utc);
	if (fraction > 0) {
		n += (size_t)snprintf(text + n, 40 - n, ".%09d", (int)fraction);
		while (text[n - 1] == '0')
			n--;
	}
	text[n] = 'Z';
	text[n + 1] = '\0';
}

static int has_type(const json_t *value, json_type type)
{
	return type == JSON_TRUE ? json_is_boolean(value) : json_typeof(value) == type;
}

static enum atr_status set_member(json_t *config, size_t i, const json_t *given,
                                  struct atr_error *err)
{
	json_t *value = json_object_get(given, members[i].name);

	if (json_is_null(value))
		value = NULL;
	if (value != NULL && !has_type(value, members[i].type))
		return atr_error_set(err, ATR_EINVAL, NULL, -1,
		                     "stream configuration: \"%s\" has a wrong type",
		                     members[i].name);
	if (value == NULL && members[i].omit)
		return ATR_OK;
	value = value != NULL ? json_deep_copy(value)
	                      : json_loads(members[i].value, JSON_DECODE_ANY, NULL);
	/* also without memory for the value */
	if (json_object_set_new(config, members[i].name, value) != 0)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a configuration");
	return ATR_OK;
}

enum atr_status atr_config_make(const char *json, const char *stream, int64_t created_ns,
                                json_t **out, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;
	json_t *given, *config = json_object();
	json_error_t where;
	char created[40];

	*out = NULL;
	given = json_loads(json != NULL ? json : "{}", JSON_REJECT_DUPLICATES, &where);
	if (given == NULL || !json_is_object(given)) {
		rc = atr_error_set(err, ATR_EINVAL, NULL, -1, "stream configuration: %s",
		                   given == NULL ? where.text : "not a JSON object");
		goto done;
	}
	atr_config_time(created_ns, created);
	if (json_object_set_new(config, "Created", json_string(created)) != 0) {
		rc = atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a configuration");
		goto done;
	}
	for (size_t i = 0; i < MEMBERS && rc == ATR_OK; i++)
		rc = set_member(config, i, given, err);
	if (rc != ATR_OK)
		goto done;
	if (strcmp(json_string_value(json_object_get(config, "storage")), "file") != 0) {
		rc = atr_error_set(err, ATR_EINVAL, NULL, -1,
		                   "stream configuration: storage is \"%s\", expected \"file\"",
		                   json_string_value(json_object_get(config, "storage")));
		goto done;
	}
	if (json_object_set_new(config, "name", json_string(stream)) != 0 ||
	    (json_object_get(config, "subjects") == NULL &&
	     json_object_get(config, "mirror") == NULL &&
	     json_object_get(config, "sources") == NULL &&
	     json_object_set_new(config, "subjects", json_pack("[s]", stream)) != 0)) {
		rc = atr_error_set(err, ATR_EINVAL, NULL, -1,
		                   "stream name \"%s\": not UTF-8, or no memory", stream);
		goto done;
	}
	*out = config;
	config = NULL;
done:
	json_decref(given);
	json_decref(config);
	return rc;
}

static uint64_t positive(const json_t *config, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(config, name));

	return v > 0 ? (uint64_t)v : 0;
}

/* Longest literal subject configured; the assumed length when one has a wildcard or none is. */
static uint64_t subject_bytes(const json_t *config)
{
	const json_t *subjects = json_object_get(config, "subjects");
	uint64_t longest = 0;
	const json_t *value;
	size_t i;

	json_array_foreach(subjects, i, value)
	{
		const char *text = json_string_value(value);

		if (text != NULL && strpbrk(text, "*>") == NULL && strlen(text) > longest)
			longest = strlen(text);
	}
	return longest > 0 ? longest : SUBJECT_BYTES_ASSUMED;
}

/* A quarter of the stream's limit, within bounds. */
static uint64_t from_limit(uint64_t limit_bytes)
{
	uint64_t b = limit_bytes / 4 + 1;

	if (b % 100 != 0)
		b += 100 - b % 100;
	if (b <= BLOCK_BYTES_SMALL)
		return BLOCK_BYTES_SMALL;
	return b >= BLOCK_BYTES_LARGE ? BLOCK_BYTES_LARGE : BLOCK_BYTES_MEDIUM;
}

uint64_t atr_config_block_bytes(const json_t *config, int encrypted)
{
	uint64_t max_bytes = positive(config, "max_bytes"), max_msgs = positive(config, "max_msgs");
	uint64_t payload = positive(config, "max_msg_size");
	const char *retention = json_string_value(json_object_get(config, "retention"));

	if (max_bytes > 0)
		return from_limit(max_bytes);
	if (max_msgs > 0) {
		uint64_t message = 30 + subject_bytes(config) + 4 +
		                   (payload > 0 ? payload : PAYLOAD_BYTES_ASSUMED);

		/* where the product would not fit it is far above the largest block */
		return from_limit(max_msgs > UINT64_MAX / message ? UINT64_MAX / 2
		                                                  : max_msgs * message);
	}
	if (positive(config, "max_msgs_per_subject") > 0)
		return BLOCK_BYTES_MEDIUM;
	if (encrypted)
		return BLOCK_BYTES_ENCRYPTED;
	return retention == NULL || strcmp(retention, "limits") == 0 ? BLOCK_BYTES_LARGE
	                                                             : BLOCK_BYTES_MEDIUM;
}
