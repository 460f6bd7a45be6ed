/* test_adopt_golden.c - directories of real servers opened under another key and cipher, their
 * blocks kept and converted: what `dump` prints of messages, deletes and consumers stays the same.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"
#include "tests/compat/fixture_copy.h"
#include "tests/unit/store_fixture.h"

#define NEW_KEY "theKeyAfterwards"

static struct {
	unsigned cases, refused;
} tally;

static enum atr_status adopt(const struct fixture_copy *c, int convert, const char *cipher,
                             struct atr_error *err)
{
	const char *old = c->key[0] != '\0' ? c->key : NULL;
	struct atr_store_options o = {.cipher = atr_cipher_find(cipher, NULL),
	                              .key = (const uint8_t *)NEW_KEY,
	                              .key_bytes = strlen(NEW_KEY),
	                              .prev_key = (const uint8_t *)old,
	                              .prev_key_bytes = old != NULL ? strlen(old) : 0,
	                              .sync = ATR_SYNC_NONE,
	                              .existing_blocks =
	                                      convert ? ATR_EXISTING_CONVERT : ATR_EXISTING_KEEP};
	struct atr_store *store;
	enum atr_status rc = atr_store_open(c->stream, &o, &store, err);

	return rc == ATR_OK ? atr_store_close(store, err) : rc;
}

static void one_case(const char *name, const char *dir)
{
	/* in old directories nothing is special about keeping */
	for (int convert = strstr(name, "2.15") == NULL; convert < 2; convert++) {
		struct fixture_copy c;
		struct atr_error err;
		char *before, *after;
		char to[300];
		enum atr_status rc;

		(void)snprintf(to, sizeof to, "%d-%s", convert, strchr(name, '/') + 1);
		fixture_copy(&c, name, dir, to);
		before = fixture_dump(c.key, c.stream);
		rc = adopt(&c, convert, strstr(name, "aes") != NULL ? "chachapoly" : "aes", &err);
		tally.cases++;
		if (convert && rc == ATR_EUNSUPPORTED) { /* deletes that only state files know */
			tally.refused++;
		} else {
			assert_ok(rc, &err);
			after = fixture_dump(NEW_KEY, c.stream);
			if (strcmp(before, after) != 0)
				fail_msg("%s, %s: the dump differs", name,
				         convert ? "converted" : "kept");
			free(after);
		}
		free(before);
	}
}

static void golden_streams_stay_the_same_under_another_key(void **state)
{
	static const char *const versions[] = {"nats-2.9.10", "nats-2.10.27", "nats-2.15.1"};

	for (size_t v = 0; v < 3; v++) {
		char path[PATH_MAX], name[600];
		const struct dirent *entry;
		DIR *dir;

		(void)snprintf(path, sizeof path, "%s/tests/fixtures/%s", ATREST_SOURCE_DIR,
		               versions[v]);
		dir = opendir(path);
		assert_non_null(dir);
		while ((entry = readdir(dir)) != NULL) {
			/* backups are no stores; a consumer under the previous key is below */
			if (entry->d_name[0] == '.' || strncmp(entry->d_name, "snapshot", 8) == 0 ||
			    strncmp(entry->d_name, "rotate", 6) == 0)
				continue;
			(void)snprintf(name, sizeof name, "%s/%s", versions[v], entry->d_name);
			one_case(name, *state);
		}
		(void)closedir(dir);
	}
	print_message("%u conversions, %u refused\n", tally.cases, tally.refused);
	assert_true(tally.cases > 80 && tally.refused < tally.cases / 4);
}

static void consumer_that_a_server_lost_in_a_rotation_is_there(void **state)
{
	static const char *const names[] = {"nats-2.15.1/rotate-chacha-aes",
	                                    "nats-2.15.1/rotate-chacha-chacha"};

	for (size_t i = 0; i < 2; i++) {
		struct atr_store_consumer_state s;
		struct atr_store_options o = {.sync = ATR_SYNC_NONE};
		struct fixture_copy c;
		struct atr_store *store;
		struct atr_error err;

		fixture_copy(&c, names[i], *state, i == 0 ? "a" : "b");
		o.key = (const uint8_t *)c.key;
		o.key_bytes = strlen(c.key);
		assert_ok(atr_store_open(c.stream, &o, &store, &err), &err);
		assert_status(atr_store_consumer_state(store, "dur", &s, &err), ATR_EAUTH, &err);
		assert_ok(atr_store_close(store, &err), &err);
		o.prev_key = (const uint8_t *)c.prev_key;
		o.prev_key_bytes = strlen(c.prev_key);
		assert_ok(atr_store_open(c.stream, &o, &store, &err), &err);
		assert_ok(atr_store_close(store, &err), &err);
		o.prev_key = NULL;
		o.prev_key_bytes = 0;
		assert_ok(atr_store_open(c.stream, &o, &store, &err), &err);
		assert_ok(atr_store_consumer_state(store, "dur", &s, &err), &err);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(golden_streams_stay_the_same_under_another_key,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(consumer_that_a_server_lost_in_a_rotation_is_there,
	                                        fixture_setup, fixture_teardown),
	};

	fixture_prefer_memory();
	return cmocka_run_group_tests_name("adopt_golden", tests, NULL, NULL);
}
