"""The wheel, installed into an environment with nothing else, as on a node of a cluster; takes minutes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("uv") is None, reason="needs uv"),
]


def test_the_wheel_works_by_itself(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("uv", "build", "--wheel", "--out-dir", str(tmp_path / "dist"), str(ROOT))
    (wheel,) = (tmp_path / "dist").glob("hypertune_ray-*.whl")
    run("uv", "venv", str(tmp_path / "venv"))
    python, command = (str(tmp_path / "venv" / "bin" / name) for name in ("python", "hypertune"))
    run("uv", "pip", "install", "--python", python, str(wheel))
    assert "hypertune 0" in run(command, "--version")
    assert "digits_cnn: valid" in run(command, "validate", "digits_cnn")
    assert "hyperopt" in run(command, "strategies")
    kernels = "from hypertune.training.kernels.calls import available; print(available())"
    assert run(python, "-c", kernels).strip() == "True"
    hint = "from hypertune.installed import install_hint; print(install_hint('smac'))"
    assert "pip install 'smac" in run(python, "-c", hint)
