/*
 * schema.c - the validator. Auth0's Management API is known to use z-schema: its message table fills the gaps
 * between the recorded messages.
 */
#include "tenant/schema.h"

#include <stdio.h>
#include <string.h>

static bool is_boolean(json_type type)
{
    return type == JSON_TRUE || type == JSON_FALSE;
}

static const char *type_name(json_type type)
{
    switch (type) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
        return "integer";
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    case JSON_NULL:
        return "null";
    }
    return "unknown";
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

size_t onramp_schema_length(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += !is_continuation(*text);
    return count;
}

size_t onramp_schema_utf16(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        if (!is_continuation(*text))
            count += (unsigned char)*text >= 0xf0 ? 2 : 1; /* four bytes are a surrogate pair */
    return count;
}

/* Letters, digits and what RFC 5322 calls atext, with bytes beyond ASCII for internationalized addresses. */
static bool is_local_character(char c)
{
    return (unsigned char)c >= 0x80 || (c != '\0' && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                                            "0123456789.!#$%&'*+/=?^_`{|}~-",
                                                            c) != NULL);
}

static bool is_domain(const char *domain)
{
    size_t label = 0, dots = 0;
    char before = '.';
    for (; *domain != '\0'; before = *domain++) {
        bool dot = *domain == '.';
        bool dash = *domain == '-';
        if (!dot && !dash && !((unsigned char)*domain >= 0x80) &&
            strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", *domain) == NULL)
            return false;
        if ((dot && (label == 0 || before == '-')) || (dash && label == 0) || (!dot && label == 63))
            return false;
        dots += dot;
        label = dot ? 0 : label + 1;
    }
    return dots > 0 && label >= 2 && before != '-';
}

bool onramp_schema_email(const char *text)
{
    const char *at = strrchr(text, '@');
    if (at == NULL || at == text || at - text > 64 || strlen(text) > 254)
        return false;
    if (text[0] == '.' || at[-1] == '.')
        return false;
    for (const char *c = text; c < at; c++)
        if (!is_local_character(*c) || (c[0] == '.' && c[1] == '.'))
            return false;
    return is_domain(at + 1);
}

static bool is_uri(const char *text)
{
    size_t scheme = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+.-");
    return scheme > 0 && text[scheme] == ':' && text[scheme + 1] != '\0' && strpbrk(text, " \t\r\n<>\"") == NULL;
}

static bool is_phone(const char *text)
{
    size_t digits = text[0] == '+' ? strspn(text + 1, "0123456789") : 0;
    return digits >= 1 && digits <= 15 && text[digits + 1] == '\0';
}

/* The validator's words if `text` is not of the format; quotes at most 100 bytes of it. */
static bool check_format(const char *text, enum onramp_format format, char *out, size_t size)
{
    switch (format) {
    case ONRAMP_FORMAT_ANY:
        return true;
    case ONRAMP_FORMAT_EMAIL:
        if (onramp_schema_email(text))
            return true;
        snprintf(out, size, "Object didn't pass validation for format email: %.100s", text);
        return false;
    case ONRAMP_FORMAT_URI:
        if (is_uri(text))
            return true;
        snprintf(out, size, "Object didn't pass validation for format uri: %.100s", text);
        return false;
    case ONRAMP_FORMAT_PHONE:
        if (is_phone(text))
            return true;
        snprintf(out, size, "String does not match pattern ^\\+[0-9]{1,15}$: %.100s", text);
        return false;
    case ONRAMP_FORMAT_NO_SPACE:
        if (strpbrk(text, " \t\r\n\v\f") == NULL)
            return true;
        snprintf(out, size, "String does not match pattern ^\\S*$: %.100s", text);
        return false;
    }
    return true;
}

static bool check_size(const json_t *value, const struct onramp_property *property, char *out, size_t size)
{
    if (json_is_string(value)) {
        size_t length = onramp_schema_length(json_string_value(value));
        if (length < property->min) {
            snprintf(out, size, "String is too short (%zu chars), minimum %zu", length, property->min);
            return false;
        }
        if (property->max > 0 && length > property->max) {
            snprintf(out, size, "String is too long (%zu chars), maximum %zu", length, property->max);
            return false;
        }
    } else if (json_is_array(value)) {
        size_t items = json_array_size(value);
        if (items < property->min) {
            snprintf(out, size, "Array is too short (%zu), minimum %zu", items, property->min);
            return false;
        }
        if (property->max > 0 && items > property->max) {
            snprintf(out, size, "Array is too long (%zu), maximum %zu", items, property->max);
            return false;
        }
    } else if (json_is_integer(value) && json_integer_value(value) < (json_int_t)property->min) {
        snprintf(out, size, "Value %" JSON_INTEGER_FORMAT " is less than minimum %zu", json_integer_value(value),
                 property->min);
        return false;
    }
    return true;
}

static bool check_value(const json_t *value, const struct onramp_property *property, char *out, size_t size)
{
    json_type type = json_typeof(value);
    if (type != property->type && !(is_boolean(type) && is_boolean(property->type))) {
        snprintf(out, size, "Expected type %s but found type %s", type_name(property->type), type_name(type));
        return false;
    }
    if (!check_size(value, property, out, size))
        return false;
    return type != JSON_STRING || check_format(json_string_value(value), property->format, out, size);
}

static bool is_known(const char *name, const struct onramp_property *properties, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, properties[i].name) == 0)
            return true;
    return false;
}

static bool check_names(const json_t *body, const struct onramp_property *properties, size_t count, char *message,
                        size_t size)
{
    char names[200] = "";
    size_t length = 0;
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)body, name, value)
    {
        if (is_known(name, properties, count) || length >= sizeof names - 1)
            continue;
        int n = snprintf(names + length, sizeof names - length, "%s%s", length > 0 ? "," : "", name);
        length += n > 0 ? (size_t)n : 0;
    }
    if (length > 0)
        snprintf(message, size, "'Additional properties not allowed: %s'.", names);
    return length == 0;
}

bool onramp_schema_check(const json_t *body, const struct onramp_property *properties, size_t count, char *message,
                         size_t size)
{
    if (!json_is_object(body)) {
        snprintf(message, size, "'Expected type object but found type %s'.",
                 body != NULL ? type_name(json_typeof(body)) : "null");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (properties[i].required && json_object_get(body, properties[i].name) == NULL) {
            snprintf(message, size, "'Missing required property: %s'.", properties[i].name);
            return false;
        }
    }
    if (!check_names(body, properties, count, message, size))
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(body, properties[i].name);
        char problem[240];
        if (value == NULL || check_value(value, &properties[i], problem, sizeof problem))
            continue;
        if (properties[i].about != NULL)
            snprintf(message, size, "'%s' on property %s (%s).", problem, properties[i].name, properties[i].about);
        else
            snprintf(message, size, "'%s' on property %s.", problem, properties[i].name);
        return false;
    }
    return true;
}
