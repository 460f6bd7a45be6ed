/* formats.h - the rows of a run in the formats of other tools.
 *
 * go: Go benchmark text (benchstat), a line per valid slice
 *   BenchmarkPublish1k/target=store/arm=aes 120000 2110 ns/op 1900 cpu-ns/op ...
 *   Source: golang.org/design/14313-benchmark-format.
 *
 * gbench: Google Benchmark's JSON (its compare.py), a repetition per slice, then mean, median and
 *   standard deviation. Source: its JSONReporter (src/json_reporter.cc).
 *
 * github: benchmark-action/github-action-benchmark, tool customSmallerIsBetter, an entry per cell,
 *   arm and metric. Source: its BenchmarkResult (src/extract.ts).
 *
 * openmetrics: OpenMetrics 1.0 text, a gauge per metric of the summary, in base units. Source: the
 *   OpenMetrics specification, "Text format".
 *
 * All are made from the samples and their summary; none works anything out again. What failed is
 * left out (go, github), or marked (gbench: error_occurred; openmetrics: the verdict).
 */
#ifndef ATREST_HARNESS_OUTPUT_FORMATS_H
#define ATREST_HARNESS_OUTPUT_FORMATS_H

#include "harness/analysis/summary.h"
#include "harness/output/samples.h"

#include <jansson.h>
#include <stdio.h>

/* All borrowed. */
struct formats_source {
	const struct samples *samples;
	const struct summary *summary; /* of these samples */
	const json_t *machine;         /* machine.json, or NULL: what it would tell is left out */
};

/* 0, or -1: memory or a failed write. */
typedef int formats_write(FILE *out, const struct formats_source *source);

/* By the names above; NULL: there is no such format. */
formats_write *formats_find(const char *name);
/* "go, gbench, github, openmetrics" */
const char *formats_names(void);

/* What they share: a text of machine.json by a path of members ("cpu.model"), or NULL. */
const char *formats_machine_text(const struct formats_source *source, const char *path);
const json_t *formats_machine(const struct formats_source *source, const char *path);
/* "store", "nats 2.15.1": targets with the version that is part of a cell's name, after a mark. */
#define FORMATS_NAME_BYTES (2 * SAMPLES_TEXT_BYTES)
const char *formats_target(const char *target, const char *version, char mark,
                           char text[FORMATS_NAME_BYTES]);

formats_write formats_go, formats_gbench, formats_github, formats_openmetrics;

#endif
