"""What the kernel says of a process's memory."""

from pathlib import Path


def status_mib(pid: int, field: str) -> float:
    """MiB of one field of /proc/PID/status, such as VmRSS; 0 where there is none."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def pss_mib(pid: int) -> float:
    """Proportional: a page that several processes share counts once in all of them together."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def family(pid: int) -> dict[int, str]:
    """A process and all that it has started: pid -> what it runs."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    known = ("decode_worker", "serving.worker", "serving.door")
    name = next((each for each in known if each in " ".join(words[:6])), "main")
    found = {pid: name}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found |= family(int(child))
    return found
