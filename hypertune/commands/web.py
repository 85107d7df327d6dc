"""`hypertune top --web`: serves the report of a running study, redrawn from its records as they come."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from hypertune.comparison.numbers import duration
from hypertune.records import records
from hypertune.records.records import Records
from hypertune.report.html import Moment, render
from hypertune.result import is_complete
from hypertune.storage.storage import Place, as_place
from hypertune.storage.workspace import is_running

COOKIE = "hypertune"
LEAST_S = 2.0
"""Least seconds between two looks at the records."""
SHARE = 0.2
"""Largest share of the time that looking may take: a big study must not lose a core to its page."""


@dataclass
class Page:
    """The newest page of a study."""

    place: Place
    version: str = ""
    html: str = ""
    _next: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self) -> None:
        """Renders the page anew if it is time to and the records have changed."""
        async with self._lock:
            if time.monotonic() < self._next:
                return
            began = time.monotonic()
            await asyncio.to_thread(self._render)
            took = time.monotonic() - began
            self._next = time.monotonic() + max(LEAST_S, took / SHARE)

    def _render(self) -> None:
        running = is_running(self.place)  # asked first: if it has ended by now, the records hold all that it wrote
        try:
            facts = records.read(self.place)
        except ValueError as error:
            if self.html:  # a file that is being replaced; the next look will have it
                return
            raise web.HTTPServiceUnavailable(text=f"{error}\n") from None
        told = _moment(facts, self.place, running=running)
        version = f"{told}|{len(facts.curves)}|{len(facts.trials)}|{len(facts.retrained)}"
        if version != self.version:
            self.html, self.version = render([facts], moment=Moment(told, version)), version


def _moment(facts: Records, place: Place, *, running: bool) -> str:
    """What the study is doing, in one sentence."""
    total = len(facts.study.strategies) * len(facts.study.seeds)
    done = facts.sweeps[facts.sweeps["finished"].astype(bool)]
    words = f"{len(done)} of {total} sweeps done"
    if not running:
        if is_complete(facts):
            return f"Finished: {words}."
        return f"Interrupted: {words}; resume with: hypertune compare --resume {place}"
    left = total - len(done)
    if left and len(done):
        spent = facts.sweeps.loc[~facts.sweeps["finished"].astype(bool), "wall_s"].fillna(0).sum()
        seconds = max(left * float(done["wall_s"].mean()) - float(spent), 0)
        words += f"; about {duration(seconds)} left, if the others take as long as those"
    doing = "retraining the incumbents" if not left else f"{(facts.trials['status'] == 'running').sum()} trials running"
    return f"Running: {words}; {doing}."


def serve(source: str, host: str, port: int) -> int:
    """Serves the page until Ctrl-C.

    A link with a token opens it; the token becomes a cookie, so that it does not stay in the address.

    Raises:
        ValueError: if the source is not a study's folder or URL, or the address is taken.
    """
    if source.startswith(("http://", "https://")):
        raise ValueError(
            f"--web: needs the study's folder or its URL on shared storage; the dashboard {source} tells its progress "
            "only, which `hypertune top` shows in the terminal"
        )
    place = as_place(source)
    records.read(place)
    token = secrets.token_urlsafe(24)
    application = build(place, token)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(application, host, port, token))
    return 0


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


def build(place: Place, token: str) -> web.Application:
    """The server's application."""
    page = Page(place)

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
