atrest_test(test_known_answers vectors
  SOURCES vectors/test_known_answers.c vectors/vectors.c LIBRARIES atrest_ciphers PkgConfig::JANSSON)
