/*
 * What a VM has on every architecture: its memory slots, its vCPUs, and the rule that memory changes only while no vCPU
 * is in the guest. Knows nothing of registers or instructions.
 */
#ifndef ANYKVM_VM_VM_H
#define ANYKVM_VM_VM_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "anykvm/kvm.h"
#include "core/kick.h"
#include "core/object.h"
#include "vm/io.h"
#include "vm/irq_route.h"
#include "vm/irqfd.h"
#include "vm/registers.h"
#include "vm/stats.h"
#include "vm/worker.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE (UINT64_C(1) << PAGE_SHIFT)

/* KVM_USER_MEM_SLOTS: ids 0 ... 32763 in each address space (api.rst, KVM_CAP_NR_MEMSLOTS). */
#define VM_MEMORY_SLOTS 32764
#define VM_MAX_VCPUS 4096
#define VM_MAX_VCPU_IDS 16384

/* KVM_MEM_MAX_NR_PAGES: what one slot can hold. */
#define VM_SLOT_MAX_PAGES ((UINT64_C(1) << 31) - 1)
/* Address space 0 is the ordinary one, 1 is for system management mode (api.rst, KVM_CAP_MULTI_ADDRESS_SPACE). */
#define VM_ADDRESS_SPACES 2

/* One memory slot. Changes only while the VM's memory is stopped, but for its dirty bitmap. */
struct slot {
	uint64_t gfn;   /* first guest page */
	uint64_t pages;
	uint64_t hva;   /* the program's own memory; may be unmapped at any time */
	uint32_t id;
	uint32_t flags; /* KVM_MEM_* */
	/* One bit a page when KVM_MEM_LOG_DIRTY_PAGES, else NULL; as much again follows, for copies on their way to or from the program. */
	_Atomic uint64_t *dirty;
};

/* The slots of an address space, sorted by gfn, without overlaps. Changes only while the VM's memory is stopped. */
struct slot_table {
	uint32_t count, room;
	struct slot *slots[];
};

/* The slot that holds guest page `gfn`, or NULL. */
struct slot *slot_find(const struct slot_table *table, uint64_t gfn);

static inline uint64_t slot_hva(const struct slot *slot, uint64_t gpa)
{
	return slot->hva + (gpa - (slot->gfn << PAGE_SHIFT));
}

/* For a vCPU's fault_guard, whose context it is: whether the address is guest memory. The vCPU is in the guest. */
bool slots_cover(void *vcpu, uint64_t address);

/* Atomically marks a page dirty when the slot logs; cheap when it already is. */
void slot_mark_dirty(struct slot *slot, uint64_t gfn);

/* Counters of KVM_GET_STATS_FD on a VM. */
enum vm_stat { VM_STAT_TLB_FLUSH, VM_STAT_TLB_FLUSH_REQUESTS, VM_STATS };

struct command;
struct vcpu;

struct vm {
	struct object object;
	pthread_mutex_t lock; /* vCPU list, irqchip, VM-wide settings (the kernel's kvm->lock) */
	pthread_mutex_t memory_lock; /* slot changes (the kernel's slots_lock); taken after `lock` */
	/* Read by a vCPU between vcpu_guest_enter() and vcpu_guest_leave(), by anyone under memory_lock. */
	struct slot_table *_Atomic slots[VM_ADDRESS_SPACES];
	struct slot **slots_by_id[VM_ADDRESS_SPACES]; /* VM_MEMORY_SLOTS pointers each, or NULL before the first slot; under memory_lock */
	uint64_t gfn_limit;    /* one past the highest guest page that the processor can address */
	_Atomic uint64_t memory_generation; /* a vCPU that sees a new one drops its cached translations */
	_Atomic uint32_t memory_stopped; /* nonzero while somebody changes memory: vCPUs wait on it (futex) */
	struct vcpu **vcpus; /* VM_MAX_VCPUS entries, by index; grows only; published by vcpu_count */
	_Atomic uint32_t vcpu_count;
	_Atomic bool dirty_log_manual; /* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: GET does not clear */
	_Atomic bool dirty_log_initially_set;
	struct stats stats;
	_Atomic uint64_t stats_values[VM_STATS]; /* under memory_lock */
	const struct vm_irq_ops *_Atomic irq_ops; /* NULL: no interrupt controller in the kernel */
	_Atomic bool irq_pins; /* it has pins (an I/O APIC), not only messages */
	struct irq_routes irq_routes;
	struct irqfds irqfds;
	struct ioeventfds ioeventfds;
	struct coalesced coalesced;
	struct worker worker;
};

