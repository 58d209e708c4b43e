/*
 * check.c - the token, the connection, the limits: what a tenant's answers to a few questions are worth.
 */
#include "check.h"

#include "auth0/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_LIFE INT64_C(900) /* seconds: a token that ends sooner may end within a run */

#define GRANT                                                                                                          \
    "grant it under Applications > APIs > Auth0 Management API > Machine to Machine Applications, then get a fresh "   \
    "token"

const char *onramp_severity_name(enum onramp_severity severity)
{
    static const char *const names[] = {"ok", "notice", "warning", "refused", "stop"};
    return names[severity];
}

const char *onramp_part_name(enum onramp_part part)
{
    static const char *const names[] = {"token", "connection", "limits", "file"};
    return names[part];
}

/* ---- findings ---- */

struct onramp_finding *onramp_check_find(struct onramp_checker *c, enum onramp_part part, enum onramp_severity severity,
                                         const char *subject, const char *remedy, const char *format, ...)
{
    size_t size = (c->out->count + 1) * sizeof *c->out->findings;
    struct onramp_finding *grown = c->status == ONRAMP_OK ? realloc(c->out->findings, size) : NULL;
    if (grown == NULL) {
        if (c->status == ONRAMP_OK)
            c->status = onramp_fail(c->err, ONRAMP_ENOMEM, "out of memory");
        return NULL;
    }
    c->out->findings = grown;
    struct onramp_finding *finding = &grown[c->out->count++];
    *finding = (struct onramp_finding){.severity = severity, .part = part};
    (void)snprintf(finding->subject, sizeof finding->subject, "%s", subject);
    (void)snprintf(finding->remedy, sizeof finding->remedy, "%s", remedy);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(finding->text, sizeof finding->text, format, args);
    va_end(args);
    return finding;
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* "23 h 59 min", "4 min", "12 s". */
static const char *span_words(int64_t seconds, char words[48])
{
    if (seconds >= 48 * 3600)
        (void)snprintf(words, 48, "%lld days", (long long)(seconds / 86400));
    else if (seconds >= 3600)
        (void)snprintf(words, 48, "%lld h %lld min", (long long)(seconds / 3600), (long long)(seconds / 60 % 60));
    else if (seconds >= 60)
        (void)snprintf(words, 48, "%lld min", (long long)(seconds / 60));
    else
        (void)snprintf(words, 48, "%lld s", (long long)seconds);
    return words;
}

/* ---- the token ---- */

static bool is_given(const struct onramp_checker *c)
{
    return c->settings->target.access.token != NULL;
}

/* No token could be had, or the one given is none. */
static void find_no_token(struct onramp_checker *c, enum onramp_status status, const struct onramp_error *why)
{
    const char *remedy =
        "copy it anew, whole and on one line: Applications > APIs > Auth0 Management API > API Explorer";
    if (status == ONRAMP_EAUTH)
        remedy =
            "compare AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET and --audience with the application's page";
    else if (status != ONRAMP_EUSAGE)
        remedy = "compare AUTH0_DOMAIN with the tenant's address, and try again once it can be reached";
    if (!c->session.interrupted)
        (void)onramp_check_find(c, ONRAMP_PART_TOKEN, ONRAMP_FINDING_STOP, "", remedy, "%s", why->text);
}

static void find_origin(struct onramp_checker *c)
{
    const struct onramp_claims *claims = &c->session.claims;
    const char *domain = c->settings->target.domain;
    char expected[300];
    (void)snprintf(expected, sizeof expected, "https://%s/", domain);
    (void)onramp_check_find(c, ONRAMP_PART_TOKEN, ONRAMP_FINDING_GOOD, "", "", "%s for the application '%s'",
                            is_given(c) ? "a JWT" : "fetched, a JWT", claims->client_id);
    bool taken = c->session.connection_known;
    if (claims->issuer[0] != '\0' && !onramp_text_equal(claims->issuer, expected))
        (void)onramp_check_find(c, ONRAMP_PART_TOKEN, taken ? ONRAMP_FINDING_NOTICE : ONRAMP_FINDING_WARNING, "issuer",
                                taken ? ""
                                      : "set AUTH0_DOMAIN to the host that issued it, or get a token from this one",
                                "issued by '%.200s', but the domain is '%s': %s", claims->issuer, domain,
                                taken ? "the tenant takes it all the same" : "a token is good on its issuer's host");
    /* With a custom domain the audience names the tenant's other host, so only its form can be judged. */
    if (claims->audience[0] != '\0' && strstr(claims->audience, "/api/v2/") == NULL)
        (void)onramp_check_find(c, ONRAMP_PART_TOKEN, ONRAMP_FINDING_WARNING, "audience",
                                "ask for the audience https://TENANT/api/v2/, with the slash at its end",
                                "its audience '%.200s' is not the Management API", claims->audience);
}

/* By the tenant's clock: that of this machine may be wrong. */
static void find_expiry(struct onramp_checker *c)
{
    const struct onramp_claims *claims = &c->session.claims;
    int64_t now = c->session.heard_date, left = claims->expires_at - now;
    char words[48];
    if (!is_given(c)) {
        (void)onramp_check_find(c, ONRAMP_PART_TOKEN, ONRAMP_FINDING_GOOD, "expiry", "",
                                "a fresh one is fetched before it expires");
    } else if (!claims->has_expiry || now == 0) {
        (void)onramp_check_find(c, ONRAMP_PART_TOKEN, ONRAMP_FINDING_NOTICE, "expiry", "",
                                now == 0 ? "when it expires cannot be told: no answer of the tenant had a date"
                                         : "does not say when it expires");
    } else if (left <= 0) {
        (void)onramp_check_find(c, ONRAMP_PART_TOKEN, ONRAMP_FINDING_WARNING, "expiry", "get a fresh one",
                                "expired %s ago by the tenant's clock", span_words(-left, words));
    } else {
        (void)onramp_check_find(c, ONRAMP_PART_TOKEN, left < SHORT_LIFE ? ONRAMP_FINDING_WARNING : ONRAMP_FINDING_GOOD,
                                "expiry",
                                left < SHORT_LIFE ? "get a fresh one, or set AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET: "
                                                    "then onramp fetches its own"
                                                  : "",
                                "expires in %s by the tenant's clock", span_words(left, words));
    }
}

static void find_scopes(struct onramp_checker *c)
{
    static const struct {
        const char *name, *needed;
        enum onramp_severity missing;
    } scopes[] = {
        {"create:users", "to create users: upload", ONRAMP_FINDING_STOP},
        {"read:users",
         "to look users up: upload, when an answer is lost (without it such a user ends as unknown); "
         "verify; undo",
         ONRAMP_FINDING_WARNING},
        {"read:connections", "to look at the connection: check, and upload before its first write",
         ONRAMP_FINDING_WARNING},
        {"create:user_tickets", "for links to set a password: invite --by ticket", ONRAMP_FINDING_NOTICE},
        {"delete:users", "to take users out again: undo", ONRAMP_FINDING_NOTICE},
        {"update:users", "for roles, with create:role_members: upload --role", ONRAMP_FINDING_NOTICE},
        {"create:role_members", "for roles, with update:users: upload --role", ONRAMP_FINDING_NOTICE},
        {"create:organization_members", "for organizations: upload --organization", ONRAMP_FINDING_NOTICE},
    };
    const struct onramp_claims *claims = &c->session.claims;
    char carried[256] = "";
    if (!claims->has_scopes) {
        (void)onramp_check_find(c, ONRAMP_PART_TOKEN, ONRAMP_FINDING_NOTICE, "scope", "",
                                "does not say its scopes: the first request that lacks one tells");
        return;
    }
    for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++) {
        if (onramp_claims_allow(claims, scopes[i].name)) {
            strcat(strcat(carried, carried[0] != '\0' ? ", " : ""), scopes[i].name);
            continue;
        }
        (void)onramp_check_find(c, ONRAMP_PART_TOKEN, scopes[i].missing, scopes[i].name, GRANT,
                                "lacks the scope %s, needed %s", scopes[i].name, scopes[i].needed);
        if (scopes[i].missing == ONRAMP_FINDING_STOP)
            c->tenant_exit = onramp_session_exit(&c->session, ONRAMP_EAUTH);
    }
    if (carried[0] != '\0')
        (void)onramp_check_find(c, ONRAMP_PART_TOKEN, ONRAMP_FINDING_GOOD, "scope", "", "carries %s", carried);
}

