# SPDX-License-Identifier: GPL-2.0-only
"""What the guest looks like: one row per topology, one row per IOMMU.

The exporter's function is ivshmem-plain (a 64-bit prefetchable BAR 2 of any
size, backed by RAM), the importer's is edu (a DMA engine).

What is expected of each combination is in routes.csv and iommus.csv beside this
file, read here and by the documentation.
"""

import csv
import os
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))

EXPORTER = "ivshmem-plain,memdev=bar,id=exporter"
# What edu can reach is a device property that a driver cannot discover; the
# importer's module parameter dma_bits says the same.
IMPORTER = "edu,dma_mask=0xffffffffffffffff,id=importer"
DMA_BITS = 64

# On these the kernel allows, or not, peer traffic through the host bridge.
# The second is old: the less a CPU can do the faster it boots under TCG.
LISTED_CPU = "EPYC"
UNLISTED_CPU = "Nehalem"


@dataclass(frozen=True)
class Topology:
    """Devices in the order of the command line, and the CPU they sit under."""
    cpu: str
    devices: list
    append: list = field(default_factory=list)
    # Kernel arguments for what only an IOMMU makes the kernel do by itself.
    append_off: list = field(default_factory=list)


@dataclass(frozen=True)
class Iommu:
    """The IOMMU's device, if any, and what the kernel needs for it."""
    devices: list = field(default_factory=list)
    append: list = field(default_factory=list)
    modules: list = field(default_factory=list)


# Two root ports.  The route between them needs an allow-listed CPU.
ROOT_PORTS = ["pcie-root-port,id=port0,chassis=1",
              "pcie-root-port,id=port1,chassis=2",
              f"{EXPORTER},bus=port0", f"{IMPORTER},bus=port1"]

# Two functions in one slot, below a root port, which has ACS.  The kernel turns
# the redirection on if it finds an IOMMU.
ONE_SLOT = ["pcie-root-port,id=port0,chassis=1,addr=4",
            f"{EXPORTER},bus=port0,addr=0.0,multifunction=on",
            f"{IMPORTER},bus=port0,addr=0.1"]
REDIRECT = ["pci=config_acs=11xx@00:04.0"]
NO_REDIRECT = ["pci=disable_acs_redir=00:04.0"]

TOPOLOGIES = {
    # Neither switch port has ACS, so peers always reach each other by bus
    # address, whatever the CPU.
    "switch": Topology(UNLISTED_CPU, [
        "pcie-root-port,id=port0,chassis=1",
        "x3130-upstream,id=up,bus=port0",
        "xio3130-downstream,id=down0,bus=up,chassis=2,slot=0",
        "xio3130-downstream,id=down1,bus=up,chassis=3,slot=1",
        f"{EXPORTER},bus=down0", f"{IMPORTER},bus=down1"]),
    "host-bridge": Topology(LISTED_CPU, ROOT_PORTS),
    "unreachable": Topology(UNLISTED_CPU, ROOT_PORTS),
    "two-switches": Topology(LISTED_CPU, [
        "pcie-root-port,id=port0,chassis=1",
        "x3130-upstream,id=up0,bus=port0",
        "xio3130-downstream,id=down0,bus=up0,chassis=2,slot=0",
        "pcie-root-port,id=port1,chassis=3",
        "x3130-upstream,id=up1,bus=port1",
        "xio3130-downstream,id=down1,bus=up1,chassis=4,slot=0",
        f"{EXPORTER},bus=down0", f"{IMPORTER},bus=down1"]),
    "two-host-bridges": Topology(LISTED_CPU, [
        "pcie-root-port,id=port0,chassis=1",
        "pxb-pcie,id=second,bus_nr=32",
        "pcie-root-port,id=port1,bus=second,chassis=2",
        f"{EXPORTER},bus=port0", f"{IMPORTER},bus=port1"]),
    "acs-redirect": Topology(LISTED_CPU, ONE_SLOT, append_off=REDIRECT),
    "acs-redirect-off": Topology(LISTED_CPU, ONE_SLOT, NO_REDIRECT),
    "acs-unreachable": Topology(UNLISTED_CPU, ONE_SLOT, append_off=REDIRECT),
}

