"""A running study watched as its user would: Ray's dashboard, a real Prometheus, and `hypertune top`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray._private.ray_constants import DEFAULT_DASHBOARD_AGENT_LISTEN_PORT

from hypertune.commands.cli import main
from hypertune.tuning.metrics import Gauges

REPOSITORY = Path(__file__).parent.parent.parent
DASHBOARD = REPOSITORY / "cluster" / "grafana_dashboard.json"


@dataclass(frozen=True)
class Running:
    """A study under way."""

    out: Path
    url: str
    session: Path
    """Ray's session folder."""
    driver: psutil.Process


@pytest.fixture(scope="module")
def neighbour() -> Iterator[None]:
    """What another Ray on this machine does: it holds the one port that Ray's agents listen on."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # there is one
            taken.bind(("", DEFAULT_DASHBOARD_AGENT_LISTEN_PORT))
            taken.listen()
        yield


@pytest.fixture(scope="module")
def running(neighbour: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("w")
    # Ray's sockets want a short path; metrics every second instead of every ten.
    tmp = Path(f"/tmp/hypertune_test_{os.getpid()}")
    fast = {"RAY_TMPDIR": str(tmp), "RAY_metrics_report_interval_ms": "1000", "RAY_OVERRIDE_RESOURCES": '{"CPU": 2}'}
    tmp.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.watched", str(folder / "out")],
        env={**os.environ, **fast},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http"), url
        journal = folder / "out" / "sweeps" / "journal.jsonl"
        wait(lambda: journal.exists() and '"done"' in journal.read_text(), "first sweep")
        yield Running(folder / "out", url, next(tmp.glob("ray/session_2*")), psutil.Process(process.pid))
    finally:
        process.kill()  # Ray's processes end with it
        process.wait()
        shutil.rmtree(tmp, ignore_errors=True)


def wait(ready: Callable[[], Any], what: str, seconds: float = 300) -> Any:
    """What `ready` returns, as soon as it is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = ready()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"no {what} within {seconds} s")


def get(url: str) -> Any:
    """Ray's local clusters ask for the user's token."""
    token = Path.home() / ".ray" / "auth_token"
    headers = {"Authorization": f"Bearer {token.read_text().strip()}"} if token.exists() else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        return json.load(answer)


def listening(driver: psutil.Process) -> list[Any]:
    """The sockets that Ray's processes listen on, once the one that serves the metrics is up."""
    processes = [driver, *driver.children(recursive=True)]
    if not any("Agent" in one.name() and one.net_connections("inet") for one in processes):
        return []
    return [one for process in processes for one in process.net_connections("inet") if one.status == "LISTEN"]


JOINS = "import sys, ray; from hypertune.tuning import connect; connect.connect(sys.argv[1]); print(len(ray.nodes()))"


def test_nobody_elsewhere_reaches_a_ray_that_starts_here_and_here_it_can_be_joined(running: Running) -> None:
    found = wait(partial(listening, running.driver), "sockets")
    assert len(found) >= 6  # the scheduler, the node's two, the dashboard, the agent's
    assert {one.laddr.ip.removeprefix("::ffff:") for one in found} == {"127.0.0.1"}
    (node,) = (one for one in running.driver.children() if one.name() == "raylet")
    address = next(word for word in node.cmdline() if word.startswith("--gcs-address=")).partition("=")[2]
    command = [sys.executable, "-c", JOINS, address]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n"


def test_the_dashboard_names_the_study_the_worker_and_each_trial(running: Running) -> None:
    jobs = get(f"{running.url}/api/jobs/")
    (job,) = (one for one in jobs if one["metadata"].get("study") == "watched")
    assert job["metadata"]["strategies"] == "random, hyperopt+asha"
    actors = wait(lambda: get(f"{running.url}/api/v0/actors?detail=1")["data"]["result"]["result"], "actors")
    assert {actor["class_name"] for actor in actors} == {"watched:objective"}
    assert {actor["repr_name"] for actor in actors} == {"worker of watched"}

    def trains() -> list[str]:
        tasks = get(f"{running.url}/api/v0/tasks?detail=1&limit=10000")["data"]["result"]["result"]
        return [task["name"] for task in tasks if task["name"].endswith(": train")]

    name = re.compile(r"watched random_s0_0001 lr=\S+ width=\d sleep=0.1: train")
    assert wait(lambda: [found for found in trains() if name.fullmatch(found)], "task named after its trial")


def test_top_shows_the_same_from_the_folder_and_from_the_cluster(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    def running_page(source: str) -> str:
        """Empty while the dashboard, told of the study every second, has not heard of its first sweep."""
        assert main(["top", source, "--once"]) == 0
        page = capsys.readouterr().out
        return page if re.search(r"^random +0\.\d+ +\d{2,} ", page, re.MULTILINE) else ""

    for source in (str(running.out), running.url):
        page = wait(partial(running_page, source), "study")
        assert "watched: running" in page
        assert "of 100 sweeps, 20 epochs each" in page


@pytest.fixture(scope="module")
def prometheus(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if shutil.which("prometheus") is None:
        pytest.skip("needs Prometheus (Debian: apt-get install prometheus)")
    folder = tmp_path_factory.mktemp("prometheus")
    targets = running.session / "prom_metrics_service_discovery.json"
    scrape = {"job_name": "ray", "scrape_interval": "1s", "file_sd_configs": [{"files": [str(targets)]}]}
    (folder / "prometheus.yml").write_text(json.dumps({"scrape_configs": [scrape]}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL) as process:
        yield f"http://127.0.0.1:{port}/api/v1/query?query="
        process.terminate()


def ask(api: str, query: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = get(api + urllib.parse.quote(query))["data"]["result"]
    except OSError:
        return []  # it is still starting
    return found


def test_prometheus_scrapes_what_the_journal_says(running: Running, prometheus: str) -> None:
    def spent() -> dict[str, float]:
        series = ask(prometheus, 'ray_hypertune_epochs_spent{study="watched"}')
        return {one["metric"]["strategy"]: float(one["value"][1]) for one in series}

    wait(lambda: spent().get("hyperopt+asha", 0) >= 20, "epochs of a whole sweep")
    assert set(spent()) == {"random", "hyperopt+asha"}
    by_status = ask(prometheus, 'ray_hypertune_trials{study="watched", strategy="random"}')
    assert {one["metric"]["status"] for one in by_status} >= {"running", "completed", "failed"}
    assert all(0 < float(one["value"][1]) <= 1 for one in ask(prometheus, "ray_hypertune_utilisation"))


def test_every_panel_of_the_grafana_dashboard_shows_something(prometheus: str) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    for panel in panels:
        for target in panel["targets"]:
            query = target["expr"].replace("$study", ".*")
            wait(partial(ask, prometheus, query), f"data in the panel {panel['title']!r}: {query}")


def test_the_grafana_dashboard_asks_for_all_our_series_and_no_other() -> None:
    text = DASHBOARD.read_text()
    ours = {f"ray_{gauge.info['name']}" for gauge in vars(Gauges()).values()}
    assert set(re.findall(r"ray_hypertune_\w+", text)) == ours
