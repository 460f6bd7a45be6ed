/* test_fingerprint.c - is it the same machine, and what else is different? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "harness/measure/machine.h"
#include "harness/output/fingerprint.h"
#include "harness/output/replace.h"
#include "tests/unit/synthetic.h"

static json_t *machine(void)
{
	return json_pack(
	        "{s{ss si si s[ss]} s{sI} s{ss} s{ss} s[{ss ss}{ss ss}] s{s[{ss ss ss}]} s{ss ss} "
	        "s{s[{ss}{ss}]}}",
	        "cpu", "model", "EPYC", "processors", 4, "processors_allowed", 4, "instructions",
	        "aes", "avx2", "memory", "limit_bytes", (json_int_t)8000000000, "virtualisation",
	        "hypervisor", "KVM", "kernel", "release", "6.1", "directories", "type", "ext4",
	        "encryption", "none", "type", "xfs", "encryption", "none", "libraries", "ciphers",
	        "cipher", "aes", "provider", "openssl", "library", "OpenSSL 3.0.19", "build",
	        "version", "0.1.0", "commit", "abc", "run", "directories", "name", "default",
	        "name", "ssd");
}

/* One member changed: what is told, "" for nothing. */
static const char *told(int differences, void (*change)(json_t *))
{
	static struct fingerprint_facts facts;
	static char text[512];
	json_t *a = machine();
	json_t *b = machine();

	assert_non_null(a);
	change(b);
	facts.count = 0;
	if (differences)
		fingerprint_differences(a, b, &facts);
	else
		fingerprint_changes(a, b, &facts);
	json_decref(a);
	json_decref(b);
	assert_true(facts.count <= 1);
	text[0] = '\0';
	if (facts.count == 1)
		snprintf(text, sizeof(text), "%.90s: %.100s, %.100s", facts.list[0].what,
		         facts.list[0].base, facts.list[0].new_);
	return text;
}

static void put(json_t *m, const char *object, const char *name, json_t *value)
{
	json_object_set_new(json_object_get(m, object), name, value);
}

static void nothing(json_t *m)
{
	(void)m;
}

static void model(json_t *m)
{
	put(m, "cpu", "model", json_string("Xeon"));
}

static void instructions(json_t *m)
{
	put(m, "cpu", "instructions", json_pack("[s]", "avx2"));
}

static void processors(json_t *m)
{
	put(m, "cpu", "processors", json_integer(8));
}

static void allowed(json_t *m)
{
	put(m, "cpu", "processors_allowed", json_integer(2));
}

static void little_memory(json_t *m)
{
	put(m, "memory", "limit_bytes", json_integer(7900000000));
}

static void less_memory(json_t *m)
{
	put(m, "memory", "limit_bytes", json_integer(7800000000));
}

static void bare(json_t *m)
{
	put(m, "virtualisation", "hypervisor", json_null());
}

static void ssd_type(json_t *m)
{
	json_object_set_new(json_array_get(json_object_get(m, "directories"), 1), "type",
	                    json_string("btrfs"));
}

static void other_directory(json_t *m)
{
	ssd_type(m);
	json_object_set_new(
	        json_array_get(json_object_get(json_object_get(m, "run"), "directories"), 1),
	        "name", json_string("nvme"));
}

static void kernel(json_t *m)
{
	put(m, "kernel", "release", json_string("6.12"));
}

static void library(json_t *m)
{
	json_object_set_new(
	        json_array_get(json_object_get(json_object_get(m, "libraries"), "ciphers"), 0),
	        "library", json_string("OpenSSL 3.5.0"));
}

static void commit(json_t *m)
{
	put(m, "build", "commit", json_string("def"));
}

static void what_must_agree_is_told(void **state)
{
	(void)state;
	assert_string_equal(told(1, nothing), "");
	assert_string_equal(told(1, model), "CPU model: EPYC, Xeon");
	assert_string_equal(told(1, instructions), "CPU instructions: aes avx2, avx2");
	assert_string_equal(told(1, processors), "processors: 4, 8");
	assert_string_equal(told(1, allowed), "processors allowed: 4, 2");
	assert_string_equal(told(1, little_memory), "");
	assert_string_equal(told(1, less_memory), "memory: 7.45 GiB, 7.26 GiB");
	assert_string_equal(told(1, bare), "virtualisation: KVM, -");
	assert_string_equal(told(1, ssd_type), "file system of directory ssd: xfs, btrfs");
	assert_string_equal(told(1, other_directory), "");
	assert_string_equal(told(1, kernel), "");
	assert_string_equal(told(1, library), "");
}

