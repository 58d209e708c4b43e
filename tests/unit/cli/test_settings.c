/*
 * Settings: where values come from, which one holds, and what is said of a bad one.
 */
#include "commands.h"
#include "dotenv.h"
#include "help.h"
#include "support/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGUMENTS 8

/* ---- support ---- */

static void each_variable(void (*visit)(const char *variable, const struct setting *setting, size_t rank))
{
    for (const struct command *c = commands; c->name != NULL; c++)
        for (size_t row = 0; row < c->table->count; row++)
            for (size_t v = 0; v < SETTING_VARIABLES && c->table->rows[row].variables[v] != NULL; v++)
                visit(c->table->rows[row].variables[v], &c->table->rows[row], v);
}

static void unset(const char *variable, const struct setting *setting, size_t rank)
{
    (void)setting;
    (void)rank;
    (void)unsetenv(variable);
}

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static int begin(void **state)
{
    (void)state;
    each_variable(unset);
    return 0;
}

static int end(void **state)
{
    (void)state;
    (void)unlink(".env");
    (void)unlink("other.env");
    return 0;
}

/* Load `command`'s settings from a NULL-terminated list of arguments. */
static enum onramp_status load_as(const char *command, struct settings *s, struct onramp_error *err,
                                  const char *const *arguments)
{
    static char text[ARGUMENTS + 1][128]; /* getopt_long may reorder pointers, and callers keep literals */
    char *argv[ARGUMENTS + 2] = {text[0]};
    int argc = 1;
    (void)snprintf(text[0], sizeof text[0], "%s", command);
    for (; arguments != NULL && arguments[argc - 1] != NULL; argc++) {
        assert_true(argc <= ARGUMENTS);
        (void)snprintf(text[argc], sizeof text[argc], "%s", arguments[argc - 1]);
        argv[argc] = text[argc];
    }
    bool help;
    *s = (struct settings){0};
    return settings_load(command_find(command), argc, argv, s, &help, err);
}

#define LOAD(...)          LOAD_(__VA_ARGS__, NULL)
#define LOAD_(s, err, ...) load_as("upload", s, err, (const char *const[]){__VA_ARGS__})

static void assert_refused(const char *words, const char *const *arguments)
{
    struct settings s;
    struct onramp_error err = {0};
    assert_int_equal(load_as("upload", &s, &err, arguments), ONRAMP_EUSAGE);
    assert_string_equal(err.text, words);
    settings_clear(&settings_table, &s);
}

/* ---- defaults and sources ---- */

static void without_anything_said_the_documented_defaults_hold(void **state)
{
    (void)state;
    struct settings s;
    struct onramp_error err = {0};
    assert_int_equal(load_as("upload", &s, &err, NULL), ONRAMP_OK);
    assert_int_equal(s.concurrency, 16);
    assert_int_equal(s.reserve.percent, 20);
    assert_int_equal(s.reserve.tokens, 0);
    assert_int_equal(s.max_users, 1000);
    assert_true(s.timeout == 30 * ONRAMP_SECOND);
    assert_int_equal(s.max_attempts, 5);
    assert_int_equal(s.verification_mail, ONRAMP_MAIL_NO);
    assert_int_equal(s.password_length, 32);
    assert_true(s.give_up_after == 600 * ONRAMP_SECOND);
    assert_int_equal(s.tier, -1);
    assert_int_equal(s.rate.tokens, 0);
    assert_int_equal(s.burst, 0);
    assert_int_equal(s.log_level, ONRAMP_LOG_INFO);
    assert_null(s.file);
    assert_null(s.token);
    assert_string_equal(s.domain.name, "");
    settings_clear(&settings_table, &s);
}

static void a_command_that_shares_the_struct_gets_its_own_defaults_and_all_others(void **state)
{
    (void)state;
    struct settings s;
    struct onramp_error err = {0};
    assert_int_equal(load_as("demo", &s, &err, NULL), ONRAMP_OK);
    assert_string_equal(onramp_tier_at((size_t)s.tier)->name, "enterprise");
    assert_true(s.timeout == 30 * ONRAMP_SECOND);
    assert_int_equal(s.users, 300);
    settings_clear(&settings_table, &s);
}

