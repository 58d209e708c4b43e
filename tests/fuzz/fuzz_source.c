/*
 * fuzz_source.c - any bytes as a file of users.
 *
 * Whatever they are: two passes agree, an error is one line, each record is one JSON object. And the source takes an
 * array exactly if jansson takes the whole of it as an array of objects, with the same values.
 */
#include "onramp/source.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static char path[] = "/tmp/onramp-fuzz-source-XXXXXX";

static void remove_file(void)
{
    (void)unlink(path);
}

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "broken: %s\n", what);
    abort();
}

struct outcome {
    enum onramp_status status;
    struct onramp_error err;
    json_t *records;
};

static struct outcome read_pass(const struct onramp_source *source)
{
    struct outcome out = {.records = json_array()};
    struct onramp_record record;
    bool end = false;
    while ((out.status = source->ops->next(source->self, &record, &end, &out.err)) == ONRAMP_OK && !end) {
        require(record.size == strlen(record.json), "a record's size is its length");
        require(record.ordinal == json_array_size(out.records), "ordinals count from 0");
        json_t *value = json_loadb(record.json, record.size, JSON_REJECT_DUPLICATES, NULL);
        require(json_is_object(value), "a record is an object");
        require(json_array_append_new(out.records, value) == 0, "there is memory");
    }
    if (out.status != ONRAMP_OK) {
        require(out.status == ONRAMP_EINPUT && out.err.status == ONRAMP_EINPUT, "bad bytes are bad input");
        require(out.err.text[0] != '\0' && strchr(out.err.text, '\n') == NULL, "an error is one line");
    } else {
        require(source->ops->digest(source->self) != NULL, "a whole pass has a digest");
    }
    return out;
}

/* What jansson makes of the whole file, if it is an array of objects; else NULL. */
static json_t *whole(const char *bytes, size_t size)
{
    json_t *value = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, NULL);
    bool objects = json_is_array(value);
    for (size_t i = 0; objects && i < json_array_size(value); i++)
        objects = json_is_object(json_array_get(value, i));
    if (objects)
        return value;
    json_decref(value);
    return NULL;
}

static void compare(const struct outcome *out, const char *bytes, size_t size)
{
    if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        bytes += 3;
        size -= 3;
    }
    size_t start = 0;
    while (start < size && strchr(" \t\r\n", bytes[start]) != NULL && bytes[start] != '\0')
        start++;
    if (start == size || bytes[start] != '[')
        return;
    if (out->status != ONRAMP_OK && (strstr(out->err.text, "nested more than") || strstr(out->err.text, "1 MiB")))
        return; /* bounds that jansson does not share */
    json_t *value = whole(bytes, size);
    require((out->status == ONRAMP_OK) == (value != NULL), "the source takes what jansson takes");
    require(value == NULL || json_equal(value, out->records), "and reads the same");
    json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static int fd = -1;
    if (fd < 0) {
        fd = mkstemp(path);
        (void)atexit(remove_file);
    }
    require(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, bytes, size, 0) == (ssize_t)size, "there is a file");

    struct onramp_source source;
    require(onramp_source_open(&source, path, NULL) == ONRAMP_OK, "a file can be opened");
    struct outcome first = read_pass(&source);
    require(source.ops->rewind(source.self, NULL) == ONRAMP_OK, "a file can be read again");
    struct outcome second = read_pass(&source);
    source.ops->close(source.self);

    require(first.status == second.status && strcmp(first.err.text, second.err.text) == 0 &&
                json_equal(first.records, second.records),
            "two passes agree");
    compare(&first, (const char *)bytes, size);
    json_decref(first.records);
    json_decref(second.records);
    return 0;
}
