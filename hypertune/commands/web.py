"""`hypertune top --web`: serves the report of a running study, redrawn from its records as they come."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from hypertune.cluster.dashboard import is_dashboard
from hypertune.comparison.numbers import duration
from hypertune.records import records
from hypertune.records.records import Records
from hypertune.report.html import Moment, render
from hypertune.result import is_complete
from hypertune.storage.storage import Place, as_place, is_url, resume_command
from hypertune.storage.workspace import is_running

COOKIE = "hypertune"
LEAST_S = 2.0
"""Least seconds between two looks at the records."""
SHARE = 0.2
"""Largest share of the time that looking may take: a big study must not lose a core to its page."""


@dataclass(frozen=True)
class Source:
    """Where the records of a study are.

    Attributes:
        running: whether the study still runs; asked before the records are read, which may be a copy that it renews.
        resume: the command that resumes the study.
    """

    place: Place
    running: Callable[[], bool]
    resume: str


class Page:
    """The newest page of a study.

    Attributes:
        version: changes with the page.

    Raises:
        ValueError: if there is no study.
    """

    def __init__(self, source: Source) -> None:
        self._source, self._lock = source, asyncio.Lock()
        self.html = self.version = ""
        self._read_anew()
        self._next = time.monotonic() + LEAST_S

    async def look(self) -> None:
        """Renders the page anew if it is time to and the records have changed."""
        async with self._lock:
            if time.monotonic() < self._next:
                return
            began = time.monotonic()
            await asyncio.to_thread(self._renew)
            took = time.monotonic() - began
            self._next = time.monotonic() + max(LEAST_S, took / SHARE)

    def _renew(self) -> None:
        try:
            self._read_anew()
        except ValueError as error:  # a cluster that does not answer, or a file that is being replaced
            self._show(f"As it was when last heard of; {error}")

    def _read_anew(self) -> None:
        running = self._source.running()
        self._facts = records.read(self._source.place)
        self._show(_moment(self._facts, self._source, running=running))

    def _show(self, told: str) -> None:
        facts = self._facts
        version = f"{told}|{len(facts.curves)}|{len(facts.trials)}|{len(facts.retrained)}"
        if version != self.version:
            self.html, self.version = render([facts], moment=Moment(told, version)), version


def _moment(facts: Records, source: Source, *, running: bool) -> str:
    """What the study is doing, in one sentence."""
    total = len(facts.sweeps_planned)
    done = facts.sweeps[facts.sweeps["finished"].astype(bool)]
    words = f"{len(done)} of {total} sweeps done"
    if not running:
        if is_complete(facts):
            return f"Finished: {words}."
        return f"Interrupted: {words}; resume with: {source.resume}"
    left = total - len(done)
    if left and len(done):
        spent = facts.sweeps.loc[~facts.sweeps["finished"].astype(bool), "wall_s"].fillna(0).sum()
        seconds = max(left * float(done["wall_s"].mean()) - float(spent), 0)
        words += f"; about {duration(seconds)} left, if the others take as long as those"
    doing = "retraining the incumbents" if not left else f"{(facts.trials['status'] == 'running').sum()} trials running"
    return f"Running: {words}; {doing}."


def serve(given: str, host: str, port: int, *, job: str | None = None) -> int:
    """Serves the page until Ctrl-C.

    A link with a token opens it; the token becomes a cookie, so that it does not stay in the address.

    Args:
        given: a study's folder or URL, or the address of a cluster's dashboard.
        job: the study's job on that cluster; None for the only one that runs.

    Raises:
        ValueError: if there is no such study, or the address to serve on is taken.
    """
    with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
        page, token = Page(_source(given, job, stack)), secrets.token_urlsafe(24)
        asyncio.run(_run(build(page, token), host, port, token))
    return 0


def _source(given: str, job: str | None, stack: contextlib.ExitStack) -> Source:
    if not is_dashboard(given):
        if job is not None:
            raise ValueError("--job: belongs to a cluster's address, http://HOST:8265")
        return _stored(given, resume_command(given))
    from hypertune.cluster.fetch import Copied

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hypertune-")), "out")
    copied = Copied(given, job, folder)
    resume = f"hypertune submit --resume {copied.job_id}"
    return _stored(copied.out, resume) if is_url(copied.out) else Source(folder, copied.renew, resume)


def _stored(given: str, resume: str) -> Source:
    place = as_place(given)
    return Source(place, partial(is_running, place), resume)


async def _run(application: web.Application, host: str, port: int, token: str) -> None:
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ValueError(f"--web: {host}:{port} cannot be listened on ({error.strerror}); give --port") from None
        number = runner.addresses[0][1]
        print(f"http://{host}:{number}/?token={token}", flush=True)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def build(page: Page, token: str) -> web.Application:
    """The server's application."""

    @web.middleware
    async def checked(request: web.Request, handler: Any) -> web.StreamResponse:
        given = request.query.get("token")
        if given is not None and hmac.compare_digest(given.encode(), token.encode()):
            answer = web.HTTPFound("/")
            answer.set_cookie(f"{COOKIE}-{request.url.port}", token, httponly=True, samesite="Strict")
            raise answer
        known = request.cookies.get(f"{COOKIE}-{request.url.port}", "")
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not any(hmac.compare_digest(text.encode(), token.encode()) for text in (known, bearer)):
            raise web.HTTPUnauthorized(text="Open the link that `hypertune top --web` printed; it holds the token.\n")
        response: web.StreamResponse = await handler(request)
        response.headers["Cache-Control"] = "no-store"
        return response

    async def whole(request: web.Request) -> web.Response:
        await page.look()
        return web.Response(text=page.html, content_type="text/html")

    async def version(request: web.Request) -> web.Response:
        await page.look()
        return web.json_response({"version": page.version})

    application = web.Application(middlewares=[checked])
    application.add_routes([web.get("/", whole), web.get("/version", version)])
    return application
