/*
 * test_ledger_damage.c - what a crash leaves is cut, all other damage is named and refused.
 */
#include "unit/io/test_ledger_support.h"

#include <stdint.h>

#define STEPS_MAX 32

/* A small ledger, its size and state after each line, and what was on disk for certain. */
struct sample {
    struct bytes file;
    size_t size[STEPS_MAX];
    char *state[STEPS_MAX];
    size_t steps;
};

static void note(struct sample *sample, const struct onramp_ledger *ledger)
{
    struct stat st;
    assert_int_equal(stat(ledger_path, &st), 0);
    assert_true(sample->steps < STEPS_MAX);
    sample->size[sample->steps] = (size_t)st.st_size;
    sample->state[sample->steps++] = portrait_of(ledger);
}

/* Two runs; the first is ended, the last batch of the second has four lines behind its last sync. */
static struct sample make_sample(void)
{
    struct sample s = {.steps = 0};
    (void)unlink(ledger_path);
    struct onramp_ledger *ledger = open_ledger();
    note(&s, ledger);
    begin(ledger, "r1");
    note(&s, ledger);
    attempt(ledger, 0, "a@x.example", 1);
    note(&s, ledger);
    attempt(ledger, 1, "b@x.example", 1);
    note(&s, ledger);
    sync_ledger(ledger);
    outcome(ledger, 0, "a@x.example", ONRAMP_CREATED);
    note(&s, ledger);
    outcome(ledger, 1, "b@x.example", ONRAMP_FAILED);
    note(&s, ledger);
    end(ledger);
    note(&s, ledger);
    begin(ledger, "r2");
    note(&s, ledger);
    attempt(ledger, 1, "b@x.example", 2);
    sync_ledger(ledger);
    note(&s, ledger);
    outcome(ledger, 1, "b@x.example", ONRAMP_CREATED);
    note(&s, ledger);
    attempt(ledger, 2, "c@x.example", 1);
    note(&s, ledger);
    attempt(ledger, 3, "d@x.example", 1);
    note(&s, ledger);
    attempt(ledger, 4, "e@x.example", 1);
    note(&s, ledger);
    onramp_ledger_close(ledger);
    s.file = read_bytes(ledger_path);
    return s;
}

/* Lines of the sample, counted from its end, that may be lost: those behind the last sync. */
#define UNSYNCED 4

static void free_sample(struct sample *sample)
{
    for (size_t i = 0; i < sample->steps; i++)
        free(sample->state[i]);
    free(sample->file.data);
}

/* The last step that `size` bytes of the sample hold; a line counts without its newline. */
static size_t step_at(const struct sample *sample, size_t size)
{
    size_t step = 0;
    while (step + 1 < sample->steps && sample->size[step + 1] - 1 <= size)
        step++;
    return step;
}

/* The file of `damaged` must open in the sample's state of `step`, for readers and for the writer, and go on. */
static void assert_heals(const struct sample *sample, const struct bytes *damaged, size_t step)
{
    struct onramp_ledger *ledger = NULL;
    struct onramp_error err = {.status = ONRAMP_OK};
    size_t whole = sample->size[step] < damaged->size ? sample->size[step] : damaged->size;
    write_bytes(ledger_path, damaged->data, damaged->size);

    if (onramp_ledger_read(&ledger, ledger_path, &err) != ONRAMP_OK)
        fail_msg("of %zu bytes: %s", damaged->size, err.text);
    char *state = portrait_of(ledger);
    assert_string_equal(state, sample->state[step]);
    assert_int_equal(onramp_ledger_repaired(ledger), damaged->size - whole);
    free(state);
    onramp_ledger_close(ledger);
    struct bytes file = read_bytes(ledger_path); /* reading changes nothing */
    assert_int_equal(file.size, damaged->size);
    free(file.data);

    ledger = open_ledger();
    state = portrait_of(ledger);
    assert_string_equal(state, sample->state[step]);
    assert_int_equal(onramp_ledger_repaired(ledger), damaged->size - whole);
    free(state);
    begin(ledger, "r3");
    outcome(ledger, 9, "z@x.example", ONRAMP_EXISTS);
    ledger = opened_again(ledger, &quick_disk);
    assert_int_equal(onramp_ledger_repaired(ledger), 0);
    onramp_ledger_close(ledger);
    file = read_bytes(ledger_path);
    assert_memory_equal(file.data, sample->file.data, sample->size[step]);
    free(file.data);
}

