/*
 * reach.h - how a command reaches its tenant: credentials, pace, the network, and talk on the way.
 */
#ifndef ONRAMP_CLI_REACH_H
#define ONRAMP_CLI_REACH_H

#include "console.h"
#include "settings.h"

/* Which tenant, and which of its connections? ONRAMP_EUSAGE says what is missing. */
ONRAMP_NODISCARD enum onramp_status reach_check_target(const struct settings *settings, struct onramp_error *err);

/* Credentials and pace go together. ONRAMP_EUSAGE says what is missing. `token`: does the command need one? */
ONRAMP_NODISCARD enum onramp_status reach_check(const struct settings *settings, bool token, struct onramp_error *err);

/* curl reads the proxies itself, from the environment: what came from .env has to be put there. False: no memory. */
bool reach_export_proxies(const struct settings *settings);

struct console_settings reach_console(const struct settings *settings);

struct onramp_pacer_settings reach_pacing(const struct settings *settings);

/* As the settings have it: the settings' credentials and tier, a seed of its own. */
struct onramp_target reach_target(const struct settings *settings, const struct domain *domain, const char *connection);

struct reach_network {
    const struct domain *domain;
    const char *cacert, *proxy; /* proxy "" for none, NULL for the environment's */
    uint32_t concurrency;
};
/* The pool, woken by signals. On ONRAMP_OK close it. */
ONRAMP_NODISCARD enum onramp_status reach_open(struct onramp_transport *pool, const struct reach_network *network,
                                               struct onramp_error *err);

/* Progress and log lines to a console, stopping by signal, a question before mails go out. */
struct reach_talk {
    struct console *console;
    bool yes;  /* it needs not be asked */
    bool told; /* that a signal has come */
};
struct onramp_observer reach_observer(struct reach_talk *talk);

/* What was opened, opened: warnings about the ledger's state. */
void reach_tell_ledger(const struct onramp_ledger *ledger, struct console *console);

/* For what went wrong without the run itself having said so. `sent`: something had left. */
int reach_exit(enum onramp_status status, bool sent);

#endif
