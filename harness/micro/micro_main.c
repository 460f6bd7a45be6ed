/* micro_main.c - atrest-micro: where the nanoseconds go. */
#include <stdio.h>

#include "ciphers/cipher.h"
#include "harness/micro/gbench.h"
#include "harness/micro/micro.h"

const unsigned micro_payload_bytes[MICRO_SIZES] = {16, 128, 1024, 8192, 65536};
const unsigned micro_record_bytes[MICRO_SIZES] = {58, 170, 1066, 8234, 65578};

int main(int argc, char **argv)
{
	const struct atr_cipher *c;
	char key[64];

	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++) {
		snprintf(key, sizeof(key), "%s/%s", atr_cipher_name(c), atr_cipher_provider(c));
		micro_context(key, atr_cipher_library(c));
	}
	micro_cipher_register();
	micro_store_register();
	return micro_run(argc, argv);
}
