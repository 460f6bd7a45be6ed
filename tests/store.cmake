# The file store: one program per source file.
foreach(file status hash record keyfile meta file block config keypool subjects s2)
  atrest_test(test_${file} unit SOURCES unit/test_${file}.c unit/store_fixture.c
              LIBRARIES atrest_store PkgConfig::JANSSON)
endforeach()
foreach(file store store_consumer footprint recover state reader directories)
  atrest_test(test_${file} unit SOURCES unit/test_${file}.c unit/store_make.c unit/store_fixture.c
              LIBRARIES atrest_store PkgConfig::JANSSON)
endforeach()
atrest_test(test_compressed unit SOURCES unit/test_compressed.c unit/store_compress.c
            unit/store_make.c unit/store_fixture.c LIBRARIES atrest_store PkgConfig::JANSSON)
target_sources(test_state PRIVATE unit/state_hide.c)
# Blocks written anew and exchanged, a kill before every call that changes something.
foreach(file blockout rewrite)
  atrest_test(test_${file} fault SOURCES unit/test_${file}.c fault/fault_files.c fault/kill_files.c
              unit/store_fixture.c LIBRARIES atrest_store PkgConfig::JANSSON)
endforeach()
# Another cipher, another key.
atrest_test(test_adopt fault SOURCES fault/test_adopt.c fault/kill_files.c unit/store_make.c
            unit/store_fixture.c LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
# Erasing, compaction, format 2.9, compression.
atrest_test(test_compact fault SOURCES fault/test_compact.c fault/fault_files.c fault/kill_files.c
            unit/store_make.c unit/store_fixture.c LIBRARIES atrest_store PkgConfig::JANSSON Threads::Threads
            TIMEOUT 300)
# Every byte written under a cipher, against every other.
atrest_test(test_ledger fault SOURCES fault/test_ledger.c unit/store_make.c unit/store_fixture.c
            LIBRARIES atrest_store PkgConfig::JANSSON Threads::Threads TIMEOUT 300)
add_test(NAME test_ledger_long COMMAND ${CMAKE_COMMAND} -E env ATREST_LEDGER=200 $<TARGET_FILE:test_ledger>)
set_tests_properties(test_ledger_long PROPERTIES LABELS long TIMEOUT 1800)
# Kills, and every call of the file system failing once. Sanitizers see nothing of a process that
# is killed.
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize")
  atrest_test(test_kill fault SOURCES fault/test_kill.c unit/store_make.c unit/store_fixture.c
              LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
endif()
atrest_test(test_faults fault SOURCES fault/test_faults.c fault/fault_files.c unit/store_make.c
            unit/store_fixture.c LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
atrest_test(test_sync fault SOURCES fault/test_sync.c unit/store_make.c unit/store_fixture.c
            LIBRARIES atrest_store PkgConfig::JANSSON Threads::Threads)
atrest_test(test_open_golden compat SOURCES compat/test_open_golden.c unit/store_make.c
            unit/store_fixture.c LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
# The ratios program runs to its end and prints a row for every target.
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize")
  add_test(NAME test_ratios COMMAND atrest-ratios --rounds 1 --no-memory ${PROJECT_BINARY_DIR})
  set_tests_properties(test_ratios PROPERTIES LABELS smoke TIMEOUT 300
    PASS_REGULAR_EXPRESSION "rows missed their target")
  add_test(NAME test_large COMMAND atrest-large --rounds 1 --messages 30000 --subjects 3000
           ${PROJECT_BINARY_DIR})
  set_tests_properties(test_large PROPERTIES LABELS smoke TIMEOUT 120)
endif()
# Removing, limits, subjects: against a model in memory.
foreach(file remove limits)
  atrest_test(test_${file} unit SOURCES unit/test_${file}.c unit/remove_model.c unit/store_make.c
              unit/store_fixture.c LIBRARIES atrest_store PkgConfig::JANSSON Threads::Threads)
endforeach()
atrest_test(test_remove_faults fault SOURCES fault/test_remove_faults.c fault/fault_files.c
            unit/store_make.c unit/store_fixture.c
            LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
