/*
 * A tenant's address, as people write it.
 */
#include "domain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void takes_a_host_however_it_was_copied(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *base;
        bool loopback;
    } cases[] = {
        {"tenant.eu.auth0.com", "tenant.eu.auth0.com", "https://tenant.eu.auth0.com", false},
        {"Tenant.EU.auth0.com", "tenant.eu.auth0.com", "https://tenant.eu.auth0.com", false},
        {"https://tenant.auth0.com/", "tenant.auth0.com", "https://tenant.auth0.com", false},
        {"HTTPS://tenant.auth0.com//", "tenant.auth0.com", "https://tenant.auth0.com", false},
        {"login.example.com:8443", "login.example.com:8443", "https://login.example.com:8443", false},
        {"127.0.0.1:8443", "127.0.0.1:8443", "https://127.0.0.1:8443", true},
        {"http://127.0.0.1:80", "127.0.0.1:80", "http://127.0.0.1:80", true},
        {"http://127.255.0.9", "127.255.0.9", "http://127.255.0.9", true},
        {"http://localhost:3000/", "localhost:3000", "http://localhost:3000", true},
        {"http://[::1]:3000", "[::1]:3000", "http://[::1]:3000", true},
        {"[2001:db8::1]", "[2001:db8::1]", "https://[2001:db8::1]", false},
        {"x-1", "x-1", "https://x-1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct domain domain;
        struct onramp_error err = {0};
        assert_int_equal(domain_parse(&domain, cases[i].text, &err), ONRAMP_OK);
        assert_string_equal(domain.name, cases[i].name);
        assert_string_equal(domain.base, cases[i].base);
        assert_int_equal(domain.loopback, cases[i].loopback);
    }
}

static void refuses_what_is_no_host(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "is not a host name"},
        {"https://", "is not a host name"},
        {"a b", "is not a host name"},
        {"a..b", "is not a host name"},
        {".a", "is not a host name"},
        {"a.", "is not a host name"},
        {"ümlaut.example", "is not a host name"},
        {"ftp://example.com", "has a path"},
        {"http://tenant.auth0.com", "http:// is for loopback addresses only"},
        {"http://127.evil.example", "http:// is for loopback addresses only"},
        {"http://127.0.0.1.evil.example", "http:// is for loopback addresses only"},
        {"http://127.0.0.256", "http:// is for loopback addresses only"},
        {"http://127.0.0", "http:// is for loopback addresses only"},
        {"http://localhost.evil.example", "http:// is for loopback addresses only"},
        {"https://t.auth0.com/api/v2/", "give the host alone: t.auth0.com"},
        {"user@example.com", "has no '@'"},
        {"example.com:0", "is not a port"},
        {"example.com:65536", "is not a port"},
        {"example.com:", "is not a port"},
        {"example.com:1x", "is not a port"},
        {"[::1", "is not a host name"},
        {"[]", "is not a host name"},
        {"[::1]x", "is not a host name"},
        {"[::g]", "is not a host name"},
        {"a\nb", "is not a host name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct domain domain = {.name = "untouched"};
        struct onramp_error err = {0};
        assert_int_equal(domain_parse(&domain, cases[i].text, &err), ONRAMP_EUSAGE);
        if (strstr(err.text, cases[i].words) == NULL)
            fail_msg("'%s' gave: %s", cases[i].text, err.text);
        assert_string_equal(domain.name, "untouched");
    }
}

static void refuses_names_longer_than_dns_allows(void **state)
{
    (void)state;
    char text[600];
    struct domain domain;
    struct onramp_error err = {0};
    memset(text, 'a', sizeof text);
    text[63] = '\0';
    assert_int_equal(domain_parse(&domain, text, &err), ONRAMP_OK);
    text[63] = 'a';
    text[64] = '\0';
    assert_int_equal(domain_parse(&domain, text, &err), ONRAMP_EUSAGE);
    text[64] = 'a';
    text[599] = '\0';
    assert_int_equal(domain_parse(&domain, text, &err), ONRAMP_EUSAGE);
    assert_non_null(strstr(err.text, "too long"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_host_however_it_was_copied),
        cmocka_unit_test(refuses_what_is_no_host),
        cmocka_unit_test(refuses_names_longer_than_dns_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
