/*
 * Hostile calls at the arm64 software KVM, from several threads at once: ids that are nearly right, values and arrays that end at a hole, features
 * at random, other threads changing the arguments meanwhile. Nothing may crash; what a refused KVM_SET_MANY_REGS leaves behind must be what was
 * there; what the list names must be readable. An ordinary KVM program: run it under `anykvm run --guest arm64`. KVM_RUN only with immediate_exit.
 */
#include "anykvm/arm64.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "anykvm/kvm.h"

enum { VCPUS = 3, THREADS = 4, REGS = 64, PAGE = 4096, SHARED = 16 * PAGE };

struct scene {
	int vm, vcpus[VCPUS];
	struct kvm_run *runs[VCPUS];
};

static int kvm;
static long run_size;
static uint8_t *shared; /* arguments that all threads write; its last page is a hole */
static _Atomic bool stop, failed;
static _Atomic unsigned long calls;

struct thread {
	pthread_t id;
	uint64_t random;
	struct scene *scene;
};

static uint64_t any(struct thread *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return t->random;
}

static uint64_t below(struct thread *t, uint64_t limit)
{
	return any(t) % limit;
}

/* ---- Values. ---- */

static uint64_t value_any(struct thread *t)
{
	switch (below(t, 6)) {
	case 0: return 0;
	case 1: return UINT64_MAX;
	case 2: return below(t, 16);
	case 3: return UINT64_C(1) << below(t, 64);
	default: return any(t);
	}
}

static uint64_t address_any(struct thread *t)
{
	switch (below(t, 8)) {
	case 0: return below(t, PAGE);
	case 1: return any(t);
	case 2: return (uintptr_t)shared + SHARED - PAGE - below(t, 260); /* ends at the hole, or in it */
	default: return (uintptr_t)shared + below(t, SHARED - PAGE);
	}
}

static uint64_t id_any(struct thread *t)
{
	static const uint32_t classes[] = { KVM_REG_ARM_CORE, KVM_REG_ARM_DEMUX, KVM_REG_ARM64_SYSREG, KVM_REG_ARM_FW, KVM_REG_ARM64_SVE, KVM_REG_ARM_FW_FEAT_BMAP };
	uint64_t id = KVM_REG_ARM64 | below(t, 10) << KVM_REG_SIZE_SHIFT | classes[below(t, 6)];

	switch (below(t, 8)) {
	case 0: return any(t);
	case 1: return KVM_REG_ARM64_SVE_ZREG(below(t, 32), below(t, 8) == 0);
	case 2: return KVM_REG_ARM64_SVE_PREG(below(t, 16), 0);
	case 3: return ARM64_SYS_REG(2 + below(t, 2), below(t, 5), below(t, 16), below(t, 16), below(t, 8));
	case 4: return ARM64_SYS_REG(3, 0, 0, below(t, 8), below(t, 8));
	case 5: return KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | 2 * below(t, 41);
	case 6: return below(t, 4) ? KVM_REG_ARM64_SVE_VLS : KVM_REG_ARM_TIMER_CTL;
	default: return id | below(t, 0x800);
	}
}

/* ---- Calls. ---- */

static void one(struct thread *t, int vcpu)
{
	struct kvm_one_reg reg = { id_any(t), address_any(t) };

	ioctl(vcpu, below(t, 2) ? KVM_GET_ONE_REG : KVM_SET_ONE_REG, below(t, 16) ? (void *)&reg : (void *)address_any(t));
}

static void many(struct thread *t, int vcpu)
{
	struct kvm_many_regs *regs = (void *)(shared + below(t, 4) * PAGE);
	uint64_t n = below(t, 40);

	for (uint64_t i = 0; i < n; i++)
		regs->reg[i] = (struct kvm_one_reg){ id_any(t), address_any(t) };
	regs->n = below(t, 10) ? n : value_any(t);
	ioctl(vcpu, below(t, 2) ? KVM_GET_MANY_REGS : KVM_SET_MANY_REGS, below(t, 12) ? (void *)regs : (void *)address_any(t));
}

static void init(struct thread *t, int vcpu)
{
	struct kvm_vcpu_init arg = { .target = below(t, 8) ? KVM_ARM_TARGET_GENERIC_V8 : (uint32_t)value_any(t), .features = { (uint32_t)below(t, 0x80) } };
	int feature = below(t, 4) ? KVM_ARM_VCPU_SVE : (int)any(t);

	if (below(t, 2))
		arg.features[0] = 0x7c;
	ioctl(vcpu, KVM_ARM_VCPU_INIT, below(t, 16) ? (void *)&arg : (void *)address_any(t));
	if (below(t, 2))
		ioctl(vcpu, KVM_ARM_VCPU_FINALIZE, &feature);
}

