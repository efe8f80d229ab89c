// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

#include <p2pbuf.h>

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("PCIe peer-to-peer DMABUF mapping without struct page");
MODULE_VERSION(P2PBUF_VERSION);
MODULE_IMPORT_NS("DMA_BUF");
