"""Routes paths to pages. Pure: a question in, an answer out; the server around it handles sockets."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from otel_fe.dashboard.access import COOKIE, Access, Admission
from otel_fe.dashboard.alerts_view import alerts_view
from otel_fe.dashboard.capacity_view import capacity_view
from otel_fe.dashboard.explore import explore
from otel_fe.dashboard.exports import export
from otel_fe.dashboard.find import find, trace_in
from otel_fe.dashboard.overview import overview
from otel_fe.dashboard.page_response import PageResponse, json_answer
from otel_fe.dashboard.policy_view import policy_view, replayed
from otel_fe.dashboard.resource_view import resource_view
from otel_fe.dashboard.runbook import runbook
from otel_fe.dashboard.silencing import FIELDS, submit
from otel_fe.dashboard.slo_view import slo_view
from otel_fe.dashboard.templating import page, static_file
from otel_fe.dashboard.trace_view import TRACE_ID, trace_view
from otel_fe.dashboard.view_address import ViewAddress
from otel_fe.errors import ConfigurationError
from otel_fe.store.store_error import StoreError, StoreMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_fe.dashboard.page_context import PageContext

_log = logging.getLogger("otel_fe.dashboard")
_VIEWS: Final[dict[str, tuple[str, str, Callable[[PageContext, ViewAddress], dict[str, Any]]]]] = {
    "/": ("Overview", "overview.html", overview),
    "/explore": ("Explore", "explore.html", explore),
    "/slo": ("Objectives", "slo.html", slo_view),
    "/alerts": ("Alerts", "alerts.html", alerts_view),
    "/resources": ("Resources", "resources.html", resource_view),
    "/capacity": ("Capacity", "capacity.html", capacity_view),
    "/policies": ("Policies", "policies.html", policy_view),
    "/find": ("Search", "find.html", find),
}
_UNLISTED: Final[dict[str, tuple[str, str, Callable[[PageContext, ViewAddress], dict[str, Any]]]]] = {
    "/runbook": ("Runbook", "runbook.html", lambda _, __: runbook()),
}
"""Pages that are linked to and not in the navigation."""
_STATIC: Final = "/static/"
_MOST_PARAMETERS: Final = 50
_MOST_FIELDS: Final = 10
_SEARCH: Final = "/find"
NAVIGATION: Final = tuple((path, title) for path, (title, _, _) in _VIEWS.items() if path != _SEARCH)


@dataclass(frozen=True, slots=True)
class Question:
    """One request."""

    method: str
    target: str
    """Path and query."""
    headers: Mapping[str, str]
    """Keyed by name in lower case."""
    body: bytes = b""
    sender: str = ""
    """Address that it came from."""

    @property
    def path(self) -> str:
        """The part before the question mark."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The part behind it; of a repeated name, the last.

        Raises:
            ConfigurationError: The address has too many parameters.
        """
        return _fields("the address", self.target.partition("?")[2], _MOST_PARAMETERS)

    @property
    def form(self) -> dict[str, str]:
        """The body of a form.

        Raises:
            ConfigurationError: The form has too many fields.
        """
        return _fields("the form", self.body.decode("utf-8", "replace"), _MOST_FIELDS)


def _fields(name: str, text: str, most: int) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, max_num_fields=most))
    except ValueError:
        raise ConfigurationError(name, f"{text.count('&') + 1} fields", f"use at most {most}") from None


class Site:
    """Answers questions. Safe to share between threads.

    Args:
        stored: The data of the pages.
        access: Checks hosts and tokens.
    """

    def __init__(self, stored: PageContext, access: Access) -> None:
        self._stored = stored
        self._access = access

    def answer(self, question: Question) -> PageResponse:
        """Return the answer to a question; never raises."""
        try:
            return self._admitted(question)
        except ConfigurationError as error:
            return self._message(400, "That address cannot be read", str(error))
        except StoreMissingError:
            return self._empty(question)
        except StoreError as error:
            return self._message(503, "The store cannot be read", str(error))
        except Exception:
            _log.exception("a page failed: %s", question.path)
            return self._message(500, "Something went wrong here", "The dashboard's log has the error.")

    def refusal(self, question: Question) -> PageResponse | None:
        """Return the answer to a question that is refused by its head alone; None for others. Never raises."""
        if not self._access.known_host(question.headers.get("host", "")):
            told = f"ask by the name of localhost, or start it with {self._access.options.host} NAME\n"
            return PageResponse(403, told.encode(), "text/plain")
        if question.path.startswith(_STATIC):
            return None if question.method in ("GET", "HEAD") else self._message(404, "There is no such file", "")
        if question.method == "POST":
            if not self._access.same_origin(question.headers):
                return PageResponse(403, b"sent by another site\n", "text/plain")
            if question.path == "/login":
                return None
        elif question.method not in ("GET", "HEAD"):
            return PageResponse(405, b"use GET\n", "text/plain", (("Allow", "GET, HEAD"),))
        return self._not_admitted(self._access.admission(question.headers, question.sender), "")

    def _not_admitted(self, found: Admission, problem: str) -> PageResponse | None:
        if found.admitted:
            return None
        if not found.wait_s:
            return page("login.html", 401, title="Sign in", problem=problem)
        wait = f"Too many wrong tokens came from this address; try again in {found.wait_s} s."
        answer = page("login.html", 429, title="Sign in", problem=wait)
        return replace(answer, headers=(("Retry-After", str(found.wait_s)),))

    def _admitted(self, question: Question) -> PageResponse:
        refused = self.refusal(question)
        if refused is not None:
            return refused
        if question.path.startswith(_STATIC):
            return static_file(question.path.removeprefix(_STATIC)) or self._message(404, "There is no such file", "")
        return self._posted(question) if question.method == "POST" else self._shown(question)

    def _posted(self, question: Question) -> PageResponse:
        form = question.form
        if question.path == "/login":
            return self._signed_in(form, question.sender)
        write = {"/policies": self._replayed, "/alerts": self._silenced}.get(question.path)
        if write is None or not self._access.is_form_token(form.get("form_token", "")):
            return PageResponse(403, b"open the page anew, and send it from there\n", "text/plain")
        return write(self._read(question), form)

    def _signed_in(self, form: dict[str, str], sender: str) -> PageResponse:
        found = self._access.try_token(form.get("token", ""), sender)
        refused = self._not_admitted(found, "That is not the token.")
        if refused is not None:
            return refused
        cookie = f"{COOKIE}={self._access.session()}; HttpOnly; SameSite=Strict; Path=/"
        return PageResponse(303, b"", headers=(("Location", "/"), ("Set-Cookie", cookie)))

    def _replayed(self, address: ViewAddress, form: dict[str, str]) -> PageResponse:
        text = form.get("policy", "").replace("\r\n", "\n")
        content = replayed(self._stored, address, text, form.get("newest", ""))
        return self._page("policies.html", "Policies", "/policies", address, **content)

    def _silenced(self, address: ViewAddress, form: dict[str, str]) -> PageResponse:
        """Silence, or lift a silence, and redirect to the list; on an error, return the page with the filled form."""
        try:
            submit(self._stored, form)
        except (ConfigurationError, StoreError) as error:
            content = alerts_view(self._stored, address)
            entered = {name: form.get(name, "") for name in FIELDS}
            kept = {"entered": entered} if form.get("action") == "silence" else {}
            status = 400 if isinstance(error, ConfigurationError) else 503
            return self._page(
                "alerts.html", "Alerts", "/alerts", address, status, **(content | kept | {"problem": str(error)})
            )
        return PageResponse(303, b"", headers=(("Location", f"{address.url('/alerts')}#silences"),))

    def _read(self, question: Question) -> ViewAddress:
        """Return the view of an address, with a window that fits the data where it names none."""
        address = ViewAddress.read(question.query)
        if address.range or not address.relative:
            return address
        try:
            window = self._stored.fitted_window()
        except StoreMissingError:
            window = None
        return address if window is None else address.fit(window)

    def _shown(self, question: Question) -> PageResponse:
        path = question.path
        if path.startswith("/trace/"):
            return self._trace(question, path.removeprefix("/trace/"))
        if path.startswith("/export."):
            address = self._read(question)
            return export(self._stored, address, path.removeprefix("/export."))
        as_json = path.endswith(".json")
        view = (_VIEWS | _UNLISTED).get("/" if path == "/overview.json" else path.removesuffix(".json"))
        if view is None:
            return self._message(404, "There is no such page", "The pages are in the navigation above.")
        address = self._read(question)
        if path == _SEARCH and (trace_id := trace_in(address.q)):
            return PageResponse(303, b"", headers=(("Location", address.frame().url(f"/trace/{trace_id}")),))
        title, template, content = view
        if not as_json and self._stored.empty:
            return self._empty(question)
        found = content(self._stored, address)
        return json_answer(found) if as_json else self._page(template, title, path, address, **found)

    def _trace(self, question: Question, name: str) -> PageResponse:
        as_json = name.endswith(".json")
        trace_id = name.removesuffix(".json").lower()
        if not TRACE_ID.fullmatch(trace_id):
            return self._message(400, "That is no trace id", "A trace id has 32 hexadecimal digits.")
        address = self._read(question)
        found = trace_view(self._stored, trace_id, span=address.span, page=address.page)
        status = 200 if found["kept"] or found["record"] else 404
        if as_json:
            return json_answer(found, status)
        return self._page("trace.html", f"Trace {trace_id[:8]}", "/explore", address, status, **found)

    def _page(
        self, template: str, title: str, path: str, address: ViewAddress, status: int = 200, **content: Any
    ) -> PageResponse:
        now = self._stored.now_ns()
        since, until = address.window(now)
        groups = self._stored.remembered.get(
            ("groups", until - since),
            until - since,
            lambda: sorted({*self._stored.reader.sums.groups("latency"), *self._stored.reader.totals.groups(since)}),
        )
        content.setdefault("marks", self._stored.reader.marks.find(since, until, address.service or None))
        return page(
            template,
            status,
            title=title,
            path=path,
            address=address,
            shown_window=(since, until),
            now_ns=now,
            groups_known=groups,
            navigation=NAVIGATION,
            grafana=self._stored.grafana,
            form_token=self._access.form_token(),
            **content,
        )

    def _empty(self, question: Question) -> PageResponse:
        if question.path.endswith(".json"):
            return json_answer({"empty": True}, 404)
        return page(
            "empty.html",
            200,
            title="No data yet",
            navigation=NAVIGATION,
            path="/",
            directory=str(self._stored.directory),
        )

    def _message(self, status: int, heading: str, text: str) -> PageResponse:
        return page("message.html", status, title=heading, navigation=NAVIGATION, path="", text=text)
