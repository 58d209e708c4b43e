/*
 * scenarios.c - the tenants and troubles that pacing is measured in.
 */
#include "lab.h"

#include <stdlib.h>
#include <string.h>

#define RATE_S(n)                                                                                                      \
    {                                                                                                                  \
        (n), ONRAMP_SECOND                                                                                             \
    }
#define RATE_MIN(n)                                                                                                    \
    {                                                                                                                  \
        (n), ONRAMP_MINUTE                                                                                             \
    }

struct plan {
    const char *name;
    struct lab_limit limit;
};

/* Auth0's documented plans, the same limits as windows, and sizes in between. */
static const struct plan plans[] = {
    {"free", {2, RATE_S(2), false}},
    {"nonprod", {10, RATE_S(2), false}},
    {"essentials", {20, RATE_MIN(200), false}},
    {"enterprise", {50, RATE_S(16), false}},
    {"private-100", {50, RATE_S(50), false}},
    /* up to here each is put through all troubles */
    {"private-dev", {20, RATE_S(20), false}},
    {"private-500", {250, RATE_S(250), false}},
    {"private-1500", {750, RATE_S(750), false}},
    {"api-150", {10, RATE_MIN(150), false}},
    {"connections", {5, RATE_MIN(50), false}},
    {"free-w1", {2, RATE_S(2), true}},
    {"nonprod-w1", {10, RATE_S(2), true}},
    {"essentials-w60", {20, RATE_MIN(200), true}},
    {"enterprise-w1", {50, RATE_S(16), true}},
    {"private-100-w1", {50, RATE_S(50), true}},
    {"private-dev-w1", {20, RATE_S(20), true}},
    {"small-w1", {5, RATE_S(10), true}},
    {"minute-200-w60", {200, RATE_MIN(200), true}},
};
#define PLANS    (sizeof plans / sizeof plans[0])
#define TROUBLED 5

static const char *const troubles[] = {
    "partial",     "empty",   "rivals10",   "rivals25",   "rivals50",   "bursts25",    "halved",
    "rate-halved", "doubled", "no-headers", "penalty",    "edge",       "slow-net",    "fast-net",
    "stalls",      "skew",    "no-date",    "reset-next", "reset-zero", "reset-delta", "reset-millis",
    "two-onramps", "rude",    "suspended",  "rejected",   "rejected50"};
#define TROUBLES (sizeof troubles / sizeof troubles[0])

static const char *const resets[] = {"reset-full", "reset-zero", "reset-delta", "reset-millis"};
#define RESETS (sizeof resets / sizeof resets[0])

#define SCENARIOS_MAX 256
struct book {
    size_t count;
    struct lab_scenario scenario[SCENARIOS_MAX];
    char name[SCENARIOS_MAX][48];
};

static struct lab_scenario calm(struct lab_limit limit)
{
    return (struct lab_scenario){.users = 200,
                                 .own = limit,
                                 .start_low = 1,
                                 .start_high = 1,
                                 .rtt_low = 0.02,
                                 .rtt_high = 0.4,
                                 .service_low = 0.03,
                                 .service_high = 0.3,
                                 .jitter = 0.1,
                                 .service_spread = 0.4,
                                 .stall_chance = 0.003,
                                 .stall_mean = 0.8,
                                 .skew = 0.3,
                                 .onramps = 1};
}

