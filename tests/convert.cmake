# Conversions of closed streams: golden ones, kills, every call of the file system failing once.
atrest_test(test_convert compat SOURCES compat/test_convert.c unit/convert_make.c
            unit/store_fixture.c LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
