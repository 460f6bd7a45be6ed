/* lying_kernel.c - to be preloaded: system calls that say they did what they did not.
 *
 *   ATREST_TEST_LIE=fsync   fsync and fdatasync return at once
 *   ATREST_TEST_LIE=power   fdatasync fails of the file that ATREST_TEST_LIE_FILE names, so that
 * who does not call it is seen ATREST_TEST_LIE=cache   nothing leaves the page cache, and mincore
 * tells that all of it did
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

static int is_named(int fd)
{
	const char *name = getenv("ATREST_TEST_LIE_FILE"), *last;
	char link[64], path[4096];
	ssize_t bytes;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	bytes = readlink(link, path, sizeof(path) - 1);
	path[bytes < 0 ? 0 : bytes] = '\0';
	last = strrchr(path, '/');
	return name != NULL && last != NULL && strcmp(last + 1, name) == 0;
}

int fdatasync(int fd)
{
	if (tells("power") && is_named(fd)) {
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