/* What an architecture says of its vCPUs. */
struct vcpu_ops {
	struct object_ops object; /* of a vCPU's object */
	size_t size; /* of its struct, whose first field is struct vcpu, and which begins as zeros */
	int (*create)(struct vcpu *vcpu); /* the rest of a new vCPU: 0 or -errno, in which case destroy() follows */
	void (*destroy)(struct vcpu *vcpu);
	long (*run)(struct vcpu *vcpu); /* KVM_RUN's result */
	const struct register_ops *registers;
	const struct command *commands; /* COMMAND_TABLE_SIZE rows */
	int (*ready)(struct vcpu *vcpu); /* 0, or -errno before the argument is looked at: for commands whose row has flags */
};

/* What every architecture's vCPU starts with. */
struct vcpu {
	struct object object;
	struct vm *vm; /* holds a reference */
	uint32_t id, index;
	pthread_mutex_t mutex; /* held for the whole of each vCPU ioctl, KVM_RUN included */
	struct kvm_run *run;   /* our own mapping of the descriptor's memory; the program maps it too: copy once, then validate */
	struct kick kick;
	_Atomic uint64_t runner;   /* the thread in KVM_RUN, as pthread_self() is; 0: none */
	_Atomic uint32_t in_guest; /* between vcpu_guest_enter and _leave */
	uint64_t memory_generation; /* the one its cached translations belong to */
	bool signal_mask_set; /* KVM_SET_SIGNAL_MASK */
	uint64_t signal_mask;
	struct register_room register_room;
	struct stats stats;
};

static inline const struct vcpu_ops *vcpu_ops(const struct vcpu *vcpu)
{
	return (const struct vcpu_ops *)vcpu->object.ops; /* whose first field it is */
}

/* The run mapping: struct kvm_run, a page for port data, the coalesced ring: three pages as on x86 Linux. */
#define VCPU_RUN_SIZE (3 * PAGE_SIZE)
#define VCPU_PIO_OFFSET PAGE_SIZE

/* Ends the VM's own thread and frees its vCPUs: the first step of a VM's death. */
void vm_stop(struct vm *vm);

/* Initialises the generic part; slots are empty. Guest-physical addresses have `physical_bits` bits. */
int vm_init(struct vm *vm, const struct object_ops *ops, unsigned int physical_bits);
/* Frees the generic part (slots, vCPU array). */
void vm_destroy(struct vm *vm);

/* Waits until no vCPU of the VM is in the guest and keeps them out; memory_lock is held by the caller. _resume lets them go on. */
void vm_memory_stop(struct vm *vm);
void vm_memory_resume(struct vm *vm);
/* From now on every vCPU makes its translations anew; memory_lock is held by the caller. */
void vm_memory_flush(struct vm *vm);

/* The vCPU of that id, or NULL. */
struct vcpu *vm_vcpu_find(struct vm *vm, uint32_t id);
/* Gives the vCPU its index and shows it to the others; `lock` is held by the caller. */
void vm_vcpu_add(struct vm *vm, struct vcpu *vcpu);

/* KVM_SET_USER_MEMORY_REGION2 and its shorter form; KVM_GET_DIRTY_LOG; KVM_CLEAR_DIRTY_LOG. All return 0 or -errno. */
int vm_set_memory_region(struct vm *vm, const struct kvm_userspace_memory_region2 *region);
int vm_get_dirty_log(struct vm *vm, const struct kvm_dirty_log *log);
int vm_clear_dirty_log(struct vm *vm, const struct kvm_clear_dirty_log *clear);
/* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
int vm_enable_dirty_log(struct vm *vm, uint64_t value);
/* KVM_PRE_FAULT_MEMORY: 0 when a page was brought in; what is left stands in the range. */
int vm_pre_fault(struct vm *vm, struct kvm_pre_fault_memory *range);

