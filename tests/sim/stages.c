/*
 * stages.c - the world of test_stages and test_beside.
 */
#define _POSIX_C_SOURCE 200809L
#include "sim/stages.h"

char ledger_path[] = "/tmp/onramp-stages-XXXXXX", links_path[] = "/tmp/onramp-stages-XXXXXX";

struct world_setup ordinary(uint64_t seed)
{
    struct world_setup setup = {.seed = seed,
                                .network = {.way_min = 10 * ONRAMP_MILLISECOND, .way_max = 150 * ONRAMP_MILLISECOND}};
    onramp_tenant_defaults(&setup.tenant);
    const struct onramp_tier *tier = onramp_tier_find(seed % 2 ? "enterprise" : "professional");
    setup.tenant.api = tier->api;
    memcpy(setup.tenant.groups, tier->groups, sizeof tier->groups);
    setup.tenant.seed = seed;
    setup.tenant.epoch = INT64_C(1790000000123);
    return setup;
}

uint64_t asked; /* for so many mails */
bool refuse;    /* to have them sent */

static bool on_confirm(void *context, uint64_t mails)
{
    (void)context;
    asked = mails;
    return !refuse;
}

char warned[400];

static void on_log(void *context, enum onramp_level level, const char *line)
{
    (void)context;
    if (level == ONRAMP_LOG_WARN)
        (void)snprintf(warned, sizeof warned, "%s", line);
}

uint64_t stop_after;

static bool stopping(void *context)
{
    const struct world *w = context;
    return stop_after > 0 && w->deeds >= stop_after;
}

static struct onramp_observer observer_of(struct world *w)
{
    struct onramp_observer observer = {
        .context = w, .log = on_log, .confirm_mails = on_confirm, .stopping = stopping};
    (void)world_trace(&observer);
    return observer;
}

const struct onramp_after *after;
uint32_t concurrency, reserve, attempts;
bool renewing;

struct onramp_summary upload(struct world *w, uint64_t users, uint64_t seed)
{
    struct onramp_upload_settings settings;
    struct onramp_summary summary;
    struct onramp_error err = {0};
    struct world_source records;
    struct onramp_observer observer = observer_of(w);
    world_source_init(&records, users, NULL);
    world_upload_settings(w, &settings, seed);
    settings.after = after;
    if (concurrency > 0)
        settings.target.pacing.concurrency = concurrency;
    if (reserve > 0)
        settings.target.pacing.reserve_percent = reserve - 1;
    if (attempts > 0)
        settings.target.max_attempts = attempts;
    struct onramp_secret *secret = NULL;
    const struct onramp_secret *token = settings.target.access.token;
    if (renewing) {
        assert_int_equal(onramp_secret_copy(&secret, "local-secret", 12, NULL), ONRAMP_OK);
        settings.target.access = (struct onramp_access_settings){.client_id = "local-client", .client_secret = secret};
    }
    struct onramp_ledger *ledger = world_ledger(w, ledger_path);
    enum onramp_status st = ONRAMP_EIO;
    summary = (struct onramp_summary){.exit = 5};
    if (ledger != NULL)
        st = onramp_upload(&settings, &records.source, &w->transport, ledger, &observer, &summary, &err);
    if (st != ONRAMP_OK && observer.log != NULL)
        print_message("ended with %d: %s\n", (int)st, err.text);
    onramp_ledger_close(ledger);
    onramp_secret_free(secret);
    settings.target.access.token = token;
    world_upload_clear(&settings);
    return summary;
}

void begin(struct world *w, const struct world_setup *setup)
{
    (void)unlink(ledger_path);
    (void)unlink(links_path);
    world_init(w, setup);
}

void populate(struct world *w, const struct world_setup *setup, uint64_t users)
{
    begin(w, setup);
    if (upload(w, users, setup->seed).counts[ONRAMP_CREATED] != users)
        FAIL(setup->seed, "the upload before the stage did not create everybody\n");
}

