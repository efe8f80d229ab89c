// SPDX-License-Identifier: GPL-2.0-only
/*
 * The route from a device to a peer's BAR.
 *
 * The kernel decides this in calc_map_type_and_dist() (drivers/pci/p2pdma.c, Linux
 * 7.3), behind pci_p2pdma_map_type(), which modules do not get, and which caches
 * its answer by the client's bus address until the provider unbinds: it goes stale
 * when ACS controls change or a bus address is used again. The rule here is
 * the same, derived afresh each time: pci_p2pdma_distance() says whether there is a
 * route at all, by the kernel's own allow-list; one walk says which.
 *
 * The allow-list is asked once per attachment, if it matters: asking takes more instructions
 * than all else that a map of one range does beside the IOMMU's own work.
 */
#include <linux/export.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
/* Linux 7.3's iommu-dma.h names struct scatterlist without declaring it. */
#include <linux/scatterlist.h>
#include <linux/iommu-dma.h>

#include "core.h"

#define REDIRECTS	(PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_EC)

/*
 * Wakes what pci_config_pm_runtime_get() would (drivers/pci/pci.c), which modules do not get, for
 * as long as the read takes. A port's driver (drivers/pci/pcie/portdrv.c) takes no lock for it
 * that whoever maps may hold, but a function's may, and its own is left to those who hold none.
 */
static u16 read_acs_awake(struct pci_dev *pdev)
{
	struct pci_dev *port = pci_is_bridge(pdev) ? pdev : pci_upstream_bridge(pdev);
	u16 ctrl;

	if (port)
		pm_runtime_get_sync(&port->dev);
	pci_read_config_word(pdev, pdev->acs_cap + PCI_ACS_CTRL, &ctrl);
	if (port)
		pm_runtime_put(&port->dev);
	return ctrl;
}

/*
 * PCI Express Base Specification 6.0, 7.7.11: ACS Control Register. Its upper bits are reserved, so
 * all ones is no value of it but says that nobody answered, mostly as something sleeps.
 */
static void look_at(struct pci_dev *pdev, struct p2pbuf_path *path)
{
	u16 ctrl;

	if (!pdev->acs_cap)
		return;

	pci_read_config_word(pdev, pdev->acs_cap + PCI_ACS_CTRL, &ctrl);
	if (!(ctrl & REDIRECTS))
		return;
	if (PCI_POSSIBLE_ERROR(ctrl))
		ctrl = read_acs_awake(pdev);
	if (PCI_POSSIBLE_ERROR(ctrl))
		path->silent = pdev;
	else if (ctrl & REDIRECTS)
		path->redirect = pdev;
}

static bool is_upstream_of(struct pci_dev *bridge, struct pci_dev *pdev)
{
	for (; pdev; pdev = pci_upstream_bridge(pdev))
		if (pdev == bridge)
			return true;
	return false;
}

static struct pci_dev *find_common(struct pci_dev *a, struct pci_dev *b)
{
	while (a && !is_upstream_of(a, b))
		a = pci_upstream_bridge(a);
	return a;
}

/* From @pdev up to, but not including, @end, until something redirects. */
static void look_between(struct pci_dev *pdev, struct pci_dev *end, struct p2pbuf_path *path)
{
	for (; pdev != end && !path->redirect; pdev = pci_upstream_bridge(pdev))
		look_at(pdev, path);
}

/*
 * The common bridge's own controls count, as in the kernel: two functions of one
 * device below a redirecting root port do not reach each other directly.
 */
static void walk(struct pci_dev *owner, struct pci_dev *client,
		 struct p2pbuf_path *path)
{
	path->common = find_common(owner, client);
	if (!path->common)
		return;

	look_between(owner, pci_upstream_bridge(path->common), path);
	look_between(client, path->common, path);
	/* What redirects decides alone. */
	if (path->redirect)
		path->silent = NULL;
}

/* @allowed: whether the kernel's allow-list is known to have the host bridges; updated */
static int find_route(struct pci_dev *owner, struct device *dev, bool *allowed,
		      struct p2pbuf_path *path)
{
	*path = (struct p2pbuf_path){ .route = P2PBUF_ROUTE_UNKNOWN };

	if (!dev_is_pci(dev))
		return -EREMOTEIO;

	walk(owner, to_pci_dev(dev), path);
	if (path->silent)
		return -ENOLINK;
	if (path->common && !path->redirect) {
		path->route = P2PBUF_ROUTE_BUS_ADDR;
		return 0;
	}

