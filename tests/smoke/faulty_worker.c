/* faulty_worker.c - a worker with a planted fault, to prove that the run's controls find it. It is
 * linked with the linker's --wrap, so that the real store calls what stands here.
 *
 *   ATREST_TEST_FAULT=copy       the block cipher is a copy: nothing on disk is enciphered
 *   ATREST_TEST_FAULT=misread    the 100th message read has one bit changed
 *   ATREST_TEST_FAULT=crash      killed at the 150th append
 *   ATREST_TEST_FAULT=full       no space at the 150th append
 *   ATREST_TEST_FAULT=io         an I/O error there
 *   ATREST_TEST_FAULT=io-1000    an I/O error at every 1000th append and read, the others are fine
 *   ATREST_TEST_FAULT=skip       the 100th message read is the one after it
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/worker.h"
#include "store/store.h"

static int has_fault(const char *fault)
{
	const char *planted = getenv("ATREST_TEST_FAULT");

	return planted != NULL && strcmp(planted, fault) == 0;
}

int __real_atr_keystream_xor(struct atr_keystream *s, uint64_t offset, const uint8_t *in,
                             uint8_t *out, size_t bytes);
int __wrap_atr_keystream_xor(struct atr_keystream *s, uint64_t offset, const uint8_t *in,
                             uint8_t *out, size_t bytes);
enum atr_status __real_atr_reader_next(struct atr_reader *reader, uint64_t sequence,
                                       struct atr_message *m, struct atr_error *err);
enum atr_status __wrap_atr_reader_next(struct atr_reader *reader, uint64_t sequence,
                                       struct atr_message *m, struct atr_error *err);
enum atr_status __real_atr_store_append(struct atr_store *store, const struct atr_message *m,
                                        uint64_t *sequence, struct atr_error *err);
enum atr_status __wrap_atr_store_append(struct atr_store *store, const struct atr_message *m,
                                        uint64_t *sequence, struct atr_error *err);

int __wrap_atr_keystream_xor(struct atr_keystream *s, uint64_t offset, const uint8_t *in,
                             uint8_t *out, size_t bytes)
{
	if (!has_fault("copy"))
		return __real_atr_keystream_xor(s, offset, in, out, bytes);
	memmove(out, in, bytes);
	return 0;
}

enum atr_status __wrap_atr_reader_next(struct atr_reader *reader, uint64_t sequence,
                                       struct atr_message *m, struct atr_error *err)
{
	static unsigned count;
	enum atr_status status;

	count++;
	if (has_fault("io-1000") && count % 1000 == 0)
		return atr_error_set(err, ATR_EIO, "1.blk", 4096, "input/output error");
	if (has_fault("skip") && count == 100)
		sequence++;
	status = __real_atr_reader_next(reader, sequence, m, err);
	if (status == ATR_OK && has_fault("misread") && count == 100)
		((uint8_t *)(uintptr_t)m->payload)[m->payload_bytes / 2] ^= 0x10;
	return status;
}

enum atr_status __wrap_atr_store_append(struct atr_store *store, const struct atr_message *m,
                                        uint64_t *sequence, struct atr_error *err)
{
	static unsigned count;

	count++;
	if (count == 150 && has_fault("crash"))
		raise(SIGKILL);
	if (count >= 150 && has_fault("full"))
		return atr_error_set(err, ATR_ENOSPC, "1.blk", 4096, "no space left on device");
	if (count >= 150 && has_fault("io"))
		return atr_error_set(err, ATR_EIO, "1.blk", 4096, "input/output error");
	if (count % 1000 == 0 && has_fault("io-1000"))
		return atr_error_set(err, ATR_EIO, "1.blk", 4096, "input/output error");
	return __real_atr_store_append(store, m, sequence, err);
}

int main(void)
{
	return worker_main(STDIN_FILENO, STDOUT_FILENO);
}
