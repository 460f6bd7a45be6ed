/* config.h - the stream configuration as it stands in meta.inf.
 *
 * Only the members that nats-server 2.9 knows are written: newer servers refuse a stream whose
 * meta.inf has members they do not know, and older ones ignore them. One exception: "compression",
 * where it is "s2". Such a stream is for servers >= 2.10 alone, since 2.9 takes a compressed block
 * for a damaged one and cuts it off.
 * Source: nats-server server/stream.go, StreamConfig; server/filestore.go, dynBlkSize;
 * server/store.go, StoreCompression.
 */
#ifndef ATREST_STORE_CONFIG_H
#define ATREST_STORE_CONFIG_H

#include <jansson.h>

#include "store/status.h"

/* The configuration of a new stream: the server's defaults, then the members of json (a JSON
 * object; NULL = none), then "name" and "Created" from stream and created_ns.
 *
 * Without "subjects", "mirror" and "sources" the subject is the stream's name, as the server
 * does. Members that 2.9 does not know are left out, but for "compression": "s2".
 *
 * Returns ATR_OK, *out owned by the caller; ATR_EINVAL, json does not parse, is no object, a
 * member has another type than the server's, storage is not "file", or compression is another word
 * than the server's; ATR_ENOMEM.
 */
enum atr_status atr_config_make(const char *json, const char *stream, int64_t created_ns,
                                json_t **out, struct atr_error *err);

/* The configuration of a new consumer, the same way; json: its members. "Name" is the consumer's;
 * without "durable_name" and "name" it is durable. ATR_EINVAL also for an unknown policy, another
 * name and "mem_storage": such a consumer has no directory.
 * Source: nats-server server/consumer.go, ConsumerConfig, setConsumerConfigDefaults. */
enum atr_status atr_config_make_consumer(const char *json, const char *consumer, int64_t created_ns,
                                         json_t **out, struct atr_error *err);

/* Largest block file under the server's rule, from the limits and retention of a configuration.
 * encrypted: the cap of 2 MiB (since 2.9.16) for streams without limits. */
uint64_t atr_config_block_bytes(const json_t *config, int encrypted);

/* RFC 3339, UTC, up to 9 fraction digits, trailing zeros dropped: 30 bytes and the NUL. */
void atr_config_time(int64_t time_ns, char text[40]);

#endif
