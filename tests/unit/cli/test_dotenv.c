/*
 * .env files: what people write in them, and what must not happen whatever they hold.
 */
#include "dotenv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DIGEST_MAX sizeof((struct onramp_error *)0)->text

/* The pairs as "NAME=value;", or the error. */
static void digest(char *out, size_t size, const char *text, size_t text_size)
{
    char *scratch = malloc(text_size + 1); /* to the byte, so that ASan sees one too many */
    assert_non_null(scratch);
    struct dotenv env;
    dotenv_begin(&env, text, text_size, scratch);
    size_t at = 0;
    out[0] = '\0';
    for (;;) {
        struct onramp_error err = {0};
        bool end = false;
        if (dotenv_next(&env, &end, &err) != ONRAMP_OK) {
            (void)snprintf(out, size, "%s", err.text);
            break;
        }
        if (end)
            break;
        if (at < size)
            at += (size_t)snprintf(out + at, size - at, "%s=%s;", env.name, env.value);
    }
    free(scratch);
}

struct example {
    const char *text, *digest;
};

static void assert_digests(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char out[DIGEST_MAX];
        digest(out, sizeof out, examples[i].text, strlen(examples[i].text));
        assert_string_equal(out, examples[i].digest);
    }
}
#define ASSERT_DIGESTS(examples) assert_digests(examples, sizeof(examples) / sizeof(examples)[0])

static void understands_what_people_write(void **state)
{
    (void)state;
    static const struct example cases[] = {
        {"", ""},
        {"\n\n# nothing\n   \n", ""},
        {"A=1", "A=1;"},
        {"A=1\nB=2\n", "A=1;B=2;"},
        {"A=1\r\nB=2\r\n", "A=1;B=2;"},
        {"A=1\rB=2\r", "A=1;B=2;"},
        {"\xEF\xBB\xBF"
         "A=1\n",
         "A=1;"},
        {"export A=1\nexport\tB=2", "A=1;B=2;"},
        {"export=1", "export=1;"},
        {"export =1", "export=1;"},
        {"  A  =  b c  \n", "A=b c;"},
        {"A=", "A=;"},
        {"A=\nB=1", "A=;B=1;"},
        {"A=x # comment\nB=#none\nC=x#y", "A=x;B=;C=x#y;"},
        {"A='x # y' # z", "A=x # y;"},
        {"A=\"x # y\"# z", "A=x # y;"},
        {"A='$HOME `id` \\n'", "A=$HOME `id` \\n;"},
        {"A=\"a\\nb\\t\\\"c\\\" \\\\ \\$d \\q\"", "A=a\nb\t\"c\" \\ $d \\q;"},
        {"A=$HOME ${B} $(id)", "A=$HOME ${B} $(id);"},
        {"A=\"one\ntwo\"\nB=3", "A=one\ntwo;B=3;"},
        {"A=it's", "A=it's;"},
        {"A=a=b==", "A=a=b==;"},
        {"_a9=ß", "_a9=ß;"},
        {"A=1\nA=2", "A=1;A=2;"},
    };
    ASSERT_DIGESTS(cases);
}

static void names_the_line_of_what_it_cannot_read(void **state)
{
    (void)state;
    static const struct example cases[] = {
        {"A=1\nnonsense\n", "line 2 is not NAME=value"},
        {"=x", "line 1 is not NAME=value"},
        {"9A=x", "line 1 is not NAME=value"},
        {"A-B=x", "line 1 is not NAME=value"},
        {"\n\r\n\rA B=x", "line 4 is not NAME=value"},
        {"export A B=x", "line 1 is not NAME=value"},
        {"export ", "line 1 is not NAME=value"},
        {"A=1\nB='x\ny", "line 2: the quote ' is never closed"},
        {"A=\"x\\\"", "line 1: the quote \" is never closed"},
        {"A='x'y", "line 1: something follows the closing quote '"},
        {"A=\"1\n2\r\n3\r4\"\nB", "line 5 is not NAME=value"},
    };
    ASSERT_DIGESTS(cases);
}

