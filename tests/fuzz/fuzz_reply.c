/*
 * fuzz_reply.c - whatever a server answers, its meaning is one of ours and its words are fit to print.
 */
#include "auth0/reply.h"

#include "auth0/date.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const char *text;
    size_t left;
};

/* The next line of the input, cut to fit. */
static void next_line(struct input *in, char *out, size_t size)
{
    size_t length = 0;
    while (length < in->left && in->text[length] != '\n')
        length++;
    size_t kept = length < size ? length : size - 1;
    memcpy(out, in->text, kept);
    out[kept] = '\0';
    length += length < in->left;
    in->text += length;
    in->left -= length;
}

static void check_words(const char *words)
{
    for (const char *c = words; *c != '\0'; c++)
        assert((unsigned char)*c >= ' ' && *c != 0x7f);
    json_t *json = json_string(words);
    assert(json != NULL); /* it is UTF-8 */
    json_decref(json);
}

static void check_reply(const struct onramp_answer *answer, bool create)
{
    struct onramp_reply reply;
    onramp_reply_parse(&reply, answer, create);
    check_words(reply.message);
    check_words(reply.cure);
    check_words(reply.error_code);
    bool done = reply.meaning == ONRAMP_REPLY_DONE;
    bool success = answer->delivery == ONRAMP_ANSWERED && answer->status >= 200 && answer->status <= 299;
    assert(!done || (success && !answer->truncated));
    assert(done == (reply.message[0] == '\0'));
    assert((reply.user_id[0] != '\0') == (done && create));
    assert(reply.cure[0] == '\0' || reply.meaning == ONRAMP_REPLY_STOP || reply.meaning == ONRAMP_REPLY_FORBIDDEN ||
           reply.meaning == ONRAMP_REPLY_UNAUTHORIZED || (success && reply.meaning == ONRAMP_REPLY_UNCERTAIN) ||
           (answer->proxy_status != 0 && reply.meaning == ONRAMP_REPLY_TRANSIENT));
    assert(!reply.signal.has_retry_after ||
           (reply.signal.retry_after >= 0 && reply.signal.retry_after <= 24 * 60 * ONRAMP_MINUTE));
    assert(!success || !create || reply.meaning == ONRAMP_REPLY_DONE || reply.meaning == ONRAMP_REPLY_UNCERTAIN);
    assert(create || reply.meaning != ONRAMP_REPLY_EXISTS);
    assert(!create || reply.meaning != ONRAMP_REPLY_NOT_FOUND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct onramp_answer answer = {.delivery = ONRAMP_ANSWERED,
                                   .status = 100 + (data[0] << 1 | (data[1] & 1)),
                                   .truncated = data[1] & 2,
                                   .certificate = data[1] & 4};
    if (data[1] >= 0xf0)
        answer.delivery = data[1] & 1 ? ONRAMP_UNSENT : ONRAMP_LOST;
    answer.proxy_status = answer.delivery == ONRAMP_UNSENT && data[1] & 8 ? answer.status : 0;
    struct input in = {.text = (const char *)data + 2, .left = size - 2};
    struct onramp_fields *fields = &answer.fields;
    next_line(&in, fields->limit, sizeof fields->limit);
    next_line(&in, fields->remaining, sizeof fields->remaining);
    next_line(&in, fields->reset, sizeof fields->reset);
    next_line(&in, fields->date, sizeof fields->date);
    next_line(&in, fields->retry_after, sizeof fields->retry_after);
    next_line(&in, fields->content_type, sizeof fields->content_type);
    next_line(&in, fields->location, sizeof fields->location);
    next_line(&in, answer.problem, sizeof answer.problem);

    char body[4096];
    answer.body_size = in.left < sizeof body ? in.left : sizeof body - 1;
    memcpy(body, in.text, answer.body_size);
    body[answer.body_size] = '\0';
    answer.body = body;
    check_reply(&answer, true);
    check_reply(&answer, false);

    struct onramp_found found[2];
    size_t count = 0;
    int64_t ms;
    if (onramp_reply_found(body, "Users", found, 2, &count, NULL) == ONRAMP_OK && count > 0)
        assert(found[0].user_id[0] != '\0' || strlen(body) > sizeof found[0].user_id);
    (void)onramp_date_iso(body, &ms);
    return 0;
}
