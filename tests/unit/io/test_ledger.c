/*
 * test_ledger.c - the ledger's lines, what they come to, and what is refused.
 */
#include "onramp/onramp.h"
#include "unit/io/test_ledger_support.h"

#include <jansson.h>
#include <sys/wait.h>

/* CRC-32 bit by bit, so that the checksums do not vouch for themselves. */
static uint32_t crc_of(const char *bytes, size_t size)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* The file's lines must be `want`, each followed by the right seal. */
static void assert_lines(const char *const want[], size_t count)
{
    struct bytes file = read_bytes(ledger_path);
    const char *at = file.data;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(want[i]);
        assert_memory_equal(at, want[i], size);
        const char *seal = strstr(at, ",\"crc\":\"");
        assert_non_null(seal);
        char crc[32];
        (void)snprintf(crc, sizeof crc, ",\"crc\":\"%08x\"}\n", crc_of(at, (size_t)(seal - at)));
        assert_memory_equal(seal, crc, strlen(crc));
        at = seal + strlen(crc);
    }
    assert_ptr_equal(at, file.data + file.size);
    free(file.data);
}

static void writes_the_documented_members(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    struct onramp_ledger_attempt attempt = {.at = NOON + 7,
                                            .record = 2,
                                            .identity = {"Ann@x.example", "ann", "+4930901820", "id7"},
                                            .attempt = 1,
                                            .correlation_id = "c-1",
                                            .chosen_id = "5eed",
                                            .tenant_date = 1769860799};
    assert_int_equal(onramp_ledger_attempt(ledger, &attempt, NULL), ONRAMP_OK);
    struct onramp_ledger_outcome outcome = {.at = NOON + 120,
                                            .record = 2,
                                            .identity = attempt.identity,
                                            .outcome = ONRAMP_CREATED,
                                            .attempts = 1,
                                            .ms = 113,
                                            .status = 201,
                                            .user_id = "auth0|id7",
                                            .error_code = "none",
                                            .message = "well",
                                            .correlation_id = "c-1",
                                            .adopted = true};
    assert_int_equal(onramp_ledger_outcome(ledger, &outcome, NULL), ONRAMP_OK);
    outcome = (struct onramp_ledger_outcome){.at = NOON + 121, .record = 1, .outcome = ONRAMP_INVALID};
    assert_int_equal(onramp_ledger_outcome(ledger, &outcome, NULL), ONRAMP_OK);
    struct onramp_ledger_end end = {.at = NOON + 1000,
                                    .reason = "finished",
                                    .counts = {1, 2, 3, 4, 5, 6, 7},
                                    .requests = 8,
                                    .throttled = 9,
                                    .has_least = true,
                                    .least_remaining = 10,
                                    .seconds = 1.0625};
    assert_int_equal(onramp_ledger_end(ledger, &end, NULL), ONRAMP_OK);
    onramp_ledger_close(ledger);

    static const char *const want[] = {
        "{\"type\":\"run\",\"version\":1,\"run\":\"r1\",\"at\":\"2026-01-31T12:00:00.000Z\",\"onramp\":"
        "\"" ONRAMP_VERSION "\","
        "\"input\":{\"path\":\"users.json\",\"sha256\":\"0123\",\"records\":3},\"domain\":\"tenant.example\","
        "\"connection\":\"Users\",\"settings\":{\"concurrency\":16},\"synced\":0,",
        "{\"type\":\"attempt\",\"run\":\"r1\",\"record\":2,\"email\":\"Ann@x.example\",\"username\":\"ann\","
        "\"phone_number\":\"+4930901820\",\"attempt\":1,\"at\":\"2026-01-31T12:00:00.007Z\","
        "\"correlation_id\":\"c-1\",\"user_id\":\"5eed\",\"tenant_date\":1769860799,\"synced\":250,",
        "{\"type\":\"outcome\",\"run\":\"r1\",\"record\":2,\"email\":\"Ann@x.example\",\"username\":\"ann\","
        "\"phone_number\":\"+4930901820\",\"outcome\":\"created\",\"attempts\":1,"
        "\"at\":\"2026-01-31T12:00:00.120Z\",\"ms\":113,\"user_id\":\"auth0|id7\",\"status\":201,\"error_code\":"
        "\"none\","
        "\"message\":\"well\",\"correlation_id\":\"c-1\",\"adopted\":true,\"synced\":250,",
        "{\"type\":\"outcome\",\"run\":\"r1\",\"record\":1,\"outcome\":\"invalid\",\"attempts\":0,"
        "\"at\":\"2026-01-31T12:00:00.121Z\",\"ms\":0,\"synced\":250,",
        "{\"type\":\"end\",\"run\":\"r1\",\"at\":\"2026-01-31T12:00:01.000Z\",\"reason\":\"finished\",\"created\":1,"
        "\"exists\":2,\"rejected\":3,\"invalid\":4,\"duplicate\":5,\"failed\":6,\"unknown\":7,\"requests\":8,"
        "\"throttled\":9,\"least_remaining\":10,\"seconds\":1.063,\"synced\":"};
    assert_lines(want, sizeof want / sizeof want[0]);
}

