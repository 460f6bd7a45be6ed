target_sources(atrest PRIVATE cmd_ciphers.c)
