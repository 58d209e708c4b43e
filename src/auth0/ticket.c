/*
 * ticket.c - links to set a password.
 */
#include "auth0/ticket.h"

#include "auth0/text.h"

#include <jansson.h>
#include <string.h>

#define LINK_MAX 4000 /* bytes; recorded ones have about 120 */

static char *dump(json_t *object, bool good)
{
    char *text = good ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}

static bool add(json_t *object, const char *name, const char *text)
{
    return text == NULL || json_object_set_new(object, name, json_string(text)) == 0;
}

char *onramp_ticket_request(const struct onramp_ticket_wish *wish)
{
    json_t *object = json_object();
    bool good = add(object, "user_id", wish->user_id) && add(object, "result_url", wish->result_url) &&
                add(object, "client_id", wish->client_id);
    if (wish->ttl_seconds > 0)
        good = good && json_object_set_new(object, "ttl_sec", json_integer(wish->ttl_seconds)) == 0;
    if (wish->mark_verified)
        good = good && json_object_set_new(object, "mark_email_as_verified", json_true()) == 0;
    return dump(object, good);
}

char *onramp_reset_request(const char *connection, const char *email, const char *client_id)
{
    json_t *object = json_object();
    bool good =
        add(object, "connection", connection) && add(object, "email", email) && add(object, "client_id", client_id);
    return dump(object, good);
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Resolve JSON's escapes in place; a link is ASCII, so no others than these can be in it. False if one is. */
static bool unescape(struct onramp_secret *link)
{
    size_t used = 0;
    for (const char *at = link->text; *at != '\0'; at++) {
        char c = *at;
        if (c == '\\' && at[1] == 'u') {
            int value = 0;
            for (int i = 2; i < 6; i++) {
                int digit = hex(at[i]);
                if (digit < 0)
                    return false;
                value = value * 16 + digit;
            }
            if (value > '~')
                return false;
            c = (char)value;
            at += 5;
        } else if (c == '\\') {
            c = *++at;
            if (c != '/')
                return false;
        }
        if (c <= ' ' || c > '~' || c == '"' || c == '\\')
            return false;
        link->text[used++] = c;
    }
    memset(link->text + used, 0, link->size - used);
    link->size = used;
    return onramp_text_begins(link->text, "https://") || onramp_text_begins(link->text, "http://");
}

enum onramp_status onramp_ticket_take(struct onramp_secret **link, struct onramp_secret *answer,
                                      struct onramp_error *err)
{
    size_t size;
    char *text = onramp_text_member(answer->text, "ticket", &size);
    if (text == NULL || size == 0 || size > LINK_MAX)
        return onramp_fail(err, ONRAMP_EINPUT, "the answer to the request for a link has no link in it");
    struct onramp_secret *copy = NULL;
    enum onramp_status st = onramp_secret_copy(&copy, text, size, err);
    memset(text, ' ', size);
    if (st != ONRAMP_OK)
        return st;
    if (!unescape(copy)) {
        onramp_secret_free(copy);
        return onramp_fail(err, ONRAMP_EINPUT, "the answer to the request for a link has something else in its place");
    }
    *link = copy;
    return ONRAMP_OK;
}
