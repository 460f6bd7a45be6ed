/* filesystem.c - what lies under a directory, and whether it is encrypted on the way to the
 * device. What happens outside of this system (a disk that encrypts itself, the host of a
 * virtual machine) cannot be seen from here.
 */
#include "harness/measure/filesystem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fscrypt.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "harness/measure/cgroup.h"
#include "harness/measure/mounts.h"

#define DEVICE_DEPTH_MAX 8 /* LVM on LUKS on RAID is 3; a loop device's file starts anew */

static int is_one_of(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(word, *list) == 0)
			return 1;
	return 0;
}

static void add_encryption(struct filesystem *fs, const char *what)
{
	size_t used = strlen(fs->encryption);

	if (strstr(fs->encryption, what))
		return;
	snprintf(fs->encryption + used, sizeof(fs->encryption) - used, "%s%s", used ? " + " : "",
	         what);
}

/* First line of a file of sysfs without its end; 0 when there is one. */
static int read_text(const char *directory, const char *name, char *text, int bytes)
{
	char path[PATH_MAX];
	FILE *in;
	int rc = -1;

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
		return -1;
	in = fopen(path, "re");
	if (!in)
		return -1;
	if (fgets(text, bytes, in)) {
		text[strcspn(text, "\n")] = 0;
		rc = 0;
	}
	fclose(in);
	return rc;
}

static void look_at_path(struct filesystem *fs, const char *path, int depth);

/* directory is a block device's in sysfs. A partition has its disk above, a mapped device and a
 * RAID the devices they are made of in slaves/, a loop device its file. */
static void look_at_device(struct filesystem *fs, const char *directory, int depth)
{
	char text[PATH_MAX], below[PATH_MAX];
	struct dirent *e;
	DIR *slaves;

	if (depth > DEVICE_DEPTH_MAX)
		return;
	if (read_text(directory, "dm/uuid", text, sizeof(text)) == 0 &&
	    strncmp(text, "CRYPT-", 6) == 0) {
		char what[48];
		snprintf(what, sizeof(what), "dm-crypt (%.*s)",
		         (int)(strcspn(text + 6, "-") > 16 ? 16 : strcspn(text + 6, "-")),
		         text + 6);
		add_encryption(fs, what);
	}
	if (read_text(directory, "loop/backing_file", text, sizeof(text)) == 0)
		look_at_path(fs, text, depth + 1);
	if (read_text(directory, "partition", text, sizeof(text)) == 0 &&
	    snprintf(below, sizeof(below), "%s/..", directory) < (int)sizeof(below))
		look_at_device(fs, below, depth + 1);
	if (snprintf(below, sizeof(below), "%s/slaves", directory) >= (int)sizeof(below))
		return;
	slaves = opendir(below);
	while (slaves && (e = readdir(slaves)) != NULL) {
		char slave[PATH_MAX];
		if (e->d_name[0] != '.' &&
		    snprintf(slave, sizeof(slave), "%s/%s", below, e->d_name) < (int)sizeof(slave))
			look_at_device(fs, slave, depth + 1);
	}
	if (slaves)
		closedir(slaves);
}

/* The block device of a mount: what it was mounted from, since btrfs and others show a device
 * number that is nowhere in sysfs. */
static void look_at_mount(struct filesystem *fs, const struct mount *m, int depth)
{
	char directory[64];
	unsigned major_of = m->major, minor_of = m->minor;
	struct stat st;

	if (m->source[0] == '/' && stat(m->source, &st) == 0 && S_ISBLK(st.st_mode)) {
		major_of = major(st.st_rdev);
		minor_of = minor(st.st_rdev);
	}
	snprintf(directory, sizeof(directory), "/sys/dev/block/%u:%u", major_of, minor_of);
	look_at_device(fs, directory, depth);
}

void filesystem_device_encryption(const char *sysfs, char encryption[96])
{
	struct filesystem fs = {0};

	look_at_device(&fs, sysfs, 0);
	memcpy(encryption, fs.encryption, sizeof(fs.encryption));
}

/* fscrypt is per file; new ones in a directory get its policy. */
static int has_fscrypt_policy(const char *path)
{
	struct fscrypt_get_policy_ex_arg policy = {.policy_size = sizeof(policy.policy)};
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return 0;
	rc = ioctl(fd, FS_IOC_GET_ENCRYPTION_POLICY_EX, &policy);
	close(fd);
	return rc == 0;
}