static void a_cut_at_any_byte_leaves_the_whole_lines(void **state)
{
    (void)state;
    struct sample s = make_sample();
    for (size_t size = 0; size <= s.file.size; size++) {
        struct bytes cut = {.data = s.file.data, .size = size};
        assert_heals(&s, &cut, step_at(&s, size));
    }
    free_sample(&s);
}

static void a_cut_and_zeros_or_garbage_behind_it_leave_the_whole_lines(void **state)
{
    (void)state;
    struct sample s = make_sample();
    static const char *const fillings[] = {"\0", "\xa5", "\n", "{", "q\n\"}\n"};
    static const size_t filling_sizes[] = {1, 1, 1, 1, 5};
    char *data = malloc(s.file.size + 4096);
    assert_non_null(data);
    /* The first run line is left whole: see the tests of foreign files. */
    for (size_t size = s.size[1]; size <= s.file.size; size += 7) {
        for (size_t f = 0; f < sizeof filling_sizes / sizeof filling_sizes[0]; f++) {
            memcpy(data, s.file.data, size);
            for (size_t i = 0; i < 1500; i++)
                data[size + i] = fillings[f][i % filling_sizes[f]];
            size_t step = step_at(&s, size);
            if (s.size[step] > size && data[size] != '\n') /* only a newline ends a line that has lost its own */
                step--;
            struct bytes filled = {.data = data, .size = size + 1500};
            assert_heals(&s, &filled, step);
        }
    }
    free(data);
    free_sample(&s);
}

static void garbage_longer_than_any_line_is_cut(void **state)
{
    (void)state;
    struct sample s = make_sample();
    const size_t more = 300000;
    struct bytes filled = {.data = calloc(1, s.file.size + more), .size = s.file.size + more};
    assert_non_null(filled.data);
    memcpy(filled.data, s.file.data, s.file.size);
    assert_heals(&s, &filled, s.steps - 1);
    memset(filled.data + s.file.size, 'x', more);
    assert_heals(&s, &filled, s.steps - 1);
    free(filled.data);
    free_sample(&s);
}

/* A hole in what was behind the last sync is a crash's, though whole lines follow; further in front it is not. */
static void a_hole_is_cut_only_where_a_crash_can_make_one(void **state)
{
    (void)state;
    struct sample s = make_sample();
    size_t synced = s.size[s.steps - 1 - UNSYNCED];
    for (size_t at = 0; at + 8 <= s.file.size; at++) {
        struct bytes holed = {.data = malloc(s.file.size), .size = s.file.size};
        assert_non_null(holed.data);
        memcpy(holed.data, s.file.data, s.file.size);
        memset(holed.data + at, 0, 8);
        if (at >= synced) {
            size_t step = step_at(&s, at);
            assert_heals(&s, &holed, s.size[step] > at ? step - 1 : step);
        } else {
            write_bytes(ledger_path, holed.data, holed.size);
            assert_refused(ONRAMP_ECORRUPT, at < s.size[1] ? "first line is no run line" : "is damaged at line ");
        }
        free(holed.data);
    }
    free_sample(&s);
}

static void the_line_that_is_damaged_is_named(void **state)
{
    (void)state;
    struct sample s = make_sample();
    s.file.data[s.size[2] + 3] ^= 0x40; /* in the third line */
    write_bytes(ledger_path, s.file.data, s.file.size);
    assert_refused(ONRAMP_ECORRUPT, "is damaged at line 3: ");
    s.file.data[s.size[2]] = '\0'; /* and no JSON any more */
    write_bytes(ledger_path, s.file.data, s.file.size);
    assert_refused(ONRAMP_ECORRUPT, "is damaged at line 3, and line 4 behind it");
    free_sample(&s);
}

/* Whatever byte changes, the ledger is refused, or has lost some of the lines behind its last sync and says so. */
static void assert_never_another_truth(const struct sample *sample, size_t at)
{
    struct onramp_ledger *ledger = NULL;
    write_bytes(ledger_path, sample->file.data, sample->file.size);
    enum onramp_status st = onramp_ledger_read(&ledger, ledger_path, NULL);
    if (st == ONRAMP_ECORRUPT)
        return;
    assert_int_equal(st, ONRAMP_OK);
    size_t lost = onramp_ledger_repaired(ledger);
    assert_true(lost > 0);
    size_t step = step_at(sample, sample->file.size - lost);
    assert_int_equal(sample->size[step], sample->file.size - lost);
    assert_true(step + 1 + UNSYNCED >= sample->steps);
    assert_true(at >= sample->size[step]);
    char *state = portrait_of(ledger);
    assert_string_equal(state, sample->state[step]);
    free(state);
    onramp_ledger_close(ledger);
}

