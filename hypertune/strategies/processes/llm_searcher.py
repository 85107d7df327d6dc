"""A searcher that asks a large language model, at any address with the chat completions of OpenAI's API.

Copy it beside `serve.py` and name it in a study:

    [strategies.llm]
    command = ["python", "llm_searcher.py"]
    settings = { model = "my-model", temperature = 0.7, history = 30, task = "a CNN on photos of cats and dogs" }

The environment holds the address, `LLM_BASE_URL` (such as `http://127.0.0.1:8000/v1`), and the key, if it needs one,
`LLM_API_KEY`. The model is told the search space and the best of the trials so far, as in Liu et al. (2024, "Large
Language Models to Enhance Bayesian Optimization", ICLR), and answers with a configuration. What is wrong with an answer
is sent back; after `attempts` wrong ones, or requests that fail, the study ends with the reason. Nothing is drawn at
random instead. It needs nothing but Python 3.10.
"""

from __future__ import annotations

import json
import math
import os
import time
import urllib.error
import urllib.request
from typing import Any

from serve import Hello, Parameter, Refused, serve

DEFAULTS: dict[str, Any] = {"temperature": 0.7, "history": 30, "attempts": 3, "timeout_s": 120, "task": ""}
"""The settings besides `model`: `history` is the number of finished trials that the model is told, the best ones."""
WAIT_S = 1.0
"""Before a failed request is repeated; twice as long before the next one."""
Values = dict[str, Any]


class Wrong(Exception):
    """What is wrong with an answer, for the model to read."""


class LanguageModel:
    def __init__(self, hello: Hello) -> None:
        unknown = sorted(set(hello.settings) - {*DEFAULTS, "model"})
        if unknown:
            raise Refused(f"settings.{unknown[0]}: unknown; known: model, {', '.join(DEFAULTS)}")
        if not hello.settings.get("model"):
            raise Refused('settings.model: the name of the model is missing, e.g. settings = { model = "my-model" }')
        if not os.environ.get("LLM_BASE_URL"):
            raise Refused("LLM_BASE_URL: set this variable to the model's address, e.g. http://127.0.0.1:8000/v1")
        self.hello, self.settings = hello, {**DEFAULTS, **hello.settings}
        self.asked: dict[int, Values] = {}
        self.losses: dict[int, float] = {}

    def ask(self, number: int, pending: list[int]) -> Values:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": self._question(pending)}]
        for attempt in range(self.settings["attempts"]):
            answer = self._answer(messages, number)
            try:
                self.asked[number] = values = read(answer, self.hello.space)
                return values
            except Wrong as error:
                wrong = f"answer {attempt + 1} of {self.settings['attempts']} was wrong: {error}"
                messages += [
                    {"role": "assistant", "content": answer},
                    {"role": "user", "content": f"{error}. Answer again, with the JSON object alone."},
                ]
        raise ValueError(f"{self.settings['model']} suggests no configuration; {wrong}; it said {answer[:100]!r}")

    def again(self, number: int, values: Values) -> None:
        self.asked[number] = values

    def earlier(self, number: int, values: Values) -> None:
        self.asked[number] = values

    def tell(self, number: int, loss: float) -> None:
        self.losses[number] = loss

    def _question(self, pending: list[int]) -> str:
        best = sorted(self.losses, key=lambda number: self.losses[number])[: self.settings["history"]]
        sign = -1 if self.hello.mode == "max" else 1
        lines = [
            *([f"The task: {self.settings['task']}."] if self.settings["task"] else []),
            f"Find the configuration with the {'highest' if sign < 0 else 'lowest'} {self.hello.metric}.",
            "Hyperparameters:",
            *(f"- {json.dumps(parameter.name)}: {described(parameter)}" for parameter in self.hello.space),
            "Trials so far, the best first:" if best else "There are no finished trials yet.",
            *(f"{json.dumps(self._shown(n))}: {self.hello.metric} = {sign * self.losses[n]:.6g}" for n in best),
            *(f"{json.dumps(self._shown(number))}: still running" for number in pending if number in self.asked),
            "Suggest the next configuration to try, one that is not among these.",
        ]
        return "\n".join(lines)

    def _shown(self, number: int) -> Values:
        values = self.asked[number]
        named = [parameter for parameter in self.hello.space if parameter.name in values]
        return {p.name: p.options[values[p.name]] if p.kind == "categorical" else values[p.name] for p in named}

    def _answer(self, messages: list[dict[str, str]], number: int) -> str:
        body = {
            "model": self.settings["model"], "messages": messages, "temperature": self.settings["temperature"],
            "seed": 1_000 * self.hello.seed + number,
        }  # fmt: skip
        key = os.environ.get("LLM_API_KEY")
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        url = f"{os.environ['LLM_BASE_URL'].rstrip('/')}/chat/completions"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        for attempt in range(self.settings["attempts"]):
            try:
                with urllib.request.urlopen(request, timeout=self.settings["timeout_s"]) as response:
                    return content(response.read())
            except urllib.error.HTTPError as error:
                reason = f"{url}: {error.code} {error.reason}: {error.read(200).decode(errors='replace')}"
                if error.code != 429 and error.code < 500:
                    break  # such as a wrong key: asking again would not help
            except OSError as error:
                reason = f"{url}: {error}"
            if attempt + 1 < self.settings["attempts"]:
                time.sleep(WAIT_S * 2**attempt)
        raise ValueError(reason)


