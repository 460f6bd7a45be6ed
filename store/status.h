/* status.h - the error codes of the store and their texts.
 *
 * In store/ a function returns ATR_OK or one of these; a struct atr_error, when the caller
 * gives one, says where: path, offset, what was found and what was expected. Nothing prints.
 */
#ifndef ATREST_STORE_STATUS_H
#define ATREST_STORE_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum atr_status {
	ATR_OK = 0,
	ATR_END,          /* nothing more: the normal end of an iteration */
	ATR_ENOTFOUND,    /* no such sequence (never written, or deleted) */
	ATR_EINVAL,       /* the caller's argument, option or configuration */
	ATR_ENOTSTORE,    /* the directory is not a stream directory */
	ATR_EEXISTS,      /* create: something is there already */
	ATR_ENOKEY,       /* the store is encrypted and no key was given */
	ATR_EAUTH,        /* authentication failed: wrong key or damaged file */
	ATR_EFORMAT,      /* damage: a length, hash or checksum does not fit */
	ATR_ECLEAR,       /* clear text where ciphertext was promised */
	ATR_EUNSUPPORTED, /* a newer version or a form not read yet */
	ATR_ETOOLARGE,    /* record above 32 MiB, subject above 65,535 bytes */
	ATR_ELIMIT,    /* a limit of the stream refuses the message (discard new, message size) */
	ATR_ELOCKED,   /* another process has the store open */
	ATR_EREADONLY, /* permission, read-only file system */
	ATR_ENOSPC,    /* no space, quota or file size limit */
	ATR_EMFILE,    /* too many open files */
	ATR_ENOMEM,
	ATR_EIO,      /* any other failure of the file system */
	ATR_ERANDOM,  /* the random source failed */
	ATR_EPOISONED /* an earlier write or sync failed; nothing is acknowledged any more */
};

/* Where and why. All text is NUL-terminated and holds no key and no payload. */
struct atr_error {
	enum atr_status status;
	int error_number;  /* errno of the failed call, 0 if none */
	int64_t offset;    /* byte in the file, -1 if it does not apply */
	uint64_t sequence; /* message concerned, 0 if it does not apply */
	char path[1024];   /* file or directory, "" if it does not apply */
	char text[512];    /* found and expected, without path and offset */
};

/* A constant English name of the status, e.g. "authentication failed". */
const char *atr_status_text(enum atr_status status);

/* Fills *err (NULL allowed) and returns status, so that one line can set and leave.
 * offset -1 and path NULL mean "does not apply". */
enum atr_status atr_error_set(struct atr_error *err, enum atr_status status, const char *path,
                              int64_t offset, const char *format, ...)
        __attribute__((format(printf, 5, 6)));

/* The status that stands for an errno value: ENOSPC, EDQUOT, EFBIG -> ATR_ENOSPC;
 * EMFILE, ENFILE -> ATR_EMFILE; EACCES, EPERM, EROFS -> ATR_EREADONLY; ENOMEM -> ATR_ENOMEM;
 * everything else -> ATR_EIO. */
enum atr_status atr_status_from_errno(int error_number);

/* Writes "path:offset: text" (parts that do not apply are left out) into line. */
void atr_error_line(const struct atr_error *err, char *line, uint64_t line_bytes);

#ifdef __cplusplus
}
#endif
#endif
