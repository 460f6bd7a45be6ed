/* target_store_closed.c - what the store target does with streams that are not open: they come
 * under another cipher or key, into a snapshot, out of one. One call of store/inspect.h each.
 */
#include "harness/targets/target_store_inner.h"

#include <stdio.h>
#include <string.h>

#include "store/inspect.h"

/* The real files, but the directory is this run's own: no look through all processes for a server.
 */
static const struct atr_file_table *own_files(struct atr_file_table *files)
{
	*files = atr_file_real;
	files->holder = NULL;
	return files;
}

static int stream_convert(const struct target_options *from, const struct target_options *to,
                          const char *path, struct target_error *error)
{
	const struct atr_cipher *cipher = atr_cipher_find(to->cipher, to->provider);
	const struct atr_cipher *before = atr_cipher_find(from->cipher, from->provider);
	struct atr_file_table files;
	struct atr_inspect_options inspect = {.files = own_files(&files),
	                                      .account = TARGET_STORE_ACCOUNT,
	                                      .prefer = before,
	                                      .exclusive = 1};
	/* Plaintext to plaintext is as asked before anything was done. */
	struct atr_convert_options options = {.cipher = cipher, .anew = 1};
	struct atr_convert_result result;
	struct atr_inspect *in;
	struct atr_error why;
	enum atr_status status;

	if (atr_cipher_encrypts(cipher)) {
		inspect.key = to->key;
		inspect.key_bytes = to->key_bytes;
	}
	if (atr_cipher_encrypts(before)) {
		inspect.prev_key = from->key;
		inspect.prev_key_bytes = from->key_bytes;
	}
	status = atr_inspect_open(path, &inspect, &in, &why);
	if (status == ATR_OK)
		status = atr_convert(in, &options, &result, &why);
	atr_inspect_close(in);
	return status == ATR_OK ? 0 : target_store_failed(error, status, &why);
}

int target_store_convert(const struct target_options *from, const struct target_options *to,
                         const char *directory, struct target_error *error)
{
	char name[TARGET_STORE_NAME_BYTES], path[4096];

	for (uint32_t i = 0; i < to->workload->streams; i++)
		if (target_store_path(directory, i, name, path, error) != 0 ||
		    stream_convert(from, to, path, error) != 0)
			return -1;
	return 0;
}

/* ---- is it what it should be? ---- */

static int blocks_are_under(struct atr_inspect *in, const struct target_options *options,
                            const char *path, struct target_error *error)
{
	struct atr_inspect_stream stream;
	struct atr_inspect_block block;
	struct atr_error why;
	enum atr_status status = atr_inspect_open_keys(in, &why);

	if (status != ATR_OK)
		return target_store_failed(error, status, &why);
	atr_inspect_stream(in, &stream);
	for (size_t i = 0; i < stream.blocks; i++) {
		atr_inspect_block(in, i, &block);
		if (strcmp(block.cipher, options->cipher) != 0)
			return target_fail(error, TARGET_VERIFY,
			                   "%s: block %llu is under cipher %s, expected %s", path,
			                   (unsigned long long)block.number, block.cipher,
			                   options->cipher);
	}
	return 0;
}

int target_store_is_under(const struct target_options *options, const char *directory,
                          struct target_error *error)
{
	struct atr_file_table files;
	struct atr_inspect_options inspect = {
	        .files = own_files(&files),
	        .account = TARGET_STORE_ACCOUNT,
	        .prefer = atr_cipher_find(options->cipher, options->provider)};
	char name[TARGET_STORE_NAME_BYTES], path[4096];
	int rc = 0;

	if (atr_cipher_encrypts(inspect.prefer)) {
		inspect.key = options->key;
		inspect.key_bytes = options->key_bytes;
	}
	for (uint32_t i = 0; rc == 0 && i < options->workload->streams; i++) {
		struct atr_inspect *in = NULL;
		struct atr_error why;
		enum atr_status status;
		if (target_store_path(directory, i, name, path, error) != 0)
			return -1;
		status = atr_inspect_open(path, &inspect, &in, &why);
		rc = status == ATR_OK ? blocks_are_under(in, options, path, error)
		                      : target_store_failed(error, status, &why);
		atr_inspect_close(in);
	}
	return rc;
}
