"""The forms of the page of alerts: silence, and lift a silence. The dashboard writes nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from otel_fe.alerting.kept_silence import LONGEST_NS, SHORTEST_NS, KeptSilence
from otel_fe.errors import ConfigurationError
from otel_fe.model.time_windows import UNITS_NS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.dashboard.page_context import PageContext

_DURATION: Final = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_ID: Final = re.compile(r"[0-9a-f]{32}")
FIELDS: Final = ("slo", "service", "feature_set", "duration", "author", "comment")


def submit(stored: PageContext, form: Mapping[str, str]) -> None:
    """Carry out a form: `action` is `silence` or `lift`.

    Raises:
        ConfigurationError: The action is not possible; nothing was changed.
        StoreError: The silences cannot be written.
    """
    action = form.get("action", "")
    if action == "silence":
        stored.silences.add(silence_in(stored, form), stored.now_ns())
    elif action == "lift":
        name = form.get("id", "")
        if not _ID.fullmatch(name) or not stored.silences.lift(name):
            raise ConfigurationError(
                "silence", name, "choose one from the list: that one has ended, or was lifted already"
            )
    else:
        raise ConfigurationError("action", action, "use silence or lift")


def silence_in(stored: PageContext, form: Mapping[str, str]) -> KeptSilence:
    """Return the silence that a form describes, beginning now.

    Raises:
        ConfigurationError: A field cannot be.
    """
    slo, duration = form.get("slo", ""), form.get("duration", "").strip()
    known = sorted({one.name for one in stored.slos})
    if slo and slo not in known:
        raise ConfigurationError("objective", slo, f"use one of {', '.join(known)}; or nothing, for every one")
    parts = _DURATION.fullmatch(duration)
    length_ns = int(parts[1]) * UNITS_NS[parts[2]] if parts else 0
    if not SHORTEST_NS <= length_ns <= LONGEST_NS:
        raise ConfigurationError("duration", duration, "use 1m to 30d, for example 4h")
    now = stored.now_ns()
    return KeptSilence(
        uuid4().hex,
        slo or None,
        _name("service", form),
        _name("feature_set", form),
        now,
        now + length_ns,
        form.get("author", "").strip(),
        form.get("comment", "").strip(),
    )


def _name(field: str, form: Mapping[str, str]) -> str | None:
    """Return a name; None for every one. A name follows an equals sign, since a name may be empty."""
    text = form.get(field, "")
    if text and not text.startswith("="):
        raise ConfigurationError(field.replace("_", " "), text, f"use ={text}; or nothing, for every one")
    return text[1:] if text else None
