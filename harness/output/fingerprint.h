/* fingerprint.h - machine.json read back: was it the same machine, and what else was different?
 *
 * Must agree     CPU model, its instructions, processors (and how many were allowed), memory
 *                within FINGERPRINT_MEMORY_PCT, hypervisor, and the file system's type under each
 *                directory that both have by name. Where these differ, times say nothing.
 * May change     kernel, libraries, build, label and the like: what a comparison is asked about.
 */
#ifndef ATREST_HARNESS_OUTPUT_FINGERPRINT_H
#define ATREST_HARNESS_OUTPUT_FINGERPRINT_H

#include <jansson.h>
#include <stddef.h>

#define FINGERPRINT_MEMORY_PCT 2
#define FINGERPRINT_FACTS_MAX  48

/* One fact that differs; what a side does not tell is "-". */
struct fingerprint_fact {
	char what[96]; /* "CPU model", "file system of default" */
	char base[256];
	char new_[256];
};

struct fingerprint_facts {
	struct fingerprint_fact list[FINGERPRINT_FACTS_MAX]; /* further ones are dropped */
	size_t count;
};

/* The machine of a run as a new object, or NULL and error: "path: found, expected", also when a
 * member that must agree is missing: two files that tell nothing are not of the same machine.
 * *missing, unless NULL, tells that the file is not there. */
json_t *fingerprint_read(const char *path, int *missing, char error[512]);

/* Appends what differs. Either object may also be machine_fingerprint's own: without names of
 * directories these are not compared. */
void fingerprint_differences(const json_t *base, const json_t *new_, struct fingerprint_facts *out);
void fingerprint_changes(const json_t *base, const json_t *new_, struct fingerprint_facts *out);

/* Appends one, unless the two are equal or it is there. */
void fingerprint_note(struct fingerprint_facts *out, const char *what, const char *base,
                      const char *new_);

#endif
