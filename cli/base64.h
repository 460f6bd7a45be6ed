/* base64.h - RFC 4648, section 4, with padding. */
#ifndef ATREST_CLI_BASE64_H
#define ATREST_CLI_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the text for data of that many bytes, without a NUL. */
size_t base64_text_bytes(size_t data_bytes);

/* text holds base64_text_bytes(bytes) + 1; NUL-terminated. */
void base64_encode(const uint8_t *data, size_t bytes, char *text);

/* data holds text_bytes / 4 * 3. Returns 0, or -1 for anything but padded base64. */
int base64_decode(const char *text, size_t text_bytes, uint8_t *data, size_t *data_bytes);

#endif
