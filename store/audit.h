/* audit.h - what audit.c, audit_files.c and audit_images.c share (inner).
 *
 *   audit_files.c    from names, sizes, modes and clear files: needs no key
 *   audit_images.c   two images of one stream against each other: needs no key where the key files
 *                    are equal
 *   audit.c          the key, and what the opened stream shows
 */
#ifndef ATREST_STORE_AUDIT_H
#define ATREST_STORE_AUDIT_H

#include <limits.h>

#include "store/inspect.h"
#include "store/survey.h"

struct audit_block {
	uint64_t number;
	uint64_t blk_bytes, key_bytes; /* sizes of the files, 0 = none */
	unsigned has_blk : 1, has_key : 1, has_idx : 1, has_fss : 1;
};

struct audit {
	const struct atr_file_table *files;
	const struct atr_audit_options *options;
	const char *dir;
	char stream[300];
	struct atr_inspect *in; /* NULL: not opened */

	struct audit_block *block; /* ascending */
	size_t block_count, block_capacity;
	char **consumer; /* names */
	size_t consumer_count, consumer_capacity;
	int encrypted; /* meta.key is there */
	int has_index;
	/* two images: blocks with one key in both, bytes of them compared, those that differ */
	uint64_t same_blocks, compared_bytes, exposed_bytes;
	enum atr_status rc; /* of the listings, which cannot return one */
};

/* Findings of one kind, collected over files. */
struct audit_group {
	char path[PATH_MAX];
	uint64_t files, bytes;
};

/* Which texts a kind of finding has. */
struct audit_kind {
	enum atr_severity severity;
	const char *id, *consequence, *remedy;
};

void audit_group_add(struct audit_group *group, const char *path, uint64_t bytes);
/* Tells the finding, unless the group is empty. */
void audit_tell(struct audit *a, const struct audit_kind *kind, const struct audit_group *group,
                const char *evidence, ...) __attribute__((format(printf, 4, 5)));
/* DIR/NAME; 0 when it does not fit. */
int audit_path(char path[PATH_MAX], const char *dir, const char *name);

/* Lists blocks and consumers, then tells what the files show. */
enum atr_status audit_files(struct audit *a, struct atr_error *err);
enum atr_status audit_images(struct audit *a, struct atr_error *err);

#endif
