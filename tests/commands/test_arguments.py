"""Any text as the value of any option: the command does what was asked or says in one line what is wrong."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypertune.commands.cli import main

ODD = [
    "", " ", "0", "-1", "1e309", "nan", "inf", "9" * 30, "1,2", "1,,2", ",", "é\u202e", "\x1b[31m", "epochs=", "=3",
    "epochs=1e5", "epochs=-2", "trials=1.5", "seconds=nan", "random,random", "/nonexistent/x", "/etc/passwd", "..",
    "x" * 5000, "--", "a=b=c", "report_s=nan", "speeds=1:", "failures_per_hour=1e9", "[1]", "0x10", "1_000", "\u0663",
]  # fmt: skip
OPTIONS = {
    "simulate": [
        "--curves", "--workers", "--strategies", "--seeds", "--budget", "--max-epochs", "--steps-per-epoch", "--metric",
        "--target", "--lookup", "--epoch-seconds", "--costs", "--processes", "--max-seeds", "--max-seconds", "--margin",
    ],
    "submit": [
        "--strategies", "--seeds", "--budget", "--max-epochs", "--metric", "--mode", "--max-workers", "--data-dir",
        "--out", "--name", "--include", "--env", "--working-dir",
    ],
    "compare": ["--strategies", "--seeds", "--budget", "--max-epochs", "--metric", "--max-workers", "--margin"],
    "advise": ["--workers", "--strategies", "--seeds", "--budget", "--target", "--margin", "--epoch-seconds"],
}  # fmt: skip


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_value_of_any_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    monkeypatch.chdir(tmp_path)
    command = data.draw(st.sampled_from(sorted(OPTIONS)))
    option, value = data.draw(st.sampled_from(OPTIONS[command])), data.draw(st.sampled_from(ODD) | st.text(max_size=20))
    arguments = [command, "digits_cnn", *(["--dry-run"] if command != "advise" else []), f"{option}={value}"]
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
    assert code in (0, 2), (arguments, told.getvalue())
    if code == 2:
        assert told.getvalue().count("\n") == 1, told.getvalue()
        assert len(told.getvalue()) < 700
