/*
 * links.h - a file of links to set a password: CSV, ready for a mail merge.
 *
 *     email,user_id,url,expires
 *     ann@example.com,auth0|5f…,https://tenant.example/u/reset-password?ticket=…#,2026-02-05T12:00:00.000Z
 *
 * Each link is a credential: who has it can set that user's password. So the file is created with mode 0600 (a wider
 * one is tightened), and rows are made and read in guarded memory. A row is on disk when add() has returned. Rows may
 * be taken out of the file between runs; a row cut short by a crash is dropped by open.
 */
#ifndef ONRAMP_LINKS_H
#define ONRAMP_LINKS_H

#include "onramp/base.h"
#include "onramp/ledger.h"
#include "onramp/secret.h"

struct onramp_links; /* opaque; not thread-safe */

/*
 * Open or create `path` for appending, lock it, see whose links it has. *out is the caller's, to close. ONRAMP_EUSAGE:
 * the file is something else, and stays as it is; ONRAMP_ELOCKED, ONRAMP_EIO, ONRAMP_ENOMEM. `disk` is borrowed for its
 * life; NULL for the real one.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_links_open(struct onramp_links **out, const char *path,
                                                                 const struct onramp_disk *disk,
                                                                 struct onramp_error *err);
ONRAMP_API void onramp_links_close(struct onramp_links *links); /* NULL is fine */

/* Did the file have a link of this user when it was opened, or was one added since? */
ONRAMP_API bool onramp_links_has(const struct onramp_links *links, const char *user_id);

struct onramp_link {
    const char *email; /* "" for a user without */
    const char *user_id;
    const struct onramp_secret *url;
    int64_t expires_at; /* ms since 1970 */
};
/* Append a row and make it durable. After a failure (ONRAMP_EIO: the disk, or the file was removed or replaced;
 * ONRAMP_ENOMEM) nothing more is taken. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_links_add(struct onramp_links *links,
                                                                const struct onramp_link *link,
                                                                struct onramp_error *err);

#endif
