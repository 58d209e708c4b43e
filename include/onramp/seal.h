/*
 * seal.h - passwords that are kept, each encrypted to a public key.
 *
 * An upload that seals writes a line for each password before its request leaves. Whoever has the secret key can open
 * them; whoever runs the upload need not. Sealed boxes of libsodium (X25519, XSalsa20-Poly1305); docs/sealed.md has
 * both file formats. A box says nothing of who made it: anyone with the public key can add lines to the file.
 */
#ifndef ONRAMP_SEAL_H
#define ONRAMP_SEAL_H

#include "onramp/base.h"
#include "onramp/identity.h"
#include "onramp/ledger.h"
#include "onramp/secret.h"

/* ---- keys ---- */

struct onramp_seal_public {
    unsigned char bytes[32];
};

#define ONRAMP_SEAL_PUBLIC_MAX 64
/* "onramp-seal-…": base64url of the key and a checksum, so that a mistyped key is found before anything is sealed. */
ONRAMP_API void onramp_seal_public_text(const struct onramp_seal_public *key, char text[ONRAMP_SEAL_PUBLIC_MAX]);

/* The key's text, or the path of a file that holds it. ONRAMP_EUSAGE. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_seal_public_read(struct onramp_seal_public *out,
                                                                       const char *text_or_path,
                                                                       struct onramp_error *err);

struct onramp_seal_key; /* opaque: a secret key and its public one, in guarded memory */

/* A fresh pair. ONRAMP_ENOMEM, ONRAMP_EIO. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_seal_key_new(struct onramp_seal_key **out,
                                                                   struct onramp_error *err);
ONRAMP_API void onramp_seal_key_free(struct onramp_seal_key *key); /* NULL is fine; wipes */
ONRAMP_API const struct onramp_seal_public *onramp_seal_key_public(const struct onramp_seal_key *key);

/*
 * Write the secret key to a new file of mode 0600, encrypted under the passphrase (Argon2id, 256 MiB), or as it
 * is if that is NULL. Durable on return. ONRAMP_EUSAGE: the file is there already; ONRAMP_EIO, ONRAMP_ENOMEM.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_seal_key_save(const struct onramp_seal_key *key, const char *path,
                                                                    const struct onramp_secret *passphrase,
                                                                    struct onramp_error *err);

/*
 * Read it. ONRAMP_EUSAGE: no such file, no key file, altered, or a wrong passphrase. With passphrase NULL, *locked
 * tells whether one is needed; then *out is untouched and the status ONRAMP_EUSAGE too.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_seal_key_load(struct onramp_seal_key **out, const char *path,
                                                                    const struct onramp_secret *passphrase,
                                                                    bool *locked, struct onramp_error *err);

/* ---- sealing ---- */

/* What a line says of its password. All borrowed. */
struct onramp_sealed {
    const char *run;
    uint64_t record;
    uint32_t attempt; /* the first that sends this password, counted as in the ledger */
    struct onramp_identity identity;
    const char *user_id; /* given or chosen, without prefix; NULL if the tenant is to choose */
    const char *domain, *connection;
};

struct onramp_sealer; /* opaque; not thread-safe */

/*
 * Open or create a file of sealed passwords (mode 0600, locked), to append to. What a crash left of a last line is cut
 * off: its request never left. `disk` is borrowed; NULL for the real one. ONRAMP_ELOCKED, ONRAMP_EIO (also a file that
 * holds something else), ONRAMP_ENOMEM.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_sealer_open(struct onramp_sealer **out, const char *path,
                                                                  const struct onramp_seal_public *key,
                                                                  const struct onramp_disk *disk,
                                                                  struct onramp_error *err);
ONRAMP_API void onramp_sealer_close(struct onramp_sealer *sealer); /* NULL is fine */

/* Append a line. ONRAMP_EIO, ONRAMP_ENOMEM. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_sealer_add(struct onramp_sealer *sealer,
                                                                 const struct onramp_sealed *about,
                                                                 const struct onramp_secret *password,
                                                                 struct onramp_error *err);
/* Make what was added durable; before the request leaves. Does nothing if there is nothing. ONRAMP_EIO. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_sealer_sync(struct onramp_sealer *sealer,
                                                                  struct onramp_error *err);

/* ---- opening ---- */

enum onramp_unsealed {
    ONRAMP_UNSEALED,         /* a password */
    ONRAMP_UNSEALED_OTHER,   /* sealed to another key */
    ONRAMP_UNSEALED_ALTERED, /* sealed to this key, but the box or what stands beside it was changed */
    ONRAMP_UNSEALED_BROKEN   /* no line of a sealed file, or torn */
};

/* A line of the file. All borrowed for the call. */
struct onramp_unsealed_line {
    enum onramp_unsealed kind;
    uint64_t line;                        /* from 1 */
    struct onramp_sealed about;           /* of ONRAMP_UNSEALED */
    const struct onramp_secret *password; /* the same */
    bool certain; /* the user was created with this very password. If not, it may be one of several, see below */
};

struct onramp_unsealed_tally {
    uint64_t lines, given, uncertain, troubled;
    uint64_t unused;  /* sealed, but the user was not created with it */
    uint64_t foreign; /* of runs that this ledger knows nothing of */
};

/*
 * Open the file with `key`, and tell of each password that may be in force, in the order of the file, and of each line
 * that is not what it should be. A record may have several lines, one a run that sent it. The ledger tells which
 * counts:
 *   - a user that a run was told it created (201) has the password of that run; earlier lines are out of use
 *   - a user that was proven to be there by asking, after answers were lost, has the password of one of the attempts up
 *     to then: all of them are told of, newest last, and none is certain unless there was only one run that can have
 *     sent it
 *   - of a user that may be there (unknown, or killed on the way) likewise
 *   - others were not created, or not by us: nothing is told
 * Without a ledger (NULL) every line is told of, none of it certain. Stop by returning false.
 * ONRAMP_EINPUT: no file of sealed passwords; ONRAMP_EIO, ONRAMP_ENOMEM.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_unseal(
    const char *path, const struct onramp_seal_key *key, const struct onramp_ledger *ledger,
    bool (*visit)(void *context, const struct onramp_unsealed_line *line), void *context,
    struct onramp_unsealed_tally *tally, struct onramp_error *err);

#endif