	if (!*allowed)
		*allowed = pci_p2pdma_distance(owner, dev, false) >= 0;
	if (!*allowed)
		return -EREMOTEIO;
	path->route = use_dma_iommu(dev) ? P2PBUF_ROUTE_IOVA : P2PBUF_ROUTE_HOST_BRIDGE;
	return 0;
}

/**
 * p2pbuf_route_between - the way for DMA by a device to another's BARs
 * @owner: the function whose BARs they are
 * @dev: the device that does the DMA
 * @path: filled in, on error too, for p2pbuf_route_explain()
 *
 * Neither needs a driver. Whether an IOMMU translates for @dev is asked of its group's default
 * domain (drivers/iommu/iommu.c): the IOMMU core sets that up when the function is added, and
 * only a write to the group's type in sysfs changes it, while no driver is bound. What vfio
 * attaches instead does not count.
 *
 * Context: may sleep; ports are woken. Who holds no lock that a driver of @owner or @dev may
 * need to wake up, wakes both before. The caller sees to it that @owner and @dev stay, which
 * keeps the bridges above them too.
 * Return: 0, -EREMOTEIO (there is no route), or -ENOLINK (something on the way has ACS and
 * does not answer, so nothing can be said).
 */
int p2pbuf_route_between(struct pci_dev *owner, struct device *dev,
			 struct p2pbuf_path *path)
{
	bool allowed = false;

	return find_route(owner, dev, &allowed, path);
}
EXPORT_SYMBOL_GPL(p2pbuf_route_between);

/**
 * p2pbuf_peer_route - the way for DMA by a device that attached
 * @peer: the device and what it is to reach
 * @path: as of p2pbuf_route_between()
 *
 * ACS is looked at each time. The kernel's allow-list is asked only if ACS says that the way
 * leads through the host bridge and it was not asked for @peer yet; then its answer stands.
 *
 * Context: as of p2pbuf_route_between(). The provider's driver must not unbind meanwhile, and
 * the owner of @peer serialises this and maps.
 * Return: as of p2pbuf_route_between().
 */
int p2pbuf_peer_route(struct p2pbuf_peer *peer, struct p2pbuf_path *path)
{
	return find_route(to_pci_dev(peer->ranges->provider->owner), peer->dev,
			  &peer->allowed, path);
}
EXPORT_SYMBOL_GPL(p2pbuf_peer_route);

/**
 * p2pbuf_route_name - what a route is called in tables, traces and fdinfo
 * @route: the route
 *
 * Context: any.
 * Return: its name.
 */
const char *p2pbuf_route_name(enum p2pbuf_route route)
{
	switch (route) {
	case P2PBUF_ROUTE_BUS_ADDR:
		return "bus-address";
	case P2PBUF_ROUTE_HOST_BRIDGE:
		return "host-bridge";
	case P2PBUF_ROUTE_IOVA:
		return "iova";
	default:
		return "none";
	}
}
EXPORT_SYMBOL_GPL(p2pbuf_route_name);

/**
 * p2pbuf_route_explain - say in the kernel log why there is no route
 * @owner: as given to p2pbuf_route_between(), which failed
 * @dev: likewise
 * @path: as filled in by it
 *
 * Names what does not answer, the redirecting port, or the host bridge that the kernel's
 * allow-list does not hold.
 *
 * Context: any.
 */
void p2pbuf_route_explain(struct pci_dev *owner, struct device *dev,
			  const struct p2pbuf_path *path)
{
	struct pci_host_bridge *host;

	if (!dev_is_pci(dev)) {
		dev_info(dev, "no peer-to-peer route to %s: not a PCI function\n",
			 pci_name(owner));
		return;
	}

	host = pci_find_host_bridge(to_pci_dev(dev)->bus);
	if (path->silent)
		dev_info(dev, "unknown peer-to-peer route to %s: %s does not answer\n",
			 pci_name(owner), pci_name(path->silent));
	else if (path->redirect)
		dev_info(dev, "no peer-to-peer route to %s: ACS of port %s redirects to host bridge %s, which is not on the kernel's allow-list\n",
			 pci_name(owner), pci_name(path->redirect),
			 dev_name(&host->dev));
	else
		dev_info(dev, "no peer-to-peer route to %s: no common switch, and host bridge %s is not on the kernel's allow-list\n",
			 pci_name(owner), dev_name(&host->dev));
}
EXPORT_SYMBOL_GPL(p2pbuf_route_explain);