static void writes_times_of_every_calendar_day(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } days[] = {{0, "1970-01-01T00:00:00.000Z"},
                {-1, "1969-12-31T23:59:59.999Z"},
                {INT64_C(951782399999), "2000-02-28T23:59:59.999Z"},
                {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
                {INT64_C(1709251199001), "2024-02-29T23:59:59.001Z"},
                {INT64_C(4107542400000), "2100-03-01T00:00:00.000Z"},
                {INT64_MAX, "9999-12-31T23:59:59.999Z"},
                {INT64_MIN, "0001-01-01T00:00:00.000Z"}};
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        struct onramp_ledger_attempt line = {.at = days[i].ms, .record = i, .attempt = 1};
        assert_int_equal(onramp_ledger_attempt(ledger, &line, NULL), ONRAMP_OK);
        struct bytes file = read_bytes(ledger_path);
        assert_non_null(strstr(file.data, days[i].text));
        free(file.data);
    }
    onramp_ledger_close(opened_again(ledger, &quick_disk));
}

static void carries_any_text_without_breaking_a_line(void **state)
{
    (void)state;
    static const struct {
        const char *given, *kept;
    } texts[] = {{"quote \" and \\ and / and \n\t\x01\x7f", "quote \" and \\ and / and \n\t\x01\x7f"},
                 {"M\xc3\xbcller \xe2\x80\xa8 \xf0\x9f\x9a\xa6", "M\xc3\xbcller \xe2\x80\xa8 \xf0\x9f\x9a\xa6"},
                 {"bad \xff\xc3x \xed\xa0\x80 \xc0\xaf \xf4\x90\x80\x80 \xe2\x82", "bad ??x ??? ?? ???? ??"},
                 {"", ""}};
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct onramp_ledger_outcome line = {.at = NOON,
                                             .record = i,
                                             .identity.username = texts[i].given,
                                             .outcome = ONRAMP_REJECTED,
                                             .message = texts[i].given};
        assert_int_equal(onramp_ledger_outcome(ledger, &line, NULL), ONRAMP_OK);
    }
    end(ledger);
    onramp_ledger_close(ledger);

    ledger = open_ledger();
    for (size_t i = 0; i < 3; i++) {
        struct onramp_identity identity = {.username = texts[i].given};
        const struct onramp_ledger_entry *found = onramp_ledger_find(ledger, &identity);
        assert_non_null(found);
        assert_string_equal(found->message, texts[i].kept);
        assert_string_equal(found->identity.username, texts[i].kept);
    }
    onramp_ledger_close(ledger);
}

static void clips_what_has_no_bound_and_leaves_out_impossible_identifiers(void **state)
{
    (void)state;
    static char huge[200000];
    for (size_t i = 0; i + 2 < sizeof huge; i += 2)
        memcpy(huge + i, "\xc3\xbc", 2);
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    struct onramp_ledger_outcome line = {.at = NOON,
                                         .record = 4,
                                         .identity = {.email = huge, .username = "ann"},
                                         .outcome = ONRAMP_REJECTED,
                                         .user_id = huge,
                                         .error_code = huge,
                                         .message = huge + 2,
                                         .correlation_id = huge};
    assert_int_equal(onramp_ledger_outcome(ledger, &line, NULL), ONRAMP_OK);
    onramp_ledger_close(ledger);

    ledger = open_ledger();
    assert_int_equal(onramp_ledger_repaired(ledger), 0);
    const struct onramp_ledger_entry *found = onramp_ledger_find(ledger, &line.identity);
    assert_non_null(found);
    assert_null(found->identity.email);
    assert_int_equal(strlen(found->message), 1024); /* whole characters: the clip falls between two */
    onramp_ledger_close(ledger);
}

