# SPDX-License-Identifier: GPL-2.0-only
"""What the guest looks like: one row per topology, one row per IOMMU.

The exporter's function is ivshmem-plain (a 64-bit prefetchable BAR 2 of any
size, backed by RAM), the importer's is edu (a DMA engine).
"""

from dataclasses import dataclass, field

EXPORTER = "ivshmem-plain,memdev=bar"
# What edu can reach is a device property that a driver cannot discover; the
# importer's module parameter dma_bits says the same.
IMPORTER = "edu,dma_mask=0xffffffffffffffff"
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


@dataclass(frozen=True)
class Iommu:
    """The IOMMU's device, if any, and the kernel arguments that go with it."""
    devices: list = field(default_factory=list)
    append: list = field(default_factory=list)


# Two root ports.  The route between them needs an allow-listed CPU.
ROOT_PORTS = ["pcie-root-port,id=port0,chassis=1",
              "pcie-root-port,id=port1,chassis=2",
              f"{EXPORTER},bus=port0", f"{IMPORTER},bus=port1"]

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
}

# aw-bits=48: the largest BARs lie above 2^39.
INTEL = ["intel-iommu,aw-bits=48"]

IOMMUS = {
    "off": Iommu(),
    "intel": Iommu(INTEL, ["intel_iommu=on"]),
    "passthrough": Iommu(INTEL, ["intel_iommu=on", "iommu=pt"]),
}


def machine_args(topology, iommu, bar_size):
    """QEMU arguments for the machine and the two functions."""
    devices = IOMMUS[iommu].devices + TOPOLOGIES[topology].devices
    args = ["-machine", "q35",
            # 48 bits: a BAR of hundreds of GiB needs the room.
            "-cpu", f"{TOPOLOGIES[topology].cpu},phys-bits=48",
            # reserve=off: only what the guest touches takes host memory.
            "-object", f"memory-backend-ram,id=bar,share=on,reserve=off,"
                       f"size={bar_size}"]
    for device in devices:		# an IOMMU must precede what it translates
        args += ["-device", device]
    return args


def kernel_args(iommu):
    return IOMMUS[iommu].append
