/* convert_meta.c - the meta files of a stream and its consumers, and what the consumers have done,
 * sealed anew.
 *
 * For 2.9 the members of a configuration that it does not know are left out: it would ignore them,
 * but with "compression" a newer server would compress again.
 * Members: nats-server v2.9.10 server/stream.go, StreamConfig; server/consumer.go, ConsumerConfig.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/convert_inner.h"

static const char *const stream_members[] = {
        "Created",
        "name",
        "description",
        "subjects",
        "retention",
        "max_consumers",
        "max_msgs",
        "max_bytes",
        "max_age",
        "max_msgs_per_subject",
        "max_msg_size",
        "discard",
        "storage",
        "num_replicas",
        "no_ack",
        "template_owner",
        "duplicate_window",
        "placement",
        "mirror",
        "sources",
        "republish",
        "allow_direct",
        "mirror_direct",
        "discard_new_per_subject",
        "sealed",
        "deny_delete",
        "deny_purge",
        "allow_rollup_hdrs",
        NULL,
};

static const char *const consumer_members[] = {
        "Created",
        "Name",
        "durable_name",
        "name",
        "description",
        "deliver_policy",
        "opt_start_seq",
        "opt_start_time",
        "ack_policy",
        "ack_wait",
        "max_deliver",
        "backoff",
        "filter_subject",
        "replay_policy",
        "rate_limit_bps",
        "sample_freq",
        "max_waiting",
        "max_ack_pending",
        "idle_heartbeat",
        "flow_control",
        "headers_only",
        "max_batch",
        "max_expires",
        "max_bytes",
        "deliver_subject",
        "deliver_group",
        "inactive_threshold",
        "num_replicas",
        "mem_storage",
        "direct",
        NULL,
};

static int is_listed(const char *const *list, const char *name)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, name) == 0)
			return 1;
	return 0;
}

int convert_config_is_newer(const json_t *config, int of_consumer)
{
	const char *const *list = of_consumer ? consumer_members : stream_members;
	void *at = json_object_iter((json_t *)(size_t)config);

	for (; at != NULL; at = json_object_iter_next((json_t *)(size_t)config, at))
		if (!is_listed(list, json_object_iter_key(at)))
			return 1;
	return 0;
}

/* A copy of the configuration as it is to be; NULL without memory. */
static json_t *config_for(const struct convert *c, const json_t *config, int of_consumer)
{
	const char *const *list = of_consumer ? consumer_members : stream_members;
	json_t *copy = json_copy((json_t *)(size_t)config);
	const char *name;
	json_t *value;
	void *next;

	if (copy != NULL && c->for_2_9)
		json_object_foreach_safe(copy, next, name, value)
		{
			if (!is_listed(list, name))
				(void)json_object_del(copy, name);
		}
	return copy;
}

static enum atr_status make_directory(const struct convert *c, const char *path,
                                      struct atr_error *err)
{
	int result = c->files->mkdir(c->files->context, path, 0750);

	return result < 0 && result != -EEXIST ? atr_file_error(err, result, path, -1, "mkdir")
	                                       : ATR_OK;
}

/* The three files, under a fresh seed, which stays in *seed for what else is sealed with it. */
static enum atr_status write_meta(const struct convert *c, const char *dir, const char *context,
                                  const char *hash_name, const json_t *config, int of_consumer,
                                  struct atr_seed *seed, struct atr_error *err)
{
	json_t *copy = config_for(c, config, of_consumer);
	enum atr_status rc = ATR_OK;

	if (copy == NULL)
		return atr_error_set(err, ATR_ENOMEM, dir, -1, "no memory for a configuration");
	if (c->cipher != NULL) {
		rc = atr_keyfile_make(c->files, c->cipher, seed);
		if (rc != ATR_OK)
			(void)atr_error_set(err, rc, dir, -1, "%s", atr_status_text(rc));
	}
	if (rc == ATR_OK)
		rc = atr_meta_write(c->files, dir, &c->ring, c->in->account, context, hash_name,
		                    copy, c->cipher != NULL ? seed : NULL, err);
	json_decref(copy);
	return rc;
}

