#include "store/config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/footprint.h"

struct member {
	const char *name;
	json_type type; /* JSON_TRUE stands for both booleans */
	const char *value;
	int omit; /* left out unless it is given */
};

/* What the server writes of a stream, in its order. */
static const struct member members[] = {
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
        {"compression", JSON_STRING, NULL, 1}, /* since 2.10; kept only where it compresses */
};

#define MEMBERS (sizeof members / sizeof members[0])

/* Of a consumer. Defaults that depend on other members are set by set_consumer_defaults. */
static const struct member consumer_members[] = {
        {"durable_name", JSON_STRING, NULL, 1},
        {"name", JSON_STRING, NULL, 1},
        {"description", JSON_STRING, NULL, 1},
        {"deliver_policy", JSON_STRING, "\"all\"", 0},
        {"opt_start_seq", JSON_INTEGER, NULL, 1},
        {"opt_start_time", JSON_STRING, NULL, 1},
        {"ack_policy", JSON_STRING, "\"none\"", 0},
        {"ack_wait", JSON_INTEGER, NULL, 1},
        {"max_deliver", JSON_INTEGER, "-1", 0},
        {"backoff", JSON_ARRAY, NULL, 1},
        {"filter_subject", JSON_STRING, NULL, 1},
        {"replay_policy", JSON_STRING, "\"instant\"", 0},
        {"rate_limit_bps", JSON_INTEGER, NULL, 1},
        {"sample_freq", JSON_STRING, NULL, 1},
        {"max_waiting", JSON_INTEGER, NULL, 1},
        {"max_ack_pending", JSON_INTEGER, NULL, 1},
        {"idle_heartbeat", JSON_INTEGER, NULL, 1},
        {"flow_control", JSON_TRUE, NULL, 1},
        {"headers_only", JSON_TRUE, NULL, 1},
        {"max_batch", JSON_INTEGER, NULL, 1},
        {"max_expires", JSON_INTEGER, NULL, 1},
        {"max_bytes", JSON_INTEGER, NULL, 1},
        {"deliver_subject", JSON_STRING, NULL, 1},
        {"deliver_group", JSON_STRING, NULL, 1},
        {"inactive_threshold", JSON_INTEGER, NULL, 1},
        {"num_replicas", JSON_INTEGER, "0", 0},
        {"direct", JSON_TRUE, NULL, 1},
};

#define CONSUMER_MEMBERS (sizeof consumer_members / sizeof consumer_members[0])

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

static enum atr_status set_member(json_t *config, const char *what, const struct member *m,
                                  const json_t *given, struct atr_error *err)
{
	json_t *value = json_object_get(given, m->name);

	if (json_is_null(value))
		value = NULL;
	if (value != NULL && !has_type(value, m->type))
		return atr_error_set(err, ATR_EINVAL, NULL, -1,
		                     "%s configuration: \"%s\" has a wrong type", what, m->name);
	if (value == NULL && m->omit)
		return ATR_OK;
	value = value != NULL ? json_deep_copy(value) : json_loads(m->value, JSON_DECODE_ANY, NULL);
	/* also without memory for the value */
	if (json_object_set_new(config, m->name, value) != 0)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a configuration");
	return ATR_OK;
}

/* "none" is left out, as if the member were not known. */
static enum atr_status check_compression(json_t *config, struct atr_error *err)
{
	const char *compression = json_string_value(json_object_get(config, "compression"));

	if (compression == NULL || strcmp(compression, "s2") == 0)
		return ATR_OK;
	if (strcmp(compression, "none") != 0)
		return atr_error_set(err, ATR_EINVAL, NULL, -1,
		                     "stream configuration: compression is \"%.40s\", expected "
		                     "\"none\" or \"s2\"",
		                     compression);
	(void)json_object_del(config, "compression");
	return ATR_OK;
}

/* What both begin with: the members that were given, taken as the table says, and "Created". Both
 * objects are owned by the caller, whatever is returned. */
static enum atr_status begin_config(const char *what, const char *json, int64_t created_ns,
                                    const struct member *table, size_t table_count, json_t **given,
                                    json_t **config, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;
	json_error_t where;
	char created[40];

	*config = json_object();
	*given = json_loads(json != NULL ? json : "{}", JSON_REJECT_DUPLICATES, &where);
	if (*given == NULL || !json_is_object(*given))
		return atr_error_set(err, ATR_EINVAL, NULL, -1, "%s configuration: %s", what,
		                     *given == NULL ? where.text : "not a JSON object");
	atr_config_time(created_ns, created);
	if (json_object_set_new(*config, "Created", json_string(created)) != 0)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a configuration");
	for (size_t i = 0; i < table_count && rc == ATR_OK; i++)
		rc = set_member(*config, what, &table[i], *given, err);
	return rc;
}

enum atr_status atr_config_make(const char *json, const char *stream, int64_t created_ns,
                                json_t **out, struct atr_error *err)
{
	json_t *given, *config;
	enum atr_status rc;

	*out = NULL;
	rc = begin_config("stream", json, created_ns, members, MEMBERS, &given, &config, err);
	if (rc == ATR_OK)
		rc = check_compression(config, err);
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

/* ---- consumers ---- */

static int is_one_of(const json_t *value, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(json_string_value(value), *words) == 0)
			return 1;
	return 0;
}

