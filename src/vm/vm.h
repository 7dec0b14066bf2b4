/*
 * What a VM has on every architecture: its memory slots, its vCPUs, and the rule that memory changes only while no vCPU
 * is in the guest. Knows nothing of registers or instructions.
 */
#ifndef ANYKVM_VM_VM_H
#define ANYKVM_VM_VM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "anykvm/kvm.h"
#include "core/kick.h"
#include "core/object.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE (UINT64_C(1) << PAGE_SHIFT)

/* KVM_USER_MEM_SLOTS: ids 0 ... 32763 in each address space (api.rst, KVM_CAP_NR_MEMSLOTS). */
#define VM_MEMORY_SLOTS 32764
#define VM_MAX_VCPUS 4096
#define VM_MAX_VCPU_IDS 16384

/* One memory slot. Immutable once in a table, but for its dirty bitmap. */
struct slot {
	uint64_t gfn;   /* first guest page */
	uint64_t pages;
	uint64_t hva;   /* the program's own memory; may be unmapped at any time */
	uint32_t id;
	uint32_t flags; /* KVM_MEM_* */
	_Atomic uint64_t *dirty; /* one bit a page when KVM_MEM_LOG_DIRTY_PAGES, else NULL */
	atomic_uint references;
};

/* Sorted by gfn, no overlaps; replaced as a whole. */
struct slot_table {
	uint32_t count;
	struct slot *slots[];
};

/* The slot that holds guest page `gfn`, or NULL. */
struct slot *slot_find(const struct slot_table *table, uint64_t gfn);

static inline uint64_t slot_hva(const struct slot *slot, uint64_t gpa)
{
	return slot->hva + (gpa - (slot->gfn << PAGE_SHIFT));
}

/* Atomically marks a page dirty when the slot logs; cheap when it already is. */
void slot_mark_dirty(struct slot *slot, uint64_t gfn);

struct vcpu;

struct vm {
	struct object object;
	pthread_mutex_t lock; /* vCPU list, irqchip, VM-wide settings (the kernel's kvm->lock) */
	pthread_mutex_t memory_lock; /* slot changes (the kernel's slots_lock); taken after `lock` */
	/* Read by a vCPU between vcpu_guest_enter() and vcpu_guest_leave(), by anyone under memory_lock. */
	struct slot_table *_Atomic slots[2]; /* address space 1 is SMM's */
	_Atomic uint64_t memory_generation; /* a vCPU that sees a new one drops its cached translations */
	_Atomic uint32_t memory_stopped; /* nonzero while somebody changes memory: vCPUs wait on it (futex) */
	struct vcpu **vcpus; /* VM_MAX_VCPUS entries, by index; grows only; published by vcpu_count */
	_Atomic uint32_t vcpu_count;
	bool dirty_log_manual; /* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: GET does not clear */
	bool dirty_log_initially_set;
};

/* What every architecture's vCPU starts with. */
struct vcpu {
	struct object object;
	struct vm *vm; /* holds a reference */
	uint32_t id, index;
	pthread_mutex_t mutex; /* held for the whole of each vCPU ioctl, KVM_RUN included */
	struct kvm_run *run;   /* our own mapping of the descriptor's memory; the program maps it too: copy once, then validate */
	struct kick kick;
	_Atomic uint32_t in_guest; /* between vcpu_guest_enter and _leave */
	uint64_t memory_generation; /* the one its cached translations belong to */
	bool signal_mask_set; /* KVM_SET_SIGNAL_MASK */
	uint64_t signal_mask;
};

/* The run mapping: struct kvm_run, a page for port data, the coalesced ring: three pages as on x86 Linux. */
#define VCPU_RUN_SIZE (3 * PAGE_SIZE)
#define VCPU_PIO_OFFSET PAGE_SIZE

/* Initialises the generic part; slots are empty. */
int vm_init(struct vm *vm, const struct object_ops *ops);
/* Frees the generic part (slots, vCPU array). */
void vm_destroy(struct vm *vm);

/* Waits until no vCPU of the VM is in the guest and keeps them out; memory_lock is held by the caller. _resume lets them go on. */
void vm_memory_stop(struct vm *vm);
void vm_memory_resume(struct vm *vm);

/* KVM_SET_USER_MEMORY_REGION2 and its shorter form; KVM_GET_DIRTY_LOG; KVM_CLEAR_DIRTY_LOG. All return 0 or -errno. */
int vm_set_memory_region(struct vm *vm, const struct kvm_userspace_memory_region2 *region);
int vm_get_dirty_log(struct vm *vm, const struct kvm_dirty_log *log);
int vm_clear_dirty_log(struct vm *vm, const struct kvm_clear_dirty_log *clear);

/* Initialises the generic part of a vCPU: the run mapping and its descriptor (returned, or -errno), mutex, kick. */
int vcpu_init(struct vcpu *vcpu, struct vm *vm, uint32_t id, const struct object_ops *ops);
void vcpu_destroy(struct vcpu *vcpu);

void vcpu_guest_enter_wait(struct vcpu *vcpu);

/* From here the slot tables and the host memory behind them stand still. */
static inline void vcpu_guest_enter(struct vcpu *vcpu)
{
	atomic_exchange(&vcpu->in_guest, 1);
	if (__builtin_expect(atomic_load(&vcpu->vm->memory_stopped) != 0, 0))
		vcpu_guest_enter_wait(vcpu);
}

static inline void vcpu_guest_leave(struct vcpu *vcpu)
{
	atomic_store_explicit(&vcpu->in_guest, 0, memory_order_release);
}

static inline const struct slot_table *vm_slots(const struct vm *vm, unsigned int address_space)
{
	return atomic_load_explicit(&((struct vm *)vm)->slots[address_space], memory_order_acquire);
}

#endif
