/*
 * cmd_open.c - onramp open FILE: the passwords that an upload has sealed.
 */
#include "commands.h"
#include "console.h"
#include "passphrase.h"
#include "rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TROUBLES_SHOWN 10

struct open_values {
    char *file, *key, *passphrase_file, *user, *ledger;
    bool json;
};

#define AT(field) .offset = offsetof(struct open_values, field), .commands = ~0U

static const struct setting rows[] = {
    {.operand = true, .kind = SETTING_PATH, .argument = "FILE", .help = "what 'upload --sealed' has written", AT(file)},
    {.flag = "key",
     .letter = 'k',
     .kind = SETTING_PATH,
     .argument = "FILE",
     .fallback = "onramp.key",
     .help = "the secret key, from 'onramp keygen'",
     AT(key)},
    {ROW_PASSPHRASE_FILE, AT(passphrase_file)},
    {.flag = "ledger",
     .letter = 'l',
     .kind = SETTING_PATH,
     .argument = "PATH",
     .help = "the upload's ledger: tells which users were created, and with which of several passwords",
     AT(ledger)},
    {.flag = "user",
     .letter = 'u',
     .kind = SETTING_TEXT,
     .argument = "NAME",
     .help = "this user only, by email, username or phone number",
     AT(user)},
    {.flag = "json", .kind = SETTING_FLAG, .help = "one JSON object a line, not CSV", AT(json)},
};
const struct setting_table open_table = {rows, sizeof rows / sizeof rows[0], sizeof(struct open_values)};

struct listing {
    const struct open_values *values;
    bool begun; /* the row of headings is out */
    uint64_t shown, uncertain, troubles;
};

/* ---- output: byte by byte to an unbuffered stream, so that no password stays in a buffer ---- */

static void put_csv(const char *text)
{
    fputc('"', stdout);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', stdout);
        fputc(*text, stdout);
    }
    fputc('"', stdout);
}

static void put_json(const char *text)
{
    fputc('"', stdout);
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ') {
            printf("\\u%04x", (unsigned)(unsigned char)*text);
            continue;
        }
        if (*text == '"' || *text == '\\')
            fputc('\\', stdout);
        fputc(*text, stdout);
    }
    fputc('"', stdout);
}

static const char *const columns[] = {"email",  "username",   "phone_number", "user_id",
                                      "domain", "connection", "password",     "certain"};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

/* Once, and only above a file that is one of sealed passwords. */
static void put_header(struct listing *listing)
{
    if (listing->begun || listing->values->json)
        return;
    listing->begun = true;
    for (size_t i = 0; i < COLUMNS; i++)
        printf("%s%s", i > 0 ? "," : "", columns[i]);
    fputs("\n", stdout);
}

static void put_line(const struct onramp_unsealed_line *line, bool json)
{
    const struct onramp_sealed *about = &line->about;
    const char *const cells[COLUMNS] = {
        about->identity.email, about->identity.username, about->identity.phone_number, about->user_id,
        about->domain,         about->connection,        line->password->text,         line->certain ? "yes" : "no"};
    bool first = true;
    if (json)
        fputc('{', stdout);
    for (size_t i = 0; i < COLUMNS; i++) {
        if (json && cells[i] == NULL)
            continue;
        if (!first)
            fputc(',', stdout);
        first = false;
        if (json) {
            printf("\"%s\":", columns[i]);
            if (i + 1 == COLUMNS)
                fputs(line->certain ? "true" : "false", stdout);
            else
                put_json(cells[i]);
        } else if (cells[i] != NULL) {
            put_csv(cells[i]);
        }
    }
    fputs(json ? "}\n" : "\n", stdout);
}

/* ---- lines ---- */

/* By the keys that the ledger matches by: case does not count where Auth0 does not count it. */
static bool is_user(const struct onramp_identity *identity, const char *name)
{
    const struct onramp_identity wanted = {.email = name, .username = name, .phone_number = name};
    char a[ONRAMP_IDENTITY_KEY_MAX], b[ONRAMP_IDENTITY_KEY_MAX];
    for (int kind = 0; kind < ONRAMP_ID_USER_ID; kind++)
        if (onramp_identity_key(identity, (enum onramp_identifier)kind, a) &&
            onramp_identity_key(&wanted, (enum onramp_identifier)kind, b) && strcmp(a, b) == 0)
            return true;
    return false;
}

