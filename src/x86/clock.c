/*
 * kvmclock: see clock.h. The clock stands at `clock_ns` when the host's TSC is `clock_tsc`, and goes at the TSC's rate from there.
 */
#include "x86/clock.h"

#include <errno.h>

#include "core/clock.h"
#include "core/why.h"

#define CLOCK_FLAGS (KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

/* ---- Counts to nanoseconds: (counts << shift) * multiplier >> 32, as the guest does it. ---- */

struct scale {
	uint32_t multiplier;
	int8_t shift;
};

static struct scale scale_of(uint32_t khz)
{
	uint64_t counts = (uint64_t)khz * 1000, ns = NSEC_PER_SEC;
	struct scale scale = { 0 };

	/* The multiplier is a fraction of 32 bits with its highest bit set, or nearly so. */
	for (; counts > 2 * ns || counts >> 32; scale.shift--)
		counts >>= 1;
	for (; counts <= ns || ns >> 32; scale.shift++) {
		if (ns >> 32 || counts >> 31)
			ns >>= 1;
		else
			counts <<= 1;
	}
	scale.multiplier = (uint32_t)((ns << 32) / counts);
	return scale;
}

static uint64_t scale_apply(struct scale scale, uint64_t counts)
{
	counts = scale.shift < 0 ? counts >> -scale.shift : counts << scale.shift;
	return (uint64_t)((unsigned __int128)counts * scale.multiplier >> 32);
}

/* ---- The clock. ---- */

/* Both at one moment: of a few tries the one that was interrupted least. */
static void moment_take(uint64_t *tsc, uint64_t *realtime)
{
	uint64_t best = UINT64_MAX;

	for (unsigned int i = 0; i < 4; i++) {
		uint64_t before = tsc_host_read(), wall = clock_ns(CLOCK_REALTIME), after = tsc_host_read();

		if (after - before < best) {
			best = after - before;
			*tsc = after;
			*realtime = wall;
		}
	}
}

void clock_init(struct x86_vm *vm)
{
	pthread_mutex_init(&vm->clock_lock, NULL);
	vm->clock_tsc = tsc_host_read();
	vm->clock_ns = 0;
	atomic_init(&vm->clock_generation, 1);
}

uint64_t clock_now(struct x86_vm *vm, uint64_t *host_tsc, uint64_t *realtime)
{
	struct scale scale = scale_of(tsc_host_khz());
	uint64_t tsc, now;

	if (realtime)
		moment_take(&tsc, realtime);
	else
		tsc = tsc_host_read();
	pthread_mutex_lock(&vm->clock_lock);
	/* The anchor may be younger than the moment. */
	now = tsc < vm->clock_tsc ? vm->clock_ns : vm->clock_ns + scale_apply(scale, tsc - vm->clock_tsc);
	pthread_mutex_unlock(&vm->clock_lock);
	if (host_tsc)
		*host_tsc = tsc;
	return now;
}

void clock_rebase(struct x86_vm *vm)
{
	struct scale scale = scale_of(tsc_host_khz());
	uint64_t tsc = tsc_host_read();

	pthread_mutex_lock(&vm->clock_lock);
	if (tsc > vm->clock_tsc) {
		vm->clock_ns += scale_apply(scale, tsc - vm->clock_tsc);
		vm->clock_tsc = tsc;
	}
	pthread_mutex_unlock(&vm->clock_lock);
	clock_changed(vm);
}

uint64_t clock_epoch(struct x86_vm *vm)
{
	uint64_t realtime, now = clock_now(vm, NULL, &realtime);

	return realtime - now;
}

void clock_get(struct x86_vm *vm, struct kvm_clock_data *data)
{
	uint64_t host_tsc, realtime;

	*data = (struct kvm_clock_data){ .flags = CLOCK_FLAGS };
	data->clock = clock_now(vm, &host_tsc, &realtime);
	data->realtime = realtime;
	data->host_tsc = host_tsc;
}

int clock_set(struct x86_vm *vm, const struct kvm_clock_data *data)
{
	uint64_t clock = data->clock, realtime, tsc;

	if (data->flags & ~(uint32_t)CLOCK_FLAGS)
		return why(-EINVAL, "flags: %#x has bits other than %#x", data->flags, CLOCK_FLAGS);
	moment_take(&tsc, &realtime);
	/* What has passed since it was read, but never backwards. */
	if (data->flags & KVM_CLOCK_REALTIME && realtime > data->realtime)
		clock += realtime - data->realtime;
	pthread_mutex_lock(&vm->clock_lock);
	vm->clock_tsc = tsc;
	vm->clock_ns = clock;
	pthread_mutex_unlock(&vm->clock_lock);
	clock_changed(vm);
	return 0;
}

void clock_changed(struct x86_vm *vm)
{
	uint32_t count = atomic_load(&vm->vm.vcpu_count);

	atomic_fetch_add(&vm->clock_generation, 1);
	for (uint32_t i = 0; i < count; i++)
		kick_set(&vm->vm.vcpus[i]->kick, REQUEST_EVENT);
}

struct pvclock_page clock_page(struct x86_vcpu *cpu)
{
	struct scale scale = scale_of(tsc_khz_get(cpu));
	struct x86_vm *vm = x86_vm(cpu);
	struct pvclock_page page = { .tsc_to_system_mul = scale.multiplier, .tsc_shift = scale.shift, .flags = PVCLOCK_STABLE };

	pthread_mutex_lock(&vm->clock_lock);
	page.tsc_timestamp = tsc_guest_of(cpu, vm->clock_tsc);
	page.system_time = vm->clock_ns;
	pthread_mutex_unlock(&vm->clock_lock);
	return page;
}
