/* machine.c - the fingerprint, member by member; see machine.h. What cannot be read is null, so
 * that a missing figure never looks like a figure.
 */
#include "harness/measure/machine.h"

#include <gnu/libc-version.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "ciphers/cipher.h"
#include "harness/measure/build_info.h"
#include "harness/measure/clock.h"
#include "harness/measure/cpu.h"
#include "harness/measure/filesystem.h"

#define CREATE_NORMAL_NS 40000 /* above this, creating files disturbs a comparison */

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif

const char *machine_build(void)
{
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
	return "asan";
#elif defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
	return "tsan";
#else
	if (BUILD_SANITIZERS[0])
		return strcmp(BUILD_SANITIZERS, "undefined") == 0 ? "ubsan" : "sanitized";
	if (BUILD_COVERAGE)
		return "coverage";
#if defined(__OPTIMIZE__)
	return strcmp(BUILD_TYPE, "Debug") == 0 ? "debug" : "release";
#else
	return "debug";
#endif
#endif
}

int machine_build_measures(void)
{
	return strcmp(machine_build(), "release") == 0;
}

const char *machine_commit(void)
{
	return BUILD_COMMIT;
}

const char *machine_version(void)
{
	return BUILD_VERSION;
}

/* A string, or null for an empty one or for bytes that are not UTF-8. */
static json_t *text_or_null(const char *text)
{
	json_t *s = text && *text ? json_string(text) : NULL;

	return s ? s : json_null();
}

static json_t *number_or_null(uint64_t n)
{
	return n ? json_integer((json_int_t)n) : json_null();
}

/* First line of a file without its end; "" when there is none. */
static const char *first_line(const char *path, char *text, int bytes)
{
	FILE *in = fopen(path, "re");

	*text = 0;
	if (!in)
		return text;
	if (fgets(text, bytes, in))
		text[strcspn(text, "\n")] = 0;
	fclose(in);
	return text;
}

/* Value of the first line "NAME<blanks>SEPARATOR VALUE" of a file; "" when there is none. */
static const char *value_of(const char *path, const char *name, char separator, char *text,
                            size_t bytes)
{
	FILE *in = fopen(path, "re");
	size_t name_bytes = strlen(name), capacity = 0;
	char *line = NULL;

	*text = 0;
	if (!in)
		return text;
	while (!*text && getline(&line, &capacity, in) > 0) {
		char *at = line + name_bytes;
		if (strncmp(line, name, name_bytes) != 0)
			continue;
		at += strspn(at, " \t");
		if (*at++ != separator)
			continue;
		at += strspn(at, " \t\"");
		at[strcspn(at, "\"\n")] = 0;
		snprintf(text, bytes, "%s", at);
	}
	free(line);
	fclose(in);
	return text;
}

/* Those of the processor's flags that the ciphers and hashes choose their code by. */
static json_t *instructions(void)
{
	static const char *const names[] = {
	        "aes", "vaes", "pclmulqdq", "vpclmulqdq", "ssse3", "avx", "avx2", "avx512f",
	        "avx512vl", "avx512bw", "sha_ni", "gfni", "bmi2", "adx",
	        /* of arm64 */
	        "asimd", "pmull", "sha1", "sha2", "sha512", "sve", "sve2"};
	json_t *list = json_array();
	char *flags = malloc(8192);

	if (!flags)
		return list;
	/* With a blank at either end each flag is a word of its own. */
	strcpy(flags, " ");
	if (!*value_of("/proc/cpuinfo", "flags", ':', flags + 1, 8190))
		value_of("/proc/cpuinfo", "Features", ':', flags + 1, 8190);
	strcat(flags, " ");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char word[32];
		snprintf(word, sizeof(word), " %s ", names[i]);
		if (strstr(flags, word))
			json_array_append_new(list, json_string(names[i]));
	}
	free(flags);
	return list;
}

static int processors_allowed(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;
}

