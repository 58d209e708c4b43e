/*
 * settings.h - what a user can set, described once.
 *
 * Each setting is one row: its flag, its variables, its default, its range, its help and where its value goes.
 * Parsing, --help, the environment, .env and the ledger's record of a run all follow from the rows.
 * Precedence: flag, environment, .env, default. An empty variable counts as unset.
 *
 * A command has a table of rows and a struct for their values. Most share the table and the struct below; a
 * command with flags of its own kind (tenant) brings both.
 */
#ifndef ONRAMP_CLI_SETTINGS_H
#define ONRAMP_CLI_SETTINGS_H

#include "domain.h"

#include <onramp/onramp.h>

#define SETTING_VARIABLES 2 /* names by which one setting may stand in the environment, the first one wins */
#define SETTING_RIVALS    2 /* other flags that one cannot be given with */

/* What a value is, and the C type of its field. */
enum setting_kind {
    SETTING_TEXT,    /* char *, owned by the struct, NULL if unset */
    SETTING_PATH,    /* the same */
    SETTING_COUNT,   /* uint64_t, in [least, most] */
    SETTING_SECONDS, /* onramp_span, in [least, most] seconds; decimals are fine */
    SETTING_RATE,    /* struct onramp_rate: N/s or N/min; {0, 0} if unset */
    SETTING_SHARE,   /* struct setting_share: N or N%; `most` bounds the per cent */
    SETTING_CHOICE,  /* int: index into the row's choices, -1 if unset */
    SETTING_FLAG,    /* bool */
    SETTING_SECRET,  /* struct onramp_secret *, owned, NULL if unset. Never a flag */
    SETTING_DOMAIN,  /* struct domain: see domain.h */
    SETTING_CUSTOM   /* whatever the row's `parse` fills; plain data, nothing to free. May be given several times */
};

struct setting_share {
    uint32_t tokens, percent; /* one of them is 0 */
};

struct setting {
    const char *flag;  /* long flag without its dashes, or NULL */
    char letter;       /* short flag, or 0 */
    bool operand;      /* given as an argument without a flag, in the order of the rows */
    unsigned optional; /* which commands do without the operand: bits of enum command_bit */
    enum setting_kind kind;
    const char *argument; /* placeholder in the help: "N/s", "FILE" */
    const char *variables[SETTING_VARIABLES];
    const char *fallback; /* default, as a user would write it; NULL for none */
    const char *help;
    uint64_t least, most;
    const char *(*choice)(size_t index); /* of SETTING_CHOICE: names, NULL past the last */
    /* Of SETTING_CUSTOM. On failure `err` gets the words without their source: "'x' is not …". */
    enum onramp_status (*parse)(const char *text, void *field, struct onramp_error *err);
    /* What a flag's text must pass besides, since flags are seen by everyone who may list processes; or NULL. */
    enum onramp_status (*check_flag)(const char *text, struct onramp_error *err);
    /* Other flags of the command that ask another question: both at once are refused. What the environment says of
     * them is no question, for a flag goes before it. */
    const char *rivals[SETTING_RIVALS];
    size_t offset;     /* of the field in the command's struct */
    unsigned commands; /* which commands have it: bits of enum command_bit, or ~0u */
    bool recorded;     /* stands in the ledger's run line */
};

struct setting_table {
    const struct setting *rows;
    size_t count;
    size_t size; /* of the struct that holds the values */
};

#define IDS_MAX 50 /* roles that a user can have */
#define ID_SIZE 64

struct id_list {
    char id[IDS_MAX][ID_SIZE];
    size_t count;
};

/* Commands that share the table below. */
enum command_bit {
    COMMAND_UPLOAD = 1U << 0,
    COMMAND_DEMO = 1U << 1,
    COMMAND_VERIFY = 1U << 2,
    COMMAND_UNDO = 1U << 3,
    COMMAND_INVITE = 1U << 4,
    COMMAND_CHECK = 1U << 5,
    COMMAND_PLAN = 1U << 12
};

struct settings {
    char *file;
    struct domain domain;
    char *connection;
    struct onramp_secret *token, *client_secret;
    char *client_id, *audience;
    struct domain custom_domain;
    uint64_t concurrency;
    struct onramp_rate rate;
    uint64_t burst; /* 0: not given */
    int tier;       /* as onramp_tier_at() numbers them; -1: not given */
    struct setting_share reserve;
    uint64_t max_users;
    onramp_span timeout, give_up_after;
    uint64_t max_attempts;
    char *ledger, *cacert, *proxy;
    char *https_proxy, *no_proxy; /* for curl, which reads its environment itself */
    int verification_mail;        /* enum onramp_verification_mail */
    uint64_t password_length;
    char *seal_to, *sealed;
    bool dry_run;
    int invite; /* 0: by ticket, 1: by mail; -1: not given */
    char *links, *result_url, *app;
    uint64_t ttl, mails_per_minute;
    struct id_list roles;
    char *organization;
    bool mark_verified, again, even_if_used;
    bool no_preflight;
    bool yes;            /* what a command would ask about is confirmed */
    uint64_t users;      /* demo: size of the sample */
    bool keep;           /* demo: leave the files behind */
    bool all_tiers;      /* plan: a table of every plan */
    uint64_t round_trip; /* plan: ms */
    bool json, quiet, no_progress, log_json;
    int log_level; /* enum onramp_level */
    char *env_file;
};
extern const struct setting_table settings_table;

struct command; /* commands.h */

/*
 * Fill `values` (zeroed, table->size bytes) for `command` from argv (argv[0] is the command's name), and, if the
 * command has --env-file, from the environment and .env. *help is set if --help was given; nothing
 * else is looked at then. ONRAMP_EUSAGE names the source: "--rate: '5/h' is not N/s or N/min", ".env line 3: …".
 * Clear `values` with settings_clear() in any case. Secrets are wiped from the environment once read.
 */
ONRAMP_NODISCARD enum onramp_status settings_load(const struct command *command, int argc, char **argv, void *values,
                                                  bool *help, struct onramp_error *err);
void settings_clear(const struct setting_table *table, void *values);

/* Is there such a file of users? "-" always is. ONRAMP_EUSAGE. */
ONRAMP_NODISCARD enum onramp_status settings_check_file(const char *file, struct onramp_error *err);

/* One text to one value; `field` is left alone on failure. The words have no source in front. */
ONRAMP_NODISCARD enum onramp_status setting_parse(const struct setting *setting, const char *text, void *field,
                                                  struct onramp_error *err);

/* The recorded settings as a JSON object, for the ledger. malloc'd, the caller's; NULL when out of memory. */
char *settings_json(const struct setting_table *table, unsigned command, const void *values);

#endif
