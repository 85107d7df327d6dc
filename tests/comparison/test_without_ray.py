"""Reading records, the table, the exports and the report need neither Ray nor torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from hypertune.storage.files import JOURNAL
from tests.comparison.synthetic import make_events, make_study

SCRIPT = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("ray", "torch", "torchvision"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
from pathlib import Path
from hypertune.records import records
from hypertune.comparison.export import FORMATS, export, write_tables
from hypertune.comparison.table import comparison_table
from hypertune.comparison.terminal import rich_table
from hypertune.comparison.verdict import conclusion
from hypertune.report.html import write_report

folder = Path(sys.argv[1])
facts = records.read(folder)
comparison_table(facts), conclusion(facts), rich_table(facts)
[export(facts, format) for format in FORMATS]
write_tables(facts, folder)
write_report([facts], folder / "report.html")
assert not {"ray", "torch", "torchvision"} & set(sys.modules)
"""


def test_a_report_is_rebuilt_without_ray_and_torch(tmp_path: Path) -> None:
    """From a folder whose study was killed: only `study.toml` and a journal with half a last line are there."""
    study = make_study(seeds=4)
    (tmp_path / JOURNAL).parent.mkdir()
    (tmp_path / "study.toml").write_text(study.to_toml())
    lines = [json.dumps(event) for event in make_events(study, trials=4)]
    (tmp_path / JOURNAL).write_text("\n".join(lines[: int(0.8 * len(lines))]) + "\n" + lines[0][:10])
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").stat().st_size > 1_000_000
    assert (tmp_path / "comparison.tex").exists()
