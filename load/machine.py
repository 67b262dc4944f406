"""Facts about the machine and its disk."""

import os
import platform
import statistics
import subprocess
import time
from pathlib import Path


def describe() -> list[str]:
    """Processor, memory, kernel and file system in a few lines."""
    fields = dict(
        line.split(":", 1)
        for line in subprocess.run(["lscpu"], capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout.splitlines()
        if ":" in line
    )
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    gib = int(memory.split()[1]) / 1024 / 1024
    caches = ", ".join(f"{name[:-6]} {fields[name]}" for name in ("L2 cache", "L3 cache") if name in fields)
    virtual = f", virtual machine ({fields['Hypervisor vendor']})" if "Hypervisor vendor" in fields else ""
    return [
        f"{fields.get('Model name', platform.processor())}, family {fields.get('CPU family')} model {fields.get('Model')}, "
        f"{os.cpu_count()} cores{virtual}; {caches}",
        f"{gib:.0f} GiB memory; Linux {platform.release()} {platform.machine()}",
    ]


def fsync(directory: Path, times: int = 300) -> tuple[float, float]:
    """Median and 99th percentile of write-and-fsync of 4 KiB at a file's end there, in milliseconds."""
    path = directory / "fsync.probe"
    taken = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(times):
            file.write(os.urandom(4096))
            begin = time.perf_counter()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - begin) * 1000)
    path.unlink()
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]