static void refuses_settings_that_are_no_object(void **state)
{
    (void)state;
    static char long_settings[20000];
    (void)snprintf(long_settings, sizeof long_settings, "{\"x\":\"%015000d\"}", 0);
    assert_true(strlen(long_settings) < 16384);
    static const char *const bad[] = {"[]", "{", "", "{}{}", "{\"a\":1,\"a\":2}"};
    struct onramp_ledger *ledger = open_ledger();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct onramp_ledger_run run = run_named("r1");
        run.settings = bad[i];
        assert_int_equal(onramp_ledger_begin(ledger, &run, NULL), ONRAMP_EUSAGE);
    }
    struct onramp_ledger_run run = run_named("r1");
    run.settings = long_settings;
    assert_int_equal(onramp_ledger_begin(ledger, &run, NULL), ONRAMP_OK);
    memset(long_settings, ' ', 18000);
    (void)snprintf(long_settings, sizeof long_settings, "{\"x\":\"%017000d\"}", 0);
    assert_int_equal(onramp_ledger_begin(ledger, &run, NULL), ONRAMP_EUSAGE);
    run.settings = NULL;
    assert_int_equal(onramp_ledger_begin(ledger, &run, NULL), ONRAMP_OK); /* a refusal breaks nothing */
    onramp_ledger_close(ledger);
}

/* What lines come to */

static void an_attempt_is_open_until_its_outcome(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    assert_null(entry(ledger, "ann@x.example"));

    attempt(ledger, 0, "Ann@x.example", 1);
    attempt(ledger, 0, "Ann@x.example", 2);
    const struct onramp_ledger_entry *ann = entry(ledger, "ANN@X.example"); /* matched without regard to case */
    assert_non_null(ann);
    assert_true(ann->open && !ann->settled && !ann->has_outcome);
    assert_int_equal(ann->attempts, 2);
    assert_true(ann->attempted_at == NOON + 1 && ann->last_attempted_at == NOON + 2);

    outcome(ledger, 0, "ann@x.example", ONRAMP_FAILED);
    assert_true(!ann->open && !ann->settled && ann->has_outcome && ann->outcome == ONRAMP_FAILED);
    assert_true(ann->attempted_at == 0 && ann->last_attempted_at == 0);

    attempt(ledger, 0, "ann@x.example", 3);
    assert_true(ann->open && !ann->settled && ann->has_outcome);
    assert_true(ann->attempted_at == NOON + 3);
    outcome(ledger, 0, "ann@x.example", ONRAMP_CREATED);
    assert_true(!ann->open && ann->settled && ann->outcome == ONRAMP_CREATED);
    assert_int_equal(ann->attempts, 3);
    onramp_ledger_close(ledger);
}

static void failed_unknown_and_invalid_are_not_settled(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    for (int i = 0; i < ONRAMP_OUTCOMES; i++) {
        char email[32];
        (void)snprintf(email, sizeof email, "user%d@x.example", i);
        outcome(ledger, (uint64_t)i, email, (enum onramp_outcome)i);
        const struct onramp_ledger_entry *e = entry(ledger, email);
        if (i == ONRAMP_DUPLICATE)
            assert_null(e);
        else
            assert_int_equal(e->settled, i != ONRAMP_FAILED && i != ONRAMP_UNKNOWN && i != ONRAMP_INVALID);
    }
    onramp_ledger_close(ledger);
}

static void an_outcome_replaces_all_that_the_former_said(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    struct onramp_ledger_attempt sent = {
        .at = NOON, .identity.email = "a@x.example", .attempt = 1, .correlation_id = "c-1"};
    assert_int_equal(onramp_ledger_attempt(ledger, &sent, NULL), ONRAMP_OK);
    struct onramp_ledger_outcome line = {.at = NOON,
                                         .identity.email = "a@x.example",
                                         .outcome = ONRAMP_FAILED,
                                         .status = 503,
                                         .error_code = "busy",
                                         .message = "later"};
    assert_int_equal(onramp_ledger_outcome(ledger, &line, NULL), ONRAMP_OK);
    const struct onramp_ledger_entry *a = entry(ledger, "a@x.example");
    assert_int_equal(a->status, 503);
    assert_string_equal(a->message, "later");
    assert_string_equal(a->correlation_id, "c-1");

    line = (struct onramp_ledger_outcome){.at = NOON,
                                          .record = 9,
                                          .identity.email = "A@x.example",
                                          .outcome = ONRAMP_CREATED,
                                          .user_id = "auth0|own",
                                          .adopted = true};
    assert_int_equal(onramp_ledger_outcome(ledger, &line, NULL), ONRAMP_OK);
    assert_true(a->status == 0 && a->error_code == NULL && a->message == NULL && a->adopted);
    assert_string_equal(a->user_id, "auth0|own");
    assert_string_equal(a->identity.email, "A@x.example");
    assert_true(a->record == 9);
    onramp_ledger_close(ledger);
}

