/*
 * LeakSanitizer does not look for pointers in memory that mmap() gave, unless it is told of it. Nothing without a sanitizer.
 */
#ifndef ANYKVM_CORE_MEMORY_ROOT_H
#define ANYKVM_CORE_MEMORY_ROOT_H

#include "core/compiler.h"

#if SANITIZED
#include <sanitizer/lsan_interface.h>
#define memory_root_add(address, size) __lsan_register_root_region(address, size)
#define memory_root_remove(address, size) __lsan_unregister_root_region(address, size)
#else
#define memory_root_add(address, size) ((void)0)
#define memory_root_remove(address, size) ((void)0)
#endif

#endif
