/* gbench.cc - see gbench.h. */
#include "harness/micro/gbench.h"

#include <benchmark/benchmark.h>
#include <cstdio>

struct micro_state {
	benchmark::State *library;
	bool failed;
};

static bool any_failed;

extern "C" void micro_register(const char *name, micro_fn *fn, const void *arg)
{
	benchmark::RegisterBenchmark(name, [fn, arg](benchmark::State &library) {
		micro_state s{&library, false};

		fn(&s, arg);
		any_failed = any_failed || s.failed;
	});
}

extern "C" int micro_next(struct micro_state *s)
{
	return s->library->KeepRunning();
}

extern "C" void micro_bytes(struct micro_state *s, size_t bytes_per_round)
{
	s->library->SetBytesProcessed(s->library->iterations() *
	                              static_cast<int64_t>(bytes_per_round));
}

extern "C" void micro_fail(struct micro_state *s, const char *why)
{
	s->failed = true;
	s->library->SkipWithError(why);
}

extern "C" void micro_context(const char *key, const char *value)
{
	benchmark::AddCustomContext(key, value);
}

extern "C" int micro_run(int argc, char **argv)
{
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	if (benchmark::RunSpecifiedBenchmarks() == 0) {
		std::fprintf(stderr, "error: the filter matches no benchmark; "
		                     "--benchmark_list_tests lists them\n");
		return 2;
	}
	benchmark::Shutdown();
	return any_failed ? 1 : 0;
}
