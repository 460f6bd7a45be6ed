/* lying_kernel.c - to be preloaded: system calls that say they did what they did not.
 *
 *   ATREST_TEST_LIE=fsync   fsync and fdatasync return at once
 *   ATREST_TEST_LIE=power   fdatasync fails, so that who does not call it is seen
 *   ATREST_TEST_LIE=cache   nothing leaves the page cache, and mincore tells that all of it did
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int tells(const char *lie)
{
	const char *told = getenv("ATREST_TEST_LIE");

	return told != NULL && strcmp(told, lie) == 0;
}

int fsync(int fd)
{
	return tells("fsync") ? 0 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	if (tells("power")) {
		errno = EIO;
		return -1;
	}
	return tells("fsync") ? 0 : (int)syscall(SYS_fdatasync, fd);
}

int posix_fadvise(int fd, off_t offset, off_t bytes, int advice)
{
	if (tells("cache"))
		return 0;
	return syscall(SYS_fadvise64, fd, offset, bytes, advice) == 0 ? 0 : errno;
}

int mincore(void *address, size_t bytes, unsigned char *pages)
{
	if (!tells("cache"))
		return (int)syscall(SYS_mincore, address, bytes, pages);
	memset(pages, 0, (bytes + 4095) / 4096);
	return 0;
}
