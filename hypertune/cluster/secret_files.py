"""Recognises files that hold keys, passwords or tokens: by their names, and by the form of well-known keys in them."""

from __future__ import annotations

import re
from pathlib import Path

from pathspec import GitIgnoreSpec

NAMES = (
    ".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".npmrc", ".pypirc", ".pgpass", ".my.cnf", "*htpasswd",
    ".s3cfg", ".boto", ".aws/", ".azure/", ".gcloud/", "gcloud/", ".ssh/", ".gnupg/", ".kube/", "kubeconfig*", ".oci/",
    ".docker/", ".dockercfg", ".ray/", ".databrickscfg", ".huggingface/", ".kaggle/", "kaggle.json", "rclone.conf",
    ".config/gh/", ".config/rclone/", ".dvc/config.local", "auth_token", "stored_tokens", "token", "token.*", "*.token",
    "*?token.txt", "*?token.json", "vault?token*", ".vault?token*", "*vault*pass*", "*.pem", "*.key", "*.p12", "*.pfx",
    "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.gpg", "*.asc", "*.ovpn", "id_rsa*", "id_dsa*", "id_ecdsa*",
    "id_ed25519*", "*credential*", "*secret*", "*password*", "*passphrase*", "*api?key*", "*key*.json",
    "!*keypoint*.json", "*service?account*.json", "*serviceaccount*.json", "*.tfstate*", "*.tfvars*", "*cookies*",
    ".*_history", "*sh_history*", "python_history", "consolehost_history.txt", "!*.py",
)  # fmt: skip
"""Patterns as in .gitignore, in lower case. A Python module of such a name is code unless it has a key in it."""
BACKUP = re.compile(r"(~|\.(bak|backup|old|orig|save|swp|swo|tmp|copy|\d+))+$|^#|#$")
"""What editors and people append to the name of a copy."""

KEYS = re.compile(
    rb"""
    -----BEGIN\ [A-Z\ ]{0,40}PRIVATE\ KEY(?:\ BLOCK)?-----
    | PuTTY-User-Key-File-\d
    | (?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])           # Amazon
    | aws_secret_access_key\s*[=:]\s*["']?[A-Za-z0-9/+]{40}
    | (?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9])                # Google
    | (?<![A-Za-z0-9])GOCSPX-[A-Za-z0-9_-]{20}
    | AccountKey=[A-Za-z0-9+/]{60,}                                       # Azure
    | (?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{36}                           # GitHub
    | (?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{60,}
    | (?<![A-Za-z0-9])glpat-[A-Za-z0-9_-]{20}                             # GitLab
    | (?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}                                 # Hugging Face
    | (?<![A-Za-z0-9])sk-(?:ant|proj|svcacct|or)-[A-Za-z0-9_-]{30,}       # Anthropic, OpenAI, OpenRouter
    | (?<![A-Za-z0-9])sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}
    | (?<![A-Za-z0-9])(?:sk|rk)_live_[A-Za-z0-9]{20,}                     # Stripe
    | (?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{20,}                      # Slack
    | (?<![A-Za-z0-9])hv[bs]\.[A-Za-z0-9_-]{24,}                          # HashiCorp Vault
    | (?<![A-Za-z0-9])dapi[a-f0-9]{32}(?![a-f0-9])                        # Databricks
    | (?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}
    | (?<![A-Za-z0-9])pypi-AgE[A-Za-z0-9_-]{50,}
    | "auths"\s*:\s*\{[^{}]*\{[^{}]*"auth"\s*:                            # Docker
    | ^\s*machine\s+\S+\s+login\s+\S+\s+password\s+\S                     # netrc
    """,
    re.VERBOSE | re.MULTILINE,
)
"""The published forms of keys and tokens, as scanners such as gitleaks look for. Of the kept scanners in Python,
detect-secrets knows neither Hugging Face's, Google's, Anthropic's, Vault's and Docker's nor GitHub's and OpenAI's newer
ones."""

PARTS = (
    b"PRIVATE KEY", b"PuTTY-User-Key-File-", b"AKIA", b"ASIA", b"aws_secret_access_key", b"AIza", b"GOCSPX-",
    b"AccountKey=", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"glpat-", b"hf_", b"sk-", b"_live_",
    b"xox", b"hvb.", b"hvs.", b"dapi", b"npm_", b"pypi-AgE", b'"auths"', b"machine",
)  # fmt: skip
"""Each of these forms holds one of these parts. To search for them takes a hundredth of the time for the forms."""

_SPEC = GitIgnoreSpec.from_lines(NAMES)


def has_secret_name(name: str) -> bool:
    """Whether the path `name`, which ends with a slash if it is a folder's, is that of a secret or of a copy of one."""
    folder, slash, last = name.casefold().rpartition("/") if not name.endswith("/") else ("", "", name.casefold())
    while (shorter := BACKUP.sub("", last)) not in ("", last):
        if _SPEC.match_file(f"{folder}{slash}{last}"):
            return True
        last = shorter
    return _SPEC.match_file(f"{folder}{slash}{last}")


def holds_key(path: Path) -> bool:
    """Whether the file's content includes what has the form of a well-known key.

    Raises:
        OSError: if it cannot be read.
    """
    content = path.read_bytes()
    return any(part in content for part in PARTS) and KEYS.search(content) is not None
