/*
 * x86's page tables.
 */
#ifndef ANYKVM_STATE_X86_PAGES_H
#define ANYKVM_STATE_X86_PAGES_H

#include "state/pages.h"

/* What the vCPU's page tables map. */
void x86_pages_find(const struct state_unit *unit, struct pages *pages);

#endif
