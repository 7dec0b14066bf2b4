/*
 * The two 8259A interrupt controllers of a PC, the second one on the first one's pin 2, and their edge/level registers. Intel's data
 * sheet of the 8259A; the state is that of struct kvm_pic_state. What they do not have (single mode, MCS-80 mode) is ignored.
 */
#include <stdlib.h>
#include <string.h>

#include "x86/irqchip.h"

#define CASCADE 2
#define NONE 8 /* no priority */

struct pic {
	struct kvm_pic_state state;
	uint8_t ended; /* pins whose interrupt has ended and is not yet told */
};

struct pics {
	struct x86_vm *vm;
	pthread_mutex_t lock; /* nothing else is taken under it */
	struct pic pic[2];
	uint8_t lines[16]; /* who holds a pin up: bit n, source n */
	uint16_t unmasked; /* pins that have been unmasked and it is not yet told */
	_Atomic bool output; /* vCPUs look at it without the lock */
	bool rose;
};

struct pics *pics_create(struct x86_vm *vm)
{
	struct pics *pics = calloc(1, sizeof *pics);

	if (!pics)
		return NULL;
	pics->vm = vm;
	pthread_mutex_init(&pics->lock, NULL);
	/* The timer, the keyboard, the cascade, the clock and the coprocessor cannot be level-triggered. */
	pics->pic[0].state.elcr_mask = 0xf8;
	pics->pic[1].state.elcr_mask = 0xde;
	return pics;
}

void pics_destroy(struct pics *pics)
{
	if (!pics)
		return;
	pthread_mutex_destroy(&pics->lock);
	free(pics);
}

/* What has happened under the lock is told without it. */
static void pics_unlock(struct pics *pics)
{
	uint16_t ended = (uint16_t)(pics->pic[0].ended | pics->pic[1].ended << 8), unmasked = pics->unmasked;
	bool rose = pics->rose;

	pics->pic[0].ended = pics->pic[1].ended = 0;
	pics->unmasked = 0;
	pics->rose = false;
	pthread_mutex_unlock(&pics->lock);
	for (uint32_t pin = 0; pin < 16; pin++) {
		if (ended >> pin & 1)
			x86_pin_ended(pics->vm, pin / 8, pin % 8);
		if (unmasked >> pin & 1)
			x86_pin_unmasked(pics->vm, pin / 8, pin % 8);
	}
	if (rose)
		lapics_pic_wake(pics->vm);
}

/* ---- Priorities. The lock is held. ---- */

static unsigned int priority_of(const struct kvm_pic_state *s, uint8_t pins)
{
	unsigned int priority = 0;

	if (!pins)
		return NONE;
	while (!(pins >> (priority + s->priority_add) % 8 & 1))
		priority++;
	return priority;
}

/* The pin that wants to interrupt, or -1. */
static int pin_wanted(const struct pics *pics, unsigned int which)
{
	const struct kvm_pic_state *s = &pics->pic[which].state;
	unsigned int wanted = priority_of(s, s->irr & (uint8_t)~s->imr);
	uint8_t served = s->isr;

	/* In special fully nested mode further interrupts from the second one may come through. */
	if (which == 0 && s->special_fully_nested_mode)
		served &= (uint8_t)~(1u << CASCADE);
	return wanted < priority_of(s, served) ? (int)(wanted + s->priority_add) % 8 : -1;
}

static int pin_level(struct kvm_pic_state *s, unsigned int pin, bool level)
{
	uint8_t bit = (uint8_t)(1u << pin);
	bool was_requested = s->irr & bit;

	if (!level) {
		s->last_irr &= (uint8_t)~bit;
		if (s->elcr & bit)
			s->irr &= (uint8_t)~bit;
		return s->imr & bit ? -1 : 1;
	}
	if (s->elcr & bit || !(s->last_irr & bit))
		s->irr |= bit;
	else
		was_requested = false; /* no new edge */
	s->last_irr |= bit;
	return s->imr & bit ? -1 : !was_requested;
}