static void what_may_change_is_listed(void **state)
{
	(void)state;
	assert_string_equal(told(0, nothing), "");
	assert_string_equal(told(0, model), "");
	assert_string_equal(told(0, kernel), "kernel: 6.1, 6.12");
	assert_string_equal(told(0, library),
	                    "library of aes (openssl): OpenSSL 3.0.19, OpenSSL 3.5.0");
	assert_string_equal(told(0, commit), "atrest commit: abc, def");
}

static void this_machine_is_itself(void **state)
{
	static struct fingerprint_facts facts;
	static const char *const here[] = {"."};
	json_t *a = machine_fingerprint(here, 1, NULL);
	json_t *b = machine_fingerprint(here, 1, "other");
	(void)state;

	fingerprint_differences(a, b, &facts);
	assert_int_equal(facts.count, 0);
	fingerprint_changes(a, b, &facts);
	assert_int_equal(facts.count, 1);
	assert_string_equal(facts.list[0].what, "label");
	json_decref(a);
	json_decref(b);
}

/* Each on both sides would otherwise be the same on both. */
static void a_machine_that_does_not_tell_what_must_agree_is_refused(void **state)
{
	static const char *const members[][2] = {
	        {"cpu", "model"},          {"cpu", "instructions"},
	        {"cpu", "processors"},     {"cpu", "processors_allowed"},
	        {"memory", "limit_bytes"}, {"virtualisation", "hypervisor"},
	        {"run", "directories"},    {"directories", NULL}};
	char folder[64], error[512];
	(void)state;

	synthetic_folder(folder);
	const char *path = synthetic_path(folder, "machine.json");
	for (size_t i = 0; i <= sizeof(members) / sizeof(members[0]); i++) {
		json_t *m = machine();
		int whole = i == sizeof(members) / sizeof(members[0]);
		if (!whole && members[i][1] == NULL)
			json_object_del(json_array_get(json_object_get(m, members[i][0]), 1),
			                "type");
		else if (!whole)
			json_object_del(json_object_get(m, members[i][0]), members[i][1]);
		assert_int_equal(json_dump_file(m, path, 0), 0);
		json_decref(m);
		m = fingerprint_read(path, NULL, error);
		if (whole != (m != NULL))
			fail_msg("%s: %s", whole ? "whole" : members[i][0],
			         whole ? error : "went through");
		if (!whole)
			assert_non_null(strstr(error, members[i][1] != NULL ? members[i][1]
			                                                    : "directories[1]"));
		json_decref(m);
	}
	synthetic_remove(folder);
}

static void a_file_that_is_no_machine_is_refused(void **state)
{
	static const char *const texts[] = {
	        "",         "{",
	        "[]",       "{\"cpu\": {}}",
	        "\x01\x02", "{\"cpu\": 1, \"memory\": {}, \"virtualisation\": {}}"};
	char folder[64];
	char error[512];
	int missing;
	(void)state;

	synthetic_folder(folder);
	const char *path = synthetic_path(folder, "machine.json");
	assert_null(fingerprint_read(path, &missing, error));
	assert_true(missing);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(replace_file(path, texts[i], strlen(texts[i])), 0);
		assert_null(fingerprint_read(path, &missing, error));
		assert_false(missing);
		assert_non_null(strstr(error, "machine.json"));
		assert_non_null(strstr(error, "expected"));
	}
	synthetic_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_must_agree_is_told),
	        cmocka_unit_test(what_may_change_is_listed),
	        cmocka_unit_test(this_machine_is_itself),
	        cmocka_unit_test(a_machine_that_does_not_tell_what_must_agree_is_refused),
	        cmocka_unit_test(a_file_that_is_no_machine_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
