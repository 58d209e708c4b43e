/*
 * Everything that users get wrong: each kind has one line on standard error and its exit code.
 *
 * The real binary, in a directory of its own, against local tenants that are in the state in question, or
 * against a port where nobody listens.
 */
#include "support/process.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Where AUTH0_DOMAIN points. */
enum where { NOBODY, TENANT, DISABLED, SOCIAL, UNSCOPED, OVER_TLS, NOT_TLS, WHERES };

struct trouble {
    const char *name;
    const char *arguments[9]; /* up to a NULL */
    const char *variables[3]; /* "NAME=value" beside the usual ones; an empty value unsets */
    const char *dotenv, *users, *ledger;
    size_t users_size; /* if it is not text */
    enum where where;
    int exit;
    const char *words;   /* of the one line on standard error; NULL if that stays empty */
    const char *summary; /* somewhere on standard output; NULL if that stays empty */
};

#define ANN     "{\"email\":\"ann@example.com\"}"
#define ONE(r)  "[" r "]"
#define UPLOAD  .arguments = {"upload", "users.json"}
#define FLAG(f) .arguments = {"upload", "users.json", f}, .exit = 2
#define BAD(r)  UPLOAD, .users = ONE(r), .exit = 1

/* Settings and arguments: nothing is sent, exit 2. */
static const struct trouble of_usage[] = {
    {"no command", .arguments = {"--nothing"}, .exit = 2, .words = "the command comes first"},
    {"flag misspelt", .arguments = {"--versoin"}, .exit = 2, .words = "did you mean '--version'?"},
    {"unknown command", .arguments = {"uplaod"}, .exit = 2,
     .words = "there is no command 'uplaod'; did you mean 'upload'?"},
    {"help on nothing", .arguments = {"help", "xyzzy"}, .exit = 2, .words = "there is no command 'xyzzy'"},
    {"unknown flag", FLAG("--conection=x"), .words = "did you mean '--connection'?"},
    {"unknown short flag", FLAG("-Z"), .words = "there is no flag '-Z'"},
    {"flag without its value", FLAG("--rate"), .words = "'--rate' needs a value"},
    {"flag with a value it does not take", FLAG("--json=yes"), .words = "'--json' takes no value"},
    {"one file too many", FLAG("more.json"), .words = "'more.json' is one argument too many"},
    {"token as a flag", FLAG("--token=S3CRET"), .words = "secrets are never flags"},
    {"secret as a flag", FLAG("--client-secret=S3CRET"), .words = "set AUTH0_CLIENT_SECRET"},
    {"password of a proxy as a flag", FLAG("--proxy=http://me:S3CRET@p"), .words = "into HTTPS_PROXY"},
    {"password as a flag", .arguments = {"upload", "users.json", "--password", "S3CRET"}, .exit = 2,
     .words = "there is no flag '--password'; did you mean '--password-length'?"},
    {"beginning of a flag", FLAG("--conc=3"), .words = "there is no flag '--conc'; did you mean '--concurrency'?"},
    {"custom domain with a path", FLAG("--custom-domain=https://login.x.example/u"),
     .words = "give the host alone: login.x.example"},
    {"custom domain with a line break", FLAG("--custom-domain=a\r\nX: y"),
     .words = "--custom-domain: 'a??X: y' is not a host name"},
    {"reserve of too many tokens", FLAG("--reserve=2000000"), .words = "neither 0 to 1000000 tokens"},
    {"ill-formed rate", FLAG("--rate=5/h"), .words = "--rate: '5/h' is not N/s or N/min"},
    {"rate of nothing", FLAG("--rate=0/s"), .words = "'0/s' is not from 1"},
    {"concurrency out of range", FLAG("--concurrency=257"), .words = "is not a whole number from 1 to 256"},
    {"negative count", FLAG("--max-attempts=-1"), .words = "'-1' is not a whole number from 1 to 100"},
    {"ill-formed timeout", FLAG("--timeout=soon"), .words = "'soon' is not a number of seconds"},
    {"reserve over its bound", FLAG("--reserve=95%"), .words = "nor 0% to 90%"},
    {"unknown plan", FLAG("--tier=gold"), .words = "'gold' is not one of free, essentials"},
    {"two plans at once", .arguments = {"plan", "users.json", "--tier=free", "--all-tiers"}, .exit = 2,
     .words = "--all-tiers and --tier are two questions"},
    {"unknown choice", FLAG("--verification-mail=maybe"), .words = "is not one of no, yes, record"},
    {"burst without rate", FLAG("--burst=5"), .words = "--burst goes with --rate"},
    {"plain http to the world", FLAG("--domain=http://t.auth0.com"), .words = "loopback addresses only"},
    {"URL instead of host", FLAG("--domain=https://t.auth0.com/api/v2/"), .words = "give the host alone: t.auth0.com"},
    {"port out of range", FLAG("--domain=t.auth0.com:99999"), .words = "'99999' is not a port"},
    {"host with a space", FLAG("--domain=my tenant"), .words = "is not a host name"},
    {"line break in a value", FLAG("--domain=a\nb"), .words = "'a?b' is not a host name"},
    {"no --env-file where one is named", FLAG("--env-file=none"), .words = "cannot read 'none': No such file"},
    {"CA file missing", FLAG("--cacert=none.pem"), .users = "[]", .words = "'none.pem'"},
    {"CA file without a certificate", FLAG("--cacert=users.json"), .users = "[]", .words = "no certificate in CA file"},
    {"no such file", .arguments = {"upload", "none.json"}, .exit = 2, .words = "there is no file 'none.json'"},
    {"no file named", .arguments = {"upload"}, .exit = 2, .words = "no file of users: give one as an argument"},
    {"no tenant", UPLOAD, .variables = {"AUTH0_DOMAIN="}, .users = "[]", .exit = 2,
     .words = "no tenant: set AUTH0_DOMAIN"},
    {"no connection", UPLOAD, .variables = {"AUTH0_DATABASE_NAME="}, .users = "[]", .exit = 2,
     .words = "no connection: set AUTH0_DATABASE_NAME"},
    {"no credentials", UPLOAD, .variables = {"AUTH0_MNG_TOKEN="}, .users = "[]", .exit = 2,
     .words = "no credentials: set"},
    {"client without its secret", UPLOAD, .variables = {"AUTH0_MNG_TOKEN=", "AUTH0_CLIENT_ID=me"}, .users = "[]",
     .exit = 2, .words = "but not AUTH0_CLIENT_SECRET"},
    {"secret without its client", UPLOAD, .variables = {"AUTH0_MNG_TOKEN=", "AUTH0_CLIENT_SECRET=S3CRET"},
     .users = "[]", .exit = 2, .words = "but not AUTH0_CLIENT_ID"},
    {"standard input without a ledger", .arguments = {"upload", "-"}, .exit = 2, .words = "give --ledger"},
    {"variable ill-formed", UPLOAD, .variables = {"ONRAMP_RATE=fast"}, .exit = 2,
     .words = "ONRAMP_RATE: 'fast' is not N/s or N/min"},
    {".env value ill-formed", UPLOAD, .dotenv = "\n# pace\nONRAMP_RATE=fast\n", .exit = 2,
     .words = ".env line 3: ONRAMP_RATE: 'fast'"},
    {".env variable misspelt", UPLOAD, .dotenv = "ONRAMP_TIMOUT=3\n", .exit = 2,
     .words = "did you mean 'ONRAMP_TIMEOUT'?"},
    {".env with a pasted token", UPLOAD, .dotenv = "S3CRET.x.y\n", .exit = 2, .words = ".env line 1 is not NAME=value"},
    {".env quote left open", UPLOAD, .dotenv = "A='S3CRET\n", .exit = 2,
     .words = ".env line 1: the quote ' is never closed"},
    {"token in quotes", UPLOAD, .variables = {"AUTH0_MNG_TOKEN='a.b.c'"}, .users = ONE(ANN), .exit = 2,
     .words = "the token is in quotes"},
    {"token with 'Bearer'", UPLOAD, .variables = {"AUTH0_MNG_TOKEN=Bearer a.b.c"}, .users = ONE(ANN), .exit = 2,
     .words = "leave that word out"},
    {"token cut short", UPLOAD, .variables = {"AUTH0_MNG_TOKEN=S3CRET"}, .users = ONE(ANN), .exit = 2,
     .words = "which has three parts"},
    {"ledger where nothing can be", FLAG("--ledger=none/x"), .users = "[]", .words = "cannot open ledger 'none/x'"},
    {"ledger that is a directory", FLAG("--ledger=."), .users = "[]", .words = "ledger '.'"},
    {"ledger that is none", UPLOAD, .users = "[]", .ledger = "my notes\n", .exit = 2,
     .words = "is not an onramp ledger"},
    {"file as its own ledger", FLAG("--ledger=users.json"), .users = ONE(ANN) "\n", .words = "is not an onramp ledger"},
    {"unknown flag of the demo", .arguments = {"demo", "--domain=x"}, .exit = 2,
     .words = "there is no flag '--domain'"},
    {"demo of no one", .arguments = {"demo", "--users=0"}, .exit = 2, .words = "'0' is not a whole number"},
};