static void never_quotes_a_pasted_token_in_an_error(void **state)
{
    (void)state;
    static const char *const texts[] = {"eyJhbGciOi.SECRET.x", "SECRET==", "A='SECRET", "A=\"SECRET\" SECRET",
                                        "export SECRET SECRET=1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char out[DIGEST_MAX];
        digest(out, sizeof out, texts[i], strlen(texts[i]));
        if (i != 1) /* a name it can be, and then it is no error */
            assert_null(strstr(out, "SECRET"));
    }
}

static void refuses_a_name_that_is_too_long(void **state)
{
    (void)state;
    char text[DOTENV_NAME_MAX + 3], out[DOTENV_NAME_MAX + 8];
    memset(text, 'A', sizeof text);
    memcpy(text + DOTENV_NAME_MAX - 1, "=x", 3);
    digest(out, sizeof out, text, strlen(text));
    assert_int_equal(out[0], 'A');
    memset(text, 'A', sizeof text);
    memcpy(text + DOTENV_NAME_MAX, "=x", 3);
    digest(out, sizeof out, text, strlen(text));
    assert_string_equal(out, "line 1 is not NAME=value");
}

/* Under ASan: whatever the bytes, no byte outside text and scratch is touched, and the end comes. */
static void survives_every_mutation_of_a_file(void **state)
{
    (void)state;
    static const char seed_text[] =
        "\xEF\xBB\xBF# c\r\nexport A=1 # x\nB='two\nlines'\nC=\"\\n\\\"\\$\" # y\n_D = e f \n";
    static const char spice[] = "\"'\\\n\r#= \tA\0exportz\xEF\xBB\xBF";
    uint64_t random = 1;
    for (int round = 0; round < 50000; round++) {
        char text[sizeof seed_text], out[DIGEST_MAX];
        memcpy(text, seed_text, sizeof text);
        size_t size = sizeof seed_text - 1;
        for (int change = 0; change < 4; change++) {
            random = random * UINT64_C(6364136223846793005) + 1;
            text[(random >> 33) % size] = spice[(random >> 50) % (sizeof spice - 1)];
        }
        random = random * UINT64_C(6364136223846793005) + 1;
        size = (random >> 33) % (size + 1);
        digest(out, sizeof out, text, size);
    }
}

static void reads_files_up_to_its_bound(void **state)
{
    (void)state;
    char path[] = "/tmp/onramp-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct onramp_secret *text = NULL;
    struct onramp_error err = {0};

    assert_int_equal(write(fd, "A=1\n", 4), 4);
    assert_int_equal(dotenv_read(&text, path, false, &err), ONRAMP_OK);
    assert_int_equal(text->size, 4);
    assert_memory_equal(text->text, "A=1\n", 5);
    onramp_secret_free(text);
    text = NULL;

    assert_int_equal(write(fd, "\0", 1), 1);
    assert_int_equal(dotenv_read(&text, path, false, &err), ONRAMP_EUSAGE);
    assert_non_null(strstr(err.text, "NUL"));

    assert_int_equal(ftruncate(fd, (off_t)DOTENV_FILE_MAX + 1), 0);
    assert_int_equal(dotenv_read(&text, path, false, &err), ONRAMP_EUSAGE);
    assert_non_null(strstr(err.text, "larger than 128 KiB"));
    assert_null(text);
    (void)close(fd);
    (void)unlink(path);

    assert_int_equal(dotenv_read(&text, path, true, &err), ONRAMP_OK);
    assert_null(text);
    assert_int_equal(dotenv_read(&text, path, false, &err), ONRAMP_EUSAGE);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(dotenv_read(&text, "/tmp", true, &err), ONRAMP_EUSAGE); /* a directory is not a missing file */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understands_what_people_write),
        cmocka_unit_test(names_the_line_of_what_it_cannot_read),
        cmocka_unit_test(never_quotes_a_pasted_token_in_an_error),
        cmocka_unit_test(refuses_a_name_that_is_too_long),
        cmocka_unit_test(survives_every_mutation_of_a_file),
        cmocka_unit_test(reads_files_up_to_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
