/*
 * policy.h - what a connection demands of passwords, and passwords that satisfy it.
 *
 * Both shapes of a connection's options are understood: `passwordPolicy` with its companions, and the newer
 * `password_options`, whose presence replaces them (Auth0 documentation; auth0-password-policies, password-sheriff).
 */
#ifndef ONRAMP_AUTH0_POLICY_H
#define ONRAMP_AUTH0_POLICY_H

#include "onramp/base.h"
#include "onramp/secret.h"

#define ONRAMP_PASSWORD_MAX 72 /* bytes: bcrypt sees no more */

struct onramp_policy {
    uint32_t min_length;               /* UTF-16 code units, as Auth0 counts; 1..128, above 72 in old options only */
    bool lower, upper, digit, special; /* character types that must occur; onramp always uses all four */
    bool three_of_four;                /* all of the above are set, and any three of them will do */
    bool no_repeats;                   /* at most two identical characters in a row */
    bool no_sequences;                 /* at most two alphanumerics in a row stepping by one */
    bool no_profile;                   /* must not contain profile values */
    char **dictionary;                 /* custom words, NULL-terminated; owned; NULL: none */
};

/* The strictest that Auth0 can demand, for connections whose options cannot be read. */
void onramp_policy_strictest(struct onramp_policy *out);

/*
 * From the JSON text of a connection's `options`. Clear *out when done. What is not understood, a level of a later
 * day for instance, counts as the strictest. ONRAMP_EINPUT (not an object), ONRAMP_ENOMEM.
 */
ONRAMP_NODISCARD enum onramp_status onramp_policy_parse(struct onramp_policy *out, const char *options_json,
                                                        struct onramp_error *err);
void onramp_policy_clear(struct onramp_policy *policy);

/* "at least 14 characters, all of lower, upper, digit and special, no more than 2 identical in a row" */
void onramp_policy_words(const struct onramp_policy *policy, char *out, size_t size);

/*
 * A fresh password from libsodium's randomness, constructed (never tried again) so as to satisfy `policy` and
 * everything else that a policy can demand: all four types of character, no neighbours that are equal or step by one,
 * no profile value or word of the dictionary inside, case aside. `length` is what the user asked for, raised to the
 * policy's minimum and at least 14, lowered to 72 (unless an old policy's minimum is above that). `profile`: values
 * it must not contain, NULL-terminated, NULL allowed.
 *
 * Values of one or two characters are avoided as well, since what Auth0 does about them is not documented. Where no
 * character is left for a place (profile values of "0", "1" … "9"), first the dictionary gives way there, which Auth0
 * compares with whole passwords only, then the profile.
 *
 * *out is the caller's. ONRAMP_ENOMEM, ONRAMP_EIO (libsodium cannot start).
 */
ONRAMP_NODISCARD enum onramp_status onramp_password_make(struct onramp_secret **out, const struct onramp_policy *policy,
                                                         uint32_t length, char *const *profile,
                                                         struct onramp_error *err);

#endif