static void output_update(struct pics *pics)
{
	bool output;

	if (pin_wanted(pics, 1) >= 0) {
		pin_level(&pics->pic[0].state, CASCADE, true);
		pin_level(&pics->pic[0].state, CASCADE, false);
	}
	output = pin_wanted(pics, 0) >= 0;
	pics->rose |= output && !pics->output;
	pics->output = output;
}

static void pin_end(struct pic *pic, unsigned int pin)
{
	pic->state.isr &= (uint8_t)~(1u << pin);
	pic->ended |= (uint8_t)(1u << pin);
}

/* ---- Lines and the acknowledge cycle. ---- */

int pics_set(struct pics *pics, uint32_t pin, enum irq_source source, bool level)
{
	int taken;

	pthread_mutex_lock(&pics->lock);
	pics->lines[pin] = (uint8_t)((pics->lines[pin] & ~(1u << source)) | (unsigned int)level << source);
	taken = pin_level(&pics->pic[pin / 8].state, pin % 8, pics->lines[pin] != 0);
	output_update(pics);
	pics_unlock(pics);
	return taken;
}

bool pics_output(struct pics *pics)
{
	return atomic_load_explicit(&pics->output, memory_order_acquire);
}

static void pin_acknowledge(struct pic *pic, unsigned int pin)
{
	struct kvm_pic_state *s = &pic->state;

	s->isr |= (uint8_t)(1u << pin);
	if (!(s->elcr >> pin & 1))
		s->irr &= (uint8_t)~(1u << pin);
	if (s->auto_eoi) {
		if (s->rotate_on_auto_eoi)
			s->priority_add = (pin + 1) % 8;
		pin_end(pic, pin);
	}
}

/* Without a request any more it is pin 7's, and is not in service. */
static uint8_t acknowledge(struct pics *pics, unsigned int which)
{
	int pin = pin_wanted(pics, which);

	if (pin < 0)
		return pics->pic[which].state.irq_base + 7;
	pin_acknowledge(&pics->pic[which], (unsigned int)pin);
	return which == 0 && pin == CASCADE ? acknowledge(pics, 1) : (uint8_t)(pics->pic[which].state.irq_base + pin);
}

uint8_t pics_acknowledge(struct pics *pics)
{
	uint8_t vector;

	pthread_mutex_lock(&pics->lock);
	pics->output = false;
	vector = acknowledge(pics, 0);
	output_update(pics);
	pics_unlock(pics);
	return vector;
}

/* ---- Ports. The lock is held. ---- */

/* ICW1: edges are forgotten, levels stay; what was requested so far will not end any more. */
static void initialise(struct pic *pic, uint8_t word)
{
	struct kvm_pic_state *s = &pic->state;

	s->init4 = word & 1;
	pic->ended |= s->irr & (uint8_t)~s->elcr;
	s->isr &= (uint8_t)~(s->irr & ~s->elcr);
	s->last_irr = 0;
	s->irr &= s->elcr;
	s->imr = 0;
	s->priority_add = 0;
	s->special_mask = 0;
	s->read_reg_select = 0;
	if (!s->init4) {
		s->special_fully_nested_mode = 0;
		s->auto_eoi = 0;
	}
	s->init_state = 1;
}

/* OCW2: ends of interrupts and rotations. */
static void end_command(struct pics *pics, struct pic *pic, uint8_t word)
{
	struct kvm_pic_state *s = &pic->state;
	unsigned int command = word >> 5, pin = word & 7, priority;

	switch (command) {
	case 0:
	case 4:
		s->rotate_on_auto_eoi = command >> 2;
		return;
	case 1:
	case 5: /* non-specific: the one of highest priority */
		priority = priority_of(s, s->isr);
		if (priority == NONE)
			return;
		pin = (priority + s->priority_add) % 8;
		break;
	case 2:
		return;
	}
	if (command >= 5)
		s->priority_add = (uint8_t)((pin + 1) % 8);
	if (command != 6)
		pin_end(pic, pin);
	output_update(pics);
}