static void a_flipped_bit_never_tells_another_truth(void **state)
{
    (void)state;
    struct sample s = make_sample();
    for (size_t at = 0; at < s.file.size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            s.file.data[at] = (char)(s.file.data[at] ^ 1 << bit);
            assert_never_another_truth(&s, at);
            s.file.data[at] = (char)(s.file.data[at] ^ 1 << bit);
        }
    }
    free_sample(&s);
}

static void a_replaced_byte_never_tells_another_truth(void **state)
{
    (void)state;
    struct sample s = make_sample();
    static const char others[] = {'\0', '\n', '"', '}', '9'};
    for (size_t at = 0; at < s.file.size; at++) {
        char was = s.file.data[at];
        for (size_t i = 0; i < sizeof others; i++) {
            if (others[i] == was)
                continue;
            s.file.data[at] = others[i];
            assert_never_another_truth(&s, at);
        }
        s.file.data[at] = was;
    }
    free_sample(&s);
}

static void a_removed_or_inserted_byte_never_tells_another_truth(void **state)
{
    (void)state;
    struct sample s = make_sample();
    struct bytes file = s.file;
    for (size_t at = 0; at + 1 < file.size; at++) { /* without the last newline nothing is lost */
        for (int insert = 0; insert <= 1; insert++) {
            s.file = (struct bytes){.data = malloc(file.size + 1), .size = insert ? file.size + 1 : file.size - 1};
            assert_non_null(s.file.data);
            memcpy(s.file.data, file.data, at);
            if (insert) {
                s.file.data[at] = 'x';
                memcpy(s.file.data + at + 1, file.data + at, file.size - at);
            } else {
                memcpy(s.file.data + at, file.data + at + 1, file.size - at - 1);
            }
            assert_never_another_truth(&s, at);
            free(s.file.data);
        }
    }
    s.file = file;
    free_sample(&s);
}

static void removed_swapped_and_repeated_lines_are_noticed_by_their_place(void **state)
{
    (void)state;
    struct sample s = make_sample();
    char *data = malloc(2 * s.file.size);
    assert_non_null(data);

    size_t third = s.size[2], fourth = s.size[3]; /* the third line, cut out */
    memcpy(data, s.file.data, third);
    memcpy(data + third, s.file.data + fourth, s.file.size - fourth);
    write_bytes(ledger_path, data, s.file.size - (fourth - third));
    assert_refused(ONRAMP_ECORRUPT, "is damaged at line 3: it was written to another place");

    memcpy(data, s.file.data, s.file.size); /* the whole ledger behind itself */
    memcpy(data + s.file.size, s.file.data, s.file.size);
    write_bytes(ledger_path, data, 2 * s.file.size);
    assert_refused(ONRAMP_ECORRUPT, "is damaged at line 13: it was written to another place");
    free(data);
    free_sample(&s);
}

/* As when a disk shows old blocks of another ledger: whole, and at a place where it could stand. */
static void a_line_of_another_run_is_refused(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r8");
    attempt(ledger, 0, "a@x.example", 1);
    onramp_ledger_close(ledger);
    struct bytes other = read_bytes(ledger_path);
    (void)unlink(ledger_path);
    ledger = open_ledger();
    begin(ledger, "r9");
    onramp_ledger_close(ledger);
    struct bytes file = read_bytes(ledger_path);
    memcpy(other.data, file.data, file.size); /* the other's first line is as long */
    write_bytes(ledger_path, other.data, other.size);
    assert_refused(ONRAMP_ECORRUPT, "is damaged at line 2: it belongs to another run");
    free(other.data);
    free(file.data);
}