/* What of the encryption the file system itself does. */
static void look_at_type(struct filesystem *fs, const struct mount *m)
{
	static const char *const fuse[] = {"fuse.gocryptfs", "fuse.encfs", "fuse.cryfs",
	                                   "fuse.securefs", NULL};

	if (strcmp(m->type, "ecryptfs") == 0)
		add_encryption(fs, "ecryptfs");
	else if (is_one_of(m->type, fuse))
		add_encryption(fs, strchr(m->type, '.') + 1);
}

/* Whether the way to the device is hidden: another machine, a program, layers, or a file system
 * with encryption of its own that nothing in /proc tells of. */
static int is_hidden(const struct filesystem *fs)
{
	static const char *const types[] = {"overlay", "zfs", "bcachefs", "virtiofs", NULL};

	return fs->network || is_one_of(fs->type, types) || strncmp(fs->type, "fuse", 4) == 0;
}

static void look_at_path(struct filesystem *fs, const char *path, int depth)
{
	struct mount m;

	if (mounts_of(path, &m) != 0)
		return;
	look_at_type(fs, &m);
	look_at_mount(fs, &m, depth);
	if (has_fscrypt_policy(path))
		add_encryption(fs, "fscrypt");
}

static int read_space(const char *dir, struct filesystem *fs)
{
	struct statvfs v;

	if (statvfs(dir, &v) != 0)
		return -errno;
	fs->block_bytes = v.f_bsize;
	fs->total_bytes = (uint64_t)v.f_blocks * v.f_frsize;
	fs->free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	fs->free_inodes = v.f_files ? v.f_favail : 0;
	return 0;
}

int filesystem_read(const char *dir, struct filesystem *out)
{
	static const char *const volatile_types[] = {"tmpfs", "ramfs", "devtmpfs", "hugetlbfs",
	                                             NULL};
	static const char *const network_types[] = {"nfs", "nfs4", "cifs",      "smb3",
	                                            "9p",  "ceph", "glusterfs", "fuse.sshfs",
	                                            "afs", NULL};
	struct mount m;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = mounts_of(dir, &m);
	if (rc != 0)
		return rc;
	snprintf(out->type, sizeof(out->type), "%.31s", m.type);
	snprintf(out->source, sizeof(out->source), "%.255s", m.source);
	snprintf(out->mount, sizeof(out->mount), "%.255s", m.point);
	snprintf(out->options, sizeof(out->options), "%.255s", m.options);
	out->durable = !is_one_of(m.type, volatile_types);
	out->network = is_one_of(m.type, network_types);
	rc = read_space(dir, out);
	if (rc != 0)
		return rc;

	look_at_path(out, dir, 0);
	out->encrypted = out->encryption[0] != 0;
	if (!out->encrypted)
		strcpy(out->encryption, is_hidden(out) ? "unknown" : "none");
	return 0;
}

/* A line "NAME: N kB" of /proc/meminfo in bytes; 0 when there is none. */
static uint64_t meminfo_bytes(const char *name)
{
	char line[128];
	size_t bytes = strlen(name);
	uint64_t kib = 0;
	FILE *in = fopen("/proc/meminfo", "re");

	if (!in)
		return 0;
	while (fgets(line, sizeof(line), in)) {
		if (strncmp(line, name, bytes) == 0 && line[bytes] == ':') {
			if (sscanf(line + bytes + 1, "%" SCNu64, &kib) != 1)
				kib = 0;
			break;
		}
	}
	fclose(in);
	return kib * 1024;
}

static uint64_t read_number(const char *directory, const char *name)
{
	char text[64];
	uint64_t n;

	if (read_text(directory, name, text, sizeof(text)) != 0 ||
	    sscanf(text, "%" SCNu64, &n) != 1)
		return 0;
	return n;
}

uint64_t filesystem_dirty_background_bytes(void)
{
	uint64_t bytes = read_number("/proc/sys/vm", "dirty_background_bytes");

	if (bytes) /* one of the two is 0 */
		return bytes;
	return meminfo_bytes("MemAvailable") / 100 *
	       read_number("/proc/sys/vm", "dirty_background_ratio");
}

uint64_t filesystem_memory_limit_bytes(void)
{
	uint64_t limit = cgroup_memory_limit_bytes("/proc/self"),
	         memory = meminfo_bytes("MemTotal");

	return limit && limit < memory ? limit : memory;
}