static void find_token(struct onramp_checker *c)
{
    if (!c->session.claims.readable) {
        (void)onramp_check_find(c, ONRAMP_PART_TOKEN, ONRAMP_FINDING_NOTICE, "", "",
                                "fetched, but it cannot be read: nothing is known of its scopes");
        return;
    }
    find_origin(c);
    find_expiry(c);
    find_scopes(c);
}

/* ---- the connection ---- */

/* The tenant was asked about it and did not answer as hoped: by whose fault tells where that belongs. */
static void find_no_answer(struct onramp_checker *c, enum onramp_status status, const struct onramp_error *why)
{
    const char *name = c->settings->target.connection;
    const struct onramp_connection *connection = &c->session.connection;
    if (c->session.interrupted)
        return; /* that is nobody's fault */
    if (status == ONRAMP_EAUTH)
        (void)onramp_check_find(c, ONRAMP_PART_TOKEN, ONRAMP_FINDING_STOP, "",
                                "get a fresh token from the tenant that AUTH0_DOMAIN names",
                                "the tenant refuses it: %s", why->text);
    else if (c->session.connection_known)
        (void)onramp_check_find(c, ONRAMP_PART_CONNECTION, ONRAMP_FINDING_STOP, name,
                                "name a database connection: Authentication > Database lists them",
                                "'%s' is no database but '%s': users can only be created in a database", name,
                                connection->strategy);
    else
        (void)onramp_check_find(c, ONRAMP_PART_CONNECTION, ONRAMP_FINDING_STOP, name,
                                status == ONRAMP_EREFUSED
                                    ? "compare AUTH0_DATABASE_NAME with Authentication > Database, AUTH0_DOMAIN with "
                                      "the tenant's address"
                                    : "compare AUTH0_DOMAIN with the tenant's address, and try again once it can be "
                                      "reached",
                                "%s", why->text);
}

