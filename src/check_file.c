/*
 * check_file.c - each record of the file, held against Auth0's rules and the connection's.
 */
#include "check.h"

#include "auth0/user.h"
#include "cause.h"
#include "census.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FINDINGS_MAX  200   /* beyond: a file with so many kinds of trouble wants another look first */
#define PROFILE_BYTES 10240 /* Auth0's soft limit of a profile; larger ones are accepted until 2027-03-04 */

static const char *remedy_of(enum onramp_problem problem)
{
    switch (problem) {
    case ONRAMP_PROBLEM_VALUE:
    case ONRAMP_PROBLEM_TYPE:
        return "correct it, or leave the property out";
    case ONRAMP_PROBLEM_KEY:
        return "rename the key";
    case ONRAMP_PROBLEM_UNKNOWN:
        return "rename it to the property that was meant, move it into user_metadata or app_metadata, or leave it out";
    case ONRAMP_PROBLEM_IMPORT_ONLY:
        return "bring these users over by the bulk import job, or leave it out and let them set a new password or "
               "factor";
    case ONRAMP_PROBLEM_PASSWORD:
        return "leave it out: each user gets a fresh one, and a link or mail to set another with 'onramp invite'";
    case ONRAMP_PROBLEM_CONNECTION:
        return "put these users into a file of their own, or leave the property out";
    case ONRAMP_PROBLEM_NOBODY:
        return "give each an e-mail address, a username or a phone number, as the connection wants";
    case ONRAMP_PROBLEM_RECORD:
        break;
    }
    return "correct the record";
}

/* The same words, values aside. Without memory to tell, they are. */
static bool is_alike(const char *text, const char *other)
{
    char *one = onramp_cause_text(text), *two = onramp_cause_text(other);
    bool alike = one == NULL || two == NULL || strcmp(one, two) == 0;
    free(one);
    free(two);
    return alike;
}

/* Another fault of the same property is another finding: what is said of several records has to be true of each. */
static struct onramp_finding *same(struct onramp_check *check, enum onramp_severity severity, const char *subject,
                                   const char *remedy, const char *text)
{
    for (size_t i = 0; i < check->count; i++) {
        struct onramp_finding *f = &check->findings[i];
        if (f->part == ONRAMP_PART_FILE && f->severity == severity && f->count > 0 &&
            strcmp(f->subject, subject) == 0 && strcmp(f->remedy, remedy) == 0 && is_alike(f->text, text))
            return f;
    }
    return NULL;
}

void onramp_check_find_record(struct onramp_checker *c, enum onramp_severity severity, const char *subject,
                              const char *remedy, const char *text)
{
    char words[sizeof c->out->findings->text]; /* as much of the text as a finding keeps */
    (void)snprintf(words, sizeof words, "%s", text);
    struct onramp_finding *finding = same(c->out, severity, subject, remedy, words);
    if (finding == NULL && c->out->count >= FINDINGS_MAX) {
        subject = "others";
        remedy = "correct what stands above, then check again";
        (void)snprintf(words, sizeof words, "more kinds of trouble than are listed");
        finding = same(c->out, severity, subject, remedy, words);
    }
    if (finding == NULL)
        finding = onramp_check_find(c, ONRAMP_PART_FILE, severity, subject, remedy, "%s", words);
    if (finding == NULL)
        return;
    finding->count++;
    finding->varied = finding->varied || strcmp(finding->text, words) != 0;
    if (finding->first_count < ONRAMP_FINDING_FIRST) {
        finding->first[finding->first_count] = c->record->ordinal;
        finding->lines[finding->first_count++] = c->record->line;
    }
}

static void on_problem(void *context, enum onramp_problem problem, const char *subject, const char *text)
{
    onramp_check_find_record(context, ONRAMP_FINDING_REFUSED, subject, remedy_of(problem), text);
}

/* What the connection, as the tenant describes it, would refuse. */
static bool check_admission(struct onramp_checker *c, const struct onramp_identity *identity)
{
    static const char *const subjects[] = {"", "email", "username", "phone_number", "username", "username"};
    static const char *const remedies[] = {
        "",
        "give each of them one",
        "give each of them one, or let the connection do without: Authentication > Database > Attributes",
        "give each of them one, or let the connection do without: Authentication > Database > Attributes",
        "allow usernames in the connection (Authentication > Database > Attributes), or leave them out",
        "shorten or lengthen them, or change the connection's bounds: Authentication > Database > Attributes",
    };
    const struct onramp_connection *database = &c->session.connection;
    enum onramp_admission admission = onramp_connection_judge(database, identity);
    struct onramp_error why;
    if (onramp_connection_admits(database, identity, &why) == ONRAMP_OK)
        return true;
    onramp_check_find_record(c, ONRAMP_FINDING_REFUSED, subjects[admission], remedies[admission], why.text);
    return false;
}

static void check_duplicate(struct onramp_checker *c, const struct onramp_census *census,
                            const struct onramp_identity *identity, uint64_t ordinal)
{
    static const char *const names[ONRAMP_ID_KINDS] = {"email", "username", "phone_number", "user_id"};
    uint64_t other;
    enum onramp_identifier kind;
    if (!onramp_census_duplicate(census, identity, ordinal, &other, &kind))
        return;
    char text[120];
    (void)snprintf(text, sizeof text, "the same %s as record %llu, counted from 0: only the first becomes a user",
                   names[kind], (unsigned long long)other);
    onramp_check_find_record(c, ONRAMP_FINDING_REFUSED, names[kind], "keep one record of each user", text);
}

