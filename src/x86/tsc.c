/*
 * The time stamp counter: the host's, scaled to the rate that the program chose, plus an offset. SDM Vol. 3B, 17.17; api.rst,
 * KVM_SET_TSC_KHZ, KVM_VCPU_TSC_OFFSET.
 */
#include <pthread.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "core/clock.h"
#include "core/why.h"
#include "x86/clock.h"

static uint32_t host_khz;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint64_t nanoseconds(void)
{
	return clock_ns(CLOCK_MONOTONIC_RAW);
}

/* The host's counter; where there is none that can be read, a clock of 1 GHz. */
static uint64_t host_tsc(void)
{
#if defined(__x86_64__)
	/* Not before the loads behind which the guest asks: its vCPUs compare what they read through memory. */
	_mm_lfence();
	return __rdtsc();
#else
	return nanoseconds();
#endif
}

/* Both clocks at one moment: of several tries the one that was interrupted least. */
static void moment_take(uint64_t *ns, uint64_t *tsc)
{
	uint64_t best = UINT64_MAX;

	for (unsigned int i = 0; i < 8; i++) {
		uint64_t before = host_tsc(), now = nanoseconds(), after = host_tsc();

		if (after - before < best) {
			best = after - before;
			*ns = now;
			*tsc = before + best / 2;
		}
	}
}

/* Its rate, measured once, over two milliseconds: good to a few parts in 100,000. */
static void measure(void)
{
	uint64_t from, from_tsc, to, to_tsc;

	moment_take(&from, &from_tsc);
	do
		moment_take(&to, &to_tsc);
	while (to - from < 2000000);
	host_khz = (uint32_t)((unsigned __int128)(to_tsc - from_tsc) * 1000000 / (to - from));
}

uint32_t tsc_host_khz(void)
{
	pthread_once(&once, measure);
	return host_khz;
}

uint64_t tsc_host_read(void)
{
	return host_tsc();
}

uint64_t tsc_guest_of(const struct x86_vcpu *cpu, uint64_t host)
{
	if (cpu->tsc_scaled)
		host = (uint64_t)((unsigned __int128)host * cpu->tsc_khz / tsc_host_khz());
	return host + cpu->tsc_offset;
}

uint64_t x86_tsc_read(const struct x86_vcpu *cpu)
{
	return tsc_guest_of(cpu, host_tsc());
}

/*
 * What the program writes into the TSCs of a VM's vCPUs, one after the other, is meant to be one and the same moment. So a value
 * that the VM's time would show within a second of now joins that time, if the vCPU counts at its rate; any other begins a new one.
 * A vCPU begins with 0, which always joins. api.rst, KVM_VCPU_TSC_OFFSET, tells why programs had better write offsets.
 */
static void tsc_join(struct x86_vcpu *cpu, uint64_t value, bool from_program)
{
	struct x86_vm *vm = x86_vm(cpu);
	uint64_t second = (uint64_t)cpu->tsc_khz * 1000, ahead;

	pthread_mutex_lock(&vm->tsc_lock);
	cpu->tsc_offset = vm->tsc_offset;
	ahead = value - x86_tsc_read(cpu);
	if (vm->tsc_offset_khz != cpu->tsc_khz || (value && !(vm->tsc_written && ahead + second < 2 * second))) {
		cpu->tsc_offset += ahead;
		vm->tsc_offset = cpu->tsc_offset;
		vm->tsc_offset_khz = cpu->tsc_khz;
	}
	vm->tsc_written |= from_program;
	pthread_mutex_unlock(&vm->tsc_lock);
	cpu->clock_seen = 0;
}

void tsc_start(struct x86_vcpu *cpu)
{
	tsc_join(cpu, 0, false);
}

void tsc_write(struct x86_vcpu *cpu, uint64_t value, bool from_host)
{
	uint64_t before = cpu->tsc_offset;

	if (from_host) {
		tsc_join(cpu, value, true);
		return;
	}
	cpu->tsc_offset += value - x86_tsc_read(cpu);
	cpu->clock_seen = 0;
	/* The guest's write shows in TSC_ADJUST (17.17.3). */
	cpu->tsc_adjust += cpu->tsc_offset - before;
}

int tsc_khz_set(struct x86_vcpu *cpu, uint32_t khz)
{
	uint32_t host = tsc_host_khz();
	uint64_t value;

	if (!khz)
		khz = host;
	if (khz == cpu->tsc_khz)
		return 0;
	value = x86_tsc_read(cpu);
	cpu->tsc_khz = khz;
	cpu->tsc_scaled = khz != host;
	cpu->clock_seen = 0;
	/* The counter goes on from where it is. */
	cpu->tsc_offset += value - x86_tsc_read(cpu);
	return 0;
}

uint32_t tsc_khz_get(const struct x86_vcpu *cpu)
{
	return cpu->tsc_khz ? cpu->tsc_khz : tsc_host_khz();
}

uint64_t tsc_offset_get(const struct x86_vcpu *cpu)
{
	return cpu->tsc_offset;
}

void tsc_offset_set(struct x86_vcpu *cpu, uint64_t offset)
{
	struct x86_vm *vm = x86_vm(cpu);

	pthread_mutex_lock(&vm->tsc_lock);
	cpu->tsc_offset = offset;
	vm->tsc_offset = offset;
	vm->tsc_offset_khz = cpu->tsc_khz;
	vm->tsc_written = true;
	pthread_mutex_unlock(&vm->tsc_lock);
	cpu->clock_seen = 0;
}