static void find_identifiers(struct onramp_checker *c)
{
    const struct onramp_connection *d = &c->session.connection;
    if (d->identifiers_unknown) {
        (void)onramp_check_find(c, ONRAMP_PART_CONNECTION, ONRAMP_FINDING_NOTICE, "identifiers", "",
                                "its options are not shown: which identifiers it needs is not known beforehand");
        return;
    }
    char needs[80] = "", usernames[80] = "takes no usernames";
    if (d->needs_email)
        strcat(needs, "email");
    if (d->needs_username)
        strcat(strcat(needs, needs[0] != '\0' ? ", " : ""), "username");
    if (d->needs_phone)
        strcat(strcat(needs, needs[0] != '\0' ? ", " : ""), "phone_number");
    if (d->takes_username)
        (void)snprintf(usernames, sizeof usernames, "takes usernames of %u to %u characters", (unsigned)d->username_min,
                       (unsigned)d->username_max);
    (void)onramp_check_find(c, ONRAMP_PART_CONNECTION, ONRAMP_FINDING_GOOD, "identifiers", "", "%s%s%s",
                            needs[0] != '\0' ? "every user needs " : "", needs[0] != '\0' ? strcat(needs, "; ") : "",
                            usernames);
}

static size_t word_count(char *const *words)
{
    size_t count = 0;
    while (words != NULL && words[count] != NULL)
        count++;
    return count;
}

static void find_passwords(struct onramp_checker *c)
{
    const struct onramp_connection *d = &c->session.connection;
    char words[300];
    onramp_policy_words(&d->policy, words, sizeof words);
    (void)onramp_check_find(c, ONRAMP_PART_CONNECTION, ONRAMP_FINDING_GOOD, "passwords", "",
                            "passwords must have %s%s; those that upload makes do", words,
                            d->password_optional ? " (they are optional here)" : "");
    size_t dictionary = word_count(d->policy.dictionary);
    if (dictionary > 0)
        (void)onramp_check_find(
            c, ONRAMP_PART_CONNECTION, ONRAMP_FINDING_GOOD, "dictionary", "",
            "its dictionary has %zu word%s of its own, which no password that upload makes contains", dictionary,
            plural(dictionary));
}

static void find_enabled(struct onramp_checker *c)
{
    const char *name = c->session.connection.name, *client = c->session.claims.client_id;
    struct onramp_error why = {0};
    bool known = false;
    enum onramp_status st = onramp_session_check_enabled(&c->session, &known, &why);
    char remedy[400];
    (void)snprintf(remedy, sizeof remedy, "switch it on under Authentication > Database > %s > Applications", name);
    if (st == ONRAMP_EREFUSED && known)
        (void)onramp_check_find(c, ONRAMP_PART_CONNECTION, ONRAMP_FINDING_STOP, "applications", remedy,
                                "is not enabled for the application '%s': every create would be refused", client);
    else if (st != ONRAMP_OK)
        find_no_answer(c, st, &why);
    else if (known)
        (void)onramp_check_find(c, ONRAMP_PART_CONNECTION, ONRAMP_FINDING_GOOD, "applications", "",
                                "is enabled for the application '%s'", client);
    else
        (void)onramp_check_find(c, ONRAMP_PART_CONNECTION, ONRAMP_FINDING_NOTICE, "applications", remedy,
                                "whether it is enabled for the application cannot be seen: the first create tells");
    if (st != ONRAMP_OK)
        c->tenant_exit = onramp_session_exit(&c->session, st);
}

