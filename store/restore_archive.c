/* restore_archive.c - the archive of nats-server 2.15.
 *
 *   "NATSARC1", then entries: uvarint name bytes, varint timestamp, uvarint sequence, uvarint
 *   header bytes, uvarint payload bytes, name, header, payload
 *
 *   state.json, consumers/<NAME> as its consumer_count says, the messages (name = subject), and as
 *   end mark an entry of zeros.
 * Source: nats-server server/stream_backup.go, streamSnapshotV2.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/bytes.h"
#include "store/config.h"
#include "store/restore.h"

#define JSON_BYTES_MAX ((uint64_t)256 * 1024 * 1024)

struct entry {
	char *name; /* NUL-terminated */
	size_t name_bytes;
	int64_t time_ns;
	uint64_t sequence, header_bytes, payload_bytes;
	uint8_t *content; /* header and payload; NUL-terminated */
};

struct entries {
	struct atr_restore *r;
	struct entry entry;
	size_t content_capacity;
};

static enum atr_status read_number(struct atr_restore *r, uint64_t *out, struct atr_error *err)
{
	uint8_t text[ATR_UVARINT_BYTES_MAX];
	struct atr_cursor cursor = {.at = text};
	size_t n = 0;
	enum atr_status rc;

	do {
		rc = snapshot_read(r->source, text + n, 1, err);
		if (rc != ATR_OK)
			return rc;
		n++;
	} while (text[n - 1] >= 0x80 && n < sizeof text);
	cursor.end = text + n;
	*out = atr_cursor_uvarint(&cursor);
	return cursor.failed ? atr_error_set(err, ATR_EFORMAT, NULL, -1,
	                                     "the archive is damaged: a number does not end")
	                     : ATR_OK;
}

/* The content of an entry is kept until the next one. */
static enum atr_status read_content(struct entries *e, uint64_t bytes, struct atr_error *err)
{
	if (bytes + 1 > e->content_capacity) {
		uint8_t *larger = realloc(e->entry.content, (size_t)bytes + 1);

		if (larger == NULL)
			return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for an entry");
		e->entry.content = larger;
		e->content_capacity = (size_t)bytes + 1;
	}
	e->entry.content[bytes] = 0;
	return snapshot_read(e->r->source, e->entry.content, (size_t)bytes, err);
}

static enum atr_status next_entry(struct entries *e, struct atr_error *err)
{
	struct entry *entry = &e->entry;
	uint64_t name_bytes = 0, time = 0, limit;
	enum atr_status rc = read_number(e->r, &name_bytes, err);

	if (rc == ATR_OK)
		rc = read_number(e->r, &time, err);
	if (rc == ATR_OK)
		rc = read_number(e->r, &entry->sequence, err);
	if (rc == ATR_OK)
		rc = read_number(e->r, &entry->header_bytes, err);
	if (rc == ATR_OK)
		rc = read_number(e->r, &entry->payload_bytes, err);
	if (rc != ATR_OK)
		return rc;
	entry->time_ns = (int64_t)(time >> 1) ^ -(int64_t)(time & 1);
	limit = entry->sequence > 0 ? ATR_RECORD_BYTES_MAX : JSON_BYTES_MAX;
	if (name_bytes > ATR_SUBJECT_BYTES_MAX || entry->header_bytes > limit ||
	    entry->payload_bytes > limit - entry->header_bytes)
		return atr_error_set(err, ATR_EFORMAT, NULL, -1,
		                     "the archive is damaged: an entry of %" PRIu64 ", %" PRIu64
		                     " and %" PRIu64 " bytes",
		                     name_bytes, entry->header_bytes, entry->payload_bytes);
	free(entry->name);
	entry->name = malloc((size_t)name_bytes + 1);
	entry->name_bytes = (size_t)name_bytes;
	if (entry->name == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for an entry");
	entry->name[name_bytes] = '\0';
	rc = snapshot_read(e->r->source, entry->name, (size_t)name_bytes, err);
	return rc == ATR_OK ? read_content(e, entry->header_bytes + entry->payload_bytes, err) : rc;
}

static json_t *entry_json(const struct entry *entry)
{
	json_t *value = json_loadb((const char *)entry->content,
	                           (size_t)(entry->header_bytes + entry->payload_bytes),
	                           JSON_ALLOW_NUL, NULL);

	if (json_is_object(value))
		return value;
	json_decref(value);
	return NULL;
}

static uint64_t number(const json_t *object, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(object, name));

	return v > 0 ? (uint64_t)v : 0;
}

static enum atr_status take_lists(const json_t *json, struct atr_consumer_state *out,
                                  struct atr_error *err)
{
	json_t *pending = json_object_get(json, "pending");
	json_t *redelivered = json_object_get(json, "redelivered");
	const char *sequence;
	json_t *value;

