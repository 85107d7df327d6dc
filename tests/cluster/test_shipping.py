"""What is sent with a study is enough to run it where hypertune is not installed, and no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from hypertune.cluster.shipping import MOST_BYTES, STUDY_FILE, pack
from hypertune.commands.cli import main
from hypertune.study.study import Study
from hypertune.training.kernels import LIBRARY_NAME

OWN = """
[study]
name = "own"
strategies = ["random"]
budget = { epochs = 4 }
metric = "score"
mode = "max"
[training]
trainable = "own_code:train"
[space]
lr = { uniform = [0, 1] }
"""


@pytest.fixture
def own(tmp_path: Path) -> Study:
    (tmp_path / "study.toml").write_text(OWN)
    return Study.load(tmp_path / "study.toml")


def test_the_study_and_hypertune_are_sent_and_nothing_of_the_current_folder() -> None:
    shipment = pack(Study.load("digits_cnn"), None)
    tops = {name.split("/")[0] for name in shipment.files}
    assert {STUDY_FILE, "hypertune"} < tops
    assert all(top in (STUDY_FILE, "hypertune") or top.endswith(".dist-info") for top in tops)
    assert "hypertune/report/report.css" in shipment.files


def test_what_is_sent_runs_by_itself(tmp_path: Path) -> None:
    """An isolated Python finds hypertune's code and the names of its plugins in the folder, as a worker would."""
    pack(Study.load("digits_cnn"), None).write(tmp_path)
    code = (
        "import sys; sys.path = [p for p in sys.path if 'hypertune' not in p.rpartition('/')[2]]\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in type(f).__module__ + repr(f)]\n"
        "import hypertune; from importlib.metadata import entry_points, distribution\n"
        "assert hypertune.__file__.startswith(sys.argv[1]), hypertune.__file__\n"
        "assert 'random' in entry_points(group='hypertune.searchers').names\n"
        "assert str(distribution('hypertune-ray')._path).startswith(sys.argv[1])\n"
        "from hypertune.study.study import Study; Study.load(sys.argv[1] + '/hypertune_study.toml')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=300, cwd=tmp_path)


def test_the_current_folder_is_sent_where_the_trainable_lies_in_it(
    tmp_path: Path, own: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    for name in ("own_code.py", "helper.py", ".env"):
        (code / name).write_text("x = 1\n")
    monkeypatch.chdir(code)
    shipment = pack(own, None)
    assert {"own_code.py", "helper.py"} < set(shipment.files)
    assert {name for name, reason in shipment.left_out.items() if reason != "tool"} == {".env"}


def test_a_trainable_that_is_nowhere_is_an_error(own: Study, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="module 'own_code' is neither in .* nor installed here; .*--working-dir"):
        pack(own, tmp_path)


def test_an_installed_module_is_sent_along(own: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site" / "own_code").mkdir(parents=True)
    (tmp_path / "site" / "own_code" / "__init__.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert "own_code/__init__.py" in pack(own, None).files


def test_a_plugin_is_sent_with_the_metadata_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = tmp_path / "my_plugin-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[hypertune.searchers]\nclimber = my_plugin:climber\n")
    (tmp_path / "my_plugin.py").write_text("climber = None\n")
    monkeypatch.syspath_prepend(tmp_path)
    study = Study.load("digits_cnn").replace(strategies=("climber+asha",))
    files = pack(study, None).files
    assert {"my_plugin.py", "my_plugin-1.0.dist-info/entry_points.txt"} < set(files)
    assert "my_plugin.py" not in pack(Study.load("digits_cnn"), None).files


def test_compiled_code_has_to_be_installed_there(own: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "own_code"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "fast.so").write_bytes(b"\x7fELF")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert pack(own, None).left_out["own_code"] == "compiled; install it on the cluster"


def test_the_kernels_of_hypertune_are_sent_although_git_ignores_them() -> None:
    assert f"hypertune/training/kernels/{LIBRARY_NAME}" in pack(Study.load("digits_cnn"), None).files


def test_an_installed_package_is_sent_whatever_the_repository_around_it_ignores(
    own: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text(".venv/\n")
    site = tmp_path / ".venv" / "lib" / "site-packages"
    (site / "own_code" / "inner").mkdir(parents=True)
    (site / "own_code" / "inner" / "__init__.py").write_text("x = 1\n")
    (site / "own_code" / "__init__.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(site)
    assert "own_code/inner/__init__.py" in pack(own, None).files


def test_too_much_is_refused_and_the_largest_named(tmp_path: Path) -> None:
    for number in range(1 + MOST_BYTES // (9 * 2**20)):
        with (tmp_path / f"table{number}.csv").open("wb") as file:
            file.truncate(9 * 2**20)
    with pytest.raises(ValueError, match=r"MiB to send, at most 100 allowed; .*\.rayignore; largest: table"):
        pack(Study.load("digits_cnn"), tmp_path)


def test_all_of_hypertune_is_sent(tmp_path: Path) -> None:
    left = pack(Study.load("digits_cnn"), None).left_out
    assert set(left.values()) <= {"tool", "ignored"}, left


def test_a_trainable_with_a_key_in_it_is_refused(own: Study, tmp_path: Path) -> None:
    (tmp_path / "own_code.py").write_text(f"TOKEN = 'hf_{'aB' * 17}'\n")
    with pytest.raises(
        ValueError, match=r"^training.trainable: own_code.py holds what looks like a key .*--include own"
    ):
        pack(own, tmp_path)
    assert "own_code.py" in pack(own, tmp_path, include=["own_code.py"]).files


@pytest.mark.parametrize("name", ["own_code.py", "own_code/__init__.py", "own_code/inner/train.py"])
def test_an_installed_trainable_with_a_key_in_it_is_refused(
    own: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / "site" / name
    path.parent.mkdir(parents=True)
    if "/" in name:
        (tmp_path / "site" / "own_code" / "__init__.py").touch()
    path.write_text(f"TOKEN = 'hf_{'aB' * 17}'\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    if "inner" in name:
        own = own.replace(training=msgspec.structs.replace(own.training, trainable="own_code.inner.train:train"))
    with pytest.raises(ValueError, match=f"^training.trainable: {name} holds what looks like a key .*--include {name}"):
        pack(own, None)
    assert name in pack(own, None, include=[name]).files


def test_a_plugin_with_a_key_in_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = tmp_path / "my_plugin-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[hypertune.searchers]\nclimber = my_plugin:climber\n")
    (tmp_path / "my_plugin.py").write_text(f"TOKEN = 'hf_{'aB' * 17}'\n")
    monkeypatch.syspath_prepend(tmp_path)
    study = Study.load("digits_cnn").replace(strategies=("climber+asha",))
    with pytest.raises(ValueError, match=r"^my-plugin: my_plugin\.py holds what looks like a key"):
        pack(study, None)


def test_a_dry_run_lists_what_would_be_sent_and_asks_no_cluster(
    own: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own_code.py").write_text("def train(config): ...\n")
    (tmp_path / ".env").write_text("PASSWORD=hunter2")
    (tmp_path / "red\x1b[31m.txt").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    assert main(["submit", "study.toml", "--dry-run", "--env", "TOLD=hunter2"]) == 0
    told = capsys.readouterr().out
    sent, _, left = told.partition("would not send:")
    assert {"  own_code.py", "  study.toml", "  red\\x1b[31m.txt"} <= set(sent.splitlines())
    assert "  .env (secret)\n" in left
    assert left.endswith("--address auto\nwith the environment variables: TOLD\n")
    assert "hunter2" not in told
    assert "\x1b" not in told
