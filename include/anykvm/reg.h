/**
 * @file reg.h
 * Register ids of KVM_GET_ONE_REG and its kin, for every KVM architecture, as data: what an id means, its name, and back. No VM, no
 * descriptor, no allocation; every function is pure and thread-safe, on any machine for any architecture.
 *
 * An id is 64 bits (kernel document virt/kvm/api.rst, 4.68): bits 63:56 the architecture (KVM_REG_X86, KVM_REG_ARM64, ...), bits 55:52 the
 * size (KVM_REG_SIZE_U8 ... KVM_REG_SIZE_U2048), the rest the architecture's own: see <asm/kvm.h> of each, and anykvm/kvm.h for x86.
 * An architecture is named by its bits in place, as in `KVM_REG_ARM64`.
 *
 * Names are lower case and the field's: those of gdb and the processor manuals ("rax", "cr4", "sctlr_el1", "x0"). Looking up accepts
 * upper case and aliases too.
 *
 * Values are numbers of `size` bytes in the host's byte order, as KVM_GET_ONE_REG stores them.
 */
#ifndef ANYKVM_REG_H
#define ANYKVM_REG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Room for any name, with its final zero. */
#define ANYKVM_REG_NAME_ROOM 64
/** Room for the description of any id, with its final zero. */
#define ANYKVM_REG_TEXT_ROOM 192
/** Bytes of the largest register (KVM_REG_SIZE_U2048). */
#define ANYKVM_REG_SIZE_MAX 256
/** Room for any value as text: "0x", two digits a byte, a separator every eight bytes, a final zero. */
#define ANYKVM_VALUE_ROOM (2 + 2 * ANYKVM_REG_SIZE_MAX + ANYKVM_REG_SIZE_MAX / 8)

/** Bytes of the register's value (1 ... 256); 0 when the id's size bits are none that KVM has. */
size_t anykvm_reg_size(uint64_t id);

/**
 * The architecture of that name ("x86", "arm", "arm64", "riscv", "ppc", "s390", "mips", "loongarch"; also what uname(2) calls its machines),
 * as KVM_REG_... bits; 0 when there is none.
 */
uint64_t anykvm_arch_parse(const char *name);

/** The architecture's name, or NULL. Only the architecture bits of `id` count. */
const char *anykvm_arch_name(uint64_t id);

/**
 * The canonical name of a register.
 *
 * @param name  gets it; may be NULL when `room` is 0.
 * @param room  bytes there: ANYKVM_REG_NAME_ROOM always suffice.
 * @return 0, or a negative errno: -ENOENT (a well-formed id that nobody has named), -EINVAL (no such architecture, size, or with bits set that
 *         must be zero; or the size is not this register's), -ENOSPC. `name` is empty then.
 */
int anykvm_reg_name(uint64_t id, char *name, size_t room);

/**
 * Says in words what the id's fields are, named or not: "arm64 system register, op0 3, op1 0, CRn 1, CRm 0, op2 0, 64 bits".
 *
 * @return 0, or a negative errno as anykvm_reg_name(), -EINVAL with a text that says which field is wrong. -ENOENT is none here.
 */
int anykvm_reg_describe(uint64_t id, char *text, size_t room);

/**
 * The register that a name means.
 *
 * @param arch  KVM_REG_X86 ...: whose names; 0: every architecture's, as long as only one has such a register.
 * @param name  canonical, an alias, in any case; or the id as a number ("0x6030000000100000"); or, where an architecture has systematic
 *              names for what is not named, such a one ("msr 0xc0000102", "s3_0_c1_c0_0").
 * @param id    gets it.
 * @return 0, or -ENOENT, or -ENOTUNIQ (arch is 0 and several have it).
 */
int anykvm_reg_parse(uint64_t arch, const char *name, uint64_t *id);

/**
 * The nearest name to one that anykvm_reg_parse() did not find, for "did you mean".
 *
 * @return 0, or -ENOENT when nothing is near.
 */
int anykvm_reg_suggest(uint64_t arch, const char *name, char *nearest, size_t room);

/** How many registers have names on an architecture, and the ids, one after the other (0 beyond the last). */
size_t anykvm_reg_count(uint64_t arch);
uint64_t anykvm_reg_at(uint64_t arch, size_t position);

/**
 * A value as text: "0x" and hexadecimal digits, the shortest that say it; values above 64 bits all their digits, in groups of 16 with '_'
 * between them, the most significant first.
 *
 * @param size  bytes of the value: 1 ... 256.
 * @return 0, -EINVAL (size), -ENOSPC.
 */
int anykvm_value_print(const void *value, size_t size, char *text, size_t room);

/**
 * A value from text: decimal, "0x..." or "0b...", '_' anywhere between digits; '-' for the two's complement of numbers up to 64 bits.
 *
 * @return 0, -EINVAL (no number), -ERANGE (does not fit).
 */
int anykvm_value_parse(const char *text, void *value, size_t size);

/**
 * A value in the words of the register's fields: "PE ET NE PG" of cr0; several bits as NAME=NUMBER; fields of 0 are left out. Of x86's
 * whole segments and events the parts of their structures.
 *
 * @param value  the register's anykvm_reg_size(id) bytes.
 * @param text   receives it; 512 bytes suffice.
 * @return 0, -ENOENT (no fields are known of it; text is ""), -ENOSPC.
 */
int anykvm_reg_explain(uint64_t id, const void *value, char *text, size_t room);

/** How two values differ, in the same words: "PG 0 -> 1, WP 1 -> 0". Result as of anykvm_reg_explain(). */
int anykvm_reg_explain_difference(uint64_t id, const void *a, const void *b, char *text, size_t room);

#ifdef __cplusplus
}
#endif

#endif
