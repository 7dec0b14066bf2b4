/*
 * How long this thread has waited for a processor, in nanoseconds since it began: what a guest calls stolen time. 0 where the kernel does
 * not tell.
 */
#ifndef ANYKVM_CORE_RUN_DELAY_H
#define ANYKVM_CORE_RUN_DELAY_H

#include <stdint.h>

uint64_t run_delay_ns(void);

#endif