static void a_flag_goes_before_the_environment_and_that_before_dotenv(void **state)
{
    (void)state;
    struct settings s;
    struct onramp_error err = {0};
    write_file(".env", "ONRAMP_CONCURRENCY=3\nONRAMP_RATE=3/s\nONRAMP_TIMEOUT=3\n");
    (void)setenv("ONRAMP_CONCURRENCY", "2", 1);
    (void)setenv("ONRAMP_RATE", "2/min", 1);
    assert_int_equal(LOAD(&s, &err, "--concurrency=1"), ONRAMP_OK);
    assert_int_equal(s.concurrency, 1);
    assert_int_equal(s.rate.tokens, 2);
    assert_true(s.rate.per == ONRAMP_MINUTE);
    assert_true(s.timeout == 3 * ONRAMP_SECOND);
    assert_int_equal(s.max_attempts, 5);
    settings_clear(&settings_table, &s);
}

static void two_flags_that_ask_two_questions_are_refused_and_a_variable_asks_none(void **state)
{
    (void)state;
    static const char *const pairs[][3] = {
        {"--tier=free", "--all-tiers"}, {"--all-tiers", "--ledger=x"}, {"--ledger=x", "--tier=free"}};
    struct settings s;
    for (size_t i = 0; i < 3; i++) {
        struct onramp_error err = {0};
        assert_int_equal(load_as("plan", &s, &err, pairs[i]), ONRAMP_EUSAGE);
        assert_non_null(strstr(err.text, " are two questions: give one of them"));
        settings_clear(&settings_table, &s);
    }
    (void)setenv("ONRAMP_TIER", "free", 1);
    for (size_t i = 1; i < 3; i++) {
        struct onramp_error err = {0};
        const char *const one[] = {pairs[i][0], NULL};
        assert_int_equal(load_as("plan", &s, &err, one), ONRAMP_OK);
        settings_clear(&settings_table, &s);
    }
}

static void an_empty_variable_counts_as_unset(void **state)
{
    (void)state;
    struct settings s;
    struct onramp_error err = {0};
    write_file(".env", "ONRAMP_CONCURRENCY=3\nONRAMP_TIMEOUT=\n");
    (void)setenv("ONRAMP_CONCURRENCY", "", 1);
    (void)setenv("ONRAMP_RATE", "", 1);
    assert_int_equal(LOAD(&s, &err), ONRAMP_OK);
    assert_int_equal(s.concurrency, 3);
    assert_int_equal(s.rate.tokens, 0);
    assert_true(s.timeout == 30 * ONRAMP_SECOND);
    settings_clear(&settings_table, &s);
}

static void the_last_line_of_dotenv_wins(void **state)
{
    (void)state;
    struct settings s;
    struct onramp_error err = {0};
    write_file(".env", "ONRAMP_CONCURRENCY=3\nONRAMP_CONCURRENCY=4\n");
    assert_int_equal(LOAD(&s, &err), ONRAMP_OK);
    assert_int_equal(s.concurrency, 4);
    settings_clear(&settings_table, &s);
}

static void another_file_takes_the_place_of_dotenv(void **state)
{
    (void)state;
    struct settings s;
    struct onramp_error err = {0};
    write_file(".env", "this is not read\n");
    write_file("other.env", "ONRAMP_CONCURRENCY=5\n");
    assert_int_equal(LOAD(&s, &err, "--env-file", "other.env"), ONRAMP_OK);
    assert_int_equal(s.concurrency, 5);
    settings_clear(&settings_table, &s);
}

