/*
 * The 8254 programmable interval timer of a PC (Intel's data sheet of the 82C54): channel 0 interrupts through gsi 0, channel 2's output
 * can be read at port 0x61. The state is that of struct kvm_pit_state2. While ticks are reinjected, one that the guest has not
 * taken yet is not lost: it comes once the one before has ended.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "x86/irqchip.h"

#define FREQUENCY 1193182
#define SPEAKER_PORT 0x61
#define PERIOD_MIN 200000 /* see lapic_timer.c */
#define MODE_NONE 0xff

/* How a count is read and written: its low byte, its high byte, or both in turn. */
enum access { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH, ACCESS_BOTH_HIGH };

struct pit {
	struct x86_vm *vm;
	pthread_mutex_t lock;
	struct kvm_pit_channel_state channel[3];
	uint32_t flags; /* KVM_PIT_FLAGS_* */
	bool speaker, reinject, acknowledged, periodic;
	uint32_t pending; /* ticks to come */
	uint64_t period, target; /* channel 0's, in nanoseconds */
	struct vm_timer timer;
};

/* ---- Ticks. ---- */

/* Whether the next pending tick may come; the lock is held. */
static bool tick_due(struct pit *pit)
{
	bool due = !pit->reinject || (pit->pending && pit->acknowledged);

	if (due)
		pit->acknowledged = false;
	return due;
}

/* Without the lock. */
static void tick(struct pit *pit)
{
	vm_irq_set(&pit->vm->vm, IRQ_SOURCE_TIMER, 0, true);
	vm_irq_set(&pit->vm->vm, IRQ_SOURCE_TIMER, 0, false);
	lapics_lint0_nmi(pit->vm);
}

static void expired(struct vm_timer *timer)
{
	struct pit *pit = (struct pit *)((char *)timer - offsetof(struct pit, timer));
	uint64_t now = monotonic_ns();
	bool due = false;

	pthread_mutex_lock(&pit->lock);
	if (pit->target && pit->target <= now) {
		pit->pending += pit->reinject;
		due = tick_due(pit);
		pit->target = pit->periodic ? pit->target + pit->period : 0;
		if (pit->target)
			vm_timer_set(&pit->vm->vm.worker, timer, pit->target);
	}
	pthread_mutex_unlock(&pit->lock);
	if (due)
		tick(pit);
}

void pit_acknowledged(struct pit *pit)
{
	bool due;

	pthread_mutex_lock(&pit->lock);
	pit->acknowledged = true;
	if (pit->pending)
		pit->pending--;
	due = pit->reinject && pit->pending && tick_due(pit);
	pthread_mutex_unlock(&pit->lock);
	if (due)
		tick(pit);
}

static void ticks_forget(struct pit *pit)
{
	pit->pending = 0;
	pit->acknowledged = true;
}

/* What came while it was masked does not come now. */
void pit_unmasked(struct pit *pit)
{
	pthread_mutex_lock(&pit->lock);
	if (pit->reinject)
		ticks_forget(pit);
	pthread_mutex_unlock(&pit->lock);
}

void pit_reinject_set(struct pit *pit, bool reinject)
{
	pthread_mutex_lock(&pit->lock);
	if (reinject && !pit->reinject)
		ticks_forget(pit);
	pit->reinject = reinject;
	pthread_mutex_unlock(&pit->lock);
}

/* ---- Counting. The lock is held. ---- */

static uint64_t counts_ns(uint32_t counts)
{
	return counts * NSEC_PER_SEC / FREQUENCY;
}

/* Counts since the channel was loaded. */
static uint64_t counts_gone(const struct pit *pit, unsigned int which)
{
	uint64_t now = monotonic_ns(), ns;

	if (which == 0)
		ns = !pit->period ? 0 : pit->target > now ? pit->period - (pit->target - now) : pit->period;
	else
		ns = now - (uint64_t)pit->channel[which].count_load_time;
	return (uint64_t)((unsigned __int128)ns * FREQUENCY / NSEC_PER_SEC);
}

/* The program may have set any count: none is 65536. */
static uint32_t count_of(const struct kvm_pit_channel_state *c)
{
	return c->count ? c->count : 0x10000;
}

static uint16_t count_now(const struct pit *pit, unsigned int which)
{
	const struct kvm_pit_channel_state *c = &pit->channel[which];
	uint64_t gone = counts_gone(pit, which), count = count_of(c);

	switch (c->mode) {
	case 0: case 1: case 4: case 5:
		return (uint16_t)(count - gone);
	case 3: /* by twos */
		return (uint16_t)(count - 2 * gone % count);
	default:
		return (uint16_t)(count - gone % count);
	}
}

