"""What a figure was measured on."""

import platform
from pathlib import Path


def processor():
    """Return the name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1] for line in lines if line.startswith("model name")]
    return f"{names[0].strip()} x {len(names)}" if names else platform.machine()
