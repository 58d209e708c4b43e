/*
 * test_seal.c - keys, and files of sealed passwords, written and read.
 */
#include "io/seal.h"
#include "io/seal_key.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/onramp-test-seal-XXXXXX";
static char path[64], key_path[64];

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/sealed", directory);
    (void)snprintf(key_path, sizeof key_path, "%s/key", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static int remove_files(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)unlink(key_path);
    return 0;
}

static void write_text(const char *to, const char *text, size_t size)
{
    FILE *file = fopen(to, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static char *read_text(const char *from)
{
    static char text[1 << 16];
    FILE *file = fopen(from, "rb");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    assert_int_equal(fclose(file), 0);
    return text;
}

static struct onramp_secret *secret(const char *text)
{
    struct onramp_secret *out = NULL;
    assert_int_equal(onramp_secret_copy(&out, text, strlen(text), NULL), ONRAMP_OK);
    return out;
}

static struct onramp_seal_key *new_key(void)
{
    struct onramp_seal_key *key = NULL;
    assert_int_equal(onramp_seal_key_new(&key, NULL), ONRAMP_OK);
    return key;
}

/* ---- keys ---- */

static void a_public_key_is_read_from_its_text_and_from_a_file(void **state)
{
    (void)state;
    struct onramp_seal_key *key = new_key();
    struct onramp_seal_public out;
    char text[ONRAMP_SEAL_PUBLIC_MAX], file[ONRAMP_SEAL_PUBLIC_MAX + 8];
    onramp_seal_public_text(onramp_seal_key_public(key), text);
    assert_int_equal(onramp_seal_public_read(&out, text, NULL), ONRAMP_OK);
    assert_memory_equal(out.bytes, onramp_seal_key_public(key)->bytes, sizeof out.bytes);
    int size = snprintf(file, sizeof file, "%s \r\n", text);
    write_text(path, file, (size_t)size);
    out = (struct onramp_seal_public){{0}};
    assert_int_equal(onramp_seal_public_read(&out, path, NULL), ONRAMP_OK);
    assert_memory_equal(out.bytes, onramp_seal_key_public(key)->bytes, sizeof out.bytes);
    onramp_seal_key_free(key);
}

static void every_single_mistyped_character_of_a_public_key_is_noticed(void **state)
{
    (void)state;
    struct onramp_seal_key *key = new_key();
    struct onramp_seal_public out;
    struct onramp_error err;
    char text[ONRAMP_SEAL_PUBLIC_MAX];
    onramp_seal_public_text(onramp_seal_key_public(key), text);
    for (size_t i = 0; i < strlen(text); i++) {
        char before = text[i];
        text[i] = before == 'A' ? 'B' : 'A';
        assert_int_equal(onramp_seal_public_read(&out, text, &err), ONRAMP_EUSAGE);
        text[i] = before;
    }
    onramp_seal_key_free(key);
}

static void a_secret_key_comes_back_with_its_passphrase_only(void **state)
{
    (void)state;
    struct onramp_seal_key *key = new_key(), *again = NULL;
    struct onramp_secret *right = secret("correct horse"), *wrong = secret("correct house");
    struct onramp_error err;
    struct stat st;
    bool locked = false;
    assert_int_equal(onramp_seal_key_save(key, key_path, right, NULL), ONRAMP_OK);
    assert_int_equal(stat(key_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(onramp_seal_key_load(&again, key_path, NULL, &locked, &err), ONRAMP_EUSAGE);
    assert_true(locked);
    assert_int_equal(onramp_seal_key_load(&again, key_path, wrong, &locked, &err), ONRAMP_EUSAGE);
    assert_non_null(strstr(err.text, "wrong passphrase"));
    assert_null(again);
    assert_int_equal(onramp_seal_key_load(&again, key_path, right, &locked, NULL), ONRAMP_OK);
    assert_memory_equal(onramp_seal_key_secret(again)->text, onramp_seal_key_secret(key)->text, 32);
    assert_int_equal(onramp_seal_key_save(key, key_path, right, &err), ONRAMP_EUSAGE); /* never overwritten */
    onramp_secret_free(right);
    onramp_secret_free(wrong);
    onramp_seal_key_free(key);
    onramp_seal_key_free(again);
}

static void a_key_file_that_was_changed_anywhere_is_refused(void **state)
{
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct onramp_seal_key *key = new_key(), *again = NULL;
    bool locked;
    assert_int_equal(onramp_seal_key_save(key, key_path, NULL, NULL), ONRAMP_OK);
    char *text = strdup(read_text(key_path));
    assert_non_null(text);
    size_t size = strlen(text);
    for (size_t i = 0; i + 1 < size; i++) { /* but for the last newline */
        char before = text[i];
        /* Two bits of a digit: X25519 does not look at five bits of a secret key, and one that differs in these alone
         * is the same. */
        const char *digit = strchr(digits, before);
        text[i] = digit != NULL ? digits[(digit - digits) ^ 40] : 'g';
        write_text(key_path, text, size);
        assert_int_equal(onramp_seal_key_load(&again, key_path, NULL, &locked, NULL), ONRAMP_EUSAGE);
        text[i] = before;
    }
    for (size_t cut = 0; cut + 1 < size; cut++) {
        write_text(key_path, text, cut);
        assert_int_equal(onramp_seal_key_load(&again, key_path, NULL, &locked, NULL), ONRAMP_EUSAGE);
    }
    write_text(key_path, text, size);
    assert_int_equal(onramp_seal_key_load(&again, key_path, NULL, &locked, NULL), ONRAMP_OK);
    onramp_seal_key_free(again);
    onramp_seal_key_free(key);
    free(text);
}

static void a_key_file_cannot_ask_for_all_memory(void **state)
{
    (void)state;
    struct onramp_seal_key *key = new_key(), *again = NULL;
    struct onramp_secret *passphrase = secret("x");
    char text[ONRAMP_SEAL_PUBLIC_MAX], file[300];
    bool locked;
    onramp_seal_public_text(onramp_seal_key_public(key), text);
    int size = snprintf(
        file, sizeof file,
        "onramp-secret-key 1\npublic %s\nkdf argon2id13 3 999999999999 AAAAAAAAAAAAAAAAAAAAAA\nsecret AA\n", text);
    write_text(key_path, file, (size_t)size);
    assert_int_equal(onramp_seal_key_load(&again, key_path, passphrase, &locked, NULL), ONRAMP_EUSAGE);
    onramp_secret_free(passphrase);
    onramp_seal_key_free(key);
}

/* ---- lines ---- */

static const struct onramp_sealed ann = {
    .run = "9849652f-f2d9-4571-969d-e0af89f3ebde",
    .record = 7,
    .attempt = 2,
    .identity = {.email = "Ann@example.com", .username = "a\"n\\n,\"password\":\""},
    .user_id = "96c684649f684c59d60bed1f",
    .domain = "tenant.example",
    .connection = "Users"};

static enum onramp_status add(const struct onramp_seal_key *key, const char *password, const struct onramp_disk *disk,
                              struct onramp_error *err)
{
    struct onramp_sealer *sealer = NULL;
    struct onramp_secret *text = secret(password);
    enum onramp_status st = onramp_sealer_open(&sealer, path, onramp_seal_key_public(key), disk, err);
    if (st == ONRAMP_OK)
        st = onramp_sealer_add(sealer, &ann, text, err);
    if (st == ONRAMP_OK)
        st = onramp_sealer_sync(sealer, err);
    onramp_sealer_close(sealer);
    onramp_secret_free(text);
    return st;
}

/* Open the file's line `number`; what it comes to. */
static enum onramp_unsealed open_line(const struct onramp_seal_key *key, uint64_t number, char *password, size_t room)
{
    struct onramp_seal_file *file = NULL;
    enum onramp_unsealed kind = ONRAMP_UNSEALED_BROKEN;
    json_t *object = NULL, *inner = NULL;
    struct onramp_secret *text = NULL;
    uint64_t line = 0;
    assert_int_equal(onramp_seal_file_open(&file, path, NULL), ONRAMP_OK);
    while (line < number) {
        json_decref(object);
        assert_int_equal(onramp_seal_file_next(file, &line, &object, NULL), ONRAMP_OK);
        assert_true(line > 0);
    }
    if (object != NULL)
        assert_int_equal(onramp_seal_open(object, key, &kind, &inner, &text, NULL), ONRAMP_OK);
    if (kind == ONRAMP_UNSEALED) {
        struct onramp_sealed about = onramp_seal_about(inner);
        assert_string_equal(about.run, ann.run);
        assert_int_equal(about.record, ann.record);
        assert_int_equal(about.attempt, ann.attempt);
        assert_string_equal(about.identity.email, ann.identity.email);
        assert_string_equal(about.identity.username, ann.identity.username);
        assert_string_equal(about.user_id, ann.user_id);
        assert_string_equal(about.domain, ann.domain);
        assert_string_equal(about.connection, ann.connection);
        (void)snprintf(password, room, "%s", text->text);
    }
    json_decref(object);
    json_decref(inner);
    onramp_secret_free(text);
    onramp_seal_file_close(file);
    return kind;
}

static void what_is_sealed_comes_out_again_whatever_is_in_it(void **state)
{
    (void)state;
    struct onramp_seal_key *key = new_key(), *other = new_key();
    static const char *const passwords[] = {"Xk7!mq2#Wz9$pL", "\"\\\"\\\\", "\"}", ",\"password\":\"x\"}", "x"};
    char password[100];
    for (size_t i = 0; i < sizeof passwords / sizeof passwords[0]; i++) {
        assert_int_equal(add(key, passwords[i], NULL, NULL), ONRAMP_OK);
        assert_int_equal(open_line(key, i + 1, password, sizeof password), ONRAMP_UNSEALED);
        assert_string_equal(password, passwords[i]);
        assert_int_equal(open_line(other, i + 1, password, sizeof password), ONRAMP_UNSEALED_OTHER);
    }
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_null(strstr(read_text(path), passwords[0]));
    onramp_seal_key_free(key);
    onramp_seal_key_free(other);
}

static void no_changed_byte_passes_as_another_password_or_another_user(void **state)
{
    (void)state;
    struct onramp_seal_key *key = new_key();
    char password[100];
    assert_int_equal(add(key, "Xk7!mq2#Wz9$pL", NULL, NULL), ONRAMP_OK);
    char *text = strdup(read_text(path));
    assert_non_null(text);
    size_t size = strlen(text);
    for (size_t i = 0; i + 1 < size; i++) {
        char before = text[i];
        text[i] = before == 'x' ? 'y' : 'x';
        write_text(path, text, size);
        assert_int_not_equal(open_line(key, 1, password, sizeof password), ONRAMP_UNSEALED);
        text[i] = before;
    }
    onramp_seal_key_free(key);
    free(text);
}

/* Anyone with the public key can make a box. What a JSON reader would read otherwise than we do is not told. */
static void a_box_that_others_filled_has_one_password_or_none(void **state)
{
    (void)state;
    static const struct {
        const char *rest;
        enum onramp_unsealed kind;
    } cases[] = {{",\"password\":\"a\\\"b\"}", ONRAMP_UNSEALED},
                 {",\"password\":\"\"}", ONRAMP_UNSEALED},
                 {",\"password\":\"x\",\"more\":\"y\"}", ONRAMP_UNSEALED_ALTERED},
                 {",\"password\":\"\\u0041\"}", ONRAMP_UNSEALED_ALTERED},
                 {",\"password\":\"a\\\"}", ONRAMP_UNSEALED_ALTERED},
                 {",\"password\":\"a\nb\"}", ONRAMP_UNSEALED_ALTERED},
                 {",\"password\":1,\"password\":\"y\"}", ONRAMP_UNSEALED_ALTERED},
                 {",\"password\":", ONRAMP_UNSEALED_ALTERED}};
    struct onramp_seal_key *key = new_key();
    char mark[ONRAMP_SEAL_MARK_MAX];
    onramp_seal_mark(onramp_seal_key_public(key), mark);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char content[200], base64[400];
        unsigned char box[sizeof content + crypto_box_SEALBYTES];
        size_t size =
            (size_t)snprintf(content, sizeof content, "{\"run\":\"r\",\"record\":1,\"attempt\":1%s", cases[i].rest);
        assert_int_equal(crypto_box_seal(box, (const unsigned char *)content, size, onramp_seal_key_public(key)->bytes),
                         0);
        sodium_bin2base64(base64, sizeof base64, box, size + crypto_box_SEALBYTES, sodium_base64_VARIANT_ORIGINAL);
        json_t *line =
            json_pack("{s:s, s:i, s:i, s:s, s:s}", "run", "r", "record", 1, "attempt", 1, "key", mark, "box", base64);
        json_t *inner = NULL;
        struct onramp_secret *password = NULL;
        enum onramp_unsealed kind = ONRAMP_UNSEALED_BROKEN;
        assert_int_equal(onramp_seal_open(line, key, &kind, &inner, &password, NULL), ONRAMP_OK);
        assert_int_equal(kind, cases[i].kind);
        onramp_secret_free(password);
        json_decref(inner);
        json_decref(line);
    }
    onramp_seal_key_free(key);
}

static void half_a_line_is_cut_off_wherever_it_was_cut(void **state)
{
    (void)state;
    struct onramp_seal_key *key = new_key();
    char password[100];
    assert_int_equal(add(key, "first", NULL, NULL), ONRAMP_OK);
    char *text = strdup(read_text(path));
    assert_non_null(text);
    size_t size = strlen(text);
    char *both = malloc(2 * size);
    assert_non_null(both);
    memcpy(both, text, size);
    memcpy(both + size, text, size);
    for (size_t cut = 0; cut < size; cut += 7) { /* in the first line, then in the second */
        write_text(path, both, cut);
        assert_int_equal(add(key, "again", NULL, NULL), ONRAMP_OK);
        assert_int_equal(open_line(key, 1, password, sizeof password), ONRAMP_UNSEALED);
        assert_string_equal(password, "again");
        write_text(path, both, size + cut);
        assert_int_equal(add(key, "again", NULL, NULL), ONRAMP_OK);
        assert_int_equal(open_line(key, 2, password, sizeof password), ONRAMP_UNSEALED);
        assert_string_equal(password, "again");
    }
    onramp_seal_key_free(key);
    free(text);
    free(both);
}

static void another_file_is_left_as_it_is(void **state)
{
    (void)state;
    struct onramp_seal_key *key = new_key();
    struct onramp_error err;
    static const char *const others[] = {"{\"email\":\"ann@example.com\"}", "my notes", "{\"type\":\"run\"}\n", "\n"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        write_text(path, others[i], strlen(others[i]));
        assert_int_equal(add(key, "x", NULL, &err), ONRAMP_EIO);
        assert_non_null(strstr(err.text, "something else than sealed passwords"));
        assert_string_equal(read_text(path), others[i]);
    }
    onramp_seal_key_free(key);
}

static void two_runs_do_not_write_one_file(void **state)
{
    (void)state;
    struct onramp_seal_key *key = new_key();
    struct onramp_sealer *sealer = NULL;
    assert_int_equal(onramp_sealer_open(&sealer, path, onramp_seal_key_public(key), NULL, NULL), ONRAMP_OK);
    assert_int_equal(add(key, "x", NULL, NULL), ONRAMP_ELOCKED);
    onramp_sealer_close(sealer);
    onramp_seal_key_free(key);
}

/* ---- a disk that fails ---- */

struct bad_disk {
    int fail_append, fail_sync; /* an errno, or 0 */
};

static int bad_append(void *self, int fd, const char *bytes, size_t size)
{
    const struct bad_disk *disk = self;
    size_t part = disk->fail_append != 0 ? size / 2 : size;
    return write(fd, bytes, part) == (ssize_t)part ? disk->fail_append : EIO;
}

static int bad_sync(void *self, int fd)
{
    const struct bad_disk *disk = self;
    (void)fd;
    return disk->fail_sync;
}

static void after_a_failure_nothing_more_is_taken(void **state)
{
    (void)state;
    struct onramp_seal_key *key = new_key();
    struct onramp_secret *password = secret("Xk7!mq2#Wz9$pL");
    for (int which = 0; which < 2; which++) {
        struct bad_disk bad = {0};
        const struct onramp_disk disk = {.self = &bad, .append = bad_append, .sync = bad_sync};
        struct onramp_sealer *sealer = NULL;
        struct onramp_error err;
        assert_int_equal(onramp_sealer_open(&sealer, path, onramp_seal_key_public(key), &disk, NULL), ONRAMP_OK);
        bad.fail_append = which == 0 ? ENOSPC : 0;
        bad.fail_sync = which == 1 ? EIO : 0;
        enum onramp_status st = onramp_sealer_add(sealer, &ann, password, &err);
        if (which == 1 && st == ONRAMP_OK)
            st = onramp_sealer_sync(sealer, &err);
        assert_int_equal(st, ONRAMP_EIO);
        assert_non_null(strstr(err.text, path));
        bad = (struct bad_disk){0};
        assert_int_equal(onramp_sealer_add(sealer, &ann, password, NULL), ONRAMP_EIO);
        assert_int_equal(onramp_sealer_sync(sealer, NULL), ONRAMP_EIO);
        onramp_sealer_close(sealer);
    }
    onramp_secret_free(password);
    onramp_seal_key_free(key);
}

static void a_file_that_was_removed_meanwhile_is_no_place_for_passwords(void **state)
{
    (void)state;
    struct onramp_seal_key *key = new_key();
    struct onramp_sealer *sealer = NULL;
    struct onramp_secret *password = secret("Xk7!mq2#Wz9$pL");
    assert_int_equal(onramp_sealer_open(&sealer, path, onramp_seal_key_public(key), NULL, NULL), ONRAMP_OK);
    assert_int_equal(onramp_sealer_add(sealer, &ann, password, NULL), ONRAMP_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(onramp_sealer_sync(sealer, NULL), ONRAMP_EIO);
    onramp_sealer_close(sealer);
    onramp_secret_free(password);
    onramp_seal_key_free(key);
}

#define SEAL_TEST(f) cmocka_unit_test_setup(f, remove_files)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEAL_TEST(a_public_key_is_read_from_its_text_and_from_a_file),
        SEAL_TEST(every_single_mistyped_character_of_a_public_key_is_noticed),
        SEAL_TEST(a_secret_key_comes_back_with_its_passphrase_only),
        SEAL_TEST(a_key_file_that_was_changed_anywhere_is_refused),
        SEAL_TEST(a_key_file_cannot_ask_for_all_memory),
        SEAL_TEST(what_is_sealed_comes_out_again_whatever_is_in_it),
        SEAL_TEST(no_changed_byte_passes_as_another_password_or_another_user),
        SEAL_TEST(a_box_that_others_filled_has_one_password_or_none),
        SEAL_TEST(half_a_line_is_cut_off_wherever_it_was_cut),
        SEAL_TEST(another_file_is_left_as_it_is),
        SEAL_TEST(two_runs_do_not_write_one_file),
        SEAL_TEST(after_a_failure_nothing_more_is_taken),
        cmocka_unit_test_setup_teardown(a_file_that_was_removed_meanwhile_is_no_place_for_passwords, remove_files,
                                        remove_files),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
