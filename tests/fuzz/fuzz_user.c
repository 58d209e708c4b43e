/*
 * fuzz_user.c - a record of the file, whatever it is, becomes a body or one clear line.
 */
#include "auth0/user.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One line, fit to print, and saying something. */
static void check_refusal(const struct onramp_error *err)
{
    assert(err->text[0] != '\0');
    for (const char *c = err->text; *c != '\0'; c++)
        assert((unsigned char)*c >= ' ' && *c != 0x7f);
}

/* What is sent would be taken again, and come out the same: nothing in it is a matter of how it was written. */
static void check_body(const struct onramp_user *user)
{
    const struct onramp_user_rules rules = {.connection = "Users", .mail = ONRAMP_MAIL_RECORD};
    struct onramp_user again;
    struct onramp_error err;
    if (user->identity.user_id != NULL && strchr(user->identity.user_id, '|') != NULL)
        return; /* its prefix is gone, and without one it looks like another strategy's */
    enum onramp_status st = onramp_user_parse(&again, user->body, strlen(user->body), &rules, &err);
    assert(st == ONRAMP_OK);
    assert(strcmp(again.body, user->body) == 0);
    assert(again.wants_mail == user->wants_mail && again.dropped == 0);
    onramp_user_clear(&again);
}

static void check_password(const struct onramp_user *user, const uint8_t *data, size_t size)
{
    struct onramp_secret *password, *body;
    size_t length = size < 64 ? size : 64;
    enum onramp_status st = onramp_secret_copy(&password, (const char *)data, length, NULL);
    assert(st == ONRAMP_OK);
    st = onramp_user_body(&body, user, user->identity.user_id == NULL ? "c0ffee" : NULL, password, NULL);
    assert(st == ONRAMP_OK && strlen(body->text) == body->size);
    json_t *json = json_loadb(body->text, body->size, JSON_ALLOW_NUL, NULL);
    /* Ours are ASCII; what is not UTF-8 the parser may refuse, but it must never see another structure. */
    if (json != NULL) {
        const json_t *sent = json_object_get(json, "password");
        assert(json_string_length(sent) == length && memcmp(json_string_value(sent), data, length) == 0);
    }
    json_decref(json);
    onramp_secret_free(body);
    onramp_secret_free(password);
}

static void count_problem(void *context, enum onramp_problem problem, const char *subject, const char *text)
{
    struct onramp_error told = {.text = ""};
    (void)problem;
    (void)onramp_fail(&told, ONRAMP_EINPUT, "%s: %s", subject, text);
    check_refusal(&told);
    ++*(size_t *)context;
}

/* Told of every problem, a record is judged as it is when the first is enough. */
static void check_problems(const uint8_t *data, size_t size, enum onramp_status judged)
{
    size_t problems = 0;
    const struct onramp_user_rules rules = {.connection = "Users",
                                            .mail = (enum onramp_verification_mail)(data[0] % 3),
                                            .problem = count_problem,
                                            .context = &problems};
    struct onramp_user user;
    enum onramp_status st = onramp_user_parse(&user, (const char *)data + 1, size - 1, &rules, NULL);
    assert(st == judged && (problems > 0) == (st == ONRAMP_EINPUT));
    onramp_user_clear(&user);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct onramp_user_rules rules = {.connection = "Users",
                                            .mail = (enum onramp_verification_mail)(data[0] % 3)};
    struct onramp_user user;
    struct onramp_error err = {.text = ""};
    enum onramp_status st = onramp_user_parse(&user, (const char *)data + 1, size - 1, &rules, &err);
    assert(st == ONRAMP_OK || st == ONRAMP_EINPUT);
    check_problems(data, size, st);
    if (st == ONRAMP_OK) {
        assert(user.identity.email != NULL || user.identity.username != NULL || user.identity.phone_number != NULL);
        check_body(&user);
        check_password(&user, data, size);
    } else {
        check_refusal(&err);
    }
    onramp_user_clear(&user);
    return 0;
}
