/*
 * invitation.c - how users are to be invited.
 */
#include "invitation.h"

#include <string.h>

static bool is_url(const char *text)
{
    return strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0;
}

enum onramp_status invitation_check(const struct settings *s, struct onramp_error *err)
{
    bool by_mail = s->invite == INVITE_BY_MAIL;
    if (!by_mail && s->links == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "links have to go somewhere: give --links FILE");
    if (by_mail && s->links != NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "--links goes with tickets: links in mails are Auth0's to make");
    if (by_mail && (s->result_url != NULL || s->mark_verified))
        return onramp_fail(err, ONRAMP_EUSAGE, "%s goes with tickets: Auth0's mail knows no such thing",
                           s->result_url != NULL ? "--result-url" : "--mark-verified");
    if (s->result_url != NULL && s->app != NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "--result-url and --app exclude each other: a link leads to one place");
    if (s->result_url != NULL && !is_url(s->result_url))
        return onramp_fail(err, ONRAMP_EUSAGE, "--result-url: '%s' is not a URL like https://app.example.com/welcome",
                           s->result_url);
    if (!by_mail && s->again)
        return onramp_fail(err, ONRAMP_EUSAGE, "--again goes with mails: a lost link is made anew without it");
    return ONRAMP_OK;
}

enum onramp_status invitation_open(struct onramp_invite_settings *out, const struct settings *s,
                                   struct onramp_error *err)
{
    *out = (struct onramp_invite_settings){.by_mail = s->invite == INVITE_BY_MAIL,
                                           .ttl_seconds = (int64_t)s->ttl,
                                           .result_url = s->result_url,
                                           .mark_verified = s->mark_verified,
                                           .app = s->app,
                                           .mails_per_minute = (uint32_t)s->mails_per_minute,
                                           .again = s->again};
    return out->by_mail ? ONRAMP_OK : onramp_links_open(&out->links, s->links, NULL, err);
}

void invitation_close(struct onramp_invite_settings *invitation)
{
    onramp_links_close(invitation->links);
    invitation->links = NULL;
}
