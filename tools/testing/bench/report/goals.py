# SPDX-License-Identifier: GPL-2.0-only
"""The rows of the bench, in the order of the table, and their goals."""

from dataclasses import dataclass

PEER = "upstream"  # the other driver's figure of the same name
MIB = 1 << 20


@dataclass(frozen=True)
class Goal:
    """Our figure is at most (or at least) `limit`, or `limit` times the figure `against`."""

    figure: str  # NAME, NAME/SUB, or NAME/* for each of the sub-rows
    limit: float
    against: str | None = None  # PEER, or another figure of ours
    at_least: bool = False


@dataclass(frozen=True)
class Row:
    name: str
    what: str
    scenario: str
    goals: tuple[Goal, ...]


def _row(name: str, scenario: str, what: str, *goals: Goal) -> Row:
    return Row(name, what, scenario, goals)


# Times, and figures that do not depend on how firmware takes a state
_SPEED = (
    _row(
        "to_stop_copy_64m", "precopy", "PRE_COPY_P2P to STOP_COPY, 64 MiB",
        Goal("to_stop_copy_64m", 1.0, PEER),
        Goal("to_stop_copy_64m/pages", 0),
    ),
    _row(
        "direct_stop_copy_64m", "direct", "STOP to STOP_COPY, 64 MiB",
        Goal("direct_stop_copy_64m", 0.7, PEER),
    ),
    _row(
        "to_running_64m", "precopy", "RESUMING to RUNNING, 64 MiB",
        Goal("to_running_64m", 0.05, PEER),
    ),
    _row(
        "write_64m", "direct", "write() of the stream, 64 MiB",
        Goal("write_64m", 1.0, PEER),
        Goal("write_64m", 1.15, "write_64m/bound"),
    ),
    _row(
        "read_64m", "direct", "read() of the stream, 64 MiB",
        Goal("read_64m", 1.0, PEER),
        Goal("read_64m", 1.1, "read_64m/bound"),
    ),
    _row(
        "small_arcs", "small", "the slowest arc beside the peer's, small state",
        Goal("small_arcs/*", 1.02, PEER),
    ),
)  # fmt: skip

_SMALL_MEMORY = (
    _row(
        "memory_save_small", "memory", "most memory, saving a small state",
        Goal("memory_save_small", 1.0, PEER),
    ),
    _row(
        "memory_resume_small", "memory", "most memory, loading a small state",
        Goal("memory_resume_small", 1.0, PEER),
    ),
)  # fmt: skip

_REST = (
    _row(
        "size_max", "size", "largest state that migrates",
        Goal("size_max", 1 << 30, at_least=True),
    ),
    _row(
        "parallel_16", "parallel", "slowest blackout of 16 at once, 1 ms a command",
        Goal("parallel_16", 1.2, "parallel_16/alone"),
    ),
    _row(
        "precopy_idle", "idle", "false answers, and bytes a second, while PRE_COPY is polled",
        Goal("precopy_idle/false_ends", 0),
        Goal("precopy_idle/false_more", 0),
        Goal("precopy_idle/bytes", 0),
    ),
    _row(
        "instructions", "small", "instructions of a migration, small state",
        Goal("instructions", 0.8, PEER),
    ),
)  # fmt: skip

_VIRTIO = (
    _row(
        "blackout_commands", "small", "firmware commands in the blackout",
        Goal("blackout_commands", 4),
    ),
    _row(
        "blackout_1ms", "delay", "blackout, 1 ms a command",
        Goal("blackout_1ms", 0.6, PEER),
    ),
    *_SPEED,
    _row(
        "memory_save", "memory", "memory beside the state, saving 64 MiB",
        Goal("memory_save", 2 * MIB),
    ),
    _row(
        "memory_resume", "memory", "memory beside the state, loading 64 MiB",
        Goal("memory_resume", 2 * MIB),
    ),
    *_SMALL_MEMORY,
    *_REST,
)  # fmt: skip

# A ConnectX stops in two steps and takes its state in chunks of 8 MiB. A state of N chunks needs N SAVE
# and N LOAD; the goal is at most 4 other commands.
_CHUNK = 8 * MIB

_MLX5 = (
    _row(
        "blackout_commands", "small", "firmware commands in the blackout, one chunk",
        Goal("blackout_commands", 6),
        Goal("blackout_commands/beside_state", 4),
    ),
    _row(
        "blackout_1ms", "delay", "blackout, 1 ms a command",
        Goal("blackout_1ms", 0.7, PEER),
    ),
    _row(
        "changed_commands", "changed", "firmware commands in the blackout, 64 MiB changed after pre-copy",
        Goal("changed_commands/beside_state", 4),
    ),
    _row(
        "changed_64m", "changed", "blackout, 64 MiB changed after pre-copy",
        Goal("changed_64m", 1.0, PEER),
    ),
    _row(
        "changed_1ms", "changed_delay", "the same, 1 ms a command",
        Goal("changed_1ms", 1.0, PEER),
    ),
    *_SPEED,
    _row(
        "memory_save/peak", "memory", "most memory, saving 64 MiB",
        Goal("memory_save/peak", 4 * _CHUNK),
    ),
    _row(
        "memory_resume/peak", "memory", "most memory, loading 64 MiB",
        Goal("memory_resume/peak", 4 * _CHUNK),
    ),
    _row(
        "memory_save_1g", "memory_1g", "most memory, saving 1 GiB with the guest stopped",
        Goal("memory_save_1g", 4 * _CHUNK),
    ),
    _row(
        "memory_resume_1g", "memory_1g", "most memory, loading 1 GiB",
        Goal("memory_resume_1g", 4 * _CHUNK),
    ),
    *_SMALL_MEMORY,
    *_REST,
)  # fmt: skip

# By NIC, as in the names of the files
ROWS = {"": _VIRTIO, "mlx5": _MLX5}