static void the_variables_of_old_work_unchanged(void **state)
{
    (void)state;
    struct settings s;
    struct onramp_error err = {0};
    write_file(".env", "AUTH0_DATABASE_NAME=Username-Password-Authentication\nAUTH0_DOMAIN=tenant.auth0.com\n"
                       "AUTH0_MNG_TOKEN=\"eyJ.x.y\"\nBULK_USER_FILE=./users.json\n");
    assert_int_equal(LOAD(&s, &err), ONRAMP_OK);
    assert_string_equal(s.connection, "Username-Password-Authentication");
    assert_string_equal(s.domain.name, "tenant.auth0.com");
    assert_string_equal(s.token->text, "eyJ.x.y");
    assert_string_equal(s.file, "./users.json");
    settings_clear(&settings_table, &s);
}

static void an_alias_is_read_where_the_first_name_is_unset(void **state)
{
    (void)state;
    struct settings s;
    struct onramp_error err = {0};
    write_file(".env", "AUTH0_API_TOKEN=second\nAUTH0_MNG_TOKEN=first\nAUTH0_API_TOKEN=third\n");
    assert_int_equal(LOAD(&s, &err), ONRAMP_OK);
    assert_string_equal(s.token->text, "first");
    settings_clear(&settings_table, &s);

    write_file(".env", "AUTH0_API_TOKEN=second\n");
    assert_int_equal(LOAD(&s, &err), ONRAMP_OK);
    assert_string_equal(s.token->text, "second");
    settings_clear(&settings_table, &s);

    (void)setenv("AUTH0_API_TOKEN", "environment", 1);
    write_file(".env", "AUTH0_MNG_TOKEN=file\n");
    assert_int_equal(LOAD(&s, &err), ONRAMP_OK);
    assert_string_equal(s.token->text, "environment");
    settings_clear(&settings_table, &s);
}

static void the_demo_reads_neither_environment_nor_dotenv(void **state)
{
    (void)state;
    struct settings s;
    struct onramp_error err = {0};
    (void)setenv("ONRAMP_RATE", "1/min", 1);
    write_file(".env", "not even this is looked at\n");
    assert_int_equal(load_as("demo", &s, &err, NULL), ONRAMP_OK);
    assert_int_equal(s.rate.tokens, 0);
    settings_clear(&settings_table, &s);
}

/* ---- secrets ---- */

static void secrets_leave_the_environment_and_lose_white_space(void **state)
{
    (void)state;
    struct settings s;
    struct onramp_error err = {0};
    (void)setenv("AUTH0_MNG_TOKEN", " abc\r\n", 1);
    (void)setenv("AUTH0_API_TOKEN", "also", 1);
    assert_int_equal(LOAD(&s, &err), ONRAMP_OK);
    assert_string_equal(s.token->text, "abc");
    assert_int_equal(s.token->size, 3);
    assert_string_equal(getenv("AUTH0_MNG_TOKEN"), "");
    assert_string_equal(getenv("AUTH0_API_TOKEN"), ""); /* not used, and wiped all the same */
    settings_clear(&settings_table, &s);
}

static void a_secret_as_a_flag_is_explained_and_never_repeated(void **state)
{
    (void)state;
    static const char *const flags[] = {"--token=S3CRET",    "--mng-token=S3CRET",     "--api-token=S3CRET",
                                        "--secret=S3CRET",   "--client-secret=S3CRET", "--auth0-client-secret=S3CRET",
                                        "--MNG-TOKEN=S3CRET"};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        struct settings s;
        struct onramp_error err = {0};
        assert_int_equal(LOAD(&s, &err, flags[i]), ONRAMP_EUSAGE);
        assert_non_null(strstr(err.text, "secrets are never flags"));
        assert_null(strstr(err.text, "S3CRET"));
        settings_clear(&settings_table, &s);
    }
    assert_refused("--proxy: secrets are never flags; put a proxy with a password into HTTPS_PROXY",
                   (const char *const[]){"--proxy", "http://me:S3CRET@proxy:3128", NULL});
}

