/* micro.h - the parts of atrest-micro; each registers its benchmarks. */
#ifndef ATREST_HARNESS_MICRO_MICRO_H
#define ATREST_HARNESS_MICRO_MICRO_H

/* Record sizes of the tables: payloads of 16, 128, 1024, 8192, 65536 bytes with a 12-byte subject
 * make records of 58, 170, 1066, 8234, 65578. */
#define MICRO_SIZES 5
extern const unsigned micro_payload_bytes[MICRO_SIZES];
extern const unsigned micro_record_bytes[MICRO_SIZES];

void micro_cipher_register(void);
void micro_store_register(void);

#endif
