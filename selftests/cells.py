# SPDX-License-Identifier: GPL-2.0-only
"""The guests in which "make check" and "make check-debug" run the selftests: one
row per cell.

Those that differ in kind; selftests/matrix has all topologies and IOMMUs.
"""

from dataclasses import dataclass, field

import tap


@dataclass(frozen=True)
class Cell:
    """Options of qemu/run, the only programs that make sense there, or those that
    another cell of the same kernel runs in a better way."""
    options: list = field(default_factory=list)
    only: list = field(default_factory=list)
    but: list = field(default_factory=list)

    def programs(self, wanted):
        """Those of @wanted to run here."""
        if self.only:
            chosen = [name for name in wanted if name in self.only]
        else:
            chosen = [name for name in wanted
                      if name not in ELSEWHERE and name not in INTEGRITY]
        return [name for name in chosen if name not in self.but]


# Makes sense only where all DMA is bounced, where nothing else does.
BOUNCE_ONLY = ["test_swiotlb"]
# Other drivers' DMABUFs; these need their modules and devices.
FOREIGN = ["test_ram", "test_vfio"]
# Takes functions away, by the kernel's own hotplug driver.
UNPLUG_ONLY = ["test_unplug"]
# Needs a kernel that fails on demand.
FAILURES_ONLY = ["test_failnth"]
# The benchmark's own; it turns interrupts off for longer than a kernel with checks likes.
BENCH_ONLY = ["test_bench"]
# Needs a function that is a GPU.
GPU_ONLY = ["test_drm"]
# Needs others who could look at memory: a block device, KVM, vfio.
FRAMES_ONLY = ["test_frames"]
# Needs a second exporter below a switch, and a function with virtual functions.
UNSEEN_ONLY = ["test_unseen"]
ELSEWHERE = (BOUNCE_ONLY + FOREIGN + UNPLUG_ONLY + FAILURES_ONLY + BENCH_ONLY
             + GPU_ONLY + FRAMES_ONLY + UNSEEN_ONLY)
# What a topology can make a difference to: which route it is, and where DMA by it ends.
TOPOLOGY_TESTS = ["test_route", "test_topo", "test_dma", "test_audit", "test_access"]
# ... or an IOMMU.
ROUTE_TESTS = TOPOLOGY_TESTS + ["test_map", "test_layout", "test_flush"]

# ... and the size of the BAR, or an IOMMU that translates nothing.
BAR_TESTS = ROUTE_TESTS + ["test_export", "test_import", "test_mmap"]

# A route, an IOMMU, and neither are enough for the command, and for files.
FEW_CELLS = ["test_cli", "test_debugfs", "test_faulting", "test_holders"]

# Fences, and files and nodes without DMA: the same whatever the route.
ANY_ROUTE = ["test_debugfs", "test_export", "test_hostile", "test_sync", "test_trace"]

# What a second importer is for.
TWO_IMPORTERS = ["test_sync"]

# What the functions of RESETTABLE are for.
RESET_TESTS = ["test_reset", "test_msix"]

HOST_BRIDGE = ["--topology", "host-bridge"]
INTEL = ["--iommu", "intel"]
ACS_REDIRECT = ["--topology", "acs-redirect"]
PASSTHROUGH = ["--iommu", "passthrough"]
# A DMABUF is not longer than its BAR, and some limits are met at more than 4 GiB.
LARGE_BAR = ["--bar-size", "8G"]
FORCE_BOUNCE = ["--append", "swiotlb=force"]
# Has an I/O-port BAR.
TESTDEV = ["--qemu-arg=-device", "--qemu-arg=pci-testdev"]
# Has a BAR that there is no room for, which moves all others.
NO_ROOM = ["--qemu-arg=-device", "--qemu-arg=pci-testdev,membar=256T"]


def below_port(port, bus, slot, device):
    """A function alone below a port of its own, behind those that the rig looks for
    first."""
    return ["--qemu-arg=-device",
            f"--qemu-arg={port},id=slot{slot},bus={bus},"
            f"chassis={slot},slot={slot},addr={slot}",
            "--qemu-arg=-device", f"--qemu-arg={device},bus=slot{slot}"]