/* Bounds of the check: what is measured over 200 seeds, with room for the few seeds that it runs. */
static void bound(struct lab_scenario *s, const char *trouble)
{
    bool tiny = s->own.size < 6;
    bool adverse = s->start_low < 1 || s->rivals > 0 || s->change_at > 0 || s->edge_chance > 0 || s->onramps > 1;
    s->over_bound = tiny ? (strcmp(trouble, "slow-net") == 0 ? 12 : 6) : 5;
    s->refused_bound = strcmp(trouble, "1000users") == 0 && tiny ? 1 : strcmp(trouble, "stalls") == 0 && tiny ? 3 : 0;
    if (s->own.window)
        s->over_bound = s->own.rate.per == ONRAMP_MINUTE ? 62 : 6;
    if (adverse)
        s->over_bound = tiny ? 90 : 12;
    /* Windows of a minute, and no word of when they end: asked for with more and more patience. */
    if (s->own.window && s->own.rate.per == ONRAMP_MINUTE && s->reset == LAB_RESET_ZERO)
        s->refused_bound = 10;
    if (strcmp(trouble, "penalty") == 0 || s->rivals > 0)
        s->refused_bound = tiny ? s->users : s->users / 5;
    else if (s->onramps > 1)
        s->refused_bound = s->users;
    else if (adverse)
        s->refused_bound = 12;
    s->lost_bound = UINT32_MAX;
    if (!tiny && s->rivals > 0 && s->rival_batch <= 1 && !s->penalty) {
        s->refused_bound = 20;
        s->lost_bound = s->own.size < 15 ? 10 : 5;
        s->over_bound = 4;
    }
    if (!tiny && s->onramps > 1) {
        s->refused_bound = s->users / 3;
        s->over_bound = 3;
    }
    if (s->shown == LAB_SHOWN_NONE) {
        s->refused_bound = s->users / 20; /* the aim: 10 in 200 */
        s->over_bound = 6;
    }
    if (s->rejected > 0) {
        s->refused_bound = s->rejected < 1 && !tiny ? 2 : s->users / 20; /* as without headers */
        s->over_bound = tiny ? 20 : 15;
    }
    if (s->global.size > 0) {
        /* Half of the shown bucket, or all that may be on the wire, leaves before the first refusal is heard. */
        bool all_at_once = s->shown == LAB_SHOWN_OWN && s->own.size > s->global.size;
        s->refused_bound = all_at_once ? 90 : 15;
        s->lost_bound = UINT32_MAX;
        s->over_bound = 6;
    }
    if (s->rude) {
        s->refused_bound = UINT32_MAX;
        s->over_bound = 1e9;
    }
}

static void add(struct book *book, struct lab_scenario s, const char *plan, const char *trouble)
{
    if (book->count == SCENARIOS_MAX)
        abort();
    char *name = book->name[book->count];
    (void)snprintf(name, sizeof book->name[0], "%s%s%s", plan, trouble[0] ? "-" : "", trouble);
    s.name = name;
    bound(&s, trouble);
    book->scenario[book->count++] = s;
}

static struct lab_limit scaled(struct lab_limit limit, uint32_t size, uint64_t twice)
{
    limit.size = size;
    limit.rate.tokens *= twice;
    limit.rate.per *= 2;
    return limit;
}

