/*
 * Parts that one ioctl gets and another sets: an architecture says in a table which there are.
 */
#include "state/parts.h"

#include <errno.h>
#include <string.h>

#include "core/why.h"

/* What a KVM has not, it refuses: that is no part then. */
int parts_get(int fd, struct state_unit *unit, const struct state_ioctls *rows, size_t count, bool vm)
{
	uint8_t value[STATE_PART_MOST] __attribute__((aligned(16)));

	for (size_t i = 0; i < count; i++) {
		struct anykvm_state_part *part;

		if (rows[i].vm != vm)
			continue;
		memset(value, 0, rows[i].size);
		memcpy(value, &rows[i].chip, sizeof rows[i].chip);
		if (anykvm_ioctl(fd, rows[i].get, value))
			continue;
		part = state_unit_part(unit, rows[i].name, rows[i].size);
		if (!part)
			return -ENOMEM;
		memcpy(part->bytes, value, rows[i].size);
	}
	return 0;
}

const struct state_ioctls *parts_find(const struct state_ioctls *rows, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

int parts_again(int fd, struct anykvm_state_part *part, const struct state_ioctls *rows, size_t count)
{
	const struct state_ioctls *row = parts_find(rows, count, part->name);

	if (!row)
		return -EINVAL;
	if (row->chip)
		memcpy(part->bytes, &row->chip, sizeof row->chip);
	return anykvm_ioctl(fd, row->get, part->bytes) ? -errno : 0;
}

int parts_set(int fd, const struct anykvm_state_part *part, const struct state_ioctls *rows, size_t count, bool vm)
{
	const struct state_ioctls *row = parts_find(rows, count, part->name);

	if (!row || row->vm != vm)
		return state_fail(-EINVAL, "no such part is known"), -EINVAL;
	if (part->size != row->size)
		return state_fail(-EINVAL, "%zu bytes, not %u", part->size, row->size), -EINVAL;
	return anykvm_ioctl(fd, row->set, part->bytes) ? -errno : 0;
}
