/*
 * text.c - strings: counted, compared, made fit to print.
 */
#include "auth0/text.h"

#include <assert.h>
#include <string.h>

size_t onramp_text_units(const char *text)
{
    size_t units = 0;
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char byte = (unsigned char)*p;
        if ((byte & 0xc0) != 0x80)
            units += byte >= 0xf0 ? 2 : 1; /* beyond the basic plane: a surrogate pair */
    }
    return units;
}

char onramp_text_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool onramp_text_is_blank(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f;
}

bool onramp_text_is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (onramp_text_lower(c) >= 'a' && onramp_text_lower(c) <= 'z');
}

bool onramp_text_begins(const char *text, const char *prefix)
{
    while (*prefix != '\0')
        if (onramp_text_lower(*text++) != onramp_text_lower(*prefix++))
            return false;
    return true;
}

bool onramp_text_equal(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && onramp_text_begins(a, b);
}

bool onramp_text_number(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        uint64_t digit = (uint64_t)(*text - '0');
        if (digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

/* The code point at `text` and the bytes it takes; 0 if they are not UTF-8. */
static size_t decode(const char *text, size_t length, uint32_t *point)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)text[0];
    size_t size = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (size == 1) {
        *point = first;
        return 1;
    }
    if (first < 0xc2 || first > 0xf4 || size > length)
        return 0;
    uint32_t value = first & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        unsigned char next = (unsigned char)text[i];
        if ((next & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (next & 0x3fu);
    }
    if (value < smallest[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *point = value;
    return size;
}

static bool is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point <= 0x9f) || point == 0x2028 || point == 0x2029;
}

/* Marks that reorder what stands around them: a message could be made to read as another one. */
static bool turns_direction(uint32_t point)
{
    return point == 0x200e || point == 0x200f || (point >= 0x202a && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069);
}

void onramp_text_clean(char *out, size_t size, const char *text, size_t length)
{
    static const char replacement[] = "\xef\xbf\xbd", ellipsis[] = "\xe2\x80\xa6";
    assert(size >= 8);
    size_t used = 0, fits = 0; /* fits: where the text can be cut so that an ellipsis has room */

    while (length > 0) {
        uint32_t point = 0;
        size_t taken = decode(text, length, &point);
        const char *piece = text;
        size_t piece_size = taken;
        if (taken == 0 || turns_direction(point)) {
            taken = taken == 0 ? 1 : taken;
            piece = replacement;
            piece_size = sizeof replacement - 1;
        } else if (is_control(point)) {
            piece = " ";
            piece_size = 1;
        }
        if (used + piece_size >= size) {
            memcpy(out + fits, ellipsis, sizeof ellipsis);
            return;
        }
        memcpy(out + used, piece, piece_size);
        used += piece_size;
        if (used + sizeof ellipsis <= size)
            fits = used;
        text += taken;
        length -= taken;
    }
    out[used] = '\0';
}

/* What `c` becomes inside a JSON string: bytes written to `piece`. */
static size_t escape(char piece[6], char c)
{
    static const char hex[] = "0123456789abcdef";
    if (c == '"' || c == '\\') {
        piece[0] = '\\';
        piece[1] = c;
        return 2;
    }
    if ((unsigned char)c >= 0x20) {
        piece[0] = c;
        return 1;
    }
    memcpy(piece, "\\u00", 4);
    piece[4] = hex[(unsigned char)c >> 4];
    piece[5] = hex[c & 0xf];
    return 6;
}

size_t onramp_text_escape(char *out, const char *text, size_t length)
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        char piece[6];
        size_t size = escape(piece, text[i]);
        if (out != NULL)
            memcpy(out + used, piece, size);
        used += size;
    }
    return used;
}

static const char *skip_space(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

/* Behind the closing quote of the string that begins at `p`, or NULL. */
static char *string_end(char *p)
{
    for (p++; *p != '\0'; p++) {
        if (*p == '"')
            return p + 1;
        if (*p == '\\' && *++p == '\0')
            break;
    }
    return NULL;
}

/* Only as much JSON as that needs: what is wrong otherwise, the parser finds afterwards. */
char *onramp_text_member(char *text, const char *name, size_t *size)
{
    int depth = 0;
    for (char *p = text; *p != '\0';) {
        if (*p == '{' || *p == '[')
            depth++;
        else if (*p == '}' || *p == ']')
            depth--;
        if (*p != '"') {
            p++;
            continue;
        }
        char *end = string_end(p);
        if (end == NULL)
            return NULL;
        size_t length = (size_t)(end - p) - 2;
        bool is_it = depth == 1 && length == strlen(name) && memcmp(p + 1, name, length) == 0;
        const char *behind = skip_space(end);
        if (is_it && *behind == ':') {
            char *value = end + (skip_space(behind + 1) - end);
            char *value_end = *value == '"' ? string_end(value) : NULL;
            *size = value_end != NULL ? (size_t)(value_end - value) - 2 : 0;
            return value_end != NULL ? value + 1 : NULL;
        }
        p = end;
    }
    return NULL;
}