static void send_with(struct onramp_ledger *ledger, const char *chosen_id, int64_t tenant_date)
{
    struct onramp_ledger_attempt line = {.at = NOON,
                                         .identity = {.email = "a@x.example"},
                                         .attempt = 1,
                                         .chosen_id = chosen_id,
                                         .tenant_date = tenant_date};
    assert_int_equal(onramp_ledger_attempt(ledger, &line, NULL), ONRAMP_OK);
}

static void the_evidence_of_the_latest_attempt_comes_back(void **state)
{
    (void)state;
    for (int reopened = 0; reopened <= 1; reopened++) {
        (void)unlink(ledger_path);
        struct onramp_ledger *ledger = open_ledger();
        begin(ledger, "r1");
        send_with(ledger, NULL, 1000);
        send_with(ledger, "5eed", 2000);
        if (reopened) {
            onramp_ledger_close(ledger);
            ledger = open_ledger();
            begin(ledger, "r2");
        }
        const struct onramp_ledger_entry *a = entry(ledger, "a@x.example");
        assert_string_equal(a->chosen_id, "5eed");
        assert_null(a->identity.user_id); /* it is not the record's own */
        assert_true(a->tenant_date == 2000);
        outcome(ledger, 0, "a@x.example", ONRAMP_UNKNOWN); /* still in doubt */
        assert_true(a->tenant_date == 2000);
        assert_string_equal(a->chosen_id, "5eed");
        outcome(ledger, 0, "a@x.example", ONRAMP_FAILED); /* proven not to be there */
        assert_true(a->tenant_date == 0);
        assert_string_equal(a->chosen_id, "5eed");
        send_with(ledger, NULL, 0); /* the file gives an id of its own now */
        assert_true(a->tenant_date == 0);
        assert_null(a->chosen_id);
        onramp_ledger_close(ledger);
    }
}

static bool count_outcomes(void *context, const struct onramp_ledger_entry *e)
{
    ((int *)context)[e->outcome]++;
    return true;
}

static bool stop_at_two(void *context, const struct onramp_ledger_entry *e)
{
    (void)e;
    return ++*(int *)context < 2;
}

static void what_was_refused_here_hides_nothing_the_tenant_knows(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    outcome(ledger, 0, "created@x.example", ONRAMP_CREATED);
    outcome(ledger, 1, "unknown@x.example", ONRAMP_UNKNOWN);
    attempt(ledger, 2, "open@x.example", 1);
    outcome(ledger, 3, "failed@x.example", ONRAMP_FAILED);
    static const char *const names[] = {"created@x.example", "unknown@x.example", "open@x.example", "failed@x.example"};
    for (uint64_t i = 0; i < 4; i++) {
        outcome(ledger, i, names[i], ONRAMP_INVALID);
        outcome(ledger, i + 10, names[i], ONRAMP_DUPLICATE);
        outcome(ledger, i + 10, names[i], ONRAMP_DUPLICATE); /* again, by the next run: still one */
        outcome(ledger, i + 20, NULL, ONRAMP_INVALID);       /* has no identity at all */
    }
    assert_true(entry(ledger, names[0])->outcome == ONRAMP_CREATED);
    assert_true(entry(ledger, names[1])->outcome == ONRAMP_UNKNOWN);
    assert_true(entry(ledger, names[2])->open);
    assert_true(entry(ledger, names[3])->outcome == ONRAMP_INVALID); /* it is not there, and will not be sent */

    int counts[ONRAMP_OUTCOMES] = {0};
    onramp_ledger_each(ledger, count_outcomes, counts);
    assert_int_equal(counts[ONRAMP_DUPLICATE], 4);
    assert_int_equal(counts[ONRAMP_INVALID], 3 + 1 + 4);
    int seen = 0;
    onramp_ledger_each(ledger, stop_at_two, &seen);
    assert_int_equal(seen, 2);
    onramp_ledger_close(ledger);
}

