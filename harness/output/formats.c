/* formats.c - see formats.h: the list of formats, and what they share. */
#include "harness/output/formats.h"

#include <string.h>

static const struct {
	const char *name;
	formats_write *write;
} formats[] = {{"go", formats_go},
               {"gbench", formats_gbench},
               {"github", formats_github},
               {"openmetrics", formats_openmetrics}};

formats_write *formats_find(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].name, name) == 0)
			return formats[i].write;
	return NULL;
}

const char *formats_names(void)
{
	return "go, gbench, github, openmetrics";
}

const json_t *formats_machine(const struct formats_source *source, const char *path)
{
	const json_t *at = source->machine;
	while (at != NULL && *path != '\0') {
		char member[64];
		size_t bytes = strcspn(path, ".");
		snprintf(member, sizeof(member), "%.*s", (int)bytes, path);
		at = json_object_get(at, member);
		path += bytes + (path[bytes] == '.');
	}
	return at;
}

const char *formats_machine_text(const struct formats_source *source, const char *path)
{
	return json_string_value(formats_machine(source, path));
}

const char *formats_target(const char *target, const char *version, char mark,
                           char text[FORMATS_NAME_BYTES])
{
	/* Of the store the version is the program's: a new one is the same cell. */
	int server = strcmp(target, "nats") == 0 || strcmp(target, "server") == 0;
	if (server && version[0] != '\0')
		snprintf(text, FORMATS_NAME_BYTES, "%s%c%s", target, mark, version);
	else
		snprintf(text, FORMATS_NAME_BYTES, "%s", target);
	return text;
}