static json_t *describe_cpu(void)
{
	static const char boost[] = "/sys/devices/system/cpu/cpufreq/boost";
	static const char no_turbo[] = "/sys/devices/system/cpu/intel_pstate/no_turbo";
	static const char governor[] = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
	struct cpu_machine now = {0};
	char model[256], text[64];

	if (!*value_of("/proc/cpuinfo", "model name", ':', model, sizeof(model)))
		value_of("/proc/cpuinfo", "Model", ':', model, sizeof(model));
	cpu_machine_read(&now);
	json_t *cpu = json_object();
	json_object_set_new(cpu, "model", text_or_null(model));
	json_object_set_new(cpu, "processors", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	json_object_set_new(cpu, "processors_allowed",
	                    number_or_null((uint64_t)processors_allowed()));
	json_object_set_new(cpu, "instructions", instructions());
	json_object_set_new(cpu, "governor",
	                    text_or_null(first_line(governor, text, sizeof(text))));
	if (!*first_line(boost, text, sizeof(text)) && *first_line(no_turbo, text, sizeof(text)))
		snprintf(text, sizeof(text), "%s", text[0] == '0' ? "1" : "0");
	json_object_set_new(cpu, "boost", text_or_null(text));
	json_object_set_new(cpu, "frequency_khz", number_or_null(now.frequency_khz));
	return cpu;
}

static json_t *describe_memory(void)
{
	json_t *memory = json_object();
	char text[64];
	uint64_t kib =
	        strtoull(value_of("/proc/meminfo", "MemTotal", ':', text, sizeof(text)), NULL, 10);

	json_object_set_new(memory, "total_bytes", number_or_null(kib * 1024));
	kib = strtoull(value_of("/proc/meminfo", "MemAvailable", ':', text, sizeof(text)), NULL,
	               10);
	json_object_set_new(memory, "available_bytes", number_or_null(kib * 1024));
	kib = strtoull(value_of("/proc/meminfo", "SwapTotal", ':', text, sizeof(text)), NULL, 10);
	json_object_set_new(memory, "swap_total_bytes", json_integer((json_int_t)(kib * 1024)));
	kib = strtoull(value_of("/proc/meminfo", "SwapFree", ':', text, sizeof(text)), NULL, 10);
	json_object_set_new(memory, "swap_free_bytes", json_integer((json_int_t)(kib * 1024)));
	json_object_set_new(memory, "limit_bytes", number_or_null(filesystem_memory_limit_bytes()));
	json_object_set_new(memory, "dirty_background_bytes",
	                    number_or_null(filesystem_dirty_background_bytes()));
	return memory;
}

static json_t *describe_kernel(void)
{
	struct utsname u;
	char text[256];
	json_t *kernel = json_object();

	if (uname(&u) == 0) {
		json_object_set_new(kernel, "name", json_string(u.sysname));
		json_object_set_new(kernel, "release", json_string(u.release));
		json_object_set_new(kernel, "architecture", json_string(u.machine));
	}
	json_object_set_new(
	        kernel, "distribution",
	        text_or_null(value_of("/etc/os-release", "PRETTY_NAME", '=', text, sizeof(text))));
	return kernel;
}

/* The hypervisor's own name for itself (CPUID leaf 0x40000000), 12 characters. */
static void hypervisor_name(char name[13])
{
	memset(name, 0, 13);
#if defined(__x86_64__) || defined(__i386__)
	unsigned a, b, c, d;
	__cpuid(1, a, b, c, d);
	if (!(c & (1u << 31)))
		return;
	__cpuid(0x40000000, a, b, c, d);
	memcpy(name, &b, 4);
	memcpy(name + 4, &c, 4);
	memcpy(name + 8, &d, 4);
	for (size_t n = strlen(name); n && name[n - 1] == ' '; n--)
		name[n - 1] = 0;
#endif
}

static json_t *describe_virtualisation(void)
{
	char name[13], vendor[128], product[128];
	json_t *v = json_object();

	hypervisor_name(name);
	first_line("/sys/class/dmi/id/sys_vendor", vendor, sizeof(vendor));
	first_line("/sys/class/dmi/id/product_name", product, sizeof(product));
	json_object_set_new(v, "hypervisor", text_or_null(name));
	json_object_set_new(v, "vendor", text_or_null(vendor));
	json_object_set_new(v, "product", text_or_null(product));
	return v;
}

static const char *container_kind(void)
{
	static const struct {
		const char *path, *kind;
	} marks[] = {{"/.dockerenv", "docker"}, {"/run/.containerenv", "podman"}};
	const char *kind = getenv("container"); /* systemd-nspawn, lxc, podman */

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (access(marks[i].path, F_OK) == 0)
			return marks[i].kind;
	if (kind && *kind)
		return kind;
	return getenv("KUBERNETES_SERVICE_HOST") ? "kubernetes" : "";
}

static json_t *describe_container(void)
{
	double quota = cpu_quota_processors();
	json_t *c = json_object();

	json_object_set_new(c, "kind", text_or_null(container_kind()));
	json_object_set_new(c, "quota_processors", quota > 0 ? json_real(quota) : json_null());
	return c;
}

static json_t *describe_directory(const char *dir)
{
	struct filesystem fs;
	char scratch[PATH_MAX], full[PATH_MAX];
	uint64_t create_ns = 0, fsync_ns = 0;
	json_t *d = json_object();
	int rc = filesystem_read(dir, &fs);

	json_object_set_new(d, "path", text_or_null(realpath(dir, full) ? full : dir));
	if (rc != 0) {
		json_object_set_new(d, "error", json_string(strerror(-rc)));
		return d;
	}
	json_object_set_new(d, "type", text_or_null(fs.type));
	json_object_set_new(d, "source", text_or_null(fs.source));
	json_object_set_new(d, "mount", text_or_null(fs.mount));
	json_object_set_new(d, "options", text_or_null(fs.options));
	json_object_set_new(d, "durable", json_boolean(fs.durable));
	json_object_set_new(d, "network", json_boolean(fs.network));
	json_object_set_new(d, "encryption", text_or_null(fs.encryption));
	json_object_set_new(d, "block_bytes", number_or_null(fs.block_bytes));
	json_object_set_new(d, "total_bytes", number_or_null(fs.total_bytes));
	json_object_set_new(d, "free_bytes", json_integer((json_int_t)fs.free_bytes));
	json_object_set_new(d, "free_inodes", number_or_null(fs.free_inodes));
	/* Both stay null where nothing can be written. */
	filesystem_file_create_ns(dir, scratch, &create_ns);
	if (*scratch)
		filesystem_remove_tree(scratch);
	filesystem_fsync_ns(dir, &fsync_ns);
	json_object_set_new(d, "file_create_ns", number_or_null(create_ns));
	json_object_set_new(d, "file_create_slow", json_boolean(create_ns > CREATE_NORMAL_NS));
	json_object_set_new(d, "fsync_ns", number_or_null(fsync_ns));
	return d;
}

static json_t *describe_libraries(void)
{
	const struct atr_cipher *c;
	json_t *libraries = json_object(), *ciphers = json_array();

	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++)
		json_array_append_new(ciphers,
		                      json_pack("{s:s, s:s, s:s}", "cipher", atr_cipher_name(c),
		                                "provider", atr_cipher_provider(c), "library",
		                                atr_cipher_library(c)));
	json_object_set_new(libraries, "ciphers", ciphers);
	json_object_set_new(libraries, "libc", json_sprintf("glibc %s", gnu_get_libc_version()));
	json_object_set_new(libraries, "jansson", json_string(JANSSON_VERSION));
	return libraries;
}