static bool count_records(void *context, const struct onramp_ledger_entry *e)
{
    int *counts = context;
    counts[e->record]++;
    return true;
}

/* Fifty rows of a table may all have "n/a" for an address: each has its outcome, whatever becomes of the others. */
static void records_of_one_file_that_share_an_identity_hide_nothing_of_each_other(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    for (uint64_t i = 0; i < 3; i++)
        outcome(ledger, i, "n/a", ONRAMP_INVALID);
    outcome(ledger, 3, "ann@x.example", ONRAMP_INVALID);
    attempt(ledger, 4, "ann@x.example", 1);
    outcome(ledger, 4, "ann@x.example", ONRAMP_CREATED);
    outcome(ledger, 5, "bob@x.example", ONRAMP_INVALID);
    outcome(ledger, 6, "bob@x.example", ONRAMP_EXISTS);
    int counts[7] = {0}, outcomes[ONRAMP_OUTCOMES] = {0};
    onramp_ledger_each(ledger, count_records, counts);
    for (int i = 0; i < 7; i++)
        assert_int_equal(counts[i], 1);
    onramp_ledger_each(ledger, count_outcomes, outcomes);
    assert_int_equal(outcomes[ONRAMP_INVALID], 5);
    assert_int_equal(entry(ledger, "ann@x.example")->record, 4);
    assert_int_equal(entry(ledger, "bob@x.example")->outcome, ONRAMP_EXISTS);
    for (uint64_t i = 0; i < 3; i++) /* the next run says the same, and it is still one each */
        outcome(ledger, i, "n/a", ONRAMP_INVALID);
    memset(counts, 0, sizeof counts);
    onramp_ledger_each(ledger, count_records, counts);
    assert_int_equal(counts[0] + counts[1] + counts[2], 3);
    onramp_ledger_close(ledger);
}

static void identities_of_each_kind_are_found(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    const struct onramp_identity people[] = {
        {.username = "Bob"}, {.phone_number = "+4930901820"}, {.user_id = "b7"}, {.email = "bob", .username = "other"}};
    for (uint64_t i = 0; i < 4; i++) {
        struct onramp_ledger_attempt line = {.at = NOON, .record = i, .identity = people[i], .attempt = 1};
        assert_int_equal(onramp_ledger_attempt(ledger, &line, NULL), ONRAMP_OK);
        char user_id[32];
        (void)snprintf(user_id, sizeof user_id, "auth0|%s", people[i].user_id != NULL ? people[i].user_id : "x");
        struct onramp_ledger_outcome done = {
            .at = NOON, .record = i, .identity = people[i], .outcome = ONRAMP_CREATED, .user_id = user_id};
        assert_int_equal(onramp_ledger_outcome(ledger, &done, NULL), ONRAMP_OK);
    }
    ledger = opened_again(ledger, &quick_disk);
    for (uint64_t i = 0; i < 4; i++) {
        const struct onramp_ledger_entry *found = onramp_ledger_find(ledger, &people[i]);
        assert_true(found != NULL && found->record == i && found->settled);
    }
    struct onramp_identity nobody = {.email = NULL};
    assert_null(onramp_ledger_find(ledger, &nobody));
    onramp_ledger_close(ledger);
}

static void ten_thousand_lines_replay_as_they_were_written(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    char email[40];
    for (uint64_t i = 0; i < 5000; i++) {
        (void)snprintf(email, sizeof email, "user%d@x.example", (int)i);
        attempt(ledger, i, email, 1);
        outcome(ledger, i, email, ONRAMP_CREATED);
    }
    const struct onramp_ledger_entry *first = entry(ledger, "user0@x.example");
    assert_string_equal(first->identity.email, "user0@x.example"); /* growth moves no entry */
    end(ledger);
    onramp_ledger_close(opened_again(ledger, &quick_disk));
}

/* What belongs together */

static void assert_mismatch(const struct onramp_ledger *ledger, const struct onramp_ledger_run *run, const char *want)
{
    struct onramp_error err = {.status = ONRAMP_OK};
    assert_int_equal(onramp_ledger_match(ledger, run, &err), ONRAMP_EMISMATCH);
    assert_non_null(strstr(err.text, want));
    assert_non_null(strstr(err.text, "--ledger"));
}

