/*
 * domain.c - a tenant's address as people write it.
 */
#include "domain.h"

#include <stdio.h>
#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool begins(const char *text, const char *with)
{
    for (; *with != '\0'; text++, with++)
        if (lower(*text) != *with)
            return false;
    return true;
}

/* Letters, digits and hyphens between dots, none empty, none longer than 63: RFC 1123. */
static bool is_host(const char *host, size_t size)
{
    size_t label = 0;
    if (size == 0 || size > 253)
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = lower(host[i]);
        if (c == '.' ? label == 0 : !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return label > 0;
}

/* What stands between the brackets of an IPv6 address. Whether it is one, the resolver will say. */
static bool is_ipv6(const char *text, size_t size)
{
    if (size < 2 || size > 45)
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = lower(text[i]);
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == ':' || c == '.'))
            return false;
    }
    return true;
}

/* 127.0.0.0/8 has to be four numbers: 127.evil.example is a name like any other. */
static bool is_loopback(const char *host, size_t size)
{
    if ((size == 9 && memcmp(host, "localhost", 9) == 0) || (size == 5 && memcmp(host, "[::1]", 5) == 0))
        return true;
    if (size < 9 || memcmp(host, "127.", 4) != 0)
        return false;
    unsigned dots = 0, number = 0, digits = 0;
    for (size_t i = 0; i < size; i++) {
        if (host[i] == '.') {
            dots++;
            number = digits = 0;
        } else if (host[i] >= '0' && host[i] <= '9') {
            number = number * 10 + (unsigned)(host[i] - '0');
            digits++;
        } else {
            return false;
        }
        if (digits > 3 || number > 255)
            return false;
    }
    return dots == 3 && digits > 0;
}

static bool is_port(const char *text)
{
    unsigned port = 0;
    size_t digits = 0;
    for (; text[digits] >= '0' && text[digits] <= '9' && digits < 6; digits++)
        port = port * 10 + (unsigned)(text[digits] - '0');
    return digits > 0 && text[digits] == '\0' && port >= 1 && port <= 65535;
}

enum onramp_status domain_parse(struct domain *out, const char *text, struct onramp_error *err)
{
    const char *at = text;
    bool plain = begins(text, "http://");
    if (plain)
        at += strlen("http://");
    else if (begins(text, "https://"))
        at += strlen("https://");

    struct domain domain = {.loopback = false};
    size_t size = strlen(at);
    while (size > 0 && at[size - 1] == '/')
        size--;
    if (memchr(at, '@', size) != NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "a tenant's address has no '@' in it; give the host alone");
    const char *path = memchr(at, '/', size);
    if (path != NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "'%s' has a path; give the host alone: %.*s", text, (int)(path - at),
                           at);
    if (size >= sizeof domain.name)
        return onramp_fail(err, ONRAMP_EUSAGE, "'%.40s…' is too long for a host name", text);
    for (size_t i = 0; i < size; i++)
        domain.name[i] = lower(at[i]);

    const char *bracket = domain.name[0] == '[' ? strchr(domain.name, ']') : NULL;
    const char *colon = strchr(bracket != NULL ? bracket : domain.name, ':');
    size_t host = colon != NULL ? (size_t)(colon - domain.name) : size;
    bool good = bracket != NULL ? bracket == domain.name + host - 1 && is_ipv6(domain.name + 1, host - 2)
                                : is_host(domain.name, host);
    if (!good)
        return onramp_fail(err, ONRAMP_EUSAGE, "'%s' is not a host name such as tenant.eu.auth0.com", text);
    if (colon != NULL && !is_port(colon + 1))
        return onramp_fail(err, ONRAMP_EUSAGE, "'%s' is not a port from 1 to 65535", colon + 1);
    domain.loopback = is_loopback(domain.name, host);
    if (plain && !domain.loopback)
        return onramp_fail(err, ONRAMP_EUSAGE, "http:// is for loopback addresses only; '%s' is reached by https",
                           domain.name);

    (void)snprintf(domain.base, sizeof domain.base, "%s://%s", plain ? "http" : "https", domain.name);
    *out = domain;
    return ONRAMP_OK;
}
