/* fuzz_state.c - any bytes as a state file: refused, or every list in the result can be walked.
 *
 * The first byte chooses the file: index.db, idx, fss, o.dat. All are taken as deciphered and
 * without their hash, so that mutations get past those.
 */
#include <stdlib.h>
#include <string.h>

#include "store/consumer.h"
#include "store/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static volatile uint64_t sink; /* so that the walks below are not left out */

static void walk_block(const struct atr_index_block *block)
{
	size_t i;

	sink += atr_seqset_count(&block->deleted, block->first_seq, block->last_seq);
	for (i = 0; i < block->deleted.count; i++) {
		const struct atr_range *range = &block->deleted.range[i];

		if (range->last < range->first ||
		    (i > 0 && range->first <= block->deleted.range[i - 1].last))
			abort();
	}
}

static void walk_subjects(const struct atr_index_subject *subject, size_t count)
{
	size_t i, j;

	for (i = 0; i < count; i++)
		for (j = 0; j < subject[i].name_bytes; j++)
			sink += (uint8_t)subject[i].name[j];
}

static void index_db(uint8_t *text, size_t bytes)
{
	struct atr_index index;
	const char *why = NULL;
	size_t i;

	if (atr_index_decode(text, bytes, &index, &why) != ATR_OK)
		return;
	walk_subjects(index.subject, index.subject_count);
	for (i = 0; i < index.block_count; i++)
		walk_block(&index.block[i]);
	atr_index_free(&index);
}

static void idx(const uint8_t *text, size_t bytes)
{
	struct atr_idx idx;
	const char *why = NULL;

	if (atr_idx_decode(text, bytes, &idx, &why) != ATR_OK)
		return;
	walk_block(&idx.block);
	atr_idx_free(&idx);
}

static void fss(uint8_t *text, size_t bytes)
{
	struct atr_fss fss;
	const char *why = NULL;

	if (atr_fss_decode(NULL, text, bytes, &fss, &why) != ATR_OK)
		return;
	walk_subjects(fss.subject, fss.subject_count);
	atr_fss_free(&fss);
}

static void consumer(const uint8_t *text, size_t bytes)
{
	struct atr_consumer_state state;
	const char *why = NULL;
	size_t i;

	if (atr_consumer_decode(text, bytes, &state, &why) != ATR_OK)
		return;
	for (i = 0; i < state.pending_count; i++)
		sink += state.pending[i].stream_seq;
	for (i = 0; i < state.redelivered_count; i++)
		sink += state.redelivered[i].count;
	atr_consumer_free(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint8_t *text;
	unsigned which;

	if (bytes == 0)
		return 0;
	which = data[0] % 4;
	bytes--;
	text = malloc(bytes ? bytes : 1);
	if (!text)
		return 0;
	memcpy(text, data + 1, bytes);
	switch (which) {
	case 0:
		index_db(text, bytes); /* owns it */
		return 0;
	case 1:
		idx(text, bytes);
		break;
	case 2:
		fss(text, bytes); /* owns it */
		return 0;
	default:
		consumer(text, bytes);
	}
	free(text);
	return 0;
}