def resettable(port, bus):
    """Functions with resets that the usual exporter's has not, and, in a BAR,
    the MSI-X table; each alone below a port, as a bus reset requires."""
    return (below_port(port, bus, 8, "nvme,serial=p2pbuf,cmb_size_mb=16,legacy-cmb=on")
            + below_port(port, bus, 9, "e1000e,romfile="))


def second_importer(port, bus):
    return below_port(port, bus, 10, "edu,dma_mask=0xffffffffffffffff")


RESETTABLE = resettable("pcie-root-port", "pcie.0")
# Not with all the tests: an error above the switch is not recovered from while
# there are functions without a driver below it.
RESETTABLE_IN_SWITCH = resettable("xio3130-downstream", "up")
NATIVE_HOTPLUG = [
    "--qemu-arg=-global",
    "--qemu-arg=ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]
SECOND_IMPORTER = second_importer("pcie-root-port", "pcie.0")
SECOND_EXPORTER = ["--qemu-arg=-object",
                   "--qemu-arg=memory-backend-ram,id=second,share=on,size=1M"] + below_port(
                       "xio3130-downstream", "up", 11, "ivshmem-plain,memdev=second")
VIRTUAL_FUNCTIONS = ["--module", "igb"] + below_port("xio3130-downstream", "up", 12,
                                                     "igb,romfile=")
# KVM as AMD's CPUs have it, which is what QEMU emulates.
LOOKERS = ["--module", "brd", "--module", "kvm-amd"]
# Other drivers that export DMABUFs.
VFIO = ["--module", "vfio-pci", "--module", "vfio_iommu_type1"]
DRM = ["--module", "vgem", "--module", "bochs", "--module", "virtio_gpu",
       "--qemu-arg=-device", "--qemu-arg=bochs-display",
       "--qemu-arg=-device", "--qemu-arg=virtio-gpu-pci"]
BEYOND_4G = ["--memory", "6G"]
# The reference GPU importer, of which drm.ko is all that the kernel has to give.
GPU = ["--module", "drm"] + SECOND_IMPORTER
GPU_IN_SWITCH = ["--module", "drm"] + second_importer("xio3130-downstream", "up")

CELLS = {
    "switch/off": Cell(TESTDEV),
    "switch/off/reset": Cell(RESETTABLE_IN_SWITCH, RESET_TESTS),
    "switch/passthrough": Cell(PASSTHROUGH, BAR_TESTS),
    "switch/off/64G": Cell(["--bar-size", "64G"], BAR_TESTS),
    "switch/off/unplug": Cell(NATIVE_HOTPLUG, UNPLUG_ONLY),
    "switch/off/no-room": Cell(NO_ROOM, ["test_remove"]),
    "switch/off/swiotlb": Cell(FORCE_BOUNCE, BOUNCE_ONLY),
    "host-bridge/off": Cell(HOST_BRIDGE + RESETTABLE, but=FEW_CELLS + ANY_ROUTE),
    "host-bridge/off/8G": Cell(HOST_BRIDGE + LARGE_BAR, ["test_map", "test_audit"]),
    "host-bridge/off/swiotlb": Cell(HOST_BRIDGE + FORCE_BOUNCE, BOUNCE_ONLY),
    "host-bridge/passthrough": Cell(HOST_BRIDGE + PASSTHROUGH, BAR_TESTS),
    "host-bridge/intel": Cell(HOST_BRIDGE + INTEL + RESETTABLE),
    "host-bridge/intel/strict": Cell(HOST_BRIDGE + INTEL
                                     + ["--invalidation", "strict"]
                                     + LARGE_BAR + SECOND_IMPORTER,
                                     ROUTE_TESTS + TWO_IMPORTERS),
    "host-bridge/intel/64G": Cell(HOST_BRIDGE + INTEL + ["--bar-size", "64G"],
                                  BAR_TESTS),
    "host-bridge/intel/swiotlb": Cell(HOST_BRIDGE + INTEL + FORCE_BOUNCE,
                                      BOUNCE_ONLY),
    "host-bridge/intel/unplug": Cell(HOST_BRIDGE + INTEL + NATIVE_HOTPLUG,
                                     UNPLUG_ONLY),
    "unreachable/off": Cell(["--topology", "unreachable"]),
    "switch/intel": Cell(INTEL, but=FEW_CELLS),
    "host-bridge/intel-scalable": Cell(
        HOST_BRIDGE + ["--iommu", "intel-scalable"] + LARGE_BAR, ROUTE_TESTS),
    "host-bridge/intel-caching": Cell(
        HOST_BRIDGE + ["--iommu", "intel-caching"] + LARGE_BAR, ROUTE_TESTS),
    "host-bridge/amd": Cell(HOST_BRIDGE + ["--iommu", "amd"] + LARGE_BAR,
                            ROUTE_TESTS),
    "host-bridge/virtio": Cell(HOST_BRIDGE + ["--iommu", "virtio"] + LARGE_BAR,
                               ROUTE_TESTS),
    "two-switches/off": Cell(["--topology", "two-switches"], TOPOLOGY_TESTS),
    "two-host-bridges/intel": Cell(
        ["--topology", "two-host-bridges"] + INTEL, TOPOLOGY_TESTS),
    "acs-redirect/off": Cell(ACS_REDIRECT, TOPOLOGY_TESTS),
    "acs-redirect/intel": Cell(ACS_REDIRECT + INTEL, TOPOLOGY_TESTS),
    "acs-redirect-off/passthrough": Cell(
        ["--topology", "acs-redirect-off"] + PASSTHROUGH, TOPOLOGY_TESTS),
    "acs-unreachable/intel": Cell(
        ["--topology", "acs-unreachable"] + INTEL, TOPOLOGY_TESTS),
    "foreign/switch/off/6G": Cell(DRM + BEYOND_4G, ["test_ram"]),
    "foreign/switch/off/swiotlb": Cell(DRM + FORCE_BOUNCE, ["test_ram"]),
    "foreign/switch/passthrough": Cell(PASSTHROUGH + VFIO + DRM, FOREIGN),
    "foreign/host-bridge/passthrough": Cell(HOST_BRIDGE + PASSTHROUGH + VFIO
                                            + DRM, FOREIGN),
    "foreign/host-bridge/intel/6G": Cell(HOST_BRIDGE + INTEL + VFIO + DRM
                                         + BEYOND_4G, FOREIGN),
    "foreign/host-bridge/intel/swiotlb": Cell(HOST_BRIDGE + INTEL + DRM
                                              + FORCE_BOUNCE, ["test_ram"]),
    "foreign/host-bridge/virtio": Cell(HOST_BRIDGE + ["--iommu", "virtio"]
                                       + VFIO, ["test_vfio"]),
    "gpu/switch/off": Cell(GPU_IN_SWITCH, GPU_ONLY),
    "gpu/host-bridge/intel": Cell(HOST_BRIDGE + INTEL + GPU, GPU_ONLY),
    "gpu/unreachable/off": Cell(["--topology", "unreachable"] + GPU, GPU_ONLY),
    "frames/host-bridge/intel": Cell(HOST_BRIDGE + INTEL + VFIO + LOOKERS, FRAMES_ONLY),
    "unseen/switch/off": Cell(SECOND_EXPORTER + VIRTUAL_FUNCTIONS, UNSEEN_ONLY),
    "bench/switch/off": Cell([], BENCH_ONLY),
    "bench/host-bridge/intel": Cell(HOST_BRIDGE + INTEL + ["--invalidation", "strict"],
                                    BENCH_ONLY),
    "foreign/unreachable/intel": Cell(["--topology", "unreachable"] + INTEL
                                      + VFIO, ["test_vfio"]),
}

# --- make check-debug --------------------------------------------------------------


@dataclass(frozen=True)
class Integrity:
    """A program that looks for what checkers find, as shell code: how it is run by
    make check-debug, and by make check-debug-long if that is another way."""
    short: str
    long: str = ""

    def command(self, is_long):
        return self.long if is_long and self.long else self.short


INTEGRITY = {
    "kunit": Integrity("modprobe p2pbuf_kunit && "
                       "cat /sys/kernel/debug/kunit/p2pbuf_*/results"),
    "p2pbuf-stress": Integrity(
        tap.by_status("p2pbuf-stress --seconds 60"),
        tap.by_status("p2pbuf-stress --seconds 600")),
    "p2pbuf-fuzz": Integrity(
        tap.by_status("p2pbuf-fuzz --calls 25000"),
        tap.by_status("p2pbuf-fuzz --calls 500000")),
    # What a route or an IOMMU can make a difference to.
    "failnth-maps": Integrity(
        "test_failnth -f space -v map_phys -v map_sgt -v unmap_phys -v unmap_sgt "
        "-v query -v audit -v memory_off -v transfer", "test_failnth"),
}

DEBUG = ["--kernel", "debug"]
# What needs tasks that really run at once; time is real then.
SMP = DEBUG + ["--smp", "2"]
SMP_TESTS = ["test_faulting", "test_holders"]
# What the command asks the kernel for, the others do.
COMMAND = ["test_cli", "test_topo"]
RACES = [*SMP_TESTS, "kunit", "p2pbuf-stress", "p2pbuf-fuzz"]
FAILED_MAPS = ["failnth-maps"]
# Flushes are the same number on any kernel.
COUNTS = ["test_flush"]
# What the driver of an IOMMU can make a difference to.
IOMMU_TESTS = ["test_map", "test_layout", "test_dma", "test_access"]
VGEM = ["--module", "vgem"]

# Each route, each kind of IOMMU, and each event.
DEBUG_CELLS = {
    "switch/off": Cell(DEBUG + TESTDEV, but=SMP_TESTS + COMMAND),
    "switch/off/reset": Cell(DEBUG + RESETTABLE_IN_SWITCH, RESET_TESTS),
    "host-bridge/intel": Cell(DEBUG + HOST_BRIDGE + INTEL + RESETTABLE,
                              but=SMP_TESTS + COMMAND + ANY_ROUTE + COUNTS),
    "host-bridge/off/8G": Cell(DEBUG + HOST_BRIDGE + LARGE_BAR,
                               ROUTE_TESTS + FAILED_MAPS, but=COMMAND),
    "host-bridge/amd": Cell(DEBUG + HOST_BRIDGE + ["--iommu", "amd"] + LARGE_BAR,
                            IOMMU_TESTS),
    "host-bridge/virtio": Cell(
        DEBUG + HOST_BRIDGE + ["--iommu", "virtio"] + LARGE_BAR, IOMMU_TESTS),
    "host-bridge/intel-scalable": Cell(
        DEBUG + HOST_BRIDGE + ["--iommu", "intel-scalable"] + LARGE_BAR,
        IOMMU_TESTS),
    "unreachable/off": Cell(DEBUG + ["--topology", "unreachable"],
                            ["test_route", "test_map"]),
    "switch/off/unplug": Cell(DEBUG + NATIVE_HOTPLUG, UNPLUG_ONLY),
    "host-bridge/intel/unplug": Cell(
        DEBUG + HOST_BRIDGE + INTEL + NATIVE_HOTPLUG, UNPLUG_ONLY),
    "host-bridge/off/swiotlb": Cell(DEBUG + HOST_BRIDGE + FORCE_BOUNCE,
                                    BOUNCE_ONLY),
    "foreign/switch/passthrough": Cell(DEBUG + PASSTHROUGH + VFIO + VGEM,
                                       FOREIGN),
    "foreign/host-bridge/intel": Cell(
        DEBUG + HOST_BRIDGE + INTEL + VFIO + VGEM, FOREIGN),
    "gpu/host-bridge/intel": Cell(DEBUG + HOST_BRIDGE + INTEL + GPU, GPU_ONLY),
    "failures/switch/off": Cell(DEBUG, FAILURES_ONLY),
    "failures/host-bridge/intel": Cell(DEBUG + HOST_BRIDGE + INTEL,
                                       FAILURES_ONLY),
    "frames/host-bridge/intel": Cell(DEBUG + HOST_BRIDGE + INTEL + VFIO, FRAMES_ONLY),
    "unseen/switch/off": Cell(DEBUG + SECOND_EXPORTER, UNSEEN_ONLY),
    "races/switch/off": Cell(SMP + VGEM, RACES),
    "races/host-bridge/intel": Cell(SMP + HOST_BRIDGE + INTEL + VGEM, RACES),
}