static enum atr_status check_words(const json_t *config, struct atr_error *err)
{
	static const char *const ack[] = {"none", "all", "explicit", NULL};
	static const char *const replay[] = {"instant", "original", NULL};
	static const char *const deliver[] = {
	        "all",           "last", "last_per_subject", "new", "by_start_sequence",
	        "by_start_time", NULL};
	static const struct {
		const char *member;
		const char *const *words;
	} checks[] = {{"ack_policy", ack}, {"replay_policy", replay}, {"deliver_policy", deliver}};

	for (size_t i = 0; i < 3; i++) {
		const json_t *value = json_object_get(config, checks[i].member);

		if (!is_one_of(value, checks[i].words))
			return atr_error_set(err, ATR_EINVAL, NULL, -1,
			                     "consumer configuration: %s is \"%s\"",
			                     checks[i].member, json_string_value(value));
	}
	return ATR_OK;
}

static int set_default(json_t *config, const char *name, json_int_t value)
{
	return json_integer_value(json_object_get(config, name)) != 0
	               ? 0
	               : json_object_set_new(config, name, json_integer(value));
}

/* Source: nats-server server/consumer.go, setConsumerConfigDefaults. */
static int set_consumer_defaults(json_t *config)
{
	const char *ack = json_string_value(json_object_get(config, "ack_policy"));
	const json_t *backoff = json_object_get(config, "backoff");
	int acks = strcmp(ack, "none") != 0, failed;

	failed = set_default(config, "max_deliver", -1);
	if (json_array_size(backoff) > 0)
		failed |= json_object_set(config, "ack_wait", json_array_get(backoff, 0));
	else if (acks)
		failed |= set_default(config, "ack_wait", INT64_C(30000000000));
	if (json_object_get(config, "deliver_subject") == NULL)
		failed |= set_default(config, "max_waiting", 512);
	if (acks)
		failed |= set_default(config, "max_ack_pending", 1000);
	return failed;
}

/* A consumer that has no name of its own in its configuration is a durable one. */
static enum atr_status set_consumer_name(json_t *config, const char *consumer,
                                         struct atr_error *err)
{
	const char *durable = json_string_value(json_object_get(config, "durable_name"));
	const char *name = json_string_value(json_object_get(config, "name"));

	if ((durable != NULL && strcmp(durable, consumer) != 0) ||
	    (name != NULL && strcmp(name, consumer) != 0))
		return atr_error_set(err, ATR_EINVAL, NULL, -1,
		                     "consumer configuration: found the name \"%.255s\", expected "
		                     "\"%.255s\"",
		                     durable != NULL ? durable : name, consumer);
	if (json_object_set_new(config, "Name", json_string(consumer)) != 0 ||
	    (durable == NULL && name == NULL &&
	     json_object_set_new(config, "durable_name", json_string(consumer)) != 0))
		return atr_error_set(err, ATR_EINVAL, NULL, -1,
		                     "consumer name \"%.255s\": not UTF-8, or no memory", consumer);
	return ATR_OK;
}

enum atr_status atr_config_make_consumer(const char *json, const char *consumer, int64_t created_ns,
                                         json_t **out, struct atr_error *err)
{
	json_t *given, *config;
	enum atr_status rc;

	*out = NULL;
	rc = begin_config("consumer", json, created_ns, consumer_members, CONSUMER_MEMBERS, &given,
	                  &config, err);
	if (rc == ATR_OK && json_is_true(json_object_get(given, "mem_storage")))
		rc = atr_error_set(err, ATR_EINVAL, NULL, -1,
		                   "consumer configuration: mem_storage, which has no directory");
	if (rc == ATR_OK)
		rc = check_words(config, err);
	if (rc == ATR_OK)
		rc = set_consumer_name(config, consumer, err);
	if (rc == ATR_OK && set_consumer_defaults(config) != 0)
		rc = atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a configuration");
	if (rc == ATR_OK) {
		*out = config;
		config = NULL;
	}
	json_decref(given);
	json_decref(config);
	return rc;
}

/* ---- block size ---- */

static uint64_t positive(const json_t *config, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(config, name));

	return v > 0 ? (uint64_t)v : 0;
}

/* Longest literal subject configured; 0 when one has a wildcard or none is. */
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
	return longest;
}

uint64_t atr_config_block_bytes(const json_t *config, int encrypted)
{
	const char *retention = json_string_value(json_object_get(config, "retention"));
	const struct atr_footprint_limits limits = {
	        .max_bytes = positive(config, "max_bytes"),
	        .max_msgs = positive(config, "max_msgs"),
	        .max_msgs_per_subject = positive(config, "max_msgs_per_subject"),
	        .max_msg_bytes = positive(config, "max_msg_size"),
	        .subject_bytes = subject_bytes(config),
	        .other_retention = retention != NULL && strcmp(retention, "limits") != 0,
	};

	return atr_footprint_block_bytes(&limits, encrypted);
}
