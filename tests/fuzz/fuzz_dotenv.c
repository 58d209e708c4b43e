/*
 * fuzz_dotenv.c - a .env, whatever it holds, is pairs or one clear line that quotes none of it.
 */
#include "cli/dotenv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_name(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    return name[0] != '\0' && strspn(name, letters) == strlen(name) && (name[0] < '0' || name[0] > '9');
}

/* A refusal is "line N…" and words of ours: nothing but plain text, no longer than they are. */
static void check_refusal(const struct onramp_error *err)
{
    assert(strncmp(err->text, "line ", 5) == 0 && strlen(err->text) < 64);
    for (const char *c = err->text; *c != '\0'; c++)
        assert(*c >= ' ' && *c < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Both exactly as large as they have to be, so that one byte too many is seen. */
    char *text = malloc(size > 0 ? size : 1), *scratch = malloc(size + 1);
    assert(text != NULL && scratch != NULL);
    if (size > 0)
        memcpy(text, data, size);
    struct dotenv env;
    struct onramp_error err = {0};
    enum onramp_status st = ONRAMP_OK;
    dotenv_begin(&env, text, size, scratch);
    unsigned line = 0;
    for (bool end = false; st == ONRAMP_OK && !end;) {
        st = dotenv_next(&env, &end, &err);
        if (st != ONRAMP_OK) {
            check_refusal(&err);
        } else if (!end) {
            assert(is_name(env.name));
            assert(env.line > line); /* a pair is past the one before, so the end comes */
            line = env.line;
        }
    }
    free(scratch);
    free(text);
    return 0;
}
