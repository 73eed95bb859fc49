"""What the kernel says of a process's memory."""

from pathlib import Path


def status_mib(pid: int, field: str) -> float:
    """MiB of one field of /proc/PID/status, such as VmRSS; 0 where there is none."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0