SYSTEM = (
    "You choose hyperparameters of a training. Answer with one JSON object, hyperparameter to value, and nothing else. "
    "Leave out hyperparameters whose condition does not hold."
)


def described(parameter: Parameter) -> str:
    """A hyperparameter in words."""
    if parameter.kind == "categorical":
        words = f"one of {json.dumps(parameter.options)}"
    elif parameter.low is None:
        words = f"a number, about {parameter.mean:g} plus or minus {parameter.sd:g}"
    else:
        kind = "an integer" if parameter.kind == "integer" else "a number"
        words = f"{kind} from {parameter.low} to {parameter.high}{' on a logarithmic scale' if parameter.log else ''}"
    if parameter.step and parameter.step != 1:
        words += f", in steps of {parameter.step}"
    if parameter.active_if:
        words += f", only if {json.dumps(parameter.active_if[0])} is its option {parameter.active_if[1]}, from 0"
    return words + (f"; a guess is {parameter.guess}" if parameter.guess is not None else "")


def content(body: bytes) -> str:
    """The text of the first choice in a response."""
    try:
        return str(json.loads(body)["choices"][0]["message"]["content"])
    except (ValueError, LookupError, TypeError):
        raise ValueError(f"no chat completion but {body[:100]!r}") from None


def read(answer: str, space: list[Parameter]) -> Values:
    """The configuration in an answer; text around the JSON object does not matter."""
    start, end = answer.find("{"), answer.rfind("}")
    try:
        told = json.loads(answer[start : end + 1])
    except ValueError:
        raise Wrong("There is no JSON object in your answer") from None
    values: Values = {}
    for parameter in space:
        if parameter.active_if and values.get(parameter.active_if[0]) != parameter.active_if[1]:
            continue
        if parameter.name not in told:
            raise Wrong(f"The hyperparameter {json.dumps(parameter.name)} is missing")
        values[parameter.name] = _value(parameter, told[parameter.name])
    return values


def _value(parameter: Parameter, value: Any) -> float:
    wrong = Wrong(f"{json.dumps(parameter.name)} is {json.dumps(value)}; expected {described(parameter)}")
    if parameter.kind == "categorical":
        for index, option in enumerate(parameter.options):
            if type(option) is type(value) and option == value:
                return index
        raise wrong
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise wrong
    if parameter.low is not None and not parameter.low <= value <= parameter.high:
        raise wrong
    return value


if __name__ == "__main__":
    serve(LanguageModel)