static void what_the_ledger_records_holds_no_secret(void **state)
{
    (void)state;
    struct settings s;
    struct onramp_error err = {0};
    write_file(".env", "AUTH0_MNG_TOKEN=S3CRET\nAUTH0_CLIENT_SECRET=S3CRET\nHTTPS_PROXY=http://me:S3CRET@proxy\n");
    assert_int_equal(LOAD(&s, &err, "--rate=90/min", "--burst=3", "--tier=free", "--client-id=me", "--reserve=5"),
                     ONRAMP_OK);
    char *json = settings_json(&settings_table, COMMAND_UPLOAD, &s);
    assert_non_null(json);
    assert_string_equal(json, "{\"client_id\":\"me\",\"tier\":\"free\",\"rate\":\"90/min\",\"burst\":3,\"reserve\":5,"
                              "\"concurrency\":16,\"max_users\":1000,\"verification_mail\":\"no\","
                              "\"password_length\":32,\"timeout\":30.0,\"max_attempts\":5,\"give_up_after\":600.0}");
    free(json);
    settings_clear(&settings_table, &s);
}

/* ---- arguments ---- */

static void flags_and_arguments_may_stand_in_any_order(void **state)
{
    (void)state;
    struct settings s;
    struct onramp_error err = {0};
    assert_int_equal(LOAD(&s, &err, "users.json", "-r", "5/s", "--json", "-qn"), ONRAMP_OK);
    assert_string_equal(s.file, "users.json");
    assert_int_equal(s.rate.tokens, 5);
    assert_true(s.json && s.quiet && s.dry_run);
    assert_false(s.no_progress);
    settings_clear(&settings_table, &s);

    assert_int_equal(LOAD(&s, &err, "--json", "--", "--odd-name.json"), ONRAMP_OK);
    assert_string_equal(s.file, "--odd-name.json");
    settings_clear(&settings_table, &s);

    assert_int_equal(LOAD(&s, &err, "-"), ONRAMP_OK);
    assert_string_equal(s.file, "-");
    settings_clear(&settings_table, &s);

    assert_int_equal(LOAD(&s, &err, "--concurrency=1", "--concurrency=2"), ONRAMP_OK);
    assert_int_equal(s.concurrency, 2); /* the later one, as shells and aliases expect */
    settings_clear(&settings_table, &s);
}

static void help_is_heard_even_beside_other_flags(void **state)
{
    (void)state;
    struct settings s = {0};
    struct onramp_error err = {0};
    bool help = false;
    char text[][16] = {"upload", "x", "--help", "--no-such-flag"};
    char *argv[] = {text[0], text[1], text[2], text[3], NULL};
    assert_int_equal(settings_load(command_find("upload"), 4, argv, &s, &help, &err), ONRAMP_OK);
    assert_true(help);
    settings_clear(&settings_table, &s);
}

