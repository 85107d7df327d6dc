"""Compiles `kernels.c` when the package is built or installed, editable or not; called by hatchling only.

The compiler is a package (ziglang), so that a machine needs no compiler and the same source gives the same instructions
everywhere. If the package cannot be fetched, the machine's own compiler is tried. Without either, the package is built
without the kernels, and torch's operations are used instead.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

FOLDER = Path("hypertune", "training", "kernels")
SOURCE, LIBRARY = FOLDER / "kernels.c", FOLDER / "libkernels.so"
LAUNCHER = Path("hypertune", "launcher.py")
ZIG = "ziglang>=0.17,<0.18"
FETCH_S = 180
"""Seconds to wait for the compiler's package."""
MACHINE = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
OLDEST_GLIBC = "2.17"
OPTIONS = ["-O3", "-shared", "-fPIC", "-s", "-Wall", "-Wextra"]


class Kernels(BuildHookInterface[Any]):
    """Adds the compiled kernels and the command's entry module to the build."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles them in the source tree, where an editable installation looks for them as well."""
        launcher = {str(Path(self.root, LAUNCHER)): "hypertune_ray.py"}
        build_data["force_include"].update(launcher)
        build_data["force_include_editable"].update(launcher)
        tag = compile_kernels(Path(self.root))
        if tag is None:
            self.app.display_warning(
                "hypertune: built without its kernels, since there is neither the package ziglang nor a C compiler; "
                "CNNs train at less than half the speed on a CPU"
            )
            return
        build_data["artifacts"].append(str(LIBRARY))
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{tag}"


def compile_kernels(root: Path) -> str | None:
    """Compiles the kernels below `root`.

    Returns:
        The platform tag of a wheel that contains them; None if no compiler is available.
    """
    source, library = root / SOURCE, root / LIBRARY
    # Replaced atomically: another process may have the old one loaded.
    new = library.with_name(f"{library.name}.{os.getpid()}")
    checksum = f"-DKERNELS_VERSION={zlib.crc32(source.read_bytes())}u"
    rest = [*OPTIONS, checksum, "-o", str(new), str(source)]
    with tempfile.TemporaryDirectory() as folder, zig(Path(folder)) as environment:
        attempts = []
        if environment is not None:
            command = [sys.executable, "-m", "ziglang", "cc", *_zig_target(), "-fno-sanitize=all", "-Werror"]
            attempts.append(([*command, *rest], environment, _platform()))
        own = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
        if own is not None:
            attempts.append(([own, *_own_target(), *rest], dict(os.environ), next(sys_tags()).platform))
        for command, variables, tag in attempts:
            if subprocess.run(command, env=variables, check=False).returncode == 0:
                new.replace(library)
                return tag
    new.unlink(missing_ok=True)
    library.unlink(missing_ok=True)
    return None


@contextmanager
def zig(folder: Path) -> Iterator[dict[str, str] | None]:
    """The environment for `python -m ziglang`, which writes only into `folder`; None if it is not available."""
    caches = {"ZIG_GLOBAL_CACHE_DIR": str(folder / "cache"), "ZIG_LOCAL_CACHE_DIR": str(folder / "cache")}
    if importlib.util.find_spec("ziglang") is not None:
        yield {**os.environ, **caches}
    elif _fetched(folder / "zig"):
        yield {**os.environ, **caches, "PYTHONPATH": str(folder / "zig")}
    else:
        yield None


def _fetched(folder: Path) -> bool:
    """Whether the package could be installed into `folder`; it is optional, so it is not a build requirement."""
    uv = os.environ.get("UV") or shutil.which("uv")
    commands = [[sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--target", str(folder), ZIG]]
    if uv:
        commands.insert(0, [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder), ZIG])
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, timeout=FETCH_S, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return True
    return False


def _zig_target() -> list[str]:
    """A generic target, not this processor: x86 of the last ten years, the first Arm Macs, any other Arm."""
    target = ["-target", f"{MACHINE}-linux-gnu.{OLDEST_GLIBC}"] if sys.platform == "linux" else []
    if MACHINE == "x86_64":
        target.append("-mcpu=x86_64_v3")
    elif sys.platform == "darwin":
        target.append("-mcpu=apple_m1")
    return target


def _own_target() -> list[str]:
    """The same processors, as gcc and clang name them."""
    return ["-march=x86-64-v3"] if MACHINE == "x86_64" else []


def _platform() -> str:
    """The platform tag of the oldest system that can run what zig compiles."""
    if sys.platform == "linux":
        return f"manylinux_{OLDEST_GLIBC.replace('.', '_')}_{MACHINE}"
    return next(sys_tags()).platform