static void an_edited_ledger_is_refused_and_never_cut(void **state)
{
    (void)state;
    struct sample s = make_sample();
    for (char *at = s.file.data; (at = strstr(at, "x.example")) != NULL; at++)
        *at = 'y'; /* as sed -i would */
    write_bytes(ledger_path, s.file.data, s.file.size);
    assert_refused(ONRAMP_ECORRUPT, "is damaged at line 2: its checksum does not match");
    free_sample(&s);

    s = make_sample(); /* only the last line, which might be torn if it were not complete */
    *strstr(s.file.data, "e@x.example") = 'f';
    write_bytes(ledger_path, s.file.data, s.file.size);
    assert_refused(ONRAMP_ECORRUPT, "is damaged at line 12: its checksum does not match");
    free_sample(&s);
}

/* Foreign files */

static void assert_text_refused(const char *text, const char *want)
{
    write_bytes(ledger_path, text, strlen(text));
    assert_refused(ONRAMP_ECORRUPT, want);
}

static void a_file_that_is_no_ledger_is_left_alone(void **state)
{
    (void)state;
    static const char *const files[] = {"[{\"email\":\"a@x.example\"}]",
                                        "[\n",
                                        "{\"email\":\"a@x.example\"}\n{\"email\":\"b@x.example\"}\n",
                                        "{}",
                                        "{ ",
                                        "{\n",
                                        "\n",
                                        "x",
                                        "\xef\xbb\xbf{}",
                                        "{\"type\":\"attempt\"}\n",
                                        "{\"type\":\"run\",\"version\":1,\"run\":\"r1\"\n",
                                        "{\"type\":\"run\",\"version\":1,\"run\":\"r1\"\nmore",
                                        "AUTH0_DOMAIN=tenant.example\n"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_text_refused(files[i], "is not an onramp ledger");
    assert_text_refused("{\"type\":\"run\"}\n", "is damaged at line 1: 'version' of the run line");
    assert_text_refused("{\"type\":\"run\",\"version\":2}\n", "it is of version 2, and this onramp reads version 1");

    static char zeros[70000]; /* more than a crash in the first line can leave */
    write_bytes(ledger_path, zeros, sizeof zeros);
    assert_refused(ONRAMP_ECORRUPT, "is not an onramp ledger");
}

static void a_crash_in_the_very_first_write_heals(void **state)
{
    (void)state;
    struct sample s = make_sample();
    struct bytes torn = {.data = calloc(1, 8192)};
    assert_non_null(torn.data);
    for (size_t size = 0; size < s.size[1] - 1; size++) {
        memset(torn.data, 0, 8192);
        memcpy(torn.data, s.file.data, size);
        torn.size = size;
        assert_heals(&s, &torn, 0);
        torn.size = 4096; /* zeros behind it */
        assert_heals(&s, &torn, 0);
    }
    free(torn.data);
    free_sample(&s);
}

/* Ledgers written by hand */

static const char run_by_hand[] =
    "{\"type\":\"run\", \"version\":1, \"run\":\"h\", \"domain\":\"tenant.example\", \"connection\":\"Users\","
    " \"input\":{\"path\":\"users.json\", \"sha256\":\"\"}, \"more\":[1]}\n";

static void a_ledger_written_by_hand_can_be_read_and_continued(void **state)
{
    (void)state;
    char text[1024];
    (void)snprintf(text, sizeof text, "%s%s", run_by_hand,
                   "{\"type\":\"outcome\",\"record\":0,\"email\":\"a@x.example\",\"outcome\":\"created\","
                   "\"at\":\"2026-01-31T12:00:00Z\",\"user_id\":\"auth0|1\"}\r\n"
                   "{\"type\":\"of the future\"}\n"
                   "{\"type\":\"attempt\",\"record\":1,\"email\":\"b@x.example\",\"attempt\":1,"
                   "\"at\":\"2026-01-31T12:00:00.123456Z\"}"); /* no newline: editors do that */
    write_bytes(ledger_path, text, strlen(text));
    struct onramp_ledger *ledger = open_ledger();
    assert_int_equal(onramp_ledger_repaired(ledger), 0);
    assert_true(entry(ledger, "a@x.example")->settled);
    assert_true(entry(ledger, "b@x.example")->attempted_at == NOON + 123);
    begin(ledger, "r2");
    outcome(ledger, 1, "b@x.example", ONRAMP_CREATED);
    onramp_ledger_close(opened_again(ledger, &quick_disk));

    /* Our own first write behind it may be torn too; what a hand wrote wrong is not cut. */
    (void)snprintf(text, sizeof text, "%s%s", run_by_hand, "{\"type\":\"run\",\"version\":1,\"run\":\"r2\",\"at");
    write_bytes(ledger_path, text, strlen(text));
    ledger = open_ledger();
    assert_int_equal(onramp_ledger_repaired(ledger), strlen(text) - strlen(run_by_hand));
    onramp_ledger_close(ledger);
    (void)snprintf(text, sizeof text, "%s%s", run_by_hand, "{\"type\":\"attempt\",\"record\":1");
    assert_text_refused(text, "is damaged at line 2: it is not a JSON object");
}

static void what_a_hand_wrote_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *line, *want;
    } wrong[] = {
        {"{\"record\":0}", "line 2: it has no 'type'"},
        {"{\"type\":\"attempt\",\"at\":\"2026-01-31T12:00:00Z\",\"attempt\":1}", "'record' of the attempt line"},
        {"{\"type\":\"attempt\",\"record\":-1,\"at\":\"2026-01-31T12:00:00Z\",\"attempt\":1}", "'record' of the"},
        {"{\"type\":\"attempt\",\"record\":0,\"at\":\"2026-01-31T12:00:00Z\",\"attempt\":0}", "'attempt' of the"},
        {"{\"type\":\"attempt\",\"record\":0,\"at\":\"noon\",\"attempt\":1}", "'at' of the attempt line is not a time"},
        {"{\"type\":\"attempt\",\"record\":0,\"at\":\"2026-02-29T12:00:00Z\",\"attempt\":1}", "'at' of the"},
        {"{\"type\":\"attempt\",\"record\":0,\"at\":\"2026-01-31T12:00:00.Z\",\"attempt\":1}", "'at' of the"},
        {"{\"type\":\"attempt\",\"record\":0,\"at\":\"2026-01-31T12:00:00+01:00\",\"attempt\":1}", "'at' of the"},
        {"{\"type\":\"outcome\",\"record\":0,\"at\":\"2026-01-31T12:00:00Z\",\"outcome\":\"creatd\"}",
         "'outcome' of the outcome line is not created, exists"},
        {"{\"type\":\"attempt\",\"type\":\"outcome\"}", "it is not a JSON object"},
        {"{\"type\":\"x\",\"crc\":\"00000000\"}", "its checksum does not match"},
        {"{\"type\":\"x\",\"synced\":0}", "its checksum does not match"},
        {"", "it is not a JSON object"}};
    char text[1024];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        (void)snprintf(text, sizeof text, "%s%s\n", run_by_hand, wrong[i].line);
        assert_text_refused(text, wrong[i].want);
    }
}