/* Files that cannot be read as one: nothing is sent, exit 3. */
static const struct trouble of_file[] = {
    {"empty file", UPLOAD, .users = "", .exit = 3, .words = "is empty"},
    {"white space only", UPLOAD, .users = " \n\n", .exit = 3, .words = "nothing but white space"},
    {"a directory", .arguments = {"upload", "."}, .exit = 3, .words = "it is a directory"},
#ifdef __linux__
    {"a file that fails to be read", .arguments = {"upload", "/proc/self/mem", "--ledger=users.json.ledger.ndjson"},
     .exit = 3, .words = "'/proc/self/mem': "},
#endif
    {"array left open", UPLOAD, .users = "[" ANN, .exit = 3, .words = "line 1, column "},
    {"comma at the end", UPLOAD, .users = "[\n" ANN ",\n]", .exit = 3, .words = "a comma too many"},
    {"comma forgotten", UPLOAD, .users = "[" ANN "\n" ANN "]", .exit = 3, .words = "line 2, column 1"},
    {"something behind the array", UPLOAD, .users = "[" ANN "]\nx", .exit = 3, .words = "line 2, column 1"},
    {"a table without headings", UPLOAD, .users = "a@example.com,Ann\n", .exit = 3, .words = "line 1, column 1"},
    {"a ragged row", UPLOAD, .users = "email,name\na@example.com\n", .exit = 3, .words = "line 2, column 1"},
    {"quotes forgotten", UPLOAD, .users = "[{email:\"ann@example.com\"}]", .exit = 3, .words = "line 1, column "},
    {"NDJSON line broken", UPLOAD, .users = ANN "\n{\"email\":\n", .exit = 3, .words = "line "},
    {"number among the users", UPLOAD, .users = "[1]", .exit = 3, .words = "line 1, column 2"},
    {"key given twice", UPLOAD, .users = "[{\"email\":\"a@example.com\",\"email\":\"b@example.com\"}]", .exit = 3,
     .words = "stands twice"},
    {"not UTF-8", UPLOAD, .users = "[{\"name\":\"J\xFCrgen\"}]", .exit = 3, .words = "not UTF-8"},
    {"gzip cut short", UPLOAD, .users = "\x1f\x8b\x08\0\0\0\0\0\0\3", .users_size = 10, .exit = 3, .words = "gzip"},
    {"more users than allowed", .arguments = {"upload", "users.json", "--max-users=1"},
     .users = "[" ANN ",{\"email\":\"bob@example.com\"}]", .exit = 3, .words = "more than 1 users"},
};