struct onramp_ledger *another_run(struct world *w)
{
    struct onramp_ledger *ledger = world_ledger(w, ledger_path);
    struct onramp_ledger_run line;
    assert_true(onramp_ledger_last(ledger, &line));
    line.run = "another";
    assert_int_equal(onramp_ledger_begin(ledger, &line, NULL), ONRAMP_OK);
    return ledger;
}

struct onramp_stage_summary run(struct world *w, stage_call *call, uint64_t seed)
{
    struct onramp_upload_settings settings;
    struct onramp_stage_summary summary;
    struct onramp_error err = {0};
    struct onramp_observer observer = observer_of(w);
    world_upload_settings(w, &settings, seed);
    struct onramp_stage_setup setup = {.target = &settings.target,
                                       .transport = &w->transport,
                                       .ledger = world_ledger(w, ledger_path),
                                       .settings_json = "{}",
                                       .observer = &observer};
    enum onramp_status st = ONRAMP_EIO;
    summary = (struct onramp_stage_summary){.exit = 5};
    if (setup.ledger != NULL)
        st = call(&setup, &summary, &err);
    if (st != ONRAMP_OK && observer.log != NULL)
        print_message("ended with %d: %s\n", (int)st, err.text);
    onramp_ledger_close(setup.ledger);
    world_upload_clear(&settings);
    return summary;
}

struct onramp_tenant_view view_of(struct world *w)
{
    struct onramp_tenant_view view;
    onramp_tenant_view(w->tenant, w->now, &view);
    return view;
}

struct onramp_account *account(struct world *w, uint64_t record)
{
    char email[64];
    (void)snprintf(email, sizeof email, "u%llu@example.com", (unsigned long long)record);
    return onramp_directory_find(&w->tenant->directory, ONRAMP_ID_EMAIL, email, NULL);
}

long ledger_size(void)
{
    FILE *file = fopen(ledger_path, "r");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    (void)fclose(file);
    return size;
}

static uint64_t row_count(void)
{
    char line[1000];
    uint64_t rows = 0;
    FILE *file = fopen(links_path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_string_equal(line, "email,user_id,url,expires\n");
    for (; fgets(line, sizeof line, file) != NULL; rows++) {
        assert_non_null(strstr(line, "@example.com,auth0|"));
        assert_non_null(strstr(line, ",https://tenant.example/u/reset-password?ticket="));
    }
    (void)fclose(file);
    return rows;
}

bool links_are_complete(struct world *w, uint64_t users)
{
    struct onramp_links *links = NULL;
    assert_int_equal(onramp_links_open(&links, links_path, NULL, NULL), ONRAMP_OK);
    bool complete = row_count() == users;
    for (uint64_t record = 0; record < users; record++) {
        const char *user_id = json_string_value(json_object_get(account(w, record)->profile, "user_id"));
        complete = complete && onramp_links_has(links, user_id);
    }
    onramp_links_close(links);
    return complete;
}

struct post post;

static void watch_post(void *context, const struct onramp_tenant_request *request)
{
    (void)context;
    const char *email = request->body != NULL ? strstr(request->body, "\"email\":\"u") : NULL;
    if (strcmp(request->path, "/dbconnections/change_password") != 0 || email == NULL)
        return;
    post.mails[strtoull(email + strlen("\"email\":\"u"), NULL, 10)]++;
    if (post.last_at > 0 && post.world->now - post.last_at < post.closest)
        post.closest = post.world->now - post.last_at;
    post.last_at = post.world->now;
}

void open_post(struct world *w)
{
    memset(&post, 0, sizeof post);
    post.world = w;
    post.closest = ONRAMP_NEVER;
    w->watch = watch_post;
}

uint64_t most_mails(void)
{
    uint64_t most = 0;
    for (size_t i = 0; i < sizeof post.mails / sizeof post.mails[0]; i++)
        most = post.mails[i] > most ? post.mails[i] : most;
    return most;
}

int stages_make_paths(void **state)
{
    (void)state;
    int ledger = mkstemp(ledger_path), links = mkstemp(links_path);
    return ledger >= 0 && links >= 0 && close(ledger) == 0 ? close(links) : -1;
}

int stages_remove_paths(void **state)
{
    (void)state;
    (void)unlink(links_path);
    return unlink(ledger_path);
}
