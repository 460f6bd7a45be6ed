/* test_secret.c - key memory: zeroed, locked, guarded, wiped, out of core dumps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ciphers/secret.h"

#ifdef __has_feature
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
        HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static void is_zeroed_and_aligned_at_every_size(void **state)
{
	(void)state;
	for (size_t n = 0; n < 300; n++) {
		uint8_t *p = atr_secret_alloc(n);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 64, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xab, n);
		atr_secret_free(p);
	}
	atr_secret_free(NULL);
}

/* What is freed is handed out again: wiped, and never to two at once. */
static void reuses_wiped_regions(void **state)
{
	enum { COUNT = 100, BYTES = 192 };
	uint8_t *p[COUNT];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT; i++) {
			p[i] = atr_secret_alloc(i % 2 ? BYTES : 2 * BYTES);
			assert_non_null(p[i]);
			for (size_t j = 0; j < BYTES; j++)
				assert_int_equal(p[i][j], 0);
			memset(p[i], (int)i + 1, BYTES);
		}
		for (size_t i = 0; i < COUNT; i++) {
			for (size_t j = 0; j < BYTES; j++)
				assert_int_equal(p[i][j], i + 1);
			atr_secret_free(p[i]);
		}
	}
	/* Of more than are kept at all. */
	p[0] = atr_secret_alloc((size_t)2 << 20);
	assert_non_null(p[0]);
	memset(p[0], 1, (size_t)2 << 20);
	atr_secret_free(p[0]);
}

static void *churn(void *result)
{
	for (size_t i = 0; i < 2000; i++) {
		size_t n = 64 * (1 + i % 5);
		uint8_t *p = atr_secret_alloc(n);

		if (!p || p[0] || p[n - 1])
			return result;
		memset(p, 0xee, n);
		atr_secret_free(p);
	}
	return NULL;
}

static void serves_several_threads(void **state)
{
	static int failed;
	pthread_t threads[4];
	void *result;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, &failed), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_null(result);
	}
}

static void refuses_what_does_not_fit(void **state)
{
	(void)state;
	assert_null(atr_secret_alloc(SIZE_MAX));
	assert_null(atr_secret_alloc(SIZE_MAX - 64));
}

static void wipe_clears(void **state)
{
	uint8_t buffer[100];

	(void)state;
	memset(buffer, 0x5a, sizeof(buffer));
	atr_secret_wipe(buffer + 1, sizeof(buffer) - 2);
	assert_int_equal(buffer[0], 0x5a);
	assert_int_equal(buffer[sizeof(buffer) - 1], 0x5a);
	for (size_t i = 1; i < sizeof(buffer) - 1; i++)
		assert_int_equal(buffer[i], 0);
}

/* The VmFlags of the mapping that holds p: "lo" locked, "dd" left out of core dumps. */
static int has_flag(const void *p, const char *flag)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	int inside = 0;
	int found = -1;

	if (!f)
		return -1;
	while (found < 0 && fgets(line, sizeof(line), f)) {
		unsigned long long low, high;

		if (sscanf(line, "%llx-%llx ", &low, &high) == 2)
			inside = (uintptr_t)p >= low && (uintptr_t)p < high;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, flag) != NULL;
	}
	fclose(f);
	return found;
}

static void is_locked_and_not_dumped(void **state)
{
	void *p = atr_secret_alloc(16384);

	(void)state;
	assert_non_null(p);
	/* A sanitizer answers mlock itself and locks nothing. */
	if (!SANITIZED && atr_secret_is_locked())
		assert_int_equal(has_flag(p, " lo"), 1);
	assert_int_equal(has_flag(p, " dd"), 1);
	atr_secret_free(p);
}

static int in_child(int (*run)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		_exit(run());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int alloc_without_lock(void)
{
	enum { NEVER_FREED_BEFORE = 4160 }; /* else it may be one that is locked already */
	static const struct rlimit none;
	uint8_t *p;

	/* Root may lock in spite of the limit. */
	if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0))
		return 2;
	p = atr_secret_alloc(NEVER_FREED_BEFORE);
	if (!p)
		return 3;
	memset(p, 1, NEVER_FREED_BEFORE);
	atr_secret_free(p);
	return atr_secret_is_locked() ? 1 : 0;
}

static void works_without_permission_to_lock(void **state)
{
	int status;

	(void)state;
	if (SANITIZED)
		skip();
	status = in_child(alloc_without_lock);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int write_past_the_end(void)
{
	volatile uint8_t *p = atr_secret_alloc(64);
	static const struct rlimit none;

	setrlimit(RLIMIT_CORE, &none);
	if (!p)
		return 3;
	p[64] = 1;
	return 0;
}

static void a_guard_page_follows(void **state)
{
	int status;

	(void)state;
	if (SANITIZED)
		skip(); /* it turns the signal into a report */
	status = in_child(write_past_the_end);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(is_zeroed_and_aligned_at_every_size),
	        cmocka_unit_test(reuses_wiped_regions),
	        cmocka_unit_test(serves_several_threads),
	        cmocka_unit_test(refuses_what_does_not_fit),
	        cmocka_unit_test(wipe_clears),
	        cmocka_unit_test(is_locked_and_not_dumped),
	        cmocka_unit_test(works_without_permission_to_lock),
	        cmocka_unit_test(a_guard_page_follows),
	};

	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
