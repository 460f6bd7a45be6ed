target_sources(atrest_harness PRIVATE
  plan.c
  generator.c
  orders.c
  slice.c
  controls.c
  worker.c
  worker_client.c)