/* Single records: the others go on, exit 1. None is left to be sent here, so nobody has to listen. */
static const struct trouble of_record[] = {
    {"no identity", BAD("{}"), .summary = "invalid"},
    {"address without @", BAD("{\"email\":\"ann\"}"), .summary = "is not an address like"},
    {"address that is a number", BAD("{\"email\":7}"), .summary = "'email' must be"},
    {"unknown property", BAD("{\"email\":\"a@example.com\",\"nmae\":\"A\"}"), .summary = "did you mean 'name'?"},
    {"password in the file", BAD("{\"email\":\"a@example.com\",\"password\":\"S3CRET\"}"),
     .summary = "'password' is not taken from a file"},
    {"password hash", BAD("{\"email\":\"a@example.com\",\"password_hash\":\"S3CRET\"}"), .summary = "bulk import job"},
    {"user of another strategy", BAD("{\"email\":\"a@example.com\",\"user_id\":\"google-oauth2|1\"}"),
     .summary = "of another strategy"},
    {"phone number with spaces", BAD("{\"phone_number\":\"+49 30\"}"), .summary = "without spaces"},
    {"name too long",
     BAD("{\"email\":\"a@example.com\",\"given_name\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaa\"}"),
     .summary = "Auth0 takes at most 150"},
    {"picture that is no address", BAD("{\"email\":\"a@example.com\",\"picture\":\"me.png\"}"),
     .summary = "must be a web address"},
    {"verified as text", BAD("{\"email\":\"a@example.com\",\"email_verified\":\"true\"}"),
     .summary = "true or false, without quotes"},
    {"metadata as text", BAD("{\"email\":\"a@example.com\",\"user_metadata\":\"x\"}"), .summary = "must be an object"},
};

