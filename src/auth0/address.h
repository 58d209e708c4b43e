/*
 * address.h - does this look like an e-mail address to Auth0?
 */
#ifndef ONRAMP_AUTH0_ADDRESS_H
#define ONRAMP_AUTH0_ADDRESS_H

/*
 * What is wrong with it, as the end of a sentence ("has no '@'"), or NULL. Auth0 wants a mailbox at a public domain,
 * of at most 64 characters before the '@' and 254 in all; what goes beyond ASCII, and quoted names, are left to it.
 * `local` has room for as many bytes as `email`: the part before the '@', if nothing is wrong.
 */
const char *onramp_address_problem(const char *email, char *local);

#endif
