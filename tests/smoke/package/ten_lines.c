/* ten_lines.c - the smallest program on the installed library: one message in, one out. */
#include <stdio.h>

#include "store/store.h"

int main(int argc, char **argv)
{
	const struct atr_store_options options = {.cipher = atr_cipher_find("aes", NULL),
	                                          .key = (const uint8_t *)"k",
	                                          .key_bytes = 1};
	struct atr_message m = {.subject = "greeting", .subject_bytes = 8};
	struct atr_store *store = NULL;
	struct atr_reader *reader = NULL;
	struct atr_error err = {0};

	if (argc != 2 || atr_store_create(argv[1], &options, &store, &err) != ATR_OK ||
	    atr_store_append(store, &m, NULL, &err) != ATR_OK ||
	    atr_reader_open(store, &reader, &err) != ATR_OK ||
	    atr_reader_get(reader, 1, &m, &err) != ATR_OK)
		return fprintf(stderr, "%s: %s\n", err.path, err.text), 1;
	printf("%.*s\n", (int)m.subject_bytes, m.subject);
	atr_reader_close(reader);
	return atr_store_close(store, &err) != ATR_OK;
}
