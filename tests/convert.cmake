# Conversions of closed streams: golden ones, kills, every call of the file system failing once.
atrest_test(test_convert compat SOURCES compat/test_convert.c unit/convert_make.c
            unit/store_fixture.c LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
atrest_test(test_convert_kill fault SOURCES fault/test_convert_kill.c fault/fault_files.c
            fault/kill_files.c unit/convert_make.c unit/store_make.c unit/store_fixture.c
            LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
