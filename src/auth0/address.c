/*
 * address.c - e-mail addresses, as far as one can tell before Auth0 does.
 */
#include "auth0/address.h"

#include "auth0/text.h"

#include <string.h>

/* Bytes of a host name, internationalised ones included. */
static bool is_label_byte(char c)
{
    return onramp_text_is_alphanumeric(c) || c == '-' || (unsigned char)c >= 0x80;
}

/* 63 bytes in DNS; how many those of an internationalised one come to is known only after its encoding. */
static bool is_too_long(const char *label, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)label[i] >= 0x80)
            return false;
    return size > 63;
}

/* What is wrong with the part behind the '@', or NULL. */
static const char *domain_problem(const char *domain)
{
    const char *label = domain;
    size_t labels = 0;
    for (;;) {
        size_t size = 0;
        while (is_label_byte(label[size]))
            size++;
        if (label[size] != '.' && label[size] != '\0')
            return "has a character behind the '@' that no domain has";
        if (size == 0)
            return "has a dot too many behind the '@', or nothing there";
        if (is_too_long(label, size) || label[0] == '-' || label[size - 1] == '-')
            return "has a domain that cannot exist";
        labels++;
        if (label[size] == '\0')
            break;
        label += size + 1;
    }
    if (labels < 2)
        return "has no dot behind the '@'";
    if (strlen(label) < 2 || strspn(label, "0123456789") == strlen(label))
        return "has no top-level domain";
    return NULL;
}

/* What is wrong with the part before the '@', or NULL. A quoted one is left to Auth0. */
static const char *local_problem(const char *local)
{
    if (local[0] == '\0')
        return "has nothing before the '@'";
    if (onramp_text_units(local) > 64)
        return "has more than 64 characters before the '@'";
    if (local[0] == '"')
        return NULL;
    if (strchr(local, '@') != NULL)
        return "has more than one '@'";
    if (local[0] == '.' || local[strlen(local) - 1] == '.' || strstr(local, "..") != NULL)
        return "has a dot too many before the '@'";
    if (local[strcspn(local, "\"(),:;<>[\\]")] != '\0')
        return "has a character before the '@' that no address has";
    return NULL;
}

/* What tables and web pages leave in a cell and nobody sees: spaces of other kinds, characters of no width. An address
 * with one of them is not the one that its owner will type. */
static bool has_invisible(const char *text)
{
    static const char *const invisible[] = {
        "\xc2\xa0",     /* no-break space */
        "\xc2\xad",     /* soft hyphen */
        "\xe2\x80\xa8", /* line separator */
        "\xe2\x80\xa9", /* paragraph separator */
        "\xe2\x80\xaf", /* narrow no-break space */
        "\xe2\x81\x9f", /* mathematical space */
        "\xe2\x81\xa0", /* word joiner */
        "\xe3\x80\x80", /* ideographic space */
        "\xef\xbb\xbf", /* byte order mark */
    };
    for (size_t i = 0; i < sizeof invisible / sizeof invisible[0]; i++)
        if (strstr(text, invisible[i]) != NULL)
            return true;
    /* U+2000 to U+200F: spaces by their widths, those of none, joiners, marks of direction */
    for (const char *at = text; (at = strstr(at, "\xe2\x80")) != NULL; at += 2)
        if ((unsigned char)at[2] >= 0x80 && (unsigned char)at[2] <= 0x8f)
            return true;
    return false;
}

const char *onramp_address_problem(const char *email, char *local)
{
    for (const char *c = email; *c != '\0'; c++)
        if (onramp_text_is_blank(*c))
            return "has a space or a control character";
    if (has_invisible(email))
        return "has an invisible character, such as a no-break space";
    if (onramp_text_units(email) > 254)
        return "has more than 254 characters";
    const char *at = strrchr(email, '@');
    if (at == NULL)
        return "has no '@'";
    memcpy(local, email, (size_t)(at - email));
    local[at - email] = '\0';
    const char *problem = local_problem(local);
    return problem != NULL ? problem : domain_problem(at + 1);
}
