/*
 * The part of `anykvm info` that only KVMs for x86 guests have.
 */
#ifndef ANYKVM_CLI_INFO_X86_H
#define ANYKVM_CLI_INFO_X86_H

#include <json-c/json.h>
#include <stdbool.h>

/* `system` is libanykvm's descriptor of a KVM for x86 guests. `values`: every CPUID entry with its registers, not just which there are. */
void info_x86_print(int system, bool values);

/* Adds "cpuid" and "feature_msrs" to the object. */
void info_x86_json(int system, struct json_object *object);

#endif
