"""Say whether PyTorch and Warp publish packages for this machine: prints it, exits 0 or 1."""

from __future__ import annotations

import platform
import sys

# Oldest version of the C library (Linux) or of the system (macOS) by system and processor, as the
# wheels of torch and warp-lang at our pins name them.
OLDEST = {
    ("Linux", "x86_64"): (2, 28),
    ("Linux", "aarch64"): (2, 34),
    ("Darwin", "arm64"): (14, 0),
    ("Windows", "AMD64"): (0,),
}


def is_supported(system: str, machine: str, version: str, bits: int = 64) -> bool:
    """Whether there are packages; ``version`` is empty where the C library is not glibc."""
    oldest = OLDEST.get((system, machine))
    if oldest is None or bits != 64 or (not version and system != "Windows"):
        return False
    return tuple(int(part) for part in version.split(".") if part.isdigit())[:2] >= oldest


def main() -> int:
    """Print what this machine is; 0 if it is supported."""
    system, machine = platform.system(), platform.machine()
    bits = 64 if sys.maxsize > 2**32 else 32
    name, version = {
        "Linux": platform.libc_ver(),
        "Darwin": ("macOS", platform.mac_ver()[0]),
        "Windows": ("", platform.version()),
    }.get(system, ("", ""))
    version = version if system != "Linux" or name == "glibc" else ""
    print(f"{system} on {machine}, {bits} bits, {name or 'no glibc'} {version}".strip())
    return 0 if is_supported(system, machine, version, bits) else 1


if __name__ == "__main__":
    sys.exit(main())
