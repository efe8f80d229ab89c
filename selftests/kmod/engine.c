// SPDX-License-Identifier: GPL-2.0-only
/*
 * edu's DMA engine with any address: what the importer would never do. The registers
 * and the memory of its function are borrowed while it is bound and idle.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "kmod.h"

/* QEMU: docs/specs/edu */
#define EDU_ID			0x00
#define  EDU_ID_MAGIC		0xed
#define EDU_DMA_SRC		0x80
#define EDU_DMA_DST		0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_CMD		0x98
#define  EDU_CMD_RUN		BIT(0)
#define  EDU_CMD_TO_BUS		BIT(1)
#define EDU_BUFFER		0x40000

/* A transfer takes 100 ms. */
#define POLL_MS			10
#define TIMEOUT_MS		5000

static void __iomem *map_registers(struct pci_dev *client)
{
	void __iomem *regs = pci_iomap(client, 0, 0);

	if (regs && (readl(regs + EDU_ID) & 0xff) != EDU_ID_MAGIC) {
		pci_iounmap(client, regs);
		return NULL;
	}
	return regs;
}

static bool is_running(struct engine *engine)
{
	return readl(engine->regs + EDU_DMA_CMD) & EDU_CMD_RUN;
}

static int wait_idle(struct engine *engine)
{
	int left;

	for (left = TIMEOUT_MS; is_running(engine); left -= POLL_MS) {
		if (left <= 0)
			return -ETIMEDOUT;
		msleep(POLL_MS);
	}
	return 0;
}

static void start(struct engine *engine, u64 src, u64 dst, u32 len, u32 dir)
{
	writeq(src, engine->regs + EDU_DMA_SRC);
	writeq(dst, engine->regs + EDU_DMA_DST);
	writeq(len, engine->regs + EDU_DMA_COUNT);
	writel(EDU_CMD_RUN | dir, engine->regs + EDU_DMA_CMD);
}

static int load(struct engine *engine, u64 addr, u32 len)
{
	start(engine, addr, EDU_BUFFER, len, 0);
	return wait_idle(engine);
}

static void start_store(struct engine *engine, u64 addr, u32 len)
{
	start(engine, EDU_BUFFER, addr, len, EDU_CMD_TO_BUS);
}

static int store(struct engine *engine, u64 addr, u32 len)
{
	start_store(engine, addr, len);
	return wait_idle(engine);
}

static u32 count_changed(const u8 *data, u32 len, u8 fill)
{
	u32 i, changed = 0;

	for (i = 0; i < len; i++)
		changed += data[i] != fill;
	return changed;
}

/* Peer to engine, over @fill, and from there to memory for the CPU to see. */
static int read_peer(struct engine *engine, struct p2pbuf_test_engine *args)
{
	int ret;

	ret = load(engine, args->addr, args->length);
	if (!ret)
		ret = store(engine, engine->mem_addr, args->length);
	if (!ret)
		args->changed = count_changed(engine->mem, args->length, args->fill);
	return ret;
}

static int run(struct engine *engine, struct p2pbuf_test_engine *args)
{
	int ret;

	if (is_running(engine))
		return -EBUSY;
	memset(engine->mem, args->fill, args->length);
	ret = load(engine, engine->mem_addr, args->length);
	if (ret)
		return ret;

	switch (args->dma) {
	case P2PBUF_TEST_DMA_READ:
		return read_peer(engine, args);
	case P2PBUF_TEST_DMA_WRITE:
		return store(engine, args->addr, args->length);
	case P2PBUF_TEST_DMA_START:
		/* The engine has its own copy of what it writes. */
		start_store(engine, args->addr, args->length);
		return 0;
	default:
		return -EINVAL;
	}
}

/* Not before it is done with @engine->mem. */
void engine_release(struct engine *engine)
{
	if (engine->mem) {
		wait_idle(engine);
		dma_free_coherent(&engine->client->dev, PAGE_SIZE, engine->mem,
				  engine->mem_addr);
	}
	if (engine->regs)
		pci_iounmap(engine->client, engine->regs);
	pci_dev_put(engine->client);
	*engine = (struct engine){};
}

/*
 * Kept until close: to free it is an unmap, whose flush would hide what the test is
 * looking for.
 */
static int prepare(struct engine *engine, char *name)
{
	struct pci_dev *client = find_function(name);

	if (!client)
		return -ENOENT;
	if (engine->client) {
		pci_dev_put(client);
		return client == engine->client ? 0 : -EBUSY;
	}
	engine->client = client;
	engine->regs = map_registers(client);
	if (engine->regs)
		engine->mem = dma_alloc_coherent(&client->dev, PAGE_SIZE,
						 &engine->mem_addr, GFP_KERNEL);
	if (engine->mem)
		return 0;
	engine_release(engine);
	return -ENODEV;
}

int test_engine(struct engine *engine, struct p2pbuf_test_engine *args)
{
	int ret;

	if (!args->length || args->length > PAGE_SIZE)
		return -EINVAL;
	ret = prepare(engine, args->client);
	return ret ? ret : run(engine, args);
}

int test_engine_wait(struct engine *engine, u32 *was_running)
{
	if (!engine->client)
		return -ENOENT;
	*was_running = is_running(engine);
	return wait_idle(engine);
}
