"""Processes by descent."""

from pathlib import Path


def descendants(pid: int) -> set[int]:
    """Ids of the processes below one."""
    children: dict[int, set[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        children.setdefault(int(fields[1]), set()).add(int(stat.parent.name))
    found, waiting = set(), [pid]
    while waiting:
        below = children.get(waiting.pop(), set())
        found |= below
        waiting.extend(below)
    return found


def title(pid: int) -> str:
    """What a process calls itself; nothing for one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
