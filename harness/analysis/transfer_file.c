/* transfer_file.c - transfer.csv, as transfer.h says. */
#include "harness/analysis/transfer.h"

#include "harness/output/csv.h"
#include "harness/output/replace.h"

#include <errno.h>
#include <string.h>

#define NAME(name) #name,
static const char *const columns[] = {TRANSFER_COLUMNS(NAME, NAME, NAME)};
#undef NAME

static void put_row(struct csv_text *t, const struct transfer_row *row)
{
#define T(name) csv_put_text(t, row->name);
#define U(name) csv_put_u64(t, row->name);
#define F(name) csv_put_real(t, row->name, 6);
	TRANSFER_COLUMNS(T, U, F)
#undef T
#undef U
#undef F
	csv_put_end(t);
}

int transfer_text(const struct transfer *transfer, struct csv_text *out)
{
	memset(out, 0, sizeof(*out));
	csv_put_head(out, TRANSFER_SCHEMA, TRANSFER_SCHEMA_VERSION, columns,
	             sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < transfer->count; i++)
		put_row(out, &transfer->rows[i]);
	if (!out->failed && csv_put_trailer(out, transfer->count, out->data, out->bytes) == 0)
		return 0;
	csv_text_free(out);
	return -1;
}

int transfer_write(const char *path, const struct transfer *transfer)
{
	struct csv_text t;
	if (transfer_text(transfer, &t) != 0)
		return -ENOMEM;
	int rc = replace_file(path, t.data, t.bytes);
	csv_text_free(&t);
	return rc;
}