static void lines_of_one_run_all_have_checksums_or_none(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    onramp_ledger_close(ledger);
    FILE *file = fopen(ledger_path, "ab");
    assert_non_null(file);
    assert_true(fputs("{\"type\":\"outcome\",\"record\":0,\"at\":\"2026-01-31T12:00:00Z\",\"outcome\":\"created\"}\n",
                      file) > 0);
    assert_int_equal(fclose(file), 0);
    assert_refused(ONRAMP_ECORRUPT, "is damaged at line 2: its checksum is missing");
}

#define LEDGER_TEST(name) cmocka_unit_test_setup(name, without_ledger)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(a_cut_at_any_byte_leaves_the_whole_lines),
        LEDGER_TEST(a_cut_and_zeros_or_garbage_behind_it_leave_the_whole_lines),
        LEDGER_TEST(garbage_longer_than_any_line_is_cut),
        LEDGER_TEST(a_hole_is_cut_only_where_a_crash_can_make_one),
        LEDGER_TEST(the_line_that_is_damaged_is_named),
        LEDGER_TEST(a_flipped_bit_never_tells_another_truth),
        LEDGER_TEST(a_replaced_byte_never_tells_another_truth),
        LEDGER_TEST(a_removed_or_inserted_byte_never_tells_another_truth),
        LEDGER_TEST(removed_swapped_and_repeated_lines_are_noticed_by_their_place),
        LEDGER_TEST(a_line_of_another_run_is_refused),
        LEDGER_TEST(an_edited_ledger_is_refused_and_never_cut),
        LEDGER_TEST(a_file_that_is_no_ledger_is_left_alone),
        LEDGER_TEST(a_crash_in_the_very_first_write_heals),
        LEDGER_TEST(a_ledger_written_by_hand_can_be_read_and_continued),
        LEDGER_TEST(what_a_hand_wrote_wrong_is_named),
        LEDGER_TEST(lines_of_one_run_all_have_checksums_or_none),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
