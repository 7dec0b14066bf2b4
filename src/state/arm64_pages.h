/*
 * arm64's translation tables.
 */
#ifndef ANYKVM_STATE_ARM64_PAGES_H
#define ANYKVM_STATE_ARM64_PAGES_H

#include "state/pages.h"

/* What the vCPU's translation tables map at EL1. */
void arm64_pages_find(const struct state_unit *unit, struct pages *pages);

#endif
