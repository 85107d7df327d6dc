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
        # In any spelling, and copies that editors and people leave.
        ".ENV", "ID_RSA", "KEY.PEM", "Secrets/a.yaml", ".env~", "server.key.bak", "id_ed25519.old~", "#prod.env#",
        "deep/.Env.Local", "api_key.json", "my-keys.json", "rclone.conf", "kaggle.json", "cookies.txt", "token.json",
        "vault-token", "vault_password.txt", "python_history", "bash_history",
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


@pytest.mark.parametrize(
    "name",
    [
        ".bash_history", ".python_history", ".config/gh/hosts.yml", ".config/rclone/rclone.conf", ".kaggle/kaggle.json",
        ".oci/config", ".dvc/config.local", ".vault-token", ".docker/config.json", ".huggingface/token", ".unknown/x",
        "src/.hidden.yaml",
    ],
)  # fmt: skip
def test_hidden_files_and_folders_stay_behind_unless_they_are_named(tmp_path: Path, name: str) -> None:
    fill(tmp_path, name, "train.py")
    assert sent(tmp_path) == {"train.py"}
    assert sent(tmp_path, (name,)) == {"train.py", name}


KEYS = {
    "PKCS": "-----BEGIN PRIVATE KEY-----\nabc",
    "a service account": '{"type": "x", "data": "-----BEGIN PRIVATE KEY-----\\nabc"}',
    "Amazon": "id = AKIA" + "ABCDEFGH12345678",
    "Amazon's secret": "AWS_SECRET_ACCESS_KEY".lower() + " = " + "aB3/" * 10,
    "Google": "AIza" + "A1b2C3d" * 5,
    "GitHub": "gho_" + "a1B2" * 9,
    "GitHub, newer": "github_pat_" + "a1B2_" * 15,
    "Hugging Face": "hf_" + "aB" * 17,
    "OpenAI": "sk-proj-" + "a1B2" * 12,
    "Anthropic": "sk-ant-api03-" + "a1B2" * 12,
    "Vault": "hvs." + "a1B2" * 8,
    "Slack": "xoxb-" + "123456789012-" * 2,
    "Docker": '{"auths": {"registry": {"auth": "dXNlcjpwYXNz"}}}',
    "netrc": "# mine\nmachine api.wandb.ai login user password abc",
}


@pytest.mark.parametrize("content", KEYS.values(), ids=KEYS.keys())
def test_keys_are_recognised_in_files_of_any_name(tmp_path: Path, content: str) -> None:
    fill(tmp_path, "train.py")
    (tmp_path / "notes.md").write_text(f"first line\n{content}\n")
    (tmp_path / "settings.py").write_text(f"x = 1\n{content}\n")
    assert sent(tmp_path) == {"train.py"}


def test_what_merely_looks_alike_is_sent(tmp_path: Path) -> None:
    texts = {
        "keypoints.json": "{}", "tokenizer.json": '{"added_tokens": []}', "special_tokens_map.json": "{}",
        "env/__init__.py": "", "monkey.py": "# -----BEGIN CERTIFICATE-----", "sk.txt": "sk-learn, hf_model, ghp_x",
        "history.csv": "epoch,loss", "requirements.txt": "pypi-attestations", "environment.yml": "name: x",
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert sent(tmp_path) == set(texts)


def test_a_virtual_environment_of_any_name_stays_behind(tmp_path: Path) -> None:
    fill(tmp_path, "env/pyvenv.cfg", "env/lib/x.py", "train.py")
    assert reasons(tmp_path) == {"env/": "tool", "train.py": None}


def test_a_wildcard_does_not_send_secrets(tmp_path: Path) -> None:
    fill(tmp_path, ".env", "credentials.json", "settings.json", ".config/a.json", "secrets/deep.json", "weights.pt")
    (tmp_path / "notes.txt").write_text("-----BEGIN PRIVATE KEY-----\n")
    assert sent(tmp_path, ("*", "*.json", ".*")) == {"settings.json", "weights.pt", ".config/a.json"}
    named = (".env", "credentials.json", "secrets/deep.json", "notes.txt")
    assert sent(tmp_path, named) == {*named, "settings.json"}


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


def test_links_are_judged_by_what_they_lead_to(tmp_path: Path) -> None:
    fill(tmp_path, ".env", "secrets/plain.txt", "data/rows.csv", ".hidden/x.txt", "ignored.txt", "real.py")
    (tmp_path / ".gitignore").write_text("ignored.txt\n")
    targets = {"a": ".env", "b": "secrets/plain.txt", "c": "data/rows.csv", "d": ".hidden/x.txt", "e": "ignored.txt"}
    for name, target in {**targets, "f": "a.txt", "g": "g.txt", "h": "nowhere"}.items():
        (tmp_path / f"{name}.txt").symlink_to(target)
    (tmp_path / "alias.py").symlink_to("real.py")
    assert sent(tmp_path) == {"real.py", "alias.py"}
    found = reasons(tmp_path)
    assert [found[f"{name}.txt"] for name in "abcdefgh"] == [
        "secret", "secret", "data", "hidden", "ignored", "secret", "link", "link",
    ]  # fmt: skip


def test_a_file_of_any_content_can_be_judged(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "empty").touch()
    (tmp_path / "name\nwith\x1b").touch()
    assert sent(tmp_path) == {"bytes", "empty", "name\nwith\x1b"}