/* What the tenant has to say. */
static const struct trouble of_tenant[] = {
    {"nobody listens", UPLOAD, .users = ONE(ANN), .exit = 3, .words = "cannot reach '127.0.0.1:"},
    {"certificate not trusted", UPLOAD, .users = ONE(ANN), .where = OVER_TLS, .exit = 3,
     .words = "cannot reach '127.0.0.1:"},
    {"https to a port that speaks http", UPLOAD, .users = ONE(ANN), .where = NOT_TLS, .exit = 3,
     .words = "cannot reach"},
    {"connection unknown", .arguments = {"upload", "users.json", "--connection=none"}, .users = ONE(ANN),
     .where = TENANT, .exit = 3, .words = "connection 'none' does not exist"},
    {"connection that is no database", UPLOAD, .users = ONE(ANN), .where = SOCIAL, .exit = 3,
     .words = "is no database"},
    {"connection not enabled for the client", UPLOAD, .users = ONE(ANN), .where = DISABLED, .exit = 3,
     .words = "is not enabled for the application"},
    {"token of another tenant", UPLOAD, .variables = {"AUTH0_MNG_TOKEN=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA"},
     .users = ONE(ANN), .where = TENANT, .exit = 4, .words = "answered 401"},
    {"token without the scope", UPLOAD, .users = ONE(ANN), .where = UNSCOPED, .exit = 4, .words = "create:users"},
    {"client secret wrong", UPLOAD,
     .variables = {"AUTH0_MNG_TOKEN=", "AUTH0_CLIENT_ID=local-client", "AUTH0_CLIENT_SECRET=S3CRET"}, .users = ONE(ANN),
     .where = TENANT, .exit = 4, .words = "no token: "},
    {"two records of one user", UPLOAD, .users = "[" ANN ",{\"email\":\"ANN@example.com\"}]", .where = TENANT,
     .exit = 1, .words = "no verification mails", .summary = "same email as record 0"},
    {"mails that nobody has confirmed", .arguments = {"upload", "users.json", "--verification-mail=yes"},
     .users = ONE(ANN), .where = TENANT, .exit = 2, .words = "--yes confirms them"},
};

/* ---- the tenants ---- */

static struct onramp_tenant_server *servers[WHERES];
static char domains[WHERES][64], token[WHERES][2048];
static int closed_port = -1; /* bound, so that nobody else listens there */