# aw-bits=48: the largest BARs lie above 2^39.
INTEL = "intel-iommu,aw-bits=48"

IOMMUS = {
    "off": Iommu(),
    "passthrough": Iommu([INTEL], ["intel_iommu=on", "iommu=pt"]),
    "intel": Iommu([INTEL], ["intel_iommu=on"]),
    # Without fsts=on scalable mode still means second-stage tables.
    "intel-scalable": Iommu([INTEL + ",scalable-mode=on,fsts=on"],
                            ["intel_iommu=on,sm_on"]),
    "intel-caching": Iommu([INTEL + ",caching-mode=on"], ["intel_iommu=on"]),
    "amd": Iommu(["amd-iommu,dma-remap=on"]),
    "virtio": Iommu(["virtio-iommu-pci"], modules=["virtio-iommu"]),
}

VTD = {name for name, iommu in IOMMUS.items()
       if any(device.startswith(INTEL) for device in iommu.devices)}

INVALIDATIONS = ["strict", "lazy"]


class NoSuchCell(Exception):
    """The combination does not exist; the text is the reason."""


@dataclass(frozen=True)
class Cell:
    """A combination that exists, and what is expected there."""
    topology: str
    iommu: str
    invalidation: str		# strict, lazy, or none
    route: str			# bus-address, host-bridge, iova or refused
    data: str			# yes or no: whether QEMU carries it
    iova_bits: str		# or -
    bounced: str		# error of a map with swiotlb=force
    kernel_bounced: str		# the kernel's own decision then
    why: str


def read_table(name):
    with open(os.path.join(HERE, name), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ROUTES = {(row["topology"], row["IOMMU"]): row
          for row in read_table("routes.csv")}
IOMMU_ROWS = {row["IOMMU"]: row for row in read_table("iommus.csv")}


def invalidations(iommu):
    """Those that exist, the default last: lazy, as in Debian's kernels."""
    row = IOMMU_ROWS[iommu]
    return [each for each in INVALIDATIONS if row[each] == "yes"] or ["none"]


def find_cell(topology, iommu, invalidation=None):
    """The cell, with the default invalidation if none is named."""
    existing = invalidations(iommu)
    row = IOMMU_ROWS[iommu]
    if invalidation and invalidation not in existing:
        raise NoSuchCell(f"there is no {invalidation} invalidation with "
                         f"--iommu {iommu}: {row['why']}")
    route = ROUTES[topology, row["kind"]]
    return Cell(topology, iommu, invalidation or existing[-1], route["route"],
                route["data"], row["IOVA bits"], route["swiotlb=force"],
                route["kernel with swiotlb=force"], route["why"])


def all_cells():
    return [find_cell(topology, iommu, invalidation)
            for topology in TOPOLOGIES for iommu in IOMMUS
            for invalidation in invalidations(iommu)]


def machine_args(cell, bar_size):
    """QEMU arguments for the machine and the two functions."""
    topology = TOPOLOGIES[cell.topology]
    args = ["-machine", "q35",
            # 48 bits: a BAR of hundreds of GiB needs the room.
            "-cpu", f"{topology.cpu},phys-bits=48",
            # reserve=off: only what the guest touches takes host memory.
            "-object", f"memory-backend-ram,id=bar,share=on,reserve=off,"
                       f"size={bar_size}"]
    # An IOMMU must precede what it translates.
    for device in IOMMUS[cell.iommu].devices + topology.devices:
        args += ["-device", device]
    return args


def kernel_args(cell):
    topology = TOPOLOGIES[cell.topology]
    args = IOMMUS[cell.iommu].append + topology.append
    if cell.iommu == "off":
        args = args + topology.append_off
    if cell.invalidation != "none":
        args = args + [f"iommu.strict={int(cell.invalidation == 'strict')}"]
    return args


def environment(cell):
    """What the tests in the guest get to know."""
    return {"P2PBUF_TOPOLOGY": cell.topology, "P2PBUF_IOMMU": cell.iommu,
            "P2PBUF_INVALIDATION": cell.invalidation,
            "P2PBUF_ROUTE": cell.route, "P2PBUF_DATA": cell.data,
            "P2PBUF_IOVA_BITS": cell.iova_bits}
