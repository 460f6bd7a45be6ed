# What reads closed stores and their state files.
target_sources(atrest_store PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/seqset.c
  ${CMAKE_CURRENT_LIST_DIR}/index.c
  ${CMAKE_CURRENT_LIST_DIR}/consumer.c)
