/*
 * commands.c - the table of commands.
 */
#include "commands.h"

#include <string.h>

const struct command commands[] = {
    {"upload", "creates the users of FILE in a tenant; run again, it carries on where it stopped",
     "FILE is a JSON array, NDJSON or CSV, plain or gzipped; '-' is standard input. The whole file is checked before\n"
     "the first request. What became of each user is in the ledger, by default FILE.ledger.ndjson.\n"
     "Exit codes: 0 all there, 1 some refused for good, 2 usage, 3 refused before the first write, 4 credentials,\n"
     "5 run the same command again, 130 interrupted.",
     &settings_table, COMMAND_UPLOAD, cmd_upload},
    {"demo", "uploads a generated sample into a tenant on this machine; needs no account",
     "Starts the local tenant, uploads sample users at the tenant's own rate, and compares the ledger with the tenant\n"
     "user by user. Reads neither the environment nor .env.\n"
     "Exit codes: 0 all there and both agree, 2 the tenant could not be started, 5 not finished, or they do not "
     "agree,\n"
     "130 interrupted.",
     &settings_table, COMMAND_DEMO, cmd_demo},
    {"invite", "a link or mail to set a password, for each user that LEDGER says was created",
     "Each user once: run again, it carries on. By ticket, links are appended to a file, for a mail merge of your "
     "own.\n"
     "By email, Auth0 sends the mails; how many is told first, and asked for unless --yes. If the answer to a mail's\n"
     "request is lost, whether it went cannot be known: it is recorded so, and not sent again without --again.\n"
     "Exit codes: 0 all invited, 1 some refused, skipped or in doubt, 2 usage, 3 refused before the first request,\n"
     "4 credentials, 5 run the same command again, 130 interrupted.",
     &settings_table, COMMAND_INVITE, cmd_invite},
    {"check", "looks before the leap: token, connection and FILE, and what to do about each finding; writes nothing",
     "Asks the tenant a few questions (no write), then holds each record of FILE against Auth0's rules and the\n"
     "connection's. Without FILE, and without BULK_USER_FILE, only token and connection are looked at.\n"
     "Exit codes, of what an upload would come to: 0 all well, 1 some records would be refused, 2 usage, 3 would be\n"
     "refused before the first write, 4 credentials, 5 standard output took no more, 130 interrupted.",
     &settings_table, COMMAND_CHECK, cmd_check},
    {"verify", "asks the tenant about each user that LEDGER says was created",
     "Asks by user_id, lists who is missing or has left the connection, and writes nothing. Tenant and connection are\n"
     "those of the ledger unless set.\n"
     "Exit codes: 0 all there, 1 some missing, 2 usage, 3 refused before the first request, 4 credentials,\n"
     "5 some could not be asked about, 130 interrupted.",
     &settings_table, COMMAND_VERIFY, cmd_verify},
    {"undo", "deletes the users that LEDGER proves to be of its own making; shows them unless --yes",
     "Asks about each user first. Whoever has logged in since, or has left the connection, is kept and listed. Run\n"
     "again, it carries on. A deleted user counts as never sent: upload of the same file creates it again.\n"
     "Exit codes: 0 all deleted or gone, or could be, 1 some kept, 2 usage, 3 refused before the first request,\n"
     "4 credentials, 5 run the same command again, 130 interrupted.",
     &settings_table, COMMAND_UNDO, cmd_undo},
    {"plan", "how long an upload of FILE will take, and what it will cause; sends nothing",
     "The upload itself, in virtual time, into a model of the tenant: of a plan's limits (--tier), of those that\n"
     "former runs have seen (--ledger), or of a tenant that allows whatever --rate does. Without any of these, a\n"
     "table of every plan. Not in it: connecting, lost answers, other traffic on the tenant.\n"
     "Exit codes: 0 every record can be sent, 1 some are invalid or duplicate, 2 usage, 3 FILE cannot be used,\n"
     "5 standard output took no more.",
     &settings_table, COMMAND_PLAN, cmd_plan},
    {"report", "what happened, from the ledger: counts, causes and what to do about them, times, runs",
     "Reads the ledger only, and can do so while a run is writing it. Causes are messages without their variable\n"
     "parts, so that nobody's name is in the text or in --json; --csv has a row for each record, with names.\n"
     "Exit codes: 0 told, 2 no such ledger or a damaged one, 5 standard output took no more.",
     &report_table, ~0U, cmd_report},
    {"retry", "writes out the records of FILE that did not end as created or exists",
     "To standard output, one record a line (NDJSON), each as it stands in FILE, white space between values aside: to\n"
     "be edited and uploaded. Records are matched by identity; one that LEDGER has nothing about did not end well\n"
     "either. What is written, and why, is told on standard error.\n"
     "Exit codes: 0 written, 2 usage or ledger, 3 FILE is unreadable or malformed, 5 standard output took no more.",
     &retry_table, ~0U, cmd_retry},
    {"keygen", "a key pair for sealed passwords: 'upload --seal-to' takes the public one, 'open' the secret one",
     "Prints the public key, which may be known to everyone. The secret key is encrypted under a passphrase, which is\n"
     "asked for twice. Whoever loses it has lost the passwords.\n"
     "Exit codes: 0 made, 2 not made: then there is no file of it.",
     &keygen_table, ~0U, cmd_keygen},
    {"open", "the passwords that 'upload --seal-to' has kept, as CSV",
     "Opens every line of FILE and prints those passwords that are in force, by the ledger. Where answers were lost, "
     "all\n"
     "that may be are printed, newest last, as not certain.\n"
     "Exit codes: 0 all opened, 1 some lines are not what they should be or --user has none, 2 usage, key, passphrase\n"
     "or ledger, no FILE, 3 FILE holds no sealed passwords, 5 standard output took no more.",
     &open_table, ~0U, cmd_open},
    {"tenant", "a local Auth0-like tenant, for trying, rehearsing and testing",
     "Serves a tenant on 127.0.0.1 until stopped: tokens, users, look-ups, connections, tickets, with the limits of\n"
     "any plan. Prints what a client needs to reach it, in the form of a .env file.\n"
     "Exit codes: 0 stopped by Ctrl-C or SIGTERM, 2 not started, 5 --users-out or standard output took no more.",
     &tenant_table, ~0U, cmd_tenant},
    {0}};

const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}
