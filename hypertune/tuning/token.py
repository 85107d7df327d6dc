"""The token of a Ray cluster: finds it, or creates one for a cluster on this machine."""

from __future__ import annotations

import os
import stat
from pathlib import Path

TOKEN_FILE = Path("~/.ray/auth_token")
ANSWER_S = 5.0
"""Seconds that a cluster has to say whether it asks for a token."""


def find_token() -> str | None:
    """The cluster's token, from where Ray looks for it; None if there is none.

    Ray looks at `RAY_AUTH_TOKEN`, the file `RAY_AUTH_TOKEN_PATH`, and `~/.ray/auth_token`.

    Raises:
        ValueError: if the file that `RAY_AUTH_TOKEN_PATH` names cannot be read.
    """
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token.strip()
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else TOKEN_FILE.expanduser()
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        if named:
            raise ValueError(f"RAY_AUTH_TOKEN_PATH: {path} does not exist") from None
        return None
    except OSError as error:
        raise ValueError(f"{path}: the token cannot be read ({error.strerror})") from None


def token_headers() -> dict[str, str]:
    """Headers for requests to the dashboard; raises a ValueError like `find_token`."""
    token = find_token()
    return {"Authorization": f"Bearer {token}"} if token else {}


def wants_token(address: str) -> bool:
    """Whether the cluster at `HOST:PORT` asks for a token; False where nobody answers, which Ray will tell."""
    import grpc

    with grpc.insecure_channel(address) as channel:
        alive = channel.unary_unary(
            "/ray.rpc.NodeInfoGcsService/CheckAlive", request_serializer=bytes, response_deserializer=bytes
        )
        try:
            alive(b"", timeout=ANSWER_S)
        except grpc.RpcError as error:
            return bool(error.code() == grpc.StatusCode.UNAUTHENTICATED)
    return False


def make_token() -> None:
    """Creates a token for clusters on this machine, if there is none, that only this user can read.

    Ray would also create one, but readable by everyone on the machine. An existing token file of this user is made
    unreadable for others.

    Raises:
        ValueError: if it cannot be written.
    """
    if os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return
    path = TOKEN_FILE.expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if path.stat().st_uid == os.getuid() and stat.S_IMODE(path.stat().st_mode) & 0o077:
                path.chmod(0o600)
            return
        with os.fdopen(descriptor, "w") as file:
            import secrets

            file.write(secrets.token_hex(32))
    except OSError as error:
        raise ValueError(
            f"{path}: the token that protects the cluster cannot be written ({error.strerror}); set "
            "RAY_AUTH_TOKEN_PATH to a file with one"
        ) from None
