"""What never leaves the user's machine: secrets, data, results, and what ignore files name."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypertune.cluster.ignored import LARGEST, Ignored


def fill(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x = 1\n")


def sent(root: Path, include: tuple[str, ...] = ()) -> set[str]:
    return {name for name, reason in Ignored(root, include).files() if reason is None}


def reasons(root: Path) -> dict[str, str | None]:
    return dict(Ignored(root).files())


@pytest.mark.parametrize(
    "name",
    [
        ".env", ".env.production", "deep/prod.env", ".netrc", ".npmrc", ".pypirc", ".aws/credentials",
        "home/.ssh/id_ed25519", "id_rsa", "id_rsa.pub", "server.pem", "tls/server.key", "keystore.jks",
        "credentials.json", "gcp-credentials.json", "my_service-account.json", "client_secret.json",
        "secrets/token.txt", "secrets.yaml", "passwords.txt", ".kube/config", "kubeconfig.yaml", ".docker/config.json",
        "terraform.tfstate", "prod.tfvars", ".git-credentials", "auth_token", ".ray/auth_token", "db.kdbx",
    ],
)  # fmt: skip
def test_secrets_stay_behind(tmp_path: Path, name: str) -> None:
    fill(tmp_path, name, "train.py")
    assert sent(tmp_path) == {"train.py"}
    assert "secret" in reasons(tmp_path).values()


def test_a_private_key_is_recognised_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n")
    (tmp_path / "certificate.txt").write_text("-----BEGIN CERTIFICATE-----\nabc\n")
    assert sent(tmp_path) == {"certificate.txt"}


def test_code_that_is_called_like_a_secret_is_code(tmp_path: Path) -> None:
    code = {"secret_santa.py", "tokenizer.py", "token.py", "credentials_check.py", "model/data/loader.py"}
    fill(tmp_path, *code, "data/__init__.py", "data/images.npz")
    assert sent(tmp_path) == {*code, "data/__init__.py"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("data/train.csv", "data"), ("datasets/x.py", "data"), ("images.npz", "data"), ("best/model.pt", "data"),
        ("hypertune-out/a/report.html", "results"), ("results/table.md", "results"), ("mlruns/0/meta", "results"),
        (".git/config", "tool"), (".venv/lib/x.py", "tool"), ("pkg/__pycache__/x.pyc", "tool"),
        ("node_modules/a/b.js", "tool"),
    ],
)  # fmt: skip
def test_data_results_and_tools_stay_behind(tmp_path: Path, name: str, reason: str) -> None:
    fill(tmp_path, name, "train.py")
    assert sent(tmp_path) == {"train.py"}
    assert reason in reasons(tmp_path).values()


def test_an_output_folder_of_any_name_stays_behind(tmp_path: Path) -> None:
    fill(tmp_path, "tuesday/study.toml", "tuesday/sweeps/journal.jsonl", "tuesday/trials.csv", "train.py")
    assert sent(tmp_path) == {"train.py"}


def test_a_large_file_is_data(tmp_path: Path) -> None:
    with (tmp_path / "table.csv").open("wb") as file:
        file.truncate(LARGEST + 1)
    assert sent(tmp_path) == set()


def test_ignore_files_are_kept_to_as_git_does(tmp_path: Path) -> None:
    fill(tmp_path, "repo/app/a.txt", "repo/app/b.txt", "repo/app/sub/a.txt", "repo/app/sub/c.dat", "repo/app/big/x.py")
    (tmp_path / "repo" / ".git").mkdir()
    (tmp_path / "repo" / ".gitignore").write_text("a.txt\n/b.txt\n")
    (tmp_path / "repo" / "app" / "sub" / ".gitignore").write_text("*.dat\n!a.txt\n")
    (tmp_path / "repo" / "app" / ".rayignore").write_text("big/\n")
    # From above the repository nothing holds.
    (tmp_path / ".gitignore").write_text("*\n")
    assert sent(tmp_path / "repo" / "app") == {"b.txt", "sub/a.txt"}


def test_what_is_named_is_sent_all_the_same(tmp_path: Path) -> None:
    fill(tmp_path, "data/vocabulary.txt", "data/train.csv", "weights.pt", ".env", "train.py")
    assert sent(tmp_path, ("data/vocabulary.txt", "*.pt")) == {"data/vocabulary.txt", "weights.pt", "train.py"}


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    fill(tmp_path, "home/key", "home/folder/x.py", "project/real.py")
    (tmp_path / "project" / "innocent.txt").symlink_to(tmp_path / "home" / "key")
    (tmp_path / "project" / "folder").symlink_to(tmp_path / "home" / "folder")
    (tmp_path / "project" / "alias.py").symlink_to("real.py")
    assert sent(tmp_path / "project") == {"real.py", "alias.py"}
