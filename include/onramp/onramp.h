/*
 * onramp.h - everything in one include, and the version.
 */
#ifndef ONRAMP_ONRAMP_H
#define ONRAMP_ONRAMP_H

#include "onramp/base.h"
#include "onramp/check.h"
#include "onramp/identity.h"
#include "onramp/ledger.h"
#include "onramp/limits.h"
#include "onramp/links.h"
#include "onramp/pacer.h"
#include "onramp/plan.h"
#include "onramp/report.h"
#include "onramp/retry.h"
#include "onramp/scheduler.h"
#include "onramp/seal.h"
#include "onramp/secret.h"
#include "onramp/source.h"
#include "onramp/stage.h"
#include "onramp/tenant.h"
#include "onramp/transport.h"
#include "onramp/upload.h"

#define ONRAMP_VERSION "1.0.0"

/* The version of the library that was linked; static text. */
ONRAMP_API const char *onramp_version(void);

#endif