static json_t *describe_build(void)
{
	json_t *b = json_object();

	json_object_set_new(b, "version", json_string(machine_version()));
	json_object_set_new(b, "commit", json_string(machine_commit()));
	json_object_set_new(b, "kind", json_string(machine_build()));
	json_object_set_new(b, "type", text_or_null(BUILD_TYPE));
	json_object_set_new(b, "compiler", text_or_null(BUILD_COMPILER));
	json_object_set_new(b, "flags", text_or_null(BUILD_FLAGS));
	json_object_set_new(b, "sanitizers", text_or_null(BUILD_SANITIZERS));
#ifdef NDEBUG
	json_object_set_new(b, "asserts", json_false());
#else
	json_object_set_new(b, "asserts", json_true());
#endif
	return b;
}

static json_t *now_utc(void)
{
	time_t t = time(NULL);
	struct tm tm;
	char text[32];

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

json_t *machine_fingerprint(const char *const *dirs, size_t dir_count, const char *label)
{
	char host[256] = "";
	json_t *machine = json_object(), *directories = json_array();

	for (size_t i = 0; i < dir_count; i++)
		json_array_append_new(directories, describe_directory(dirs[i]));
	gethostname(host, sizeof(host) - 1);
	json_object_set_new(machine, "time", now_utc());
	json_object_set_new(machine, "host", text_or_null(label ? label : host));
	json_object_set_new(machine, "cpu", describe_cpu());
	json_object_set_new(machine, "memory", describe_memory());
	json_object_set_new(machine, "kernel", describe_kernel());
	json_object_set_new(machine, "virtualisation", describe_virtualisation());
	json_object_set_new(machine, "container", describe_container());
	json_object_set_new(machine, "directories", directories);
	json_object_set_new(machine, "libraries", describe_libraries());
	json_object_set_new(machine, "build", describe_build());
	return machine;
}
