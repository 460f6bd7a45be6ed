/* cmd_ciphers.c - atrest ciphers: speed of each cipher and provider on this CPU. */
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/print_json.h"
#include "harness/measure/providers.h"
#include "harness/output/table.h"

struct ciphers_options {
	int json;
};

static int is_chosen(const struct provider_choice *choice, const struct atr_cipher *c)
{
	return providers_cipher(choice, atr_cipher_name(c)) == c;
}

/* One table of times or of rates; the sizes are its columns. */
static struct table *make_table(const struct provider_speed *rows, int count,
                                const struct provider_choice *choice, int rates)
{
	struct table *t = table_new();
	char size[TABLE_NUMBER_BYTES], number[TABLE_NUMBER_BYTES];

	table_column(t, "cipher", NULL, TABLE_LEFT);
	table_column(t, "provider", NULL, TABLE_LEFT);
	table_column(t, "chosen", "", TABLE_LEFT);
	for (size_t j = 0; j < PROVIDERS_SIZES; j++)
		table_column(t, table_bytes((double)providers_size_bytes[j], size), NULL,
		             TABLE_RIGHT);
	for (int i = 0; i < count; i++) {
		table_row(t);
		table_text(t, atr_cipher_name(rows[i].cipher));
		table_text(t, atr_cipher_provider(rows[i].cipher));
		table_text(t, is_chosen(choice, rows[i].cipher) ? "chosen" : "");
		for (size_t j = 0; j < PROVIDERS_SIZES; j++) {
			double ns = rows[i].ns[j];

			if (rates)
				table_real(t, providers_gib_s(providers_size_bytes[j], ns), 2);
			else
				table_text(t, table_ns(ns, number));
		}
	}
	return t;
}

static int print_text(const struct provider_speed *rows, int count,
                      const struct provider_choice *choice)
{
	char openssl[TABLE_NUMBER_BYTES], sodium[TABLE_NUMBER_BYTES];
	int rc = 0;

	for (int rates = 0; rates < 2 && rc == 0; rates++) {
		struct table *t = make_table(rows, count, choice, rates);

		puts(rates ? "GiB/s, by message size" : "Time per message, by message size");
		rc = table_print(t, stdout);
		table_free(t);
		putchar('\n');
	}
	printf("Block stream, kept context, no key stream made ahead;\n"
	       "in memory only; run `atrest run` for what storage adds.\n"
	       "chachapoly uses %s here: openssl %s, sodium %s per 16 KiB; sodium is chosen when\n"
	       "it is more than 10 %% faster.\n",
	       atr_cipher_provider(choice->chachapoly), table_ns(choice->openssl_ns, openssl),
	       table_ns(choice->sodium_ns, sodium));
	return rc;
}

static json_t *row_json(const struct provider_speed *row, const struct provider_choice *choice)
{
	json_t *sizes = json_array();

	for (size_t j = 0; j < PROVIDERS_SIZES; j++)
		json_array_append_new(
		        sizes,
		        json_pack("{s:I, s:f, s:f}", "bytes", (json_int_t)providers_size_bytes[j],
		                  "ns", row->ns[j], "gib_s",
		                  providers_gib_s(providers_size_bytes[j], row->ns[j])));
	return json_pack("{s:s, s:s, s:s, s:b, s:o}", "cipher", atr_cipher_name(row->cipher),
	                 "provider", atr_cipher_provider(row->cipher), "library",
	                 atr_cipher_library(row->cipher), "chosen", is_chosen(choice, row->cipher),
	                 "sizes", sizes);
}

static int print_rows(const struct provider_speed *rows, int count,
                      const struct provider_choice *choice)
{
	json_t *root = json_array();

	for (int i = 0; i < count; i++)
		json_array_append_new(root, row_json(&rows[i], choice));
	return print_json(root, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
}

static const struct option_spec option_table[] = {
        {"json", 0, OPTION_FLAG, NULL, "print JSON", offsetof(struct ciphers_options, json)}, {0}};

extern const struct command command_ciphers;

static int run(int argc, char **argv)
{
	struct ciphers_options options = {0};
	struct provider_speed rows[PROVIDERS_MAX];
	struct provider_choice choice;
	int first, count, code;

	code = options_parse(&command_ciphers, argc, argv, &options, &first);
	if (code != OPTIONS_GO_ON)
		return code;
	count = providers_measure(rows, &choice);
	if (count < 0)
		return complain(EXIT_SYSTEM, "a cipher could not be measured: out of memory?");
	if ((options.json ? print_rows : print_text)(rows, count, &choice) != 0)
		return complain(EXIT_SYSTEM, "the table could not be written");
	return EXIT_FINE;
}

const struct command command_ciphers = {
        .name = "ciphers",
        .summary = "speed of each cipher and provider on this CPU, the chosen one marked",
        .details = "Measures for about a third of a second: medians of interleaved rounds of the\n"
                   "block stream in pieces of each size.",
        .options = option_table,
        .run = run,
};
