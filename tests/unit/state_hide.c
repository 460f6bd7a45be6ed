#include "tests/unit/state_hide.h"

#include <stdlib.h>

#include "store/subjects.h"
#include "tests/unit/store_fixture.h"

void state_hide(struct atr_store *store, uint64_t sequence)
{
	struct block_entry *entry = store->entry;
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;

	while (entry->last_seq < sequence)
		entry++;
	assert_true(entry->messages > 1 && sequence > entry->first_seq);
	assert_ok(atr_reader_open(store, &reader, &err), &err);
	assert_ok(atr_reader_get(reader, sequence, &m, &err), &err);
	if (entry->deleted == NULL)
		entry->deleted = calloc(1, sizeof *entry->deleted);
	assert_non_null(entry->deleted);
	assert_int_equal(atr_seqset_insert(entry->deleted, sequence, sequence), ATR_OK);
	entry->messages--;
	entry->live_bytes -= atr_record_bytes(&m);
	store->messages--;
	store->bytes -= atr_record_bytes(&m);
	atr_subjects_remove(store->subjects, m.subject, m.subject_bytes, sequence, entry->number);
	store->prepared = 1; /* something changed */
	atr_reader_close(reader);
}
