# A run: what is planned, done in worker processes, checked and kept.
target_sources(atrest_harness PRIVATE
  plan.c
  prepare.c
  generator.c
  orders.c
  pacing.c
  slice.c
  slice_threads.c
  slice_whole.c
  controls.c
  worker.c
  worker_client.c
  keep.c
  scratch_image.c
  rows.c
  provenance.c
  run.c
  run_arms.c
  run_rate.c
  run_setup.c
  process_record.c
  leftovers.c
  output/run_folder.c
  output/progress.c)
