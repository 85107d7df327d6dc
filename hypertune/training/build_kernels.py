"""Compiles `kernels.c` when the package is built or installed, editable or not: hatchling calls it, nothing else does.

The compiler comes as a package (ziglang), so that a machine needs none of its own, and the same source gives the same
instructions everywhere.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

FOLDER = Path("hypertune", "training")
SOURCE, LIBRARY = FOLDER / "kernels.c", FOLDER / "libkernels.so"
MACHINE = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
OLDEST_GLIBC = "2.17"
OPTIONS = ["-O3", "-fno-sanitize=all", "-shared", "-fPIC", "-s", "-Wall", "-Wextra", "-Werror"]


class Kernels(BuildHookInterface[Any]):
    """Adds the compiled kernels to what is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles them in the source tree, where an editable installation looks for them, too.

        Raises:
            subprocess.CalledProcessError: if the compiler fails; what it said was printed.
        """
        source, library = Path(self.root, SOURCE), Path(self.root, LIBRARY)
        # Replaced in one step: another process may have the old one loaded.
        new = library.with_name(f"{library.name}.{os.getpid()}")
        checksum = f"-DKERNELS_VERSION={zlib.crc32(source.read_bytes())}u"
        command = [sys.executable, "-m", "ziglang", "cc", *_target(), *OPTIONS, checksum, "-o", str(new), str(source)]
        with tempfile.TemporaryDirectory() as cache:
            caches = {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
            subprocess.run(command, check=True, env={**os.environ, **caches})
        new.replace(library)
        build_data["artifacts"].append(str(LIBRARY))
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform()}"


def _target() -> list[str]:
    """Never this very processor: x86 ones of the last ten years, the first Macs with Arm, any other Arm."""
    target = ["-target", f"{MACHINE}-linux-gnu.{OLDEST_GLIBC}"] if sys.platform == "linux" else []
    if MACHINE == "x86_64":
        target.append("-mcpu=x86_64_v3")
    elif sys.platform == "darwin":
        target.append("-mcpu=apple_m1")
    return target


def _platform() -> str:
    """The oldest that can run it, as the tag of a wheel names it."""
    if sys.platform == "linux":
        return f"manylinux_{OLDEST_GLIBC.replace('.', '_')}_{MACHINE}"
    return next(sys_tags()).platform