static off_t size_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void another_tenant_connection_or_file_is_refused(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    struct onramp_ledger_run run = run_named("r1");
    assert_int_equal(onramp_ledger_match(ledger, &run, NULL), ONRAMP_OK);
    begin(ledger, "r1");
    off_t size = size_of(ledger_path);

    run = run_named("r2");
    run.domain = "other.example";
    assert_mismatch(ledger, &run, "tenant 'tenant.example', not 'other.example'");
    assert_int_equal(onramp_ledger_begin(ledger, &run, NULL), ONRAMP_EMISMATCH);
    run = run_named("r2");
    run.connection = "users"; /* names of connections have case */
    assert_mismatch(ledger, &run, "connection 'Users', not 'users'");
    run = run_named("r2");
    run.input_path = "others.json";
    run.input_sha256 = "4567";
    assert_mismatch(ledger, &run, "file 'users.json', not 'others.json'");
    assert_int_equal(onramp_ledger_begin(ledger, &run, NULL), ONRAMP_EMISMATCH);
    assert_int_equal(size_of(ledger_path), size);

    run = run_named("r2");
    run.domain = "Tenant.Example"; /* names of hosts have none */
    assert_int_equal(onramp_ledger_match(ledger, &run, NULL), ONRAMP_OK);
    onramp_ledger_close(ledger);
}

static void an_edited_or_moved_file_is_the_same_file(void **state)
{
    (void)state;
    char here[160], link_to_here[160];
    (void)snprintf(here, sizeof here, "%s/users.json", test_directory);
    (void)snprintf(link_to_here, sizeof link_to_here, "%s/link.json", test_directory);
    write_bytes(here, "[]", 2);
    assert_int_equal(symlink(here, link_to_here), 0);

    struct onramp_ledger *ledger = open_ledger();
    struct onramp_ledger_run run = run_named("r1");
    run.input_path = here;
    assert_int_equal(onramp_ledger_begin(ledger, &run, NULL), ONRAMP_OK);
    run.input_sha256 = "edited";
    assert_int_equal(onramp_ledger_match(ledger, &run, NULL), ONRAMP_OK);
    run.input_path = link_to_here; /* the same file by another name */
    assert_int_equal(onramp_ledger_match(ledger, &run, NULL), ONRAMP_OK);
    run.input_path = "moved.json";
    assert_int_equal(onramp_ledger_match(ledger, &run, NULL), ONRAMP_EMISMATCH);
    run.input_sha256 = "0123";
    assert_int_equal(onramp_ledger_begin(ledger, &run, NULL), ONRAMP_OK);
    onramp_ledger_close(ledger);

    ledger = open_ledger(); /* the first run's file still counts, and the second's too */
    run.input_path = here;
    run.input_sha256 = "edited again";
    assert_int_equal(onramp_ledger_match(ledger, &run, NULL), ONRAMP_OK);
    run.input_path = "moved.json";
    assert_int_equal(onramp_ledger_match(ledger, &run, NULL), ONRAMP_OK);
    onramp_ledger_close(ledger);
    assert_int_equal(unlink(here), 0);
    assert_int_equal(unlink(link_to_here), 0);
}

/* Files */

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void only_the_owner_may_read_it_whatever_the_umask(void **state)
{
    (void)state;
    static const mode_t masks[] = {0, 022, 077, 0777};
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        (void)unlink(ledger_path);
        mode_t before = umask(masks[i]);
        struct onramp_ledger *ledger = open_ledger();
        (void)umask(before);
        assert_int_equal(mode_of(ledger_path), 0600);
        assert_false(onramp_ledger_exposed(ledger));
        onramp_ledger_close(ledger);
    }
}

static void a_wider_mode_is_tightened_on_ledgers_only(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    onramp_ledger_close(ledger);
    assert_int_equal(chmod(ledger_path, 0666), 0);
    ledger = open_ledger();
    assert_int_equal(mode_of(ledger_path), 0600);
    assert_false(onramp_ledger_exposed(ledger));
    onramp_ledger_close(ledger);

    write_bytes(ledger_path, "[]\n", 3);
    assert_int_equal(chmod(ledger_path, 0644), 0);
    assert_refused(ONRAMP_ECORRUPT, "is not an onramp ledger");
    assert_int_equal(mode_of(ledger_path), 0644);
}

