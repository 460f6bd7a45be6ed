/* test_advice.c - each finding about a machine, from the fingerprint or the rows that show it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "harness/analysis/advice.h"
#include "tests/unit/synthetic.h"

/* A machine without a flaw; %s is put in where a case has something to say. */
static const char quiet[] =
        "{\"cpu\":{\"processors\":8,\"processors_allowed\":8,\"governor\":\"performance\","
        "\"boost\":\"0\"},\"memory\":{\"total_bytes\":8589934592,\"limit_bytes\":8589934592,"
        "\"swap_total_bytes\":0,\"swap_free_bytes\":0},\"virtualisation\":{\"hypervisor\":null},"
        "\"container\":{\"kind\":null,\"quota_processors\":null},\"build\":{\"kind\":\"release\"},"
        "\"directories\":[{\"path\":\"/data\",\"type\":\"ext4\",\"durable\":true,\"network\":false,"
        "\"free_bytes\":99999999999,\"file_create_ns\":11000,\"fsync_ns\":150000}]}";

static const struct advice *found(const struct advice_list *list, const char *what)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].what, what) == 0)
			return &list->items[i];
	return NULL;
}

static void a_machine_without_a_flaw_gets_no_advice(void **state)
{
	struct advice_list list = {0};
	json_t *machine = json_loads(quiet, 0, NULL);

	(void)state;
	assert_non_null(machine);
	advice_of_machine(machine, &list);
	assert_int_equal(list.count, 0);
	json_decref(machine);
	advice_of_machine(NULL, &list);
	assert_int_equal(list.count, 0);
}

static void each_flaw_is_found_alone(void **state)
{
	static const struct {
		const char *part, *member, *value, *what, *evidence;
		int doubt;
	} cases[] = {
	        {"cpu", "governor", "\"powersave\"", "governor", "is powersave", 0},
	        {"cpu", "boost", "\"1\"", "turbo", "nominal clock", 0},
	        {"cpu", "processors", "1", "processors", "one processor", 0},
	        {"cpu", "processors_allowed", "2", "processors", "2 of 8", 0},
	        {"memory", "swap_total_bytes", "2147483648", "swap", "2.0 of 2.0 GiB", 0},
	        {"memory", "limit_bytes", "1073741824", "memory limit", "1.0 of 8.0 GiB", 0},
	        {"container", "quota_processors", "0.5", "quota", "0.50 processors", 0},
	        {"virtualisation", "hypervisor", "\"KVMKVMKVM\"", "virtual machine", "KVM", 0},
	        {"build", "kind", "\"debug\"", "build", "debug build", 1},
	        {"build", "kind", "\"asan\"", "build", "asan build", 1},
	        {"", "durable", "false", "not durable", "survives a power cut", 1},
	        {"", "fsync_ns", "2100", "not durable", "after 2.1 µs", 1},
	        {"", "network", "true", "network", "another machine", 1},
	        {"", "free_bytes", "1073741824", "free space", "1.0 GiB free", 0},
	        {"", "file_create_ns", "400000", "creating files", "400 µs", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *machine = json_loads(quiet, 0, NULL), *part;
		struct advice_list list = {0};
		const struct advice *a;
		part = cases[i].part[0] != '\0'
		               ? json_object_get(machine, cases[i].part)
		               : json_array_get(json_object_get(machine, "directories"), 0);
		json_object_set_new(part, cases[i].member,
		                    json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
		advice_of_machine(machine, &list);
		a = found(&list, cases[i].what);
		if (a == NULL || list.count != 1 || strstr(a->evidence, cases[i].evidence) == NULL)
			fail_msg("case %zu: %zu found, %s", i, list.count,
			         list.count > 0 ? list.items[0].evidence : "");
		assert_int_equal(a->doubt, cases[i].doubt);
		assert_true(a->remedy[0] != '\0');
		json_decref(machine);
	}
}

static void rows_of_a_quiet_machine_give_no_advice(void **state)
{
	struct samples samples = {0};
	struct advice_list list = {0};

	(void)state;
	advice_of_rows(&samples, &list);
	synthetic_add(&samples, synthetic_quick, synthetic_quick_count,
	              (struct synthetic_noise){.slice = 0.01}, 1);
	advice_of_rows(&samples, &list);
	assert_int_equal(list.count, 0);
	samples_free(&samples);
}

static void covariates_give_advice(void **state)
{
	struct samples samples = {0};
	struct advice_list list = {0};

	(void)state;
	synthetic_add(&samples, synthetic_quick, synthetic_quick_count,
	              (struct synthetic_noise){.slice = 0.01}, 1);
	for (size_t i = 0; i < samples.count; i++) {
		struct sample *s = &samples.rows[i];
		/* Four times as long a time as the slice is looked at. */
		s->other_cpu_ns = (uint64_t)(s->acked_s * 4e9);
		s->machine_cpu_ns = (uint64_t)(s->acked_s * 5e9);
		s->steal_ns = i % 10 == 0 ? (uint64_t)(s->acked_s * 0.5e9) : 0;
		s->throttled_us = i == 7 ? 4000 : 0;
		s->frequency_khz = i == 9 ? 1500000 : 3000000;
	}
	advice_of_rows(&samples, &list);
	assert_int_equal(list.count, 4);
	assert_non_null(strstr(found(&list, "steal")->evidence, "% of one processor"));
	assert_non_null(strstr(found(&list, "neighbours")->evidence,
	                       "took 80 % of the processor time used"));
	assert_non_null(strstr(found(&list, "throttled")->evidence, "held 1 of"));
	assert_non_null(strstr(found(&list, "frequency")->evidence, "1.50 and 3.00 GHz"));
	samples_free(&samples);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_machine_without_a_flaw_gets_no_advice),
	        cmocka_unit_test(each_flaw_is_found_alone),
	        cmocka_unit_test(rows_of_a_quiet_machine_give_no_advice),
	        cmocka_unit_test(covariates_give_advice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