static bool output_now(const struct pit *pit, unsigned int which)
{
	const struct kvm_pit_channel_state *c = &pit->channel[which];
	uint64_t gone = counts_gone(pit, which), count = count_of(c);

	switch (c->mode) {
	case 1: return gone < count;
	case 2: return gone && gone % count == 0;
	case 3: return gone % count < (count + 1) / 2;
	case 4: case 5: return gone == count;
	default: return gone >= count;
	}
}

static void channel0_start(struct pit *pit, uint8_t mode)
{
	bool runs = mode <= 4 && !(pit->flags & KVM_PIT_FLAGS_HPET_LEGACY);

	vm_timer_clear(&pit->vm->vm.worker, &pit->timer);
	pit->target = 0;
	if (!runs)
		return;
	pit->periodic = mode == 2 || mode == 3;
	pit->period = counts_ns(count_of(&pit->channel[0]));
	if (pit->periodic && pit->period < PERIOD_MIN)
		pit->period = PERIOD_MIN;
	ticks_forget(pit);
	pit->target = monotonic_ns() + pit->period;
	vm_timer_set(&pit->vm->vm.worker, &pit->timer, pit->target);
}

static void count_load(struct pit *pit, unsigned int which, uint32_t count)
{
	pit->channel[which].count = count ? count : 0x10000;
	if (which == 0)
		channel0_start(pit, pit->channel[0].mode);
	else
		pit->channel[which].count_load_time = (int64_t)monotonic_ns();
}

static void gate_set(struct pit *pit, unsigned int which, bool gate)
{
	struct kvm_pit_channel_state *c = &pit->channel[which];

	/* A rising gate starts these anew. */
	if (gate && !c->gate && (c->mode == 1 || c->mode == 2 || c->mode == 3 || c->mode == 5))
		c->count_load_time = (int64_t)monotonic_ns();
	c->gate = gate;
}

/* ---- Life. ---- */

struct pit *pit_create(struct x86_vm *vm, uint32_t flags)
{
	struct pit *pit = calloc(1, sizeof *pit);

	if (!pit)
		return NULL;
	pit->vm = vm;
	pthread_mutex_init(&pit->lock, NULL);
	pit->timer.expire = expired;
	pit->speaker = flags & KVM_PIT_SPEAKER_DUMMY;
	pit->reinject = true;
	ticks_forget(pit);
	for (unsigned int i = 0; i < 3; i++) {
		pit->channel[i].mode = MODE_NONE;
		pit->channel[i].gate = i != 2;
		count_load(pit, i, 0);
	}
	return pit;
}

void pit_destroy(struct pit *pit)
{
	if (!pit)
		return;
	pthread_mutex_destroy(&pit->lock);
	free(pit);
}

/* ---- Ports. The lock is held. ---- */

static void count_latch(struct pit *pit, unsigned int which)
{
	struct kvm_pit_channel_state *c = &pit->channel[which];

	if (c->count_latched)
		return;
	c->latched_count = count_now(pit, which);
	c->count_latched = c->rw_mode;
}

static void status_latch(struct pit *pit, unsigned int which)
{
	struct kvm_pit_channel_state *c = &pit->channel[which];

	if (c->status_latched)
		return;
	c->status = (uint8_t)((unsigned int)output_now(pit, which) << 7 | c->rw_mode << 4 | c->mode << 1 | c->bcd);
	c->status_latched = 1;
}

static void read_back(struct pit *pit, uint8_t word)
{
	for (unsigned int which = 0; which < 3; which++) {
		if (!(word >> (which + 1) & 1))
			continue;
		if (!(word & 0x20))
			count_latch(pit, which);
		if (!(word & 0x10))
			status_latch(pit, which);
	}
}

static void control_write(struct pit *pit, uint8_t word)
{
	struct kvm_pit_channel_state *c;
	uint8_t access = word >> 4 & 3;

	if (word >> 6 == 3) {
		read_back(pit, word);
		return;
	}
	c = &pit->channel[word >> 6];
	if (access == ACCESS_LATCH) {
		count_latch(pit, word >> 6);
		return;
	}
	c->rw_mode = c->read_state = c->write_state = access;
	c->mode = word >> 1 & 7;
	if (c->mode > 5)
		c->mode -= 4;
	c->bcd = word & 1;
}

static void count_write(struct pit *pit, unsigned int which, uint8_t value)
{
	struct kvm_pit_channel_state *c = &pit->channel[which];

	switch (c->write_state) {
	case ACCESS_HIGH:
		count_load(pit, which, (uint32_t)value << 8);
		break;
	case ACCESS_BOTH:
		c->write_latch = value;
		c->write_state = ACCESS_BOTH_HIGH;
		break;
	case ACCESS_BOTH_HIGH:
		count_load(pit, which, c->write_latch | (uint32_t)value << 8);
		c->write_state = ACCESS_BOTH;
		break;
	default:
		count_load(pit, which, value);
	}
}