static void vcpu_other(struct thread *t, struct scene *scene, unsigned int index)
{
	static const unsigned long requests[] = { KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, KVM_GET_MP_STATE, KVM_SET_MP_STATE, KVM_SET_GUEST_DEBUG, KVM_SET_SIGNAL_MASK,
						  KVM_HAS_DEVICE_ATTR, KVM_GET_DEVICE_ATTR, KVM_SET_DEVICE_ATTR, KVM_GET_REG_LIST, KVM_GET_REGS, KVM_TRANSLATE };
	struct kvm_device_attr attribute = { .group = (uint32_t)below(t, 4), .attr = below(t, 4), .addr = address_any(t) };

	if (below(t, 4) == 0) {
		scene->runs[index]->immediate_exit = 1;
		ioctl(scene->vcpus[index], KVM_RUN, 0);
	} else if (below(t, 4) == 0) {
		ioctl(scene->vcpus[index], KVM_SET_DEVICE_ATTR, &attribute);
	} else {
		unsigned long request = requests[below(t, sizeof requests / sizeof *requests)];

		/* A mask of signals that somebody else wrote could keep the program from ending. */
		ioctl(scene->vcpus[index], request, request == KVM_SET_SIGNAL_MASK ? 0 : address_any(t));
	}
}

static void vm_other(struct thread *t, int vm)
{
	static const unsigned long requests[] = { KVM_ARM_PREFERRED_TARGET, KVM_IRQ_LINE, KVM_ARM_SET_COUNTER_OFFSET, KVM_ARM_GET_REG_WRITABLE_MASKS, KVM_ENABLE_CAP,
						  KVM_HAS_DEVICE_ATTR, KVM_CREATE_DEVICE, KVM_GET_ONE_REG, KVM_CHECK_EXTENSION };
	struct kvm_smccc_filter range = { .base = (uint32_t)any(t), .nr_functions = (uint32_t)value_any(t), .action = (uint8_t)below(t, 4) };
	struct kvm_device_attr attribute = { .group = KVM_ARM_VM_SMCCC_CTRL, .attr = KVM_ARM_VM_SMCCC_FILTER, .addr = (uintptr_t)&range };
	struct reg_mask_range masks = { .addr = address_any(t) };

	switch (below(t, 4)) {
	case 0: ioctl(vm, KVM_SET_DEVICE_ATTR, &attribute); break;
	case 1: ioctl(vm, KVM_ARM_GET_REG_WRITABLE_MASKS, &masks); break;
	default: ioctl(vm, requests[below(t, sizeof requests / sizeof *requests)], address_any(t)); break;
	}
}

static void scribble(struct thread *t)
{
	size_t at = below(t, SHARED - PAGE - 8);
	uint64_t value = value_any(t);

	memcpy(shared + at, &value, sizeof value);
}

/* ---- What must hold, on a VM of the thread's own. ---- */

static void complain(const char *what, uint64_t id)
{
	fprintf(stderr, "arm64_fuzz: %s: 0x%llx\n", what, (unsigned long long)id);
	atomic_store(&failed, true);
	atomic_store(&stop, true);
}

static int all_read(int vcpu, struct kvm_many_regs *all, uint8_t (*values)[256])
{
	static _Thread_local struct { struct kvm_reg_list list; uint64_t ids[600]; } list;

	list.list.n = 600;
	if (ioctl(vcpu, KVM_GET_REG_LIST, &list))
		return -1;
	all->n = list.list.n;
	for (uint64_t i = 0; i < all->n; i++)
		all->reg[i] = (struct kvm_one_reg){ list.ids[i], (uintptr_t)values[i] };
	return ioctl(vcpu, KVM_GET_MANY_REGS, all);
}

static bool is_time(uint64_t id)
{
	return id == KVM_REG_ARM_TIMER_CNT || id == KVM_REG_ARM_PTIMER_CNT || id == KVM_REG_ARM_TIMER_CTL || id == KVM_REG_ARM_PTIMER_CTL;
}

