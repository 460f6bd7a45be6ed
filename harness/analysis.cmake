target_sources(atrest_harness PRIVATE
  analysis/ranks.c
  analysis/stats.c
  analysis/sizing.c
  analysis/sizing_held.c
  analysis/verdict.c
  analysis/metrics.c
  analysis/summary.c
  analysis/summary_file.c
  analysis/compare.c
  analysis/compare_side.c
  analysis/transfer.c
  analysis/transfer_file.c
  analysis/repeat.c
  analysis/noise.c
  analysis/advice.c)
