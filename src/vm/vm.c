/*
 * A VM's generic part: its birth and death, the list of its vCPUs, and keeping vCPUs out of the guest while memory changes.
 * Must never know an architecture.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vm/slots.h"
#include "vm/vm.h"

/* How often a stopper looks before it sleeps: a vCPU leaves the guest at the end of a block, mostly within a microsecond. */
#define STOP_SPINS 200
/* A vCPU that leaves may miss its sleeping stopper (its store may pass its load): the stopper looks again by itself. */
#define STOP_SLEEP_NS 500000

static const struct stats_row vm_stats_rows[VM_STATS] = {
	[VM_STAT_TLB_FLUSH] = { "remote_tlb_flush", KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10 },
	[VM_STAT_TLB_FLUSH_REQUESTS] = { "remote_tlb_flush_requests", KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10 },
};

static void futex_wait(_Atomic uint32_t *word, uint32_t value, const struct timespec *timeout)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

int vm_init(struct vm *vm, const struct object_ops *ops, unsigned int physical_bits)
{
	pthread_mutex_init(&vm->lock, NULL);
	pthread_mutex_init(&vm->memory_lock, NULL);
	stats_init(&vm->stats, vm_stats_rows, vm->stats_values, VM_STATS);
	irq_routes_init(&vm->irq_routes);
	irqfds_init(&vm->irqfds);
	ioeventfds_init(&vm->ioeventfds);
	coalesced_init(&vm->coalesced);
	worker_init(&vm->worker, irqfd_ready);
	vm->vcpus = calloc(VM_MAX_VCPUS, sizeof(*vm->vcpus));
	if (!vm->vcpus) {
		vm_destroy(vm);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < VM_ADDRESS_SPACES; i++) {
		struct slot_table *table = slot_table_create(8);

		if (!table) {
			vm_destroy(vm);
			return -ENOMEM;
		}
		atomic_init(&vm->slots[i], table);
	}
	/* A new vCPU stands at generation 0 and so begins by dropping what it has not got. */
	atomic_init(&vm->memory_generation, 1);
	vm->gfn_limit = UINT64_C(1) << (physical_bits - PAGE_SHIFT);
	object_init(&vm->object, ops);
	return 0;
}

void vm_stop(struct vm *vm)
{
	worker_destroy(&vm->worker, object_is_own(&vm->object));
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vcpu_destroy(vm->vcpus[i]);
}

void vm_destroy(struct vm *vm)
{
	coalesced_destroy(&vm->coalesced);
	ioeventfds_destroy(&vm->ioeventfds);
	irqfds_destroy(&vm->irqfds);
	irq_routes_destroy(&vm->irq_routes);
	for (unsigned int i = 0; i < VM_ADDRESS_SPACES; i++) {
		slot_table_destroy(slot_table_of(vm, i));
		free(vm->slots_by_id[i]);
	}
	free(vm->vcpus);
	stats_destroy(&vm->stats);
	pthread_mutex_destroy(&vm->memory_lock);
	pthread_mutex_destroy(&vm->lock);
}

/* ---- Stopping. Dekker's handshake: each side writes its own word, then reads the other's, both sequentially consistent. ---- */

static void processor_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void vcpu_wait_outside(struct vcpu *vcpu)
{
	static const struct timespec nap = { 0, STOP_SLEEP_NS };

	for (unsigned int i = 0; i < STOP_SPINS; i++) {
		if (!atomic_load(&vcpu->in_guest))
			return;
		processor_relax();
	}
	while (atomic_load(&vcpu->in_guest)) {
		kick_set(&vcpu->kick, REQUEST_MEMORY);
		futex_wait(&vcpu->in_guest, 1, &nap);
	}
}

void vm_memory_stop(struct vm *vm)
{
	uint32_t count;
	bool interrupted = false;

	atomic_store(&vm->memory_stopped, 1);
	/* A vCPU that is added after this load finds memory_stopped set. */
	count = atomic_load(&vm->vcpu_count);
	for (uint32_t i = 0; i < count; i++) {
		if (!atomic_load(&vm->vcpus[i]->in_guest))
			continue;
		interrupted = true;
		kick_set(&vm->vcpus[i]->kick, REQUEST_MEMORY);
	}
	if (!interrupted)
		return;
	for (uint32_t i = 0; i < count; i++)
		vcpu_wait_outside(vm->vcpus[i]);
	stats_count(&vm->stats_values[VM_STAT_TLB_FLUSH]);
}

void vm_memory_resume(struct vm *vm)
{
	atomic_store(&vm->memory_stopped, 0);
	futex_wake(&vm->memory_stopped);
}

void vm_memory_changed(struct vm *vm)
{
	atomic_fetch_add(&vm->memory_generation, 1);
	stats_count(&vm->stats_values[VM_STAT_TLB_FLUSH_REQUESTS]);
}

void vm_memory_flush(struct vm *vm)
{
	vm_memory_stop(vm);
	vm_memory_changed(vm);
	vm_memory_resume(vm);
	stats_publish(&vm->stats);
}

void vcpu_guest_enter_wait(struct vcpu *vcpu)
{
	while (atomic_load(&vcpu->vm->memory_stopped)) {
		atomic_store(&vcpu->in_guest, 0);
		futex_wake(&vcpu->in_guest);
		futex_wait(&vcpu->vm->memory_stopped, 1, NULL);
		atomic_exchange(&vcpu->in_guest, 1);
	}
}

void vcpu_guest_leave_wake(struct vcpu *vcpu)
{
	futex_wake(&vcpu->in_guest);
}

/* ---- vCPUs. ---- */

struct vcpu *vm_vcpu_find(struct vm *vm, uint32_t id)
{
	uint32_t count = atomic_load_explicit(&vm->vcpu_count, memory_order_acquire);

	/* Programs number their vCPUs from 0, in order. */
	if (id < count && vm->vcpus[id]->id == id)
		return vm->vcpus[id];
	for (uint32_t i = 0; i < count; i++) {
		if (vm->vcpus[i]->id == id)
			return vm->vcpus[i];
	}
	return NULL;
}

void vm_vcpu_add(struct vm *vm, struct vcpu *vcpu)
{
	vcpu->index = atomic_load_explicit(&vm->vcpu_count, memory_order_relaxed);
	vm->vcpus[vcpu->index] = vcpu;
	atomic_store(&vm->vcpu_count, vcpu->index + 1);
}
