target_sources(atrest_harness PRIVATE
  targets/target.c
  targets/target_null.c
  targets/target_store.c
  targets/target_store_closed.c)