static void command_write(struct pics *pics, struct pic *pic, uint8_t word)
{
	if (word & 0x10) {
		initialise(pic, word);
	} else if (word & 0x08) { /* OCW3 */
		if (word & 4)
			pic->state.poll = 1;
		if (word & 2)
			pic->state.read_reg_select = word & 1;
		if (word & 0x40)
			pic->state.special_mask = word >> 5 & 1;
	} else {
		end_command(pics, pic, word);
	}
}

static void data_write(struct pics *pics, struct pic *pic, uint8_t word)
{
	struct kvm_pic_state *s = &pic->state;
	unsigned int which = (unsigned int)(pic - pics->pic);

	switch (s->init_state) {
	case 0:
		pics->unmasked |= (uint16_t)((s->imr & ~word) << 8 * which);
		s->imr = word;
		output_update(pics);
		break;
	case 1:
		s->irq_base = word & 0xf8;
		s->init_state = 2;
		break;
	case 2:
		s->init_state = s->init4 ? 3 : 0;
		break;
	case 3:
		s->special_fully_nested_mode = word >> 4 & 1;
		s->auto_eoi = word >> 1 & 1;
		s->init_state = 0;
		break;
	}
}

/* A poll takes an interrupt without an acknowledge cycle. */
static uint8_t poll_read(struct pics *pics, struct pic *pic, bool second)
{
	int pin = pin_wanted(pics, second);

	pic->state.poll = 0;
	if (pin >= 0) {
		if (second) {
			pics->pic[0].state.isr &= (uint8_t)~(1u << CASCADE);
			pics->pic[0].state.irr &= (uint8_t)~(1u << CASCADE);
		}
		pic->state.irr &= (uint8_t)~(1u << pin);
		pin_end(pic, (unsigned int)pin);
	}
	output_update(pics);
	return pin < 0 ? 7 : (uint8_t)(0x80 | pin);
}

static uint8_t register_read(struct pics *pics, uint16_t port)
{
	struct pic *pic = &pics->pic[port >> 7];

	if (pic->state.poll)
		return poll_read(pics, pic, port >> 7);
	if (port & 1)
		return pic->state.imr;
	return pic->state.read_reg_select ? pic->state.isr : pic->state.irr;
}

static bool port_is_ours(uint16_t port)
{
	uint16_t even = port & (uint16_t)~1u;

	return even == 0x20 || even == 0xa0 || even == 0x4d0;
}

bool pics_port_write(struct pics *pics, uint16_t port, unsigned int size, uint8_t value)
{
	if (!port_is_ours(port))
		return false;
	if (size != 1)
		return true;
	pthread_mutex_lock(&pics->lock);
	if (port >= 0x4d0)
		pics->pic[port & 1].state.elcr = value & pics->pic[port & 1].state.elcr_mask;
	else if (port & 1)
		data_write(pics, &pics->pic[port >> 7], value);
	else
		command_write(pics, &pics->pic[port >> 7], value);
	pics_unlock(pics);
	return true;
}

bool pics_port_read(struct pics *pics, uint16_t port, unsigned int size, uint8_t *value)
{
	*value = 0;
	if (!port_is_ours(port))
		return false;
	if (size != 1)
		return true;
	pthread_mutex_lock(&pics->lock);
	*value = port >= 0x4d0 ? pics->pic[port & 1].state.elcr : register_read(pics, port);
	pics_unlock(pics);
	return true;
}

/* ---- KVM_GET_IRQCHIP, KVM_SET_IRQCHIP. ---- */

void pics_get(struct pics *pics, unsigned int which, struct kvm_pic_state *state)
{
	pthread_mutex_lock(&pics->lock);
	*state = pics->pic[which].state;
	pthread_mutex_unlock(&pics->lock);
}

/* The program's bytes may be anything: priorities are counted modulo 8, unknown states of the initialisation take no data. */
void pics_state_set(struct pics *pics, unsigned int which, const struct kvm_pic_state *state)
{
	pthread_mutex_lock(&pics->lock);
	pics->pic[which].state = *state;
	output_update(pics);
	pics->rose |= pics->output;
	pics_unlock(pics);
}
