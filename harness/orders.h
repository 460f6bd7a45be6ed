/* orders.h - what the run and a worker process say to each other: one JSON object a line.
 *
 *   run -> worker                                worker -> run
 *                                                {"protocol":4,"version":...,"build":...}
 *   {"order":"setup",...} and the key, raw       {"ok":true,...}
 *   {"order":"fill","directory":...}             {"ok":true,...}
 *   {"order":"slice","directory":...}            {"ok":true,"row":{column:value,...}}
 *
 * A failure is {"ok":false,"fault":N,"error":text}, or a row with valid 0. The server key is not
 * in a line: its bytes follow the setup line, and only memory for secrets holds them.
 */
#ifndef ATREST_HARNESS_ORDERS_H
#define ATREST_HARNESS_ORDERS_H

#include <stddef.h>
#include <stdint.h>

#include "harness/measure/histogram.h"
#include "harness/output/samples.h"
#include "harness/targets/target.h"
#include "workloads/workload.h"

#define ORDERS_PROTOCOL 4
#define ORDERS_LINE_MAX (256 * 1024)

enum order_kind { ORDER_SETUP, ORDER_FILL, ORDER_SLICE };

/* struct target_server as it travels. */
struct order_server {
	char program[4096];
	char version[32];
	char urls[1024];
	char user[256], password[256];
	char creds[4096], nkey[4096];
	char tls_cert[4096], tls_key[4096], tls_ca[4096];
	uint32_t replicas;
};

struct order {
	enum order_kind kind;
	char directory[4096]; /* fill, slice: a store_dir */
	/* setup */
	char target[16];
	char cipher[16];
	char provider[16]; /* "" = the default */
	uint64_t seed;     /* as text in the line: JSON integers are signed */
	size_t key_bytes;
	struct order_server server; /* texts "" and 0 for targets without one */
	struct workload workload;
	/* slice */
	int synced;           /* ends with a sync */
	int control;          /* check every message, look for clear text, try a wrong key */
	int keep;             /* the store stays: close it durably */
	uint64_t injected_ns; /* busy wait added to each operation; 0: none */
};

struct order_hello {
	char version[64];
	char commit[64];
	char build[32];
};

struct order_reply {
	int ok;
	struct target_error error; /* text "" when there is none */
	char library[128];         /* setup: what enciphers */
	char warning[256];         /* slice: does not spoil the row; "" = none */
	/* slice: every latency and response time that was recorded, histogram.h; "" = none */
	char latency[HISTOGRAM_TEXT_BYTES];
	char response[HISTOGRAM_TEXT_BYTES];
	struct sample row; /* slice: the columns that were sent replace those in here */
};

/* Each returns a line with its newline, malloc'd; NULL when memory is out. */
char *orders_write(const struct order *order);
char *orders_write_hello(const struct order_hello *hello);
/* row NULL: none. */
char *orders_write_reply(const struct order_reply *reply, const struct sample *row);

/* 0; or -1 and error says what was wrong with the line. */
int orders_read(const char *line, struct order *out, char error[256]);
int orders_read_hello(const char *line, struct order_hello *out, char error[256]);
int orders_read_reply(const char *line, struct order_reply *out, char error[256]);

#endif
