# What reads closed stores and their state files.
target_sources(atrest_store PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/seqset.c
  ${CMAKE_CURRENT_LIST_DIR}/index.c
  ${CMAKE_CURRENT_LIST_DIR}/consumer.c
  ${CMAKE_CURRENT_LIST_DIR}/boundary.c
  ${CMAKE_CURRENT_LIST_DIR}/tally.c
  ${CMAKE_CURRENT_LIST_DIR}/scan.c
  ${CMAKE_CURRENT_LIST_DIR}/listing.c
  ${CMAKE_CURRENT_LIST_DIR}/survey.c
  ${CMAKE_CURRENT_LIST_DIR}/inspect.c
  ${CMAKE_CURRENT_LIST_DIR}/messages.c
  ${CMAKE_CURRENT_LIST_DIR}/verify.c
  ${CMAKE_CURRENT_LIST_DIR}/repair.c
  ${CMAKE_CURRENT_LIST_DIR}/repair_blocks.c
  ${CMAKE_CURRENT_LIST_DIR}/repair_meta.c
  ${CMAKE_CURRENT_LIST_DIR}/filetree.c
  ${CMAKE_CURRENT_LIST_DIR}/audit.c
  ${CMAKE_CURRENT_LIST_DIR}/audit_files.c
  ${CMAKE_CURRENT_LIST_DIR}/audit_images.c
  ${CMAKE_CURRENT_LIST_DIR}/snapshot.c
  ${CMAKE_CURRENT_LIST_DIR}/backup.c
  ${CMAKE_CURRENT_LIST_DIR}/discover.c)
# What makes a closed stream anew.
target_sources(atrest_store PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/convert.c
  ${CMAKE_CURRENT_LIST_DIR}/convert_copy.c
  ${CMAKE_CURRENT_LIST_DIR}/convert_resume.c
  ${CMAKE_CURRENT_LIST_DIR}/convert_meta.c
  ${CMAKE_CURRENT_LIST_DIR}/convert_compare.c
  ${CMAKE_CURRENT_LIST_DIR}/convert_index.c
  ${CMAKE_CURRENT_LIST_DIR}/convert_exchange.c)