static void an_unknown_flag_gets_a_suggestion(void **state)
{
    (void)state;
    static const struct {
        const char *flag, *words;
    } cases[] = {
        {"--conection=x", "there is no flag '--conection'; did you mean '--connection'?"},
        {"--concurency", "there is no flag '--concurency'; did you mean '--concurrency'?"},
        {"--dryrun", "there is no flag '--dryrun'; did you mean '--dry-run'?"},
        {"--raet", "there is no flag '--raet'; did you mean '--rate'?"},
        {"--xyzzy", "there is no flag '--xyzzy'; 'onramp upload --help' lists them"},
        {"-Z", "there is no flag '-Z'; 'onramp upload --help' lists them"},
        {"--json=yes", "'--json' takes no value"},
        {"--help=me", "'--help' takes no value"},
        {"--rate", "'--rate' needs a value"},
        {"-r", "'-r' needs a value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(cases[i].words, (const char *const[]){cases[i].flag, NULL});
    assert_refused("'b.json' is one argument too many; 'onramp upload --help' tells more",
                   (const char *const[]){"a.json", "b.json", NULL});
}

static void a_bad_value_names_where_it_stands_and_what_would_be_right(void **state)
{
    (void)state;
    static const struct {
        const char *flag, *words;
    } cases[] = {
        {"--rate=5/h", "--rate: '5/h' is not N/s or N/min"},
        {"--rate=5", "--rate: '5' is not N/s or N/min"},
        {"--rate=/s", "--rate: '/s' is not N/s or N/min"},
        {"--rate=-5/s", "--rate: '-5/s' is not N/s or N/min"},
        {"--rate=99999999999999999999/s", "--rate: '99999999999999999999/s' is not N/s or N/min"},
        {"--rate=0/s", "--rate: '0/s' is not from 1 to 1000000 requests"},
        {"--rate=1000001/min", "--rate: '1000001/min' is not from 1 to 1000000 requests"},
        {"--burst=0", "--burst: '0' is not a whole number from 1 to 1000000"},
        {"--concurrency=0", "--concurrency: '0' is not a whole number from 1 to 256"},
        {"--concurrency=257", "--concurrency: '257' is not a whole number from 1 to 256"},
        {"--concurrency=1.5", "--concurrency: '1.5' is not a whole number from 1 to 256"},
        {"--concurrency= 1", "--concurrency: ' 1' is not a whole number from 1 to 256"},
        {"--concurrency=", "--concurrency: '' is not a whole number from 1 to 256"},
        {"--concurrency=18446744073709551617",
         "--concurrency: '18446744073709551617' is not a whole number from 1 to 256"},
        {"--reserve=91%", "--reserve: '91%' is neither 0 to 1000000 tokens nor 0% to 90%"},
        {"--reserve=some", "--reserve: 'some' is neither 0 to 1000000 tokens nor 0% to 90%"},
        {"--reserve=5%%", "--reserve: '5%%' is neither 0 to 1000000 tokens nor 0% to 90%"},
        {"--timeout=0.5", "--timeout: '0.5' is not a number of seconds from 1 to 3600"},
        {"--timeout=3600.1", "--timeout: '3600.1' is not a number of seconds from 1 to 3600"},
        {"--timeout=5.", "--timeout: '5.' is not a number of seconds from 1 to 3600"},
        {"--timeout=5s", "--timeout: '5s' is not a number of seconds from 1 to 3600"},
        {"--verification-mail=maybe", "--verification-mail: 'maybe' is not one of no, yes, record"},
        {"--log-level=loud", "--log-level: 'loud' is not one of error, warn, info, debug"},
        {"--password-length=73", "--password-length: '73' is not a whole number from 1 to 72"},
        {"--connection=", "--connection: is empty"},
        {"--domain=http://x.auth0.com",
         "--domain: http:// is for loopback addresses only; 'x.auth0.com' is reached by https"},
        {"--tier=gold", "--tier: 'gold' is not one of free, essentials, professional, enterprise, enterprise-nonprod, "
                        "private-dev, private-100, private-500, private-1500, private-3000, private-6000, "
                        "private-10000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(cases[i].words, (const char *const[]){cases[i].flag, NULL});

    (void)setenv("ONRAMP_RATE", "5/h", 1);
    assert_refused("ONRAMP_RATE: '5/h' is not N/s or N/min", NULL);
    (void)unsetenv("ONRAMP_RATE");
    write_file(".env", "# pace\n\nONRAMP_RATE=5/h\n");
    assert_refused(".env line 3: ONRAMP_RATE: '5/h' is not N/s or N/min", NULL);
    write_file(".env", "ONRAMP_RATTE=5/s\n");
    assert_refused(".env line 1: there is no setting 'ONRAMP_RATTE'; did you mean 'ONRAMP_RATE'?", NULL);
    write_file(".env", "ONRAMP_ZZZZZZZ=5\n");
    assert_refused(".env line 1: there is no setting 'ONRAMP_ZZZZZZZ'", NULL);
    write_file(".env", "# ours\nAUTH0_DOMIAN=t.example\n");
    assert_refused(".env line 2: there is no setting 'AUTH0_DOMIAN'; did you mean 'AUTH0_DOMAIN'?", NULL);
    write_file(".env", "AUTH0_BASE_URL=x\nAUTH0_SECRET=x\nHTTP_PROXY=x\n"); /* other programs' */
    (void)setenv("ONRAMP_SOMETHING", "5", 1);                               /* a name that may be anybody's */
    struct settings s;
    struct onramp_error err = {0};
    assert_int_equal(load_as("upload", &s, &err, NULL), ONRAMP_OK);
    settings_clear(&settings_table, &s);
    (void)unsetenv("ONRAMP_SOMETHING");
    (void)setenv("ONRAMP_RATES", "5/s", 1);
    assert_refused("the environment: there is no setting 'ONRAMP_RATES'; did you mean 'ONRAMP_RATE'?", NULL);
    (void)setenv("ONRAMP_RATES", "", 1); /* empty is unset */
    assert_int_equal(load_as("upload", &s, &err, NULL), ONRAMP_OK);
    settings_clear(&settings_table, &s);
    (void)unsetenv("ONRAMP_RATES");
    write_file(".env", "FOO\n");
    assert_refused(".env line 1 is not NAME=value", NULL);
    assert_refused("cannot read 'none.env': No such file or directory",
                   (const char *const[]){"--env-file=none.env", NULL});
}

static void a_bad_value_that_is_overruled_does_not_matter(void **state)
{
    (void)state;
    struct settings s;
    struct onramp_error err = {0};
    (void)setenv("ONRAMP_RATE", "5/h", 1);
    assert_int_equal(LOAD(&s, &err, "--rate=7/s"), ONRAMP_OK);
    assert_int_equal(s.rate.tokens, 7);
    settings_clear(&settings_table, &s);
}

static void seconds_may_have_decimals(void **state)
{
    (void)state;
    struct settings s;
    struct onramp_error err = {0};
    assert_int_equal(LOAD(&s, &err, "--timeout=1.25"), ONRAMP_OK);
    assert_true(s.timeout == 1250 * ONRAMP_MILLISECOND);
    settings_clear(&settings_table, &s);
    assert_int_equal(LOAD(&s, &err, "--timeout=1.0000000001234"), ONRAMP_OK); /* finer than a nanosecond */
    assert_true(s.timeout == ONRAMP_SECOND);
    settings_clear(&settings_table, &s);
}

/* ---- the tables themselves ---- */

static bool share_a_command(const struct setting *a, const struct setting *b)
{
    return (a->commands & b->commands) != 0;
}

static void no_two_rows_of_a_command_claim_the_same_flag_or_variable(void **state)
{
    (void)state;
    for (const struct command *c = commands; c->name != NULL; c++) {
        for (size_t i = 0; i < c->table->count; i++) {
            const struct setting *a = &c->table->rows[i];
            assert_true(a->flag != NULL || a->operand || a->variables[0] != NULL);
            assert_true(a->kind != SETTING_SECRET || a->flag == NULL);
            assert_true(a->offset < c->table->size);
            for (size_t j = 0; j < i; j++) {
                const struct setting *b = &c->table->rows[j];
                if (!share_a_command(a, b))
                    continue;
                assert_false(a->flag != NULL && b->flag != NULL && strcmp(a->flag, b->flag) == 0);
                assert_false(a->letter != 0 && a->letter == b->letter);
                assert_false(a->offset == b->offset);
            }
        }
    }
}

static char example[8192];
static size_t listed;

static void is_listed(const char *variable, const struct setting *setting, size_t rank)
{
    if (rank > 0) { /* an alias is mentioned */
        if (strstr(example, variable) == NULL)
            fail_msg("config.example.env does not mention %s", variable);
        return;
    }
    char line[200];
    (void)snprintf(line, sizeof line, "\n%s=%s\n", variable, setting->fallback != NULL ? setting->fallback : "");
    if (strstr(example, line) == NULL)
        fail_msg("config.example.env lacks the line %s", line + 1);
}

static void count_variable(const char *variable, const struct setting *setting, size_t rank)
{
    static const char *seen[100];
    (void)setting;
    for (size_t i = 0; i < listed; i++)
        if (strcmp(seen[i], variable) == 0)
            return;
    if (rank == 0)
        seen[listed++] = variable;
}

static void the_example_lists_every_variable_with_its_default_and_no_other(void **state)
{
    (void)state;
    FILE *in = fopen(ONRAMP_SOURCE_DIR "/config.example.env", "r");
    assert_non_null(in);
    size_t size = fread(example, 1, sizeof example - 1, in);
    assert_true(size > 0 && size < sizeof example - 1);
    (void)fclose(in);
    each_variable(is_listed);
    listed = 0;
    each_variable(count_variable);

    size_t pairs = 0;
    char scratch[sizeof example];
    struct dotenv env;
    struct onramp_error err = {0};
    bool ended = false;
    dotenv_begin(&env, example, size, scratch);
    while (dotenv_next(&env, &ended, &err) == ONRAMP_OK && !ended)
        pairs++;
    assert_true(ended);
    assert_int_equal(pairs, listed);
}

static void the_example_is_a_valid_dotenv_that_changes_nothing(void **state)
{
    (void)state;
    struct settings s;
    struct onramp_error err = {0};
    assert_int_equal(LOAD(&s, &err), ONRAMP_OK);
    char *before = settings_json(&settings_table, ~0U, &s);
    settings_clear(&settings_table, &s);
    assert_int_equal(LOAD(&s, &err, "--env-file", ONRAMP_SOURCE_DIR "/config.example.env"), ONRAMP_OK);
    char *after = settings_json(&settings_table, ~0U, &s);
    settings_clear(&settings_table, &s);
    assert_non_null(before);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void help_tells_of_every_flag_and_variable(void **state)
{
    (void)state;
    for (const struct command *c = commands; c->name != NULL; c++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        help_command(out, c);
        assert_int_equal(fclose(out), 0);
        for (size_t row = 0; row < c->table->count; row++) {
            const struct setting *s = &c->table->rows[row];
            char flag[64] = "FILE";
            if (s->flag != NULL)
                (void)snprintf(flag, sizeof flag, "--%s", s->flag);
            if ((s->commands & c->bit) != 0 && strstr(text, s->flag != NULL ? flag
                                                            : s->operand    ? s->argument
                                                                            : s->variables[0]) == NULL)
                fail_msg("'onramp %s --help' does not tell of %s", c->name, flag);
        }
        for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
            if (strcspn(line, "\n") > 116)
                fail_msg("'onramp %s --help' has a line too long: %.116s", c->name, line);
        free(text);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(without_anything_said_the_documented_defaults_hold),
        TEST(a_command_that_shares_the_struct_gets_its_own_defaults_and_all_others),
        TEST(a_flag_goes_before_the_environment_and_that_before_dotenv),
        TEST(two_flags_that_ask_two_questions_are_refused_and_a_variable_asks_none),
        TEST(an_empty_variable_counts_as_unset),
        TEST(the_last_line_of_dotenv_wins),
        TEST(another_file_takes_the_place_of_dotenv),
        TEST(the_variables_of_old_work_unchanged),
        TEST(an_alias_is_read_where_the_first_name_is_unset),
        TEST(the_demo_reads_neither_environment_nor_dotenv),
        TEST(secrets_leave_the_environment_and_lose_white_space),
        TEST(a_secret_as_a_flag_is_explained_and_never_repeated),
        TEST(what_the_ledger_records_holds_no_secret),
        TEST(flags_and_arguments_may_stand_in_any_order),
        TEST(help_is_heard_even_beside_other_flags),
        TEST(an_unknown_flag_gets_a_suggestion),
        TEST(a_bad_value_names_where_it_stands_and_what_would_be_right),
        TEST(a_bad_value_that_is_overruled_does_not_matter),
        TEST(seconds_may_have_decimals),
        TEST(no_two_rows_of_a_command_claim_the_same_flag_or_variable),
        TEST(the_example_lists_every_variable_with_its_default_and_no_other),
        TEST(the_example_is_a_valid_dotenv_that_changes_nothing),
        TEST(help_tells_of_every_flag_and_variable),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