static void there_is_one_writer_and_any_reader(void **state)
{
    (void)state;
    struct onramp_ledger *first = open_ledger(), *reader = NULL;
    begin(first, "r1");
    attempt(first, 0, "a@x.example", 1);
    assert_refused(ONRAMP_ELOCKED, "is in use");
    assert_int_equal(onramp_ledger_read(&reader, ledger_path, NULL), ONRAMP_OK);
    assert_true(entry(reader, "a@x.example")->open);
    onramp_ledger_close(reader);
    onramp_ledger_close(first);
    onramp_ledger_close(open_ledger()); /* the lock went with its holder */
}

static void what_is_no_regular_file_is_refused_at_once(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = NULL;
    struct onramp_error err;
    assert_int_equal(mkfifo(ledger_path, 0600), 0); /* must not wait for another end */
    assert_int_equal(onramp_ledger_open(&ledger, ledger_path, NULL, &err), ONRAMP_EIO);
    assert_non_null(strstr(err.text, "not a regular file"));
    assert_int_equal(onramp_ledger_read(&ledger, ledger_path, &err), ONRAMP_EIO);
    assert_non_null(strstr(err.text, "not a regular file"));
    assert_int_equal(onramp_ledger_open(&ledger, test_directory, NULL, &err), ONRAMP_EIO);
    assert_non_null(strstr(err.text, "Is a directory"));
    assert_int_equal(onramp_ledger_read(&ledger, test_directory, &err), ONRAMP_EIO);
    assert_non_null(strstr(err.text, "not a regular file"));
    assert_int_equal(onramp_ledger_open(&ledger, "/nowhere/at/all", NULL, &err), ONRAMP_EIO);
    assert_non_null(strstr(err.text, "No such file"));
    (void)unlink(ledger_path);
    assert_int_equal(onramp_ledger_read(&ledger, ledger_path, &err), ONRAMP_EIO); /* reading creates nothing */
    assert_int_not_equal(access(ledger_path, F_OK), 0);
    assert_null(ledger);
}

static void a_symbolic_link_is_followed_even_to_a_new_file(void **state)
{
    (void)state;
    char target[160];
    (void)snprintf(target, sizeof target, "%s/elsewhere", test_directory);
    assert_int_equal(symlink(target, ledger_path), 0);
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    onramp_ledger_close(ledger);
    assert_int_equal(mode_of(target), 0600);
    onramp_ledger_close(open_ledger());
    assert_int_equal(unlink(target), 0);
}

