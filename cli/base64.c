#include "cli/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_text_bytes(size_t data_bytes)
{
	return (data_bytes + 2) / 3 * 4;
}

void base64_encode(const uint8_t *data, size_t bytes, char *text)
{
	size_t i;

	for (i = 0; i + 2 < bytes; i += 3) {
		uint32_t v = (uint32_t)data[i] << 16 | (uint32_t)data[i + 1] << 8 | data[i + 2];

		*text++ = digits[v >> 18];
		*text++ = digits[v >> 12 & 63];
		*text++ = digits[v >> 6 & 63];
		*text++ = digits[v & 63];
	}
	if (i < bytes) {
		uint32_t v = (uint32_t)data[i] << 16;

		if (i + 1 < bytes)
			v |= (uint32_t)data[i + 1] << 8;
		*text++ = digits[v >> 18];
		*text++ = digits[v >> 12 & 63];
		*text++ = i + 1 < bytes ? digits[v >> 6 & 63] : '=';
		*text++ = '=';
	}
	*text = '\0';
}

static int digit_value(char c)
{
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

int base64_decode(const char *text, size_t text_bytes, uint8_t *data, size_t *data_bytes)
{
	size_t padding = 0, out = 0;

	*data_bytes = 0;
	if (text_bytes % 4 != 0)
		return -1;
	if (text_bytes > 0 && text[text_bytes - 1] == '=')
		padding = text[text_bytes - 2] == '=' ? 2 : 1;
	for (size_t i = 0; i < text_bytes; i += 4) {
		size_t pad = i + 4 == text_bytes ? padding : 0;
		uint32_t v = 0;

		for (size_t j = 0; j < 4; j++) {
			int d = j >= 4 - pad ? 0 : digit_value(text[i + j]);

			if (d < 0)
				return -1;
			v = v << 6 | (uint32_t)d;
		}
		/* bits that no byte holds must be zero: one text for one datum */
		if ((pad == 1 && (v & 0xff) != 0) || (pad == 2 && (v & 0xffff) != 0))
			return -1;
		data[out++] = (uint8_t)(v >> 16);
		if (pad < 2)
			data[out++] = (uint8_t)(v >> 8);
		if (pad < 1)
			data[out++] = (uint8_t)v;
	}
	*data_bytes = out;
	return 0;
}
