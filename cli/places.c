// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>

#include "dmabuf.h"

#define AT_ONCE	256

/* 0, or -errno; @places->all is the caller's to free. */
int find_places(const struct session *session, struct places *places)
{
	uint64_t offset = 0;
	int nr;

	*places = (struct places){ };
	do {
		places->all = must_have(reallocarray(places->all, places->nr + AT_ONCE,
						     sizeof(*places->all)));
		nr = audit_handle(session->importer, session->handle, &offset,
				  places->all + places->nr, AT_ONCE);
		if (nr < 0)
			return nr;
		places->nr += nr;
	} while (nr);
	return 0;
}