static void find_connection(struct onramp_checker *c)
{
    const struct onramp_connection *d = &c->session.connection;
    if (!c->session.connection_known) {
        (void)onramp_check_find(c, ONRAMP_PART_CONNECTION, ONRAMP_FINDING_WARNING, c->settings->target.connection,
                                "grant read:connections, and it is checked beforehand",
                                "'%s' cannot be seen: the first create tells, and passwords meet the strictest policy",
                                c->settings->target.connection);
        return;
    }
    (void)onramp_check_find(c, ONRAMP_PART_CONNECTION, ONRAMP_FINDING_GOOD, d->name, "", "'%s' is a database (%s)",
                            d->name, d->id);
    find_enabled(c);
    find_identifiers(c);
    find_passwords(c);
    if (d->custom_database)
        (void)onramp_check_find(c, ONRAMP_PART_CONNECTION, ONRAMP_FINDING_NOTICE, "custom database",
                                "try one user first; a create is as fast as its scripts are",
                                "a custom database: its Get User and Create scripts run at every create, and a user "
                                "they know counts as exists");
}

/* ---- limits ---- */

static void find_limits(struct onramp_checker *c)
{
    const struct onramp_transport *transport = c->session.transport;
    const struct onramp_signal *heard = &c->session.heard_limits;
    struct onramp_pacer_view view;
    onramp_pacer_view(c->session.pacer, transport->ops->now(transport->self), &view);
    if (heard->has_limit)
        (void)onramp_check_find(c, ONRAMP_PART_LIMITS, ONRAMP_FINDING_GOOD, "connections", "",
                                "reading connections: %u at once, %u left after this check; creates may have another "
                                "limit, which upload learns from its first answer",
                                (unsigned)heard->limit, (unsigned)heard->remaining);
    else if (c->session.connection_known)
        (void)onramp_check_find(c, ONRAMP_PART_LIMITS, ONRAMP_FINDING_NOTICE, "connections", "",
                                "the answers show none: upload then keeps to an even pace, slow at first");
    if (view.throttled > 0)
        (void)onramp_check_find(c, ONRAMP_PART_LIMITS, ONRAMP_FINDING_WARNING, "throttled",
                                "see who else draws from the tenant's limits, or upload at a quieter hour",
                                "%llu of %llu requests of this check were refused with 429: the tenant is busy",
                                (unsigned long long)view.throttled, (unsigned long long)view.sent);
}

/* ---- the whole ---- */

static void check_tenant(struct onramp_checker *c)
{
    static const char *const none[] = {NULL};
    struct onramp_error why = {0};
    enum onramp_status st = onramp_session_authorize(&c->session, none, &why);
    if (st != ONRAMP_OK) {
        c->tenant_exit = onramp_session_exit(&c->session, st);
        find_no_token(c, st, &why);
        return;
    }
    /* Asked even without the scope: its answer has the tenant's clock, and shows that the token is taken. */
    st = onramp_session_find_connection(&c->session, &why);
    if (st != ONRAMP_OK)
        c->tenant_exit = onramp_session_exit(&c->session, st);
    if (st == ONRAMP_EAUTH)
        find_no_answer(c, st, &why);
    find_token(c);
    if (st == ONRAMP_OK)
        find_connection(c);
    else if (st != ONRAMP_EAUTH)
        find_no_answer(c, st, &why);
    find_limits(c);
}

static int overall(const struct onramp_checker *c)
{
    bool some = c->out->invalid + c->out->duplicate > 0;
    if (c->session.interrupted)
        return 130;
    return c->file_exit != 0 ? c->file_exit : c->tenant_exit != 0 ? c->tenant_exit : some ? 1 : 0;
}

enum onramp_status onramp_check(const struct onramp_check_settings *settings, const struct onramp_source *source,
                                const struct onramp_transport *transport, const struct onramp_observer *observer,
                                struct onramp_check *out, struct onramp_error *err)
{
    static const struct onramp_observer nobody = {0};
    struct onramp_check check = {0};
    struct onramp_pacer *pacer = NULL;
    enum onramp_status st =
        onramp_pacer_new(&pacer, &settings->target.pacing, transport->ops->now(transport->self), err);
    if (st != ONRAMP_OK)
        return st;
    struct onramp_checker c = {.settings = settings, .out = &check, .err = err};
    onramp_session_init(&c.session, &settings->target, transport, observer != NULL ? observer : &nobody, pacer);
    check_tenant(&c);
    if (source != NULL && !c.session.interrupted)
        onramp_check_file(&c, source);
    check.exit = overall(&c);
    onramp_session_clear(&c.session);
    onramp_pacer_free(pacer);
    if (c.status == ONRAMP_OK)
        *out = check;
    else
        onramp_check_clear(&check);
    return c.status;
}

void onramp_check_clear(struct onramp_check *check)
{
    free(check->findings);
    *check = (struct onramp_check){0};
}