static void check_good(struct onramp_checker *c, const struct onramp_user *user)
{
    size_t size = strlen(user->body);
    char text[160];
    (void)snprintf(text, sizeof text, "a profile of %zu bytes: Auth0 means to take no more than 10 KB from 2027-03-04",
                   size);
    if (size > PROFILE_BYTES)
        onramp_check_find_record(c, ONRAMP_FINDING_WARNING, "size",
                                 "move what is large out of the metadata, before or after the upload", text);
    const char *name;
    for (unsigned bit = 0; (name = onramp_user_dropped_name(bit)) != NULL; bit++)
        if (user->dropped & UINT32_C(1) << bit) {
            (void)snprintf(text, sizeof text, "'%s' is left out of the request: read-only, or overruled by a setting",
                           name);
            onramp_check_find_record(c, ONRAMP_FINDING_NOTICE, name, "", text);
        }
}

static void check_record(struct onramp_checker *c, const struct onramp_census *census,
                         const struct onramp_user_rules *rules, const struct onramp_record *record)
{
    struct onramp_user user = {0};
    c->record = record;
    struct onramp_error why;
    enum onramp_status st = onramp_user_parse(&user, record->json, record->size, rules, &why);
    if (st == ONRAMP_OK && (rules->database == NULL || check_admission(c, &user.identity))) {
        check_duplicate(c, census, &user.identity, record->ordinal);
        check_good(c, &user);
    } else if (st != ONRAMP_OK && st != ONRAMP_EINPUT) {
        c->status = onramp_fail(c->err, st, "%s", why.text);
    }
    onramp_user_clear(&user);
}

static void find_mails(struct onramp_checker *c)
{
    unsigned long long mails = c->out->mails;
    if (mails == 0)
        (void)onramp_check_find(c, ONRAMP_PART_FILE, ONRAMP_FINDING_GOOD, "mails", "",
                                "nobody gets a verification mail; a welcome mail, if the tenant has that template "
                                "switched on, is the tenant's doing");
    else
        (void)onramp_check_find(c, ONRAMP_PART_FILE, ONRAMP_FINDING_WARNING, "mails",
                                "if that is not meant: --verification-mail no. Auth0's built-in mail provider sends 10 "
                                "a minute",
                                "Auth0 would mail a link to %llu user%s, and upload asks before", mails,
                                mails == 1 ? "" : "s");
}

/* The second pass: what is said of each record. */
static enum onramp_status read_records(struct onramp_checker *c, const struct onramp_census *census,
                                       const struct onramp_user_rules *rules, const struct onramp_source *source,
                                       struct onramp_error *why)
{
    struct onramp_user_rules telling = *rules;
    telling.problem = on_problem;
    telling.context = c;
    while (c->status == ONRAMP_OK) {
        struct onramp_record record;
        bool end = false;
        enum onramp_status st = source->ops->next(source->self, &record, &end, why);
        if (st != ONRAMP_OK || end)
            return st;
        check_record(c, census, &telling, &record);
    }
    return c->status;
}

static void find_unreadable(struct onramp_checker *c, enum onramp_status status, const char *text)
{
    if (status != ONRAMP_EINPUT && status != ONRAMP_EREFUSED) {
        c->status = onramp_fail(c->err, status, "%s", text);
        return;
    }
    c->file_exit = onramp_session_exit(&c->session, status);
    (void)onramp_check_find(c, ONRAMP_PART_FILE, ONRAMP_FINDING_STOP, "",
                            status == ONRAMP_EINPUT ? "correct the file there: nothing is sent from one that cannot be "
                                                      "read to its end"
                                                    : "use the bulk import job, or raise --max-users",
                            "%s", text);
}

/* The worst first, else in the order in which they were found. */
static void sort_findings(struct onramp_finding *findings, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct onramp_finding moved = findings[i];
        size_t at = i;
        for (; at > 0 && findings[at - 1].severity < moved.severity; at--)
            findings[at] = findings[at - 1];
        findings[at] = moved;
    }
}

void onramp_check_file(struct onramp_checker *c, const struct onramp_source *source)
{
    size_t before = c->out->count;
    struct onramp_census census;
    struct onramp_error why = {0};
    const struct onramp_user_rules rules = {.connection = c->settings->target.connection,
                                            .mail = c->settings->verification_mail,
                                            .database = c->session.connection_known ? &c->session.connection : NULL};
    enum onramp_status st = onramp_census_take(&census, source, &rules, c->settings->max_users, NULL, NULL, &why);
    if (st == ONRAMP_OK) {
        c->out->has_file = true;
        c->out->records = census.records;
        c->out->sendable = census.sendable;
        c->out->invalid = census.invalid;
        c->out->duplicate = census.duplicate;
        c->out->mails = census.mails;
        (void)onramp_check_find(c, ONRAMP_PART_FILE, ONRAMP_FINDING_GOOD, "", "",
                                "%llu record%s, of which %llu can be created", (unsigned long long)census.records,
                                census.records == 1 ? "" : "s", (unsigned long long)census.sendable);
        st = read_records(c, &census, &rules, source, &why);
        find_mails(c);
    }
    onramp_census_clear(&census);
    if (st != ONRAMP_OK && c->status == ONRAMP_OK)
        find_unreadable(c, st, why.text);
    sort_findings(c->out->findings + before, c->out->count - before);
}
