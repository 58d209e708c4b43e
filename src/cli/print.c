/*
 * print.c - what every command prints alike.
 */
#include "print.h"

#include <stdlib.h>

void print_clean(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
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
