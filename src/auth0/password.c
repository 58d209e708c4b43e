/*
 * password.c - passwords that every policy of Auth0's takes.
 *
 * Constructed, place after place, out of the characters that break no rule: never made and thrown away, so the time
 * it takes is bounded and nothing is known about a password from how long it took.
 */
#include "auth0/policy.h"
#include "auth0/text.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum {
    SHORTEST = 14, /* whatever a policy allows: below, guessing comes into reach */
    LONGEST = 128  /* the highest minimum that a policy can have */
};

/* What may stand at a place. Specials are those that Auth0's documentation names. */
enum kind { LOWER, UPPER, DIGIT, SPECIAL, ANY, KINDS };
static const char *const characters[KINDS] = {
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789",
    "!@#$%^&*",
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!@#$%^&*",
};
enum { CHARACTERS = 26 + 26 + 10 + 8 };

/* How many of the rules are kept; a later one is used only where an earlier one leaves no character. */
enum care { CARE_ALL, CARE_PROFILE, CARE_NEIGHBOURS };

struct maker {
    char *text; /* guarded */
    uint32_t length;
    unsigned char kinds[LONGEST];
    char *const *profile, *const *dictionary;
};

/* Each type has one place of its own, any type the others. */
static void assign_kinds(struct maker *m)
{
    for (uint32_t i = 0; i < m->length; i++)
        m->kinds[i] = (unsigned char)(i < ANY ? i : ANY);
    for (uint32_t i = m->length - 1; i > 0; i--) {
        uint32_t j = randombytes_uniform(i + 1);
        unsigned char kind = m->kinds[i];
        m->kinds[i] = m->kinds[j];
        m->kinds[j] = kind;
    }
}

static bool is_special(char c)
{
    return strchr(characters[SPECIAL], c) != NULL;
}

/* Equal or in sequence, without regard to case: stricter than any policy, which allows two. */
static bool are_neighbours(char a, char b)
{
    int step = onramp_text_lower(a) - onramp_text_lower(b);
    return step == 0 || ((step == 1 || step == -1) && !is_special(a) && !is_special(b));
}

/* Does `c` at `at` complete one of these words? */
static bool completes(const struct maker *m, uint32_t at, char c, char *const *words)
{
    for (; words != NULL && *words != NULL; words++) {
        const char *word = *words;
        size_t size = strlen(word);
        if (size == 0 || size > at + 1 || onramp_text_lower(word[size - 1]) != onramp_text_lower(c))
            continue;
        size_t same = 0;
        const char *before = m->text + at + 1 - size;
        while (same < size - 1 && onramp_text_lower(before[same]) == onramp_text_lower(word[same]))
            same++;
        if (same == size - 1)
            return true;
    }
    return false;
}

static bool fits(const struct maker *m, uint32_t at, char c, enum care care)
{
    if (at > 0 && are_neighbours(m->text[at - 1], c))
        return false;
    if (care <= CARE_PROFILE && completes(m, at, c, m->profile))
        return false;
    return care > CARE_ALL || !completes(m, at, c, m->dictionary);
}

/* Is there a character for the place behind `at`? Looking one place ahead, few words cannot drive us into a corner. */
static bool leaves_a_way(const struct maker *m, uint32_t at, enum care care)
{
    if (at + 1 == m->length)
        return true;
    for (const char *c = characters[m->kinds[at + 1]]; *c != '\0'; c++)
        if (fits(m, at + 1, *c, care))
            return true;
    return false;
}

/* Those that may stand at `at` with this care, and leave the place behind it a way with care `ahead`. */
static uint32_t collect(struct maker *m, uint32_t at, enum care care, enum care ahead, char candidates[CHARACTERS])
{
    uint32_t count = 0;
    for (const char *c = characters[m->kinds[at]]; *c != '\0'; c++) {
        m->text[at] = *c;
        if (fits(m, at, *c, care) && leaves_a_way(m, at, ahead))
            candidates[count++] = *c;
    }
    return count;
}

static void choose(struct maker *m, uint32_t at)
{
    char candidates[CHARACTERS];
    uint32_t count = 0;
    /* Where one of two places has to give way, it is the later one: this one may still be kept clean. */
    for (enum care care = CARE_ALL; count == 0; care++) {
        assert(care <= CARE_NEIGHBOURS); /* at most three digits are neighbours of the last one, and there are ten */
        for (enum care ahead = care; count == 0 && ahead <= CARE_NEIGHBOURS; ahead++)
            count = collect(m, at, care, ahead, candidates);
    }
    m->text[at] = candidates[randombytes_uniform(count)];
    sodium_memzero(candidates, sizeof candidates);
}

enum onramp_status onramp_password_make(struct onramp_secret **out, const struct onramp_policy *policy, uint32_t length,
                                        char *const *profile, struct onramp_error *err)
{
    length = length < SHORTEST ? SHORTEST : length > ONRAMP_PASSWORD_MAX ? ONRAMP_PASSWORD_MAX : length;
    length = length < policy->min_length ? policy->min_length : length;
    assert(length <= LONGEST);

    struct onramp_secret *secret = NULL;
    enum onramp_status st = onramp_secret_new(&secret, length, err); /* starts libsodium as well */
    if (st != ONRAMP_OK)
        return st;
    struct maker m = {.text = secret->text, .length = length, .profile = profile, .dictionary = policy->dictionary};
    assign_kinds(&m);
    for (uint32_t at = 0; at < length; at++)
        choose(&m, at);
    sodium_memzero(&m, sizeof m);
    *out = secret;
    return ONRAMP_OK;
}
