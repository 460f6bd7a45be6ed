/* secret.h - memory for keys: locked when the system allows it, wiped before it is freed. */
#ifndef ATREST_CIPHERS_SECRET_H
#define ATREST_CIPHERS_SECRET_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zeroed, excluded from core dumps, between guard pages; NULL when memory is out. Costs a few
 * pages each: for keys and contexts, not for messages. Aligned to 64 bytes. A region of a size
 * that was freed before costs a lock and a wipe; a new one a dozen system calls. */
void *atr_secret_alloc(size_t bytes);
/* Wipes and frees, or keeps for the next of that size (1 MiB at most); NULL allowed. */
void atr_secret_free(void *p);
/* Wipes; not optimised away. */
void atr_secret_wipe(void *p, size_t bytes);
/* 1 when the last allocations could be locked into RAM, 0 when a limit forbade it. */
int atr_secret_is_locked(void);

#ifdef __cplusplus
}
#endif
#endif
