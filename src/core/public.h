/*
 * What the shared library exports: everything else is hidden (-fvisibility=hidden).
 */
#ifndef ANYKVM_CORE_PUBLIC_H
#define ANYKVM_CORE_PUBLIC_H

#ifndef PUBLIC
#define PUBLIC __attribute__((visibility("default")))
#endif

#endif
