/*
 * print.c - what every command prints alike.
 */
#include "print.h"

#include <stdlib.h>
#include <string.h>

void print_clean(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

const char *print_who(const struct onramp_identity *identity)
{
    return identity->email != NULL          ? identity->email
           : identity->username != NULL     ? identity->username
           : identity->phone_number != NULL ? identity->phone_number
           : identity->user_id != NULL      ? identity->user_id
                                            : "";
}

const char *print_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* Of the UTF-8 character that begins here; 0 if none does. */
static size_t character_size(const char *text)
{
    size_t room = strlen(text);
    for (size_t size = 1; size <= 4 && size <= room; size++) {
        json_t *character = json_stringn(text, size);
        json_decref(character);
        if (character != NULL)
            return size;
    }
    return 0;
}

json_t *print_name(const char *name)
{
    json_t *string = json_string(name);
    if (string != NULL)
        return string;
    static const char replacement[] = "\xef\xbf\xbd";
    char *text = malloc(3 * strlen(name) + 1), *end = text;
    if (text == NULL)
        return NULL;
    while (*name != '\0') {
        size_t size = character_size(name);
        memcpy(end, size > 0 ? name : replacement, size > 0 ? size : 3);
        end += size > 0 ? size : 3;
        name += size > 0 ? size : 1;
    }
    *end = '\0';
    string = json_string(text);
    free(text);
    return string;
}

enum onramp_status print_json(FILE *out, json_t *object, const char *what, struct onramp_error *err)
{
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(object);
    if (text == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "cannot write the %s as JSON: out of memory", what);
    fprintf(out, "%s\n", text);
    free(text);
    return ONRAMP_OK;
}