static void transaction(struct thread *t)
{
	static _Thread_local uint8_t before[600][256], after[600][256];
	static _Thread_local struct { struct kvm_many_regs header; struct kvm_one_reg regs[600]; } all, set;
	uint64_t values[REGS][32];
	struct kvm_vcpu_init arg = { KVM_ARM_TARGET_GENERIC_V8, { 0x7c } };
	int vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu = ioctl(vm, KVM_CREATE_VCPU, 0), sve = KVM_ARM_VCPU_SVE;

	if (vm < 0 || vcpu < 0 || ioctl(vcpu, KVM_ARM_VCPU_INIT, &arg) || ioctl(vcpu, KVM_ARM_VCPU_FINALIZE, &sve))
		complain("a new vCPU", (uint64_t)errno);
	for (unsigned int round = 0; round < 40 && !atomic_load(&stop); round++) {
		if (all_read(vcpu, &all.header, before))
			complain("the list cannot be read", (uint64_t)errno);
		set.header.n = 1 + below(t, REGS);
		for (uint64_t i = 0; i < set.header.n; i++) {
			set.regs[i] = (struct kvm_one_reg){ below(t, 12) ? all.regs[below(t, all.header.n)].id : id_any(t), (uintptr_t)values[i] };
			for (unsigned int j = 0; j < 32; j++)
				values[i][j] = value_any(t);
		}
		if (ioctl(vcpu, KVM_SET_MANY_REGS, &set) == 0)
			continue;
		if (all_read(vcpu, &all.header, after))
			complain("the list cannot be read any more", (uint64_t)errno);
		for (uint64_t i = 0; i < all.header.n; i++)
			if (!is_time(all.regs[i].id) && memcmp(before[i], after[i], 256))
				complain("a refused set has changed", all.regs[i].id);
	}
	close(vcpu);
	close(vm);
}

/* ---- Threads. ---- */

static void *thread_main(void *argument)
{
	struct thread *t = argument;

	while (!atomic_load(&stop)) {
		unsigned int index = (unsigned int)below(t, VCPUS);
		int vcpu = t->scene->vcpus[index];

		atomic_fetch_add(&calls, 1);
		switch (below(t, 16)) {
		case 0: case 1: case 2: case 3: one(t, vcpu); break;
		case 4: case 5: case 6: many(t, vcpu); break;
		case 7: init(t, vcpu); break;
		case 8: case 9: vcpu_other(t, t->scene, index); break;
		case 10: vm_other(t, t->scene->vm); break;
		case 11: if (below(t, 200) == 0) transaction(t); break;
		default: scribble(t); break;
		}
	}
	return NULL;
}

static bool scene_open(struct scene *scene)
{
	scene->vm = ioctl(kvm, KVM_CREATE_VM, 0);
	for (unsigned int i = 0; i < VCPUS; i++) {
		scene->vcpus[i] = ioctl(scene->vm, KVM_CREATE_VCPU, i);
		if (scene->vcpus[i] < 0)
			return false;
		scene->runs[i] = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, scene->vcpus[i], 0);
	}
	return true;
}

static void scene_close(struct scene *scene)
{
	for (unsigned int i = 0; i < VCPUS; i++) {
		munmap(scene->runs[i], (size_t)run_size);
		close(scene->vcpus[i]);
	}
	close(scene->vm);
}

/* One VM with all threads at it, for a second or so. */
static bool round_run(uint64_t seed)
{
	struct thread threads[THREADS];
	struct scene scene;

	if (!scene_open(&scene))
		return false;
	atomic_store(&stop, false);
	for (unsigned int i = 0; i < THREADS; i++) {
		threads[i] = (struct thread){ .random = (seed * THREADS + i + 1) * UINT64_C(0x9e3779b97f4a7c15), .scene = &scene };
		pthread_create(&threads[i].id, NULL, thread_main, &threads[i]);
	}
	for (unsigned int i = 0; i < 10 && !atomic_load(&stop); i++)
		usleep(100000);
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i].id, NULL);
	scene_close(&scene);
	return !atomic_load(&failed);
}

int main(int argc, char **argv)
{
	unsigned long seconds = argc > 2 && !strcmp(argv[1], "--seconds") ? strtoul(argv[2], NULL, 0) : 10;
	bool good = true;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	shared = mmap(NULL, SHARED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (kvm < 0 || run_size < PAGE || shared == MAP_FAILED || mprotect(shared + SHARED - PAGE, PAGE, PROT_NONE)) {
		perror("arm64_fuzz");
		return 1;
	}
	for (unsigned long i = 0; i < seconds && good; i++)
		good = round_run(i + 1);
	printf("%lu calls\n", (unsigned long)atomic_load(&calls));
	return good ? 0 : 1;
}
