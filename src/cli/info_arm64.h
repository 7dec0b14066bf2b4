/*
 * The part of `anykvm info` that only KVMs for arm64 guests have.
 */
#ifndef ANYKVM_CLI_INFO_ARM64_H
#define ANYKVM_CLI_INFO_ARM64_H

#include <json-c/json.h>

/* A vCPU has registers once it was initialised: with all features that the KVM has. 0, or -1 with errno. Descriptors are libanykvm's. */
int info_arm64_prepare(int vm, int vcpu);

/* The features, the vector lengths, and the ID registers that are not zero with what of them can be changed. */
void info_arm64_print(int vm, int vcpu);

/* Adds "features" and "vector_lengths" to the object. */
void info_arm64_json(int vm, int vcpu, struct json_object *object);

#endif
