"""The example of a searcher that asks a language model, against a server in this process that answers as one would."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hypertune.space.space import Space
from hypertune.strategies.registry import searchers
from hypertune.sweep.trial import StudyError
from tests.strategies.contract import SMALL, Session

SCRIPT = Path(__file__).parents[2] / "hypertune" / "strategies" / "processes" / "llm_searcher.py"
GOOD = {"lr": 0.01, "width": 8, "norm": "none", "drop": 0.1}


class Server:
    """Answers each request with what `reply` makes of its body: a text, or a status code."""

    def __init__(self) -> None:
        self.reply: Callable[[dict[str, Any]], str | int] = lambda body: json.dumps(GOOD)
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.bodies.append(body)
                outer.keys.append(self.headers["Authorization"])
                said = outer.reply(body) if self.path == "/v1/chat/completions" else 404
                text = {"choices": [{"message": {"role": "assistant", "content": said}}]}
                told = json.dumps(text if isinstance(said, str) else {"error": "no"}).encode()
                self.send_response(said if isinstance(said, int) else 200)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    made = Server()
    monkeypatch.setenv("LLM_BASE_URL", made.url)
    monkeypatch.setenv("LLM_API_KEY", "sesame")
    yield made
    made.http.shutdown()
    made.http.server_close()


def searcher(space: Space = SMALL, mode: str = "min", **settings: Any) -> Any:
    return searchers()["command"](
        space, metric="loss", mode=mode, seed=3, max_epochs=9, command=[sys.executable, str(SCRIPT)],
        settings={"model": "m", **settings},
    )  # fmt: skip


def test_it_is_told_the_space_and_the_best_trials_and_its_answer_is_taken(server: Server) -> None:
    def reply(body: dict[str, Any]) -> str:
        number = body["seed"] % 1000
        return f"Let me try this:\n```json\n{json.dumps({**GOOD, 'width': number + 1})}\n```"

    server.reply = reply
    made = searcher(temperature=0.2, history=2, task="a test")
    configs = [made.suggest(f"t{i}") for i in range(4)]
    assert [config["width"] for config in configs] == [1, 2, 3, 4]
    assert all(SMALL.contains(config) for config in configs)
    for i, value in enumerate([0.5, 0.25, 0.75]):
        made.on_trial_complete(f"t{i}", {"loss": value, "epoch": 9})
    made.suggest("t4")
    body = server.bodies[-1]
    assert (body["model"], body["temperature"], body["seed"]) == ("m", 0.2, 3004)
    assert set(server.keys) == {"Bearer sesame"}
    question = body["messages"][1]["content"]
    assert "The task: a test." in question
    assert '- "lr": a number from 0.0001 to 0.1 on a logarithmic scale' in question
    assert re.findall(r'"width": (\d+).*loss = (.*)', question) == [("2", "0.25"), ("1", "0.5")]
    assert re.findall(r'"width": (\d+).*still running', question) == ["4"]


def test_higher_is_better_where_the_study_says_so(server: Server) -> None:
    made = searcher(mode="max")
    for i, value in enumerate([0.5, 0.75]):
        made.suggest(f"t{i}")
        made.on_trial_complete(f"t{i}", {"loss": value, "epoch": 9})
    made.suggest("t2")
    question = server.bodies[-1]["messages"][1]["content"]
    assert "with the highest loss" in question
    assert re.findall(r"loss = (.*)", question) == ["0.75", "0.5"]


def test_a_conditional_hyperparameter_is_asked_for_where_its_condition_holds(server: Server) -> None:
    name = next(p.key for p in SMALL.parameters() if p.parents)
    server.reply = lambda body: json.dumps({**GOOD, "norm": "...", name: 0.5})
    assert searcher().suggest("a")["norm"] == {"kind": "batch", "momentum": 0.5}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("I do not know", "There is no JSON object in your answer"),
        ("{}", 'The hyperparameter "lr" is missing'),
        (json.dumps({**GOOD, "lr": 7}), '"lr" is 7; expected a number from 0.0001 to 0.1 on a logarithmic scale'),
        (json.dumps({**GOOD, "lr": True}), '"lr" is true; expected a number'),
        (json.dumps({**GOOD, "norm": "layer"}), '"norm" is "layer"; expected one of'),
    ],
)
def test_what_is_wrong_is_sent_back_and_asked_again(server: Server, answer: str, told: str) -> None:
    server.reply = lambda body: answer if len(body["messages"]) == 2 else json.dumps(GOOD)
    assert searcher().suggest("a") == GOOD
    assert server.bodies[1]["messages"][2] == {"role": "assistant", "content": answer}
    assert server.bodies[1]["messages"][3]["content"].startswith(told)


def test_wrong_answers_alone_end_the_study(server: Server) -> None:
    server.reply = lambda body: "no"
    with pytest.raises(
        StudyError, match=r"m suggests no configuration; answer 2 of 2 was wrong: There is no JSON"
    ) as e:
        searcher(attempts=2).suggest("a")
    assert "\n" not in str(e.value)


def test_a_busy_server_is_asked_again(server: Server) -> None:
    server.reply = lambda body: 503 if len(server.bodies) == 1 else json.dumps(GOOD)
    assert searcher().suggest("a") == GOOD
    assert len(server.bodies) == 2


def test_a_wrong_key_is_told_and_not_tried_again(server: Server) -> None:
    server.reply = lambda body: 401
    with pytest.raises(StudyError, match=r"/v1/chat/completions: 401 Unauthorized: .*error"):
        searcher().suggest("a")
    assert len(server.bodies) == 3  # the process is started three times


def test_answers_are_not_asked_for_again_when_the_process_is_started_again(server: Server) -> None:
    made = Session(searcher(), workers=1)
    made.run(3)
    made.searcher._process._process._child.kill()
    made.run(1)
    assert len(server.bodies) == 4
    assert len(re.findall("loss = ", server.bodies[-1]["messages"][1]["content"])) == 3


@pytest.mark.parametrize(
    ("settings", "address", "message"),
    [
        ({"model": ""}, "http://x", "settings.model: the name of the model is missing"),
        ({"heat": 1}, "http://x", "settings.heat: unknown; known: model, temperature, history"),
        ({}, "", "LLM_BASE_URL: set this variable to the model's address"),
    ],
)
def test_what_is_missing_is_told_before_the_study_starts(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], address: str, message: str
) -> None:
    monkeypatch.setenv("LLM_BASE_URL", address)
    with pytest.raises(ValueError, match=message):
        searcher(**settings).check()
