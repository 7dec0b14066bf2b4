/*
 * Reasons of refusals: kept per thread between the check that refuses and the end of the call.
 */
#include "core/why.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool why_enabled = true, why_printed;

static _Thread_local char reason[512];
static _Thread_local bool reason_set;
static _Thread_local int reason_entry = -1;

/* Before the faces' own. */
__attribute__((constructor(101))) static void why_init(void)
{
	const char *value = getenv("ANYKVM_WHY");

	why_printed = value && *value && !(value[0] == '0' && !value[1]);
}

int why_set(int error, const char *format, ...)
{
	va_list arguments;

	if (reason_set)
		return error;
	va_start(arguments, format);
	vsnprintf(reason, sizeof reason, format, arguments);
	va_end(arguments);
	reason_set = true;
	return error;
}

void why_prefix(const char *format, ...)
{
	char rest[sizeof reason];
	va_list arguments;
	size_t length;

	if (!why_enabled)
		return;
	memcpy(rest, reason, sizeof rest);
	va_start(arguments, format);
	vsnprintf(reason, sizeof reason, format, arguments);
	va_end(arguments);
	length = strlen(reason);
	if (reason_set)
		snprintf(reason + length, sizeof reason - length, "%s", rest);
	reason_set = true;
}

void why_entry(unsigned int entry)
{
	reason_entry = (int)entry;
}

int why_entry_get(void)
{
	return reason_entry;
}

const char *why_get(void)
{
	return reason_set ? reason : NULL;
}

void why_clear(void)
{
	reason_set = false;
	reason_entry = -1;
}
