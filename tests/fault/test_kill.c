/* test_kill.c - kill -9 while a child publishes: what it was told is kept.
 *
 * The child puts the last returned and the last flushed sequence into a mapping shared with the
 * parent, which kills it at a random moment, opens the stream and compares. A message's content
 * follows from its sequence. 108 kills, 12 for each policy and cipher; at least 90 have to hit
 * while the child publishes.
 *
 *   each, always   every returned message is there
 *   async          every flushed one is; at least half of the kills find some flushed
 *   all            the messages are 1, 2, 3 ... without a gap, and none is wrong
 *
 * ATREST_KILL_SEED=N repeats a run's moments (they still fall differently).
 */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/store_make.h"

#define KILLS       12
#define PAYLOAD_MAX 800
#define WAIT_US_MAX 25000

enum policy { EACH, ASYNC, ALWAYS, POLICIES };
static const char *const policy_names[] = {"each", "async", "always"};

struct shared {
	_Atomic(uint64_t) returned, flushed;
	_Atomic(int) publishing; /* set by the first return */
};

struct tally {
	unsigned kills, publishing, found_flushed;
	uint64_t returned, flushed, read;
};

static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static struct atr_store_options options_of(enum policy policy, const char *cipher)
{
	struct atr_store_options o = make_options(cipher);

	o.block_bytes = 100000;
	o.flush = policy == ASYNC ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH;
	o.sync = policy == ALWAYS ? ATR_SYNC_ALWAYS : ATR_SYNC_NONE;
	return o;
}

/* Publishes until it is killed. The exit code says what failed. */
static void publish(const char *path, const struct atr_store_options *o, struct shared *shared)
{
	struct atr_store_state state;
	struct atr_store *store;
	uint64_t sequence;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (atr_store_open(path, o, &store, NULL) != ATR_OK)
		_exit(3);
	atr_store_state(store, &state);
	for (uint64_t i = state.last_seq + 1;; i++) {
		struct atr_message m = make_message(i, PAYLOAD_MAX);

		if (atr_store_append(store, &m, &sequence, NULL) != ATR_OK || sequence != i)
			_exit(4);
		atomic_store(&shared->returned, i);
		atomic_store(&shared->publishing, 1);
		if (i % 97 == 0) {
			if (atr_store_flush(store, NULL) != ATR_OK)
				_exit(5);
			atomic_store(&shared->flushed, i);
		}
	}
}

static void kill_once(const char *path, const struct atr_store_options *o, struct shared *shared,
                      struct tally *tally)
{
	struct timespec pause = {0, 0};
	int ended, early;
	pid_t pid;

	atomic_store(&shared->publishing, 0);
	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		publish(path, o, shared);
	/* mostly after it has begun, now and then while it opens the stream */
	early = next_random() % 25 == 0;
	for (int ms = 0; ms < 10000 && !early && !atomic_load(&shared->publishing); ms++) {
		pause.tv_nsec = 1000000;
		(void)nanosleep(&pause, NULL);
	}
	pause.tv_nsec = (long)(next_random() % WAIT_US_MAX) * 1000;
	(void)nanosleep(&pause, NULL);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &ended, 0), pid);
	assert_true(WIFSIGNALED(ended)); /* else an append, flush or open failed */
	tally->kills++;
	tally->publishing += atomic_load(&shared->publishing) != 0;
}

/* Everything that was promised, and nothing wrong. Returns the last sequence read. */
static uint64_t check(const char *path, const struct atr_store_options *o, enum policy policy,
                      const struct shared *shared)
{
	uint64_t returned = atomic_load(&shared->returned), flushed = atomic_load(&shared->flushed);
	struct atr_store_recovery recovery;
	struct atr_store_state state;
	struct atr_reader *reader;
	struct atr_store *store;
	struct atr_message m;
	struct atr_error err;
	uint64_t at = 0;

	assert_ok(atr_store_open(path, o, &store, &err), &err);
	atr_store_recovery(store, &recovery);
	assert_string_equal(recovery.first_damage, "");
	assert_int_equal(recovery.keyless_blocks, 0);
	atr_store_state(store, &state);
	assert_int_equal(state.messages, state.last_seq);
	assert_ok(atr_reader_open(store, &reader, &err), &err);
	while (atr_reader_next(reader, at + 1, &m, &err) == ATR_OK)
		make_check(&m, ++at, PAYLOAD_MAX);
	assert_int_equal(at, state.last_seq);
	/* one record may have been written and not returned yet; under async many */
	if (policy == ASYNC)
		assert_true(at >= flushed);
	else
		assert_true(at == returned || at == returned + 1);
	atr_reader_close(reader);
	assert_ok(atr_store_close(store, &err), &err);
	return at;
}

static void kills_of(const char *dir, enum policy policy, const char *cipher, struct tally *tally)
{
	struct atr_store_options o = options_of(policy, cipher);
	struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
	                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct atr_store *store;
	struct atr_error err;
	char path[PATH_MAX];

	assert_true(shared != MAP_FAILED);
	(void)snprintf(path, sizeof path, "%s/%s-%s", dir, policy_names[policy], cipher);
	o.stream = "S";
	o.account = "$G";
	assert_ok(atr_store_create(path, &o, &store, &err), &err);
	assert_ok(atr_store_close(store, &err), &err);
	for (unsigned i = 0; i < KILLS; i++) {
		uint64_t before = atomic_load(&shared->flushed), last;

		kill_once(path, &o, shared, tally);
		tally->found_flushed += atomic_load(&shared->flushed) > before;
		last = check(path, &o, policy, shared);
		tally->read += last;
		/* what is there now was read back, and stays promised */
		atomic_store(&shared->returned, last);
		atomic_store(&shared->flushed, last);
	}
	(void)munmap(shared, sizeof *shared);
}

static void what_was_told_survives_kills(void **state)
{
	struct tally all = {0}, async = {0};

	for (enum policy policy = 0; policy < POLICIES; policy++)
		for (size_t c = 0; c < 3; c++) {
			struct tally tally = {0};

			kills_of(*state, policy, make_ciphers[c], &tally);
			print_message("%-6s %-10s %u kills, %u while publishing, %u found new "
			              "flushed messages, %" PRIu64 " messages compared\n",
			              policy_names[policy], make_ciphers[c], tally.kills,
			              tally.publishing, tally.found_flushed, tally.read);
			all.kills += tally.kills;
			all.publishing += tally.publishing;
			if (policy == ASYNC) {
				async.kills += tally.kills;
				async.found_flushed += tally.found_flushed;
			}
		}
	print_message("%u kills, %u while publishing; async: %u of %u found flushed messages\n",
	              all.kills, all.publishing, async.found_flushed, async.kills);
	assert_true(all.kills >= 100);
	assert_true(all.publishing >= 90);
	assert_true(2 * async.found_flushed >= async.kills);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(what_was_told_survives_kills, fixture_setup,
	                                        fixture_teardown),
	};
	const char *seed = getenv("ATREST_KILL_SEED");

	random_state = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) ^ 0x9e3779b9;
	if (random_state == 0)
		random_state = 1;
	print_message("ATREST_KILL_SEED=%" PRIu64 "\n", random_state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