/*
 * A new vCPU's descriptor, or -errno; the VM's `lock` is held by the caller. The vCPU's object has a reference on the VM, which
 * vcpu_release() drops: a VM lives as long as a descriptor of a vCPU, and a vCPU's memory as long as its VM.
 */
int vcpu_create(struct vm *vm, uint32_t id, const struct vcpu_ops *ops);
void vcpu_release(struct object *object);
void vcpu_destroy(struct vcpu *vcpu);

/* ---- Ioctls (vcpu_ioctl.c). ---- */

/* Of a vCPU's object: refuses what there is not, takes the mutex, and makes the call. */
long vcpu_ioctl(struct object *object, unsigned int cmd, unsigned long arg);
/* The call alone; the mutex is held, or nobody else is at the vCPU. */
long vcpu_command(struct vcpu *vcpu, const struct command *command, unsigned long arg);

/* For an architecture's table of commands. */
long vcpu_get_one_reg(void *vcpu, unsigned long arg);
long vcpu_set_one_reg(void *vcpu, unsigned long arg);
long vcpu_get_many_regs(void *vcpu, unsigned long arg);
long vcpu_set_many_regs(void *vcpu, unsigned long arg);
long vcpu_get_reg_list(void *vcpu, unsigned long arg);
long vcpu_set_signal_mask(void *vcpu, unsigned long arg);
long vcpu_get_stats_fd(void *vcpu, unsigned long arg);
/* KVM_RUN: the architecture's run() where signals and kicks reach it (run.c). */
long vcpu_run(void *vcpu, unsigned long arg);

/* ---- KVM_RUN (run.c). ---- */

/*
 * The vCPU that this thread is running, or NULL: set around KVM_RUN. A signal handler that interrupts KVM_RUN can call into
 * the same VM again, and must be refused what would wait for the interrupted call.
 */
extern _Thread_local struct vcpu *vcpu_running __attribute__((tls_model("initial-exec")));

/* Takes what other threads ask for, between two stays in the guest; false when KVM_RUN is to end with EINTR. */
bool vcpu_requests_handle(struct vcpu *vcpu);

static inline bool vcpu_requests_take(struct vcpu *vcpu)
{
	return !atomic_load(&vcpu->kick.request) || vcpu_requests_handle(vcpu);
}

void vcpu_guest_enter_wait(struct vcpu *vcpu);
void vcpu_guest_leave_wake(struct vcpu *vcpu);

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
	if (__builtin_expect(atomic_load_explicit(&vcpu->vm->memory_stopped, memory_order_relaxed) != 0, 0))
		vcpu_guest_leave_wake(vcpu);
}

/*
 * The same for a thread that may not be running a vCPU: the tables stand still until _leave. Locks that a vCPU takes in the guest
 * are taken after this, never before.
 */
static inline bool vm_memory_enter(struct vm *vm)
{
	if (vcpu_running && vcpu_running->vm == vm && atomic_load_explicit(&vcpu_running->in_guest, memory_order_relaxed))
		return false;
	pthread_mutex_lock(&vm->memory_lock);
	return true;
}

static inline void vm_memory_leave(struct vm *vm, bool entered)
{
	if (entered)
		pthread_mutex_unlock(&vm->memory_lock);
}

/* In the guest: whether memory has changed since the vCPU last asked. Its cached translations must go. */
static inline bool vcpu_translations_stale(struct vcpu *vcpu)
{
	uint64_t generation = atomic_load(&vcpu->vm->memory_generation);
	bool stale = vcpu->memory_generation != generation;

	vcpu->memory_generation = generation;
	return stale;
}

static inline const struct slot_table *vm_slots(const struct vm *vm, unsigned int address_space)
{
	return atomic_load_explicit(&((struct vm *)vm)->slots[address_space], memory_order_acquire);
}

#endif