/* o.dat. A consumer that has none and begins at the first message gets an empty state: one without
 * is lost when a server changes the cipher. Where another start is configured, the server finds it
 * only when there is no state. */
static enum atr_status write_state(const struct convert *c, const char *dir, const json_t *config,
                                   const uint8_t *text, size_t text_bytes,
                                   const struct atr_seed *seed, struct atr_error *err)
{
	static const uint8_t empty[8] = {22, 2};
	const char *policy = json_string_value(json_object_get(config, "deliver_policy"));
	uint8_t *sealed = NULL;
	char path[PATH_MAX];
	size_t sealed_bytes;
	enum atr_status rc = filetree_join(path, dir, "o.dat", err);

	if (rc != ATR_OK)
		return rc;
	if (text == NULL) {
		if (policy != NULL && strcmp(policy, "all") != 0)
			return ATR_OK;
		text = empty;
		text_bytes = sizeof empty;
	}
	if (c->cipher == NULL)
		return atr_file_replace(c->files, path, text, text_bytes, err);
	rc = atr_meta_seal(c->files, seed, text, text_bytes, &sealed, &sealed_bytes);
	if (rc != ATR_OK)
		return atr_error_set(err, rc, path, -1, "sealing: %s", atr_status_text(rc));
	rc = atr_file_replace(c->files, path, sealed, sealed_bytes, err);
	free(sealed);
	return rc;
}

/* secret: where the two seeds may be while they are needed. */
struct secret {
	struct atr_meta meta;
	struct atr_seed seed;
};

static enum atr_status convert_consumer(const struct convert *c, const char *name,
                                        struct secret *secret, struct atr_error *err)
{
	char dir[PATH_MAX], context[600], hash_name[600];
	uint8_t *text = NULL;
	size_t text_bytes = 0;
	enum atr_status rc;

	rc = survey_read_consumer(c->in, name, &secret->meta, &text, &text_bytes, err);
	(void)snprintf(context, sizeof context, "%s.%s", c->in->stream, name);
	(void)snprintf(hash_name, sizeof hash_name, "%s/%s", c->in->stream, name);
	if (rc == ATR_OK &&
	    snprintf(dir, sizeof dir, "%s/obs/%s", c->sibling, name) >= (int)sizeof dir)
		rc = atr_error_set(err, ATR_EINVAL, c->sibling, -1, "path too long");
	if (rc == ATR_OK)
		rc = make_directory(c, dir, err);
	if (rc == ATR_OK)
		rc = write_meta(c, dir, context, hash_name, secret->meta.config, 1, &secret->seed,
		                err);
	if (rc == ATR_OK)
		rc = write_state(c, dir, secret->meta.config, text, text_bytes, &secret->seed, err);
	free(text);
	atr_meta_free(&secret->meta);
	return rc;
}

enum atr_status convert_meta(struct convert *c, struct atr_error *err)
{
	struct secret *secret = atr_secret_alloc(sizeof *secret);
	char path[PATH_MAX];
	enum atr_status rc;

	if (secret == NULL)
		return atr_error_set(err, ATR_ENOMEM, c->in->dir, -1, "no memory for a key");
	rc = write_meta(c, c->sibling, c->in->stream, c->in->stream, c->in->meta->config, 0,
	                &secret->seed, err);
	if (rc == ATR_OK)
		rc = filetree_join(path, c->sibling, "obs", err);
	if (rc == ATR_OK)
		rc = make_directory(c, path, err);
	for (size_t i = 0; i < c->in->consumer_count && rc == ATR_OK; i++)
		rc = convert_consumer(c, c->in->consumer[i].name, secret, err);
	if (rc == ATR_OK)
		rc = atr_file_sync_directory(c->files, path, err);
	atr_secret_free(secret);
	return rc;
}
