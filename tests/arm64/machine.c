#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "core/memory_root.h"
#include "core/user.h"
#include "machine.h"

static const struct object_ops ops;
static const struct vcpu_ops runner_ops = { .run = arm64_vcpu_run };

/* Machines are never taken apart; found from here, they are no leaks. */
static struct made {
	struct arm64_vm vm;
	struct made *next;
} *all;

struct arm64_vm *machine_create(uint32_t features)
{
	struct made *made = calloc(1, sizeof *made);
	struct arm64_vm *vm = &made->vm;

	if (!made || vm_init(&vm->vm, &ops, 40))
		abort();
	made->next = all;
	all = made;
	vm->features = features;
	vm->initialized = true;
	fault_handlers_install();
	return vm;
}

void *machine_memory(struct arm64_vm *vm, uint32_t slot, uint64_t base, uint64_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region2 region = { .slot = slot, .guest_phys_addr = base, .memory_size = size, .userspace_addr = (uint64_t)memory };

	if (memory == MAP_FAILED || vm_set_memory_region(&vm->vm, &region))
		abort();
	return memory;
}

struct arm64_vcpu *machine_vcpu(struct arm64_vm *vm)
{
	struct arm64_vcpu *cpu = mmap(NULL, sizeof *cpu, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (cpu == MAP_FAILED)
		abort();
	memory_root_add(cpu, sizeof *cpu);
	object_init(&cpu->vcpu.object, &runner_ops.object);
	cpu->vcpu.vm = &vm->vm;
	cpu->vcpu.id = atomic_load(&vm->vm.vcpu_count);
	cpu->vcpu.run = calloc(1, VCPU_RUN_SIZE);
	pthread_mutex_init(&cpu->vcpu.mutex, NULL);
	cpu->sys[SYS_SCTLR_EL1] = 0xc50078;
	cpu->sys[SYS_MPIDR_EL1] = 0x80000000 | cpu->vcpu.id;
	cpu->vl_max = 16;
	cpu->vls[0] = 1;
	cpu->initialized = true;
	pstate_set(cpu, 0x3c5);
	pthread_mutex_lock(&vm->vm.lock);
	vm_vcpu_add(&vm->vm, &cpu->vcpu);
	pthread_mutex_unlock(&vm->vm.lock);
	if (a64_cpu_prepare(cpu))
		abort();
	a64_state_changed(cpu);
	return cpu;
}
