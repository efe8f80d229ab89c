// SPDX-License-Identifier: GPL-2.0-only
/* The ranges as a scatterlist with pages, as older interfaces take it. */
#include <linux/math.h>
#include <linux/mm.h>
#include <linux/overflow.h>

#include "bench.h"

static int count_entries(const struct bench *bench, unsigned int *nents)
{
	unsigned int i;

	*nents = 0;
	for (i = 0; i < bench->nr; i++)
		if (check_add_overflow(*nents,
				       DIV_ROUND_UP_ULL(bench->vecs[i].len, P2PBUF_SG_MAX),
				       nents))
			return -EOVERFLOW;
	return 0;
}

static struct scatterlist *append(struct scatterlist *sg, const struct phys_vec *vec)
{
	u64 done, len;

	for (done = 0; done < vec->len; done += len) {
		len = min_t(u64, vec->len - done, P2PBUF_SG_MAX);
		/* Arithmetic, where there is a virtual memory map: nobody looks inside. */
		sg_set_page(sg, pfn_to_page(PHYS_PFN(vec->paddr + done)), len, 0);
		sg = sg_next(sg);
	}
	return sg;
}

int make_table(struct bench *bench)
{
	struct scatterlist *sg;
	unsigned int i, nents;
	int ret;

	if (!IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP))
		return -EOPNOTSUPP;
	ret = count_entries(bench, &nents);
	if (ret)
		return ret;
	ret = sg_alloc_table(&bench->table, nents, GFP_KERNEL);
	if (ret)
		return ret;
	sg = bench->table.sgl;
	for (i = 0; i < bench->nr; i++)
		sg = append(sg, &bench->vecs[i]);
	return 0;
}

void free_table(struct bench *bench)
{
	sg_free_table(&bench->table);
}
