/*
 * Asks a KVM of arm64 guests thousands of questions about its registers. The argument names sections by letter.
 */
#include "probe.h"

int main(int argc, char **argv)
{
	if (!probe_open())
		return 1;
	const char *w = argc > 1 ? argv[1] : "ABCDEFGHI";
	if (strchr(w, 'A'))
		sec_caps();
	if (strchr(w, 'B'))
		sec_lists();
	if (strchr(w, 'C'))
		sec_list_errors();
	if (strchr(w, 'D'))
		sec_init();
	if (strchr(w, 'E'))
		sec_sve();
	if (strchr(w, 'F'))
		sec_onereg();
	if (strchr(w, 'G'))
		sec_pstate_fw();
	if (strchr(w, 'H'))
		sec_writable();
	if (strchr(w, 'I'))
		sec_roundtrip();
	printf("# end\n");
	return 0;
}
