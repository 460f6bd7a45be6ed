/* nats_nkey.c - see nats_nkey.h. */
#include "harness/targets/nats_nkey.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ciphers/prf.h"
#include "ciphers/secret.h"

#define KIND_SEED    18
#define KIND_USER    20
#define SEED_CHARS   58
#define SEED_BYTES   36 /* 2 of kind, 32, 2 of check sum */
#define PUBLIC_BYTES 35 /* 1 of kind, 32, 2 of check sum */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static uint16_t crc_of(const uint8_t *bytes, size_t count)
{
	uint32_t crc = 0;

	for (size_t i = 0; i < count; i++) {
		crc ^= (uint32_t)bytes[i] << 8;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
	}
	return (uint16_t)crc;
}

/* Five bits a character, the highest first; bits that fill no byte are left. */
static int base32_read(const char *text, size_t chars, uint8_t *out)
{
	uint32_t bits = 0;
	int held = 0;

	for (size_t i = 0; i < chars; i++) {
		const char *at = text[i] == '\0' ? NULL : strchr(alphabet, text[i]);
		if (at == NULL)
			return -1;
		bits = (bits << 5 | (uint32_t)(at - alphabet)) & 0xfff;
		held += 5;
		if (held >= 8) {
			held -= 8;
			*out++ = (uint8_t)(bits >> held);
		}
	}
	return 0;
}

static void base32_write(const uint8_t *bytes, size_t count, char *out)
{
	uint32_t bits = 0;
	int held = 0;

	for (size_t i = 0; i < count; i++) {
		bits = (bits << 8 | bytes[i]) & 0xfff;
		for (held += 8; held >= 5; held -= 5)
			*out++ = alphabet[bits >> (held - 5) & 31];
	}
	*out = '\0';
}

/* 0 when line begins with the seed of a user. */
static int seed_read(const char *line, uint8_t seed[SEED_BYTES])
{
	size_t last = SEED_BYTES - 2;

	if (strspn(line, alphabet) != SEED_CHARS || base32_read(line, SEED_CHARS, seed) != 0)
		return -1;
	if (seed[0] >> 3 != KIND_SEED || ((seed[0] & 7) << 2 | seed[1] >> 6) != KIND_USER)
		return -1;
	return (seed[last] | seed[last + 1] << 8) == crc_of(seed, last) ? 0 : -1;
}

int nats_nkey_public(const char *path, char out[NATS_NKEY_PUBLIC_BYTES], struct target_error *error)
{
	uint8_t seed[SEED_BYTES], public_key[PUBLIC_BYTES] = {KIND_USER << 3};
	char line[256] = "";
	FILE *file = fopen(path, "r");
	uint16_t crc;
	int rc = -1;

	if (file == NULL)
		return target_fail(error, TARGET_USAGE, "%.300s: %s", path, strerror(errno));
	while (rc != 0 && fgets(line, sizeof(line), file) != NULL)
		rc = strncmp(line, "SU", 2) == 0 ? seed_read(line, seed) : -1;
	fclose(file);
	if (rc == 0)
		rc = atr_ed25519_public(seed + 2, public_key + 1);
	if (rc == 0) {
		crc = crc_of(public_key, PUBLIC_BYTES - 2);
		public_key[PUBLIC_BYTES - 2] = (uint8_t)crc;
		public_key[PUBLIC_BYTES - 1] = (uint8_t)(crc >> 8);
		base32_write(public_key, PUBLIC_BYTES, out);
	} else {
		rc = target_fail(error, TARGET_USAGE,
		                 "%.300s: no seed of a user's nkey in it, expected SU and 56 "
		                 "letters and digits",
		                 path);
	}
	atr_secret_wipe(seed, sizeof(seed));
	atr_secret_wipe(line, sizeof(line));
	return rc;
}
