/*
 * keeper.c - what it costs to spare rivals, for clients that know nearly everything.
 *
 * Rivals lose a call to us when they find the bucket empty that would have had a token for them without us. Nobody
 * knows when they will call, so whoever takes has to leave enough for bad luck. How much is that, and what does it
 * cost? Two clients answer that know the bucket's size and refill, and when each of their requests will arrive:
 *
 * The keeper also sees the bucket itself at every instant, with all that rivals have drawn until then. Only what they
 * draw while its request is on its way, and after that, is hidden from it. No client can know more, but of the future.
 *
 * The listener hears answers only. It knows the whole tokens that its latest take left, supposes that nobody has
 * called since, and hears with the next answer by how much that was wrong.
 *
 * Both take when the bucket is full but for what may be late on its way. That costs nothing while users are left:
 * nothing runs over, and every token that is refilled and not drawn by others is ours sooner or later. Only towards
 * the end do they take what they kept, a token for each request to come, down to what they leave to others for good:
 * --reserve. This is all that sparing rivals costs: so many tokens, at the refill that rivals leave.
 */
#include "lab.h"

#include <assert.h>

#define FLIGHT_MAX 256
#define LATE       16 /* of so many tokens one is room for requests that take longer than those after them */

struct keeper {
    bool listens;
    struct onramp_bucket heard; /* as the take left it that came at … */
    onramp_time heard_at;
    onramp_time arrives[FLIGHT_MAX]; /* requests that what is known of the bucket does not include, in this order */
    uint32_t unseen;
    onramp_time goes_at;
};

/* Tokens to be left by the next take. */
static uint32_t kept(const struct lab *lab, uint32_t client)
{
    uint32_t size = lab_scenario(lab)->own.size, most = size - size / LATE - 1;
    uint32_t kept = size * lab_options(lab)->reserve_percent / 100 + lab_left(lab, client) - 1;
    return kept < most ? kept : most;
}

/* Forget those that came before `at`: what is known of the bucket includes them. */
static void forget(struct keeper *m, onramp_time at)
{
    uint32_t past = 0;
    while (past < m->unseen && m->arrives[past] < at)
        past++;
    m->unseen -= past;
    for (uint32_t i = 0; i < m->unseen; i++)
        m->arrives[i] = m->arrives[i + past];
}

static void remember(struct keeper *m, onramp_time arrives_at)
{
    assert(m->unseen < FLIGHT_MAX);
    uint32_t i = m->unseen++;
    for (; i > 0 && m->arrives[i - 1] > arrives_at; i--)
        m->arrives[i] = m->arrives[i - 1];
    m->arrives[i] = arrives_at;
}

/* When the next request may leave, if nobody else calls until it arrives. */
static onramp_time when(const struct lab *lab, uint32_t client, const struct keeper *m)
{
    onramp_span out = lab_way_out(lab, client);
    onramp_time arrives_at = lab_now(lab) + out;
    struct onramp_bucket b = m->listens ? m->heard : lab_own(lab);
    for (uint32_t i = 0; i < m->unseen; i++)
        (void)onramp_bucket_take(&b, m->arrives[i] < arrives_at ? m->arrives[i] : arrives_at);
    return onramp_bucket_when(&b, kept(lab, client) + 1, arrives_at) - out;
}

static void pump(struct lab *lab, uint32_t client)
{
    struct keeper *m = lab_memory(lab, client, sizeof *m);
    forget(m, m->listens ? m->heard_at + 1 : lab_now(lab));
    while (lab_left(lab, client) > 0 && lab_in_flight(lab, client) < lab_options(lab)->concurrency) {
        onramp_time at = when(lab, client, m);
        if (at > lab_now(lab)) {
            if (m->goes_at <= lab_now(lab) || at < m->goes_at)
                lab_timer(lab, client, m->goes_at = at, 0);
            return;
        }
        remember(m, lab_now(lab) + lab_way_out(lab, client));
        lab_send(lab, client, 0);
    }
}

static void timer(struct lab *lab, uint32_t client, uint32_t mark)
{
    (void)mark;
    pump(lab, client);
}

static void answered(struct lab *lab, uint32_t client, const struct lab_request *r)
{
    struct keeper *m = lab_memory(lab, client, sizeof *m);
    onramp_time came_at = r->sent_at + r->up;
    if (came_at > m->heard_at) {
        m->heard_at = came_at;
        m->heard = lab_own(lab); /* of this, size and refill */
        m->heard.seen_at = came_at;
        m->heard.level = r->signal.remaining * (uint64_t)m->heard.rate.per;
    }
    pump(lab, client);
}

static void start(struct lab *lab, uint32_t client)
{
    struct keeper *m = lab_memory(lab, client, sizeof *m);
    m->heard = lab_own(lab);
    m->heard_at = m->goes_at = -1;
    pump(lab, client);
}

static void listener_start(struct lab *lab, uint32_t client)
{
    struct keeper *m = lab_memory(lab, client, sizeof *m);
    m->listens = true;
    start(lab, client);
}

const struct lab_policy lab_keeper = {"keeper", start, answered, timer, NULL};
const struct lab_policy lab_listener = {"listener", listener_start, answered, timer, NULL};