	out->pending = calloc(json_object_size(pending) + 1, sizeof *out->pending);
	out->redelivered = calloc(json_object_size(redelivered) + 1, sizeof *out->redelivered);
	if (out->pending == NULL || out->redelivered == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a consumer");
	json_object_foreach(pending, sequence, value)
	{
		out->pending[out->pending_count++] = (struct atr_consumer_pending){
		        .stream_seq = strtoull(sequence, NULL, 10),
		        .consumer_seq = number(value, "Sequence"),
		        .delivered_s = json_integer_value(json_object_get(value, "Timestamp")) /
		                       1000000000,
		};
	}
	json_object_foreach(redelivered, sequence, value)
	{
		out->redelivered[out->redelivered_count++] = (struct atr_consumer_redelivered){
		        .stream_seq = strtoull(sequence, NULL, 10),
		        .count = (uint64_t)json_integer_value(value),
		};
	}
	return ATR_OK;
}

static enum atr_status take_consumer(struct atr_restore *r, const char *name,
                                     const struct entry *entry, const json_t *json,
                                     struct atr_error *err)
{
	const json_t *state = json_object_get(json, "state");
	const json_t *delivered = json_object_get(state, "delivered");
	const json_t *floor = json_object_get(state, "ack_floor");
	json_t *config = json_copy(json_object_get(json, "config"));
	struct atr_consumer_state s = {
	        .ack_floor_consumer = number(floor, "consumer_seq"),
	        .ack_floor_stream = number(floor, "stream_seq"),
	        .delivered_consumer = number(delivered, "consumer_seq"),
	        .delivered_stream = number(delivered, "stream_seq"),
	};
	char created[40];
	enum atr_status rc = take_lists(state, &s, err);

	atr_config_time(entry->time_ns, created);
	if (rc == ATR_OK && !json_is_object(config))
		rc = atr_error_set(
		        err, ATR_EFORMAT, NULL, -1,
		        "the archive is damaged: consumer \"%.255s\" has no configuration", name);
	if (rc == ATR_OK && (json_object_set_new(config, "Created", json_string(created)) != 0 ||
	                     json_object_set_new(config, "Name", json_string(name)) != 0))
		rc = atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a consumer");
	if (rc == ATR_OK)
		rc = restore_put_consumer(r, name, config, &s, err);
	json_decref(config);
	atr_consumer_free(&s);
	return rc;
}

static enum atr_status take_consumers(struct entries *e, uint64_t count, struct atr_error *err)
{
	static const char prefix[] = "consumers/";
	const size_t prefix_bytes = sizeof prefix - 1;
	enum atr_status rc = ATR_OK;

	for (uint64_t i = 0; i < count && rc == ATR_OK; i++) {
		json_t *json = NULL;

		rc = next_entry(e, err);
		if (rc != ATR_OK)
			return rc;
		if (strncmp(e->entry.name, prefix, prefix_bytes) == 0)
			json = entry_json(&e->entry);
		if (json == NULL)
			return atr_error_set(err, ATR_EFORMAT, NULL, -1,
			                     "the archive is damaged: \"%.200s\" is no consumer",
			                     e->entry.name);
		rc = take_consumer(e->r, e->entry.name + prefix_bytes, &e->entry, json, err);
		json_decref(json);
	}
	return rc;
}

static enum atr_status take_messages(struct entries *e, struct atr_error *err)
{
	const struct entry *entry = &e->entry;
	enum atr_status rc;

	while ((rc = next_entry(e, err)) == ATR_OK) {
		struct atr_message m = {
		        .sequence = entry->sequence,
		        .time_ns = entry->time_ns,
		        .subject = entry->name,
		        .subject_bytes = entry->name_bytes,
		        .headers = entry->content,
		        .headers_bytes = (size_t)entry->header_bytes,
		        .payload = entry->content + entry->header_bytes,
		        .payload_bytes = (size_t)entry->payload_bytes,
		};

		if (entry->sequence == 0 && entry->time_ns == 0 && entry->name_bytes == 0 &&
		    entry->header_bytes + entry->payload_bytes == 0)
			return snapshot_source_end(e->r->source, err);
		if (entry->sequence == 0 || entry->name_bytes == 0)
			return atr_error_set(err, ATR_EFORMAT, NULL, -1,
			                     "the archive is damaged: \"%.200s\" is no message",
			                     entry->name);
		rc = restore_put_message(e->r, &m, err);
		if (rc != ATR_OK)
			return rc;
	}
	return rc;
}

enum atr_status restore_archive(struct atr_restore *r, struct atr_error *err)
{
	struct entries e = {.r = r};
	json_t *state = NULL;
	enum atr_status rc = next_entry(&e, err);

	if (rc == ATR_OK) {
		if (strcmp(e.entry.name, "state.json") == 0)
			state = entry_json(&e.entry);
		if (state == NULL)
			rc = atr_error_set(
			        err, ATR_EFORMAT, NULL, -1,
			        "the archive is damaged: no state.json at its beginning");
	}
	if (rc == ATR_OK) {
		r->last_seq = number(state, "last_seq");
		rc = take_consumers(&e, number(state, "consumer_count"), err);
	}
	if (rc == ATR_OK)
		rc = take_messages(&e, err);
	if (rc == ATR_OK && number(state, "messages") != r->put.messages)
		rc = atr_error_set(err, ATR_EFORMAT, NULL, -1,
		                   "found %" PRIu64 " messages, its state says %" PRIu64,
		                   r->put.messages, number(state, "messages"));
	json_decref(state);
	free(e.entry.name);
	free(e.entry.content);
	return rc;
}