static uint8_t latched_read(struct kvm_pit_channel_state *c)
{
	bool both = c->count_latched == ACCESS_BOTH, high = c->count_latched == ACCESS_HIGH;

	c->count_latched = both ? ACCESS_HIGH : 0;
	return (uint8_t)(high ? c->latched_count >> 8 : c->latched_count);
}

static uint8_t count_read(struct pit *pit, unsigned int which)
{
	struct kvm_pit_channel_state *c = &pit->channel[which];
	uint8_t state = c->read_state;

	if (c->status_latched) {
		c->status_latched = 0;
		return c->status;
	}
	if (c->count_latched)
		return latched_read(c);
	if (state == ACCESS_BOTH || state == ACCESS_BOTH_HIGH)
		c->read_state = state == ACCESS_BOTH ? ACCESS_BOTH_HIGH : ACCESS_BOTH;
	return (uint8_t)(count_now(pit, which) >> (state == ACCESS_HIGH || state == ACCESS_BOTH_HIGH ? 8 : 0));
}

static uint8_t speaker_read(const struct pit *pit)
{
	unsigned int on = (pit->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON) != 0, refresh = monotonic_ns() >> 14 & 1;

	return (uint8_t)(pit->channel[2].gate | on << 1 | refresh << 4 | (unsigned int)output_now(pit, 2) << 5);
}

static void speaker_write(struct pit *pit, uint8_t value)
{
	pit->flags = (pit->flags & ~(uint32_t)KVM_PIT_FLAGS_SPEAKER_DATA_ON) | (value & 2 ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0);
	gate_set(pit, 2, value & 1);
}

static bool port_is_ours(const struct pit *pit, uint16_t port)
{
	return port >> 2 == 0x40 >> 2 || (port == SPEAKER_PORT && pit->speaker);
}

bool pit_port_write(struct pit *pit, uint16_t port, unsigned int size, uint8_t value)
{
	(void)size; /* the lowest byte counts */
	if (!port_is_ours(pit, port))
		return false;
	pthread_mutex_lock(&pit->lock);
	if (port == SPEAKER_PORT)
		speaker_write(pit, value);
	else if (port == 0x43)
		control_write(pit, value);
	else
		count_write(pit, port & 3, value);
	pthread_mutex_unlock(&pit->lock);
	return true;
}

bool pit_port_read(struct pit *pit, uint16_t port, unsigned int size, uint8_t *value)
{
	(void)size;
	*value = 0;
	if (!port_is_ours(pit, port))
		return false;
	pthread_mutex_lock(&pit->lock);
	if (port == SPEAKER_PORT)
		*value = speaker_read(pit);
	else if (port != 0x43)
		*value = count_read(pit, port & 3);
	pthread_mutex_unlock(&pit->lock);
	return true;
}

/* ---- KVM_GET_PIT2, KVM_SET_PIT2, KVM_SET_PIT. ---- */

void pit_get(struct pit *pit, struct kvm_pit_state2 *state)
{
	memset(state, 0, sizeof *state);
	pthread_mutex_lock(&pit->lock);
	memcpy(state->channels, pit->channel, sizeof state->channels);
	state->flags = pit->flags;
	pthread_mutex_unlock(&pit->lock);
}

/* The lock is held. All channels start anew; channel 0 does not where an HPET has just taken its place. */
static void channels_load(struct pit *pit, const struct kvm_pit_channel_state *channels, bool replaced)
{
	memcpy(pit->channel, channels, sizeof pit->channel);
	for (unsigned int i = 0; i < 3; i++) {
		if (pit->channel[i].gate > 1)
			pit->channel[i].gate = 1;
		if (i == 0 && replaced)
			channel0_start(pit, MODE_NONE);
		else
			count_load(pit, i, pit->channel[i].count);
	}
}

void pit_state_set(struct pit *pit, const struct kvm_pit_state2 *state)
{
	bool replaced;

	pthread_mutex_lock(&pit->lock);
	replaced = state->flags & ~pit->flags & KVM_PIT_FLAGS_HPET_LEGACY;
	pit->flags = state->flags;
	channels_load(pit, state->channels, replaced);
	pthread_mutex_unlock(&pit->lock);
}

void pit_channels_set(struct pit *pit, const struct kvm_pit_state *state)
{
	pthread_mutex_lock(&pit->lock);
	channels_load(pit, state->channels, false);
	pthread_mutex_unlock(&pit->lock);
}