static void tell_trouble(struct listing *listing, const struct onramp_unsealed_line *line)
{
    const char *what = line->kind == ONRAMP_UNSEALED_OTHER     ? "sealed to another key than this one"
                       : line->kind == ONRAMP_UNSEALED_ALTERED ? "altered: its box does not open, or is not this user's"
                                                               : "damaged: not a line of sealed passwords";
    struct onramp_error text;
    if (++listing->troubles > TROUBLES_SHOWN)
        return;
    (void)onramp_fail(&text, ONRAMP_EINPUT, "'%.200s', line %" PRIu64 ": %s", listing->values->file, line->line, what);
    console_error(text.text);
}

static bool visit(void *context, const struct onramp_unsealed_line *line)
{
    struct listing *listing = context;
    if (line->kind != ONRAMP_UNSEALED) {
        tell_trouble(listing, line);
        return true;
    }
    if (listing->values->user != NULL && !is_user(&line->about.identity, listing->values->user))
        return true;
    put_header(listing);
    put_line(line, listing->values->json);
    listing->shown++;
    listing->uncertain += line->certain ? 0 : 1;
    return ferror(stdout) == 0; /* what nobody reads stays sealed */
}

/* ---- the whole ---- */

static enum onramp_status load_key(struct onramp_seal_key **out, const struct open_values *values,
                                   struct onramp_error *err)
{
    if (access(values->key, F_OK) != 0 && errno == ENOENT)
        return onramp_fail(err, ONRAMP_EUSAGE,
                           "there is no key file '%s': give --key, the one that 'onramp keygen' made", values->key);
    bool locked;
    struct onramp_secret *passphrase = NULL;
    enum onramp_status st = onramp_seal_key_load(out, values->key, NULL, &locked, err);
    if (!locked)
        return st;
    st = passphrase_read(&passphrase, values->passphrase_file, false, err);
    if (st == ONRAMP_OK)
        st = onramp_seal_key_load(out, values->key, passphrase, &locked, err);
    onramp_secret_free(passphrase);
    return st;
}

/* What the list does not say by itself. */
static void tell(const struct listing *listing, const struct onramp_unsealed_tally *tally)
{
    struct onramp_error text;
    if (listing->troubles > TROUBLES_SHOWN) {
        (void)onramp_fail(&text, ONRAMP_EINPUT, "and %" PRIu64 " lines more like these",
                          listing->troubles - TROUBLES_SHOWN);
        console_error(text.text);
    }
    if (listing->values->ledger == NULL && listing->shown > 0)
        console_error("without --ledger nobody can tell which of these users were created, so none is certain");
    else if (listing->uncertain > 0) {
        (void)onramp_fail(&text, ONRAMP_OK,
                          "%" PRIu64 " not certain: answers were lost, and one of these passwords is in force, most "
                          "likely the user's last; or the user is not there",
                          listing->uncertain);
        console_error(text.text);
    }
    if (tally->foreign > 0) {
        (void)onramp_fail(&text, ONRAMP_OK, "%" PRIu64 " lines are of runs that this ledger knows nothing of",
                          tally->foreign);
        console_error(text.text);
    }
}

int cmd_open(void *self)
{
    const struct open_values *values = self;
    struct listing listing = {.values = values};
    struct onramp_seal_key *key = NULL;
    struct onramp_ledger *ledger = NULL;
    struct onramp_unsealed_tally tally = {0};
    struct onramp_error err = {.status = ONRAMP_OK};
    enum onramp_status st = ONRAMP_OK;
    if (values->file == NULL)
        st = onramp_fail(&err, ONRAMP_EUSAGE, "no file of sealed passwords: give it as an argument");
    if (st == ONRAMP_OK)
        st = settings_check_file(values->file, &err);
    if (st == ONRAMP_OK && values->ledger != NULL)
        st = onramp_ledger_read(&ledger, values->ledger, &err);
    if (st == ONRAMP_OK)
        st = load_key(&key, values, &err);
    if (st == ONRAMP_OK) {
        (void)setvbuf(stdout, NULL, _IONBF, 0);
        st = onramp_unseal(values->file, key, ledger, visit, &listing, &tally, &err);
        if (st == ONRAMP_OK)
            put_header(&listing);
    }
    onramp_seal_key_free(key);
    onramp_ledger_close(ledger);
    if (st != ONRAMP_OK) {
        console_error(err.text);
        return st == ONRAMP_EINPUT ? EXIT_REFUSED : EXIT_USAGE;
    }
    if (ferror(stdout)) /* main() says why */
        return EXIT_AGAIN;
    tell(&listing, &tally);
    if (values->user != NULL && listing.shown == 0)
        console_error("no password of this user that is in force, as far as the file and the ledger tell");
    return listing.troubles > 0 || (values->user != NULL && listing.shown == 0) ? 1 : EXIT_ALL_WELL;
}
