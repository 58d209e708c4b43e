/*
 * element.h - one user's object as text, out of a file of JSON.
 *
 * Elements are framed one by one and each is then parsed by jansson, so that memory does not grow with the file.
 */
#ifndef ONRAMP_IO_ELEMENT_H
#define ONRAMP_IO_ELEMENT_H

#include "io/cursor.h"

#define ONRAMP_ELEMENT_MAX ((size_t)1024 * 1024)

struct onramp_element {
    struct onramp_place begins_at;
    size_t size;
    size_t used; /* bytes of `text` that have held something */
    char text[ONRAMP_ELEMENT_MAX + 1];
};

/*
 * From '{', which is the cursor's next byte, past its '}': without the white space between its tokens, else as the
 * file writes it. ONRAMP_EINPUT names the place of what is no JSON, too deep or too large; ONRAMP_ENOMEM.
 */
ONRAMP_NODISCARD enum onramp_status onramp_element_read(struct onramp_element *element, struct onramp_cursor *cursor,
                                                        struct onramp_error *err);

#endif