/* What `body` returns in a process of its own: the number of the check that failed. */
static int exit_of(int (*body)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(body());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Root may write anywhere, so this is tried as somebody else. */
static int try_without_rights(void)
{
    struct onramp_ledger *ledger = NULL;
    struct onramp_error err;
    char new_path[160];
    (void)snprintf(new_path, sizeof new_path, "%s/new", test_directory);
    if (geteuid() == 0 && setuid(65534) != 0)
        return 1;
    if (onramp_ledger_open(&ledger, ledger_path, NULL, &err) != ONRAMP_EIO ||
        strstr(err.text, "Permission denied") == NULL)
        return 2;
    if (onramp_ledger_open(&ledger, new_path, NULL, &err) != ONRAMP_EIO ||
        strstr(err.text, "Permission denied") == NULL)
        return 3;
    return onramp_ledger_read(&ledger, ledger_path, &err) == ONRAMP_OK ? 0 : 4;
}

static void a_read_only_file_or_directory_is_named(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    onramp_ledger_close(ledger);
    assert_int_equal(chmod(ledger_path, 0444), 0);
    assert_int_equal(chmod(test_directory, 0555), 0);
    int failed = exit_of(try_without_rights);
    assert_int_equal(chmod(test_directory, 0755), 0);
    assert_int_equal(failed, 0);
}

static int try_as_another(void)
{
    struct onramp_ledger *ledger = NULL;
    if (setuid(65534) != 0)
        return 1;
    if (onramp_ledger_open(&ledger, ledger_path, &quick_disk, NULL) != ONRAMP_OK)
        return 2;
    return onramp_ledger_exposed(ledger) ? 0 : 3;
}

static void a_wider_mode_that_cannot_be_tightened_is_told(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* only root can become another user, who may write the file but does not own it */
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    onramp_ledger_close(ledger);
    assert_int_equal(chmod(ledger_path, 0666), 0);
    assert_int_equal(chmod(test_directory, 0755), 0);
    assert_int_equal(exit_of(try_as_another), 0);
}

static void a_file_that_vanished_or_was_replaced_stops_the_run(void **state)
{
    (void)state;
    struct onramp_error err;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    attempt(ledger, 0, "a@x.example", 1);
    assert_int_equal(unlink(ledger_path), 0);
    assert_int_equal(onramp_ledger_sync(ledger, &err), ONRAMP_EIO);
    assert_non_null(strstr(err.text, "was removed or replaced"));
    assert_int_equal(onramp_ledger_sync(ledger, &err), ONRAMP_EIO); /* and stays so */
    onramp_ledger_close(ledger);

    ledger = open_ledger();
    begin(ledger, "r1");
    attempt(ledger, 0, "a@x.example", 1);
    struct bytes copy = read_bytes(ledger_path);
    assert_int_equal(unlink(ledger_path), 0);
    write_bytes(ledger_path, copy.data, copy.size); /* as some editors save */
    assert_int_equal(onramp_ledger_sync(ledger, &err), ONRAMP_EIO);
    free(copy.data);
    onramp_ledger_close(ledger);
}

/* The manual shows a ledger that was really written; it must be one. */
static void the_example_in_the_manual_is_a_ledger(void **state)
{
    (void)state;
    struct bytes manual = read_bytes(ONRAMP_SOURCE_DIR "/docs/ledger.md");
    char *begins = strstr(manual.data, "```json\n{\"type\":\"run\"");
    assert_non_null(begins);
    begins += strlen("```json\n");
    char *ends = strstr(begins, "```");
    assert_non_null(ends);
    write_bytes(ledger_path, begins, (size_t)(ends - begins));
    free(manual.data);

    struct onramp_ledger *ledger = open_ledger();
    assert_int_equal(onramp_ledger_repaired(ledger), 0);
    const struct onramp_ledger_entry *ada = entry(ledger, "ada@example.com");
    assert_true(ada->settled && ada->adopted && ada->outcome == ONRAMP_CREATED);
    const struct onramp_ledger_entry *grace = entry(ledger, "grace@example.com");
    assert_true(grace->settled && !grace->adopted && grace->status == 201);
    onramp_ledger_close(ledger);
}

#define LEDGER_TEST(name) cmocka_unit_test_setup(name, without_ledger)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(writes_the_documented_members),
        LEDGER_TEST(writes_times_of_every_calendar_day),
        LEDGER_TEST(carries_any_text_without_breaking_a_line),
        LEDGER_TEST(clips_what_has_no_bound_and_leaves_out_impossible_identifiers),
        LEDGER_TEST(refuses_settings_that_are_no_object),
        LEDGER_TEST(an_attempt_is_open_until_its_outcome),
        LEDGER_TEST(failed_unknown_and_invalid_are_not_settled),
        LEDGER_TEST(an_outcome_replaces_all_that_the_former_said),
        LEDGER_TEST(the_evidence_of_the_latest_attempt_comes_back),
        LEDGER_TEST(records_of_one_file_that_share_an_identity_hide_nothing_of_each_other),
        LEDGER_TEST(what_was_refused_here_hides_nothing_the_tenant_knows),
        LEDGER_TEST(identities_of_each_kind_are_found),
        LEDGER_TEST(ten_thousand_lines_replay_as_they_were_written),
        LEDGER_TEST(another_tenant_connection_or_file_is_refused),
        LEDGER_TEST(an_edited_or_moved_file_is_the_same_file),
        LEDGER_TEST(only_the_owner_may_read_it_whatever_the_umask),
        LEDGER_TEST(a_wider_mode_is_tightened_on_ledgers_only),
        LEDGER_TEST(there_is_one_writer_and_any_reader),
        LEDGER_TEST(what_is_no_regular_file_is_refused_at_once),
        LEDGER_TEST(a_symbolic_link_is_followed_even_to_a_new_file),
        LEDGER_TEST(a_read_only_file_or_directory_is_named),
        LEDGER_TEST(a_wider_mode_that_cannot_be_tightened_is_told),
        LEDGER_TEST(the_example_in_the_manual_is_a_ledger),
        LEDGER_TEST(a_file_that_vanished_or_was_replaced_stops_the_run),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
