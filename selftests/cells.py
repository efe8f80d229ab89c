# SPDX-License-Identifier: GPL-2.0-only
"""The guests in which "make check" runs the selftests: one row per cell."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cell:
    """Options of qemu/run, and the only programs that make sense there."""
    options: list = field(default_factory=list)
    only: list = field(default_factory=list)

    def programs(self, wanted):
        """Those of @wanted to run here."""
        if self.only:
            return [name for name in wanted if name in self.only]
        return [name for name in wanted if name not in ELSEWHERE]


HOST_BRIDGE = ["--topology", "host-bridge"]
INTEL = ["--iommu", "intel"]
PASSTHROUGH = ["--iommu", "passthrough"]
FORCE_BOUNCE = ["--append", "swiotlb=force"]
# Has an I/O-port BAR.
TESTDEV = ["--qemu-arg=-device", "--qemu-arg=pci-testdev"]
# Behind a port of its own, so that the rig finds the other one first.
SECOND_IMPORTER = ["--qemu-arg=-device",
                   "--qemu-arg=pcie-root-port,id=port2,chassis=3",
                   "--qemu-arg=-device",
                   "--qemu-arg=edu,dma_mask=0xffffffffffffffff,bus=port2"]

CELLS = {
    "switch/off": Cell(TESTDEV),
    "switch/passthrough": Cell(PASSTHROUGH),
    "switch/off/64G": Cell(["--bar-size", "64G"]),
    "switch/off/swiotlb": Cell(FORCE_BOUNCE, ["test_swiotlb"]),
    "host-bridge/off": Cell(HOST_BRIDGE),
    "host-bridge/off/swiotlb": Cell(HOST_BRIDGE + FORCE_BOUNCE,
                                    ["test_swiotlb"]),
    "host-bridge/passthrough": Cell(HOST_BRIDGE + PASSTHROUGH),
    "host-bridge/intel": Cell(HOST_BRIDGE + INTEL),
    "host-bridge/intel/strict": Cell(HOST_BRIDGE + INTEL
                                     + ["--append", "iommu.strict=1"]
                                     + SECOND_IMPORTER),
    "host-bridge/intel/64G": Cell(HOST_BRIDGE + INTEL + ["--bar-size", "64G"]),
    "host-bridge/intel/swiotlb": Cell(HOST_BRIDGE + INTEL + FORCE_BOUNCE,
                                      ["test_swiotlb"]),
    "unreachable/off": Cell(["--topology", "unreachable"]),
}
ELSEWHERE = {name for cell in CELLS.values() for name in cell.only}
