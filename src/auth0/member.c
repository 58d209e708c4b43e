/*
 * member.c - what a member of a JSON object says.
 */
#include "auth0/member.h"

#include <string.h>

bool onramp_member_is_on(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

bool onramp_member_says(const json_t *object, const char *name, const char *text)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value != NULL && strcmp(value, text) == 0;
}

bool onramp_member_copy(char *out, size_t size, const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    if (value == NULL || strlen(value) >= size)
        return false;
    memcpy(out, value, strlen(value) + 1);
    return true;
}
