/*
 * member.h - what a member of a JSON object says. False where there is no such member, or it is of another type.
 */
#ifndef ONRAMP_AUTH0_MEMBER_H
#define ONRAMP_AUTH0_MEMBER_H

#include "onramp/base.h"

#include <jansson.h>

bool onramp_member_is_on(const json_t *object, const char *name); /* is it true? */
bool onramp_member_says(const json_t *object, const char *name, const char *text);

/* Copy the text. False, and nothing copied, if it does not fit. */
bool onramp_member_copy(char *out, size_t size, const json_t *object, const char *name);

#endif