static void start(enum where where, const struct onramp_tenant_settings *model, bool tls)
{
    struct onramp_error err = {0};
    struct onramp_tenant_server_settings settings = {.tls = tls};
    if (onramp_tenant_server_start(&servers[where], model, &settings, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
    char *issued = onramp_tenant_server_token(servers[where]);
    assert_non_null(issued);
    (void)snprintf(token[where], sizeof token[where], "%s", issued);
    free(issued);
    (void)snprintf(domains[where], sizeof domains[where], "%s127.0.0.1:%u", tls ? "" : "http://",
                   (unsigned)onramp_tenant_server_port(servers[where]));
}

static int start_all(void **state)
{
    (void)state;
    assert_non_null(getenv("ONRAMP_BINARY"));
    struct onramp_tenant_settings good, other;
    onramp_tenant_defaults(&good);
    good.latency_min = good.latency_median = 0;
    start(TENANT, &good, false);
    start(OVER_TLS, &good, true);
    other = good;
    other.client_disabled = true;
    start(DISABLED, &other, false);
    other = good;
    other.strategy = "google-oauth2";
    start(SOCIAL, &other, false);
    other = good;
    other.scopes = "read:users";
    start(UNSCOPED, &other, false);
    memcpy(domains[NOT_TLS], domains[TENANT] + strlen("http://"), sizeof domains[TENANT] - strlen("http://"));
    memcpy(token[NOT_TLS], token[TENANT], sizeof token[TENANT]);
    memcpy(token[NOBODY], token[TENANT], sizeof token[TENANT]);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    closed_port = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(closed_port >= 0);
    assert_int_equal(bind(closed_port, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(closed_port, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(domains[NOBODY], sizeof domains[NOBODY], "127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    process_end();
    for (int i = 0; i < WHERES; i++)
        (void)onramp_tenant_server_stop(servers[i], NULL);
    (void)close(closed_port);
    return 0;
}

/* ---- one run ---- */

static void write_file(const char *path, const char *bytes, size_t size)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
}

static void set_variables(const void *context)
{
    const struct trouble *t = context;
    (void)setenv("AUTH0_DOMAIN", domains[t->where], 1);
    (void)setenv("AUTH0_DATABASE_NAME", "Username-Password-Authentication", 1);
    (void)setenv("AUTH0_MNG_TOKEN", token[t->where], 1);
    for (size_t i = 0; i < sizeof t->variables / sizeof t->variables[0] && t->variables[i] != NULL; i++) {
        char name[64];
        const char *equals = strchr(t->variables[i], '=');
        (void)snprintf(name, sizeof name, "%.*s", (int)(equals - t->variables[i]), t->variables[i]);
        (void)setenv(name, equals + 1, 1);
    }
}

static void clear_directory(void)
{
    static const char *const names[] = {".env", "users.json", "users.json.ledger.ndjson", "stdout", "stderr"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlink(names[i]);
}

static bool wrong(const char *format, ...) ONRAMP_PRINTF(1, 2);
static bool wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return false;
}

/* False, having said what is not as promised. */
static bool check(const struct trouble *t, int code)
{
    char out[8192], err[8192];
    (void)snprintf(out, sizeof out, "%s", process_read("stdout"));
    (void)snprintf(err, sizeof err, "%s", process_read("stderr"));
    if (code != t->exit)
        return wrong("%s: exit %d, not %d\n%s%s", t->name, code, t->exit, err, out);
    if (t->words == NULL && err[0] != '\0')
        return wrong("%s: standard error has: %s", t->name, err);
    if (t->words != NULL && (strstr(err, t->words) == NULL || strncmp(err, "onramp: ", 8) != 0))
        return wrong("%s: standard error has: %s", t->name, err);
    if (t->words != NULL && strchr(err, '\n') != err + strlen(err) - 1)
        return wrong("%s: not one line: %s", t->name, err);
    if (t->summary == NULL && out[0] != '\0')
        return wrong("%s: standard output has: %s", t->name, out);
    if (t->summary != NULL && strstr(out, t->summary) == NULL)
        return wrong("%s: standard output has: %s", t->name, out);
    if (t->exit > 1 && t->ledger == NULL && access("users.json.ledger.ndjson", F_OK) == 0)
        return wrong("%s: a ledger was left behind, though nothing was sent", t->name);
    if (strstr(out, "S3CRET") != NULL || strstr(err, "S3CRET") != NULL)
        return wrong("%s: a secret got out: %s%s", t->name, out, err);
    return true;
}

static bool run_one(const struct trouble *t)
{
    clear_directory();
    if (t->dotenv != NULL)
        write_file(".env", t->dotenv, strlen(t->dotenv));
    if (t->users != NULL)
        write_file("users.json", t->users, t->users_size > 0 ? t->users_size : strlen(t->users));
    if (t->ledger != NULL)
        write_file("users.json.ledger.ndjson", t->ledger, strlen(t->ledger));
    pid_t child = process_start(&(struct process){.arguments = t->arguments, .prepare = set_variables, .context = t});
    return check(t, process_finish(child));
}

static void run_all(const struct trouble *table, size_t count)
{
    char directory[] = "/tmp/onramp-test-XXXXXX";
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        kept += run_one(&table[i]);
    clear_directory();
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(directory), 0); /* nothing else was left behind */
    assert_int_equal(kept, count);
}

#define RUN_ALL(table) run_all(table, sizeof table / sizeof table[0])

static void wrong_usage_exits_2_and_says_what_would_be_right(void **state)
{
    (void)state;
    RUN_ALL(of_usage);
}

static void a_file_that_cannot_be_read_exits_3_and_says_where(void **state)
{
    (void)state;
    RUN_ALL(of_file);
}

static void a_record_that_cannot_be_a_user_exits_1_and_says_why(void **state)
{
    (void)state;
    RUN_ALL(of_record);
}

static void a_tenant_that_refuses_exits_3_or_4_and_says_what_helps(void **state)
{
    (void)state;
    RUN_ALL(of_tenant);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_exits_2_and_says_what_would_be_right),
        cmocka_unit_test(a_file_that_cannot_be_read_exits_3_and_says_where),
        cmocka_unit_test(a_record_that_cannot_be_a_user_exits_1_and_says_why),
        cmocka_unit_test(a_tenant_that_refuses_exits_3_or_4_and_says_what_helps),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
