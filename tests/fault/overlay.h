/* overlay.h - a directory tree held in memory behind a struct atr_file_table, in which the content
 * of one file can be replaced: thousands of damaged stores a second, none on disk.
 */
#ifndef ATREST_TESTS_FAULT_OVERLAY_H
#define ATREST_TESTS_FAULT_OVERLAY_H

#include "store/file.h"

struct overlay_file {
	char *path; /* below the root */
	uint8_t *content;
	size_t bytes;
};

struct overlay {
	struct atr_file_table table; /* what the store is given */
	struct overlay_file *file;
	size_t file_count;
	/* the replacement: file[changed] reads as this; changed == file_count: none */
	size_t changed;
	const uint8_t *changed_content;
	size_t changed_bytes;
	uint64_t writes; /* calls that would have changed something; they fail */
	uint64_t opened; /* descriptors that are open now */
	size_t root_bytes;
	char root[4096];
};

/* Reads the whole tree below root. 0, or -1. */
int overlay_load(struct overlay *o, const char *root);
void overlay_replace(struct overlay *o, size_t file, const uint8_t *content, size_t bytes);
void overlay_restore(struct overlay *o);
void overlay_free(struct overlay *o);

#endif