/* `trouble` is one of the names above. */
static struct lab_scenario troubled(struct lab_limit limit, const char *trouble)
{
    struct lab_scenario s = calm(limit);
    uint32_t size = limit.size;
#define IS(name) (strcmp(trouble, name) == 0)
    if (IS("partial"))
        s.start_low = 0;
    else if (IS("empty"))
        s.start_low = s.start_high = 0;
    else if (IS("rivals10"))
        s.rivals = 0.1;
    else if (IS("rivals25"))
        s.rivals = 0.25;
    else if (IS("rivals50"))
        s.rivals = 0.5;
    else if (IS("bursts25")) {
        s.rivals = 0.25;
        s.rival_batch = size < 10 ? 2 : (double)size / 5;
    } else if (IS("halved") || IS("rate-halved") || IS("doubled")) {
        s.change_at = 0.4;
        s.changed =
            IS("doubled") ? scaled(limit, size * 2, 4) : scaled(limit, IS("halved") && size >= 4 ? size / 2 : size, 1);
    } else if (IS("no-headers"))
        s.shown = LAB_SHOWN_NONE;
    else if (IS("penalty")) {
        s.penalty = s.retry_after = true;
        s.rivals = 0.25;
    } else if (IS("edge"))
        s.edge_chance = 0.005;
    else if (IS("rejected"))
        s.rejected = 1;
    else if (IS("rejected50"))
        s.rejected = 0.5;
    else if (IS("slow-net")) {
        s.rtt_low = 0.4;
        s.service_low = 0.3;
        s.service_high = 0.31;
        s.rtt_high = 0.41;
    } else if (IS("fast-net")) {
        s.rtt_high = 0.021;
        s.service_high = 0.031;
    } else if (IS("stalls")) {
        s.stall_chance = 0.03;
        s.stall_mean = 1.5;
    } else if (IS("skew"))
        s.skew = 60;
    else if (IS("no-date"))
        s.no_date = true;
    else if (IS("reset-full"))
        s.reset = LAB_RESET_FULL;
    else if (IS("reset-next"))
        s.reset = LAB_RESET_NEXT;
    else if (IS("reset-zero"))
        s.reset = LAB_RESET_ZERO;
    else if (IS("reset-delta"))
        s.reset = LAB_RESET_DELTA;
    else if (IS("reset-millis"))
        s.reset = LAB_RESET_MILLIS;
    else if (IS("two-onramps"))
        s.onramps = 2;
    else if (IS("rude"))
        s.rude = true;
    else if (IS("suspended")) {
        s.suspend_at = 0.3;
        s.suspend_for = 40;
    } else
        abort();
#undef IS
    return s;
}

/* An endpoint's bucket behind an API-wide one, as Auth0's older pages show them. */
static void add_stacked(struct book *book)
{
    static const char *const shown[] = {"own", "tighter", "global"};
    for (int i = 0; i < 3; i++)
        for (int rivals = 0; rivals < 2; rivals++) {
            char trouble[24];
            struct lab_scenario s = calm((struct lab_limit){20, RATE_MIN(200), false});
            s.global = (struct lab_limit){50, RATE_MIN(1000), false};
            s.shown = (enum lab_shown)i;
            s.rivals = rivals ? 0.5 : 0;
            s.rivals_global = rivals;
            (void)snprintf(trouble, sizeof trouble, "%s%s", shown[i], rivals ? "-rivals50" : "");
            add(book, s, "stacked-essentials", trouble);
            s = calm((struct lab_limit){1000, RATE_MIN(1000), false});
            s.users = 1000;
            s.global = (struct lab_limit){50, RATE_S(50), false};
            s.shown = (enum lab_shown)i;
            s.rivals = rivals ? 0.25 : 0;
            s.rivals_global = rivals;
            (void)snprintf(trouble, sizeof trouble, "%s%s", shown[i], rivals ? "-rivals25" : "");
            add(book, s, "stacked-minute", trouble);
        }
}

static void fill(struct book *book)
{
    for (size_t p = 0; p < PLANS; p++) {
        struct lab_scenario s = calm(plans[p].limit);
        if (plans[p].limit.size >= 250)
            s.users = 1000;
        add(book, s, plans[p].name, "");
    }
    for (size_t p = 0; p < TROUBLED; p++) {
        struct lab_scenario s = calm(plans[p].limit);
        s.users = 50;
        add(book, s, plans[p].name, "50users");
        s.users = 1000;
        add(book, s, plans[p].name, "1000users");
        for (size_t t = 0; t < TROUBLES; t++)
            add(book, troubled(plans[p].limit, troubles[t]), plans[p].name, troubles[t]);
    }
    for (size_t p = TROUBLED; p < PLANS; p++)
        for (size_t t = 0; t < RESETS && plans[p].limit.window; t++)
            add(book, troubled(plans[p].limit, resets[t]), plans[p].name, resets[t]);
    add_stacked(book);
}

const struct lab_scenario *lab_scenario_at(size_t index)
{
    static struct book book;
    if (book.count == 0)
        fill(&book);
    return index < book.count ? &book.scenario[index] : NULL;
}
