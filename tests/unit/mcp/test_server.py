"""The server as an assistant meets it: by the official client over standard input and output, and over HTTP with a token."""

from __future__ import annotations

import asyncio
import builtins
import json
import sys

import pytest

from otel_fe.cli.main import main
from otel_fe.collector.servers.endpoints import Endpoint
from otel_fe.dashboard.access import Access


@pytest.mark.thorough
def test_the_official_client_asks_over_stdio(store):
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client

    async def ask():
        parameters = StdioServerParameters(
            command=sys.executable, args=["-m", "otel_fe.cli", "mcp", "--store", str(store)]
        )
        async with (
            stdio_client(parameters, errlog=sys.__stderr__) as (read, write),
            ClientSession(read, write) as session,
        ):
            hello = await session.initialize()
            tools = (await session.list_tools()).tools
            slow = await session.call_tool("what_is_slow", {})
            wrong = await session.call_tool("explain_trace", {"trace_id": "nothing"})
            unbounded = await session.call_tool("what_changed", {"hours": 1e9})
            return hello, tools, slow, wrong, unbounded

    hello, tools, slow, wrong, unbounded = asyncio.run(ask())
    assert hello.instructions.startswith("otel_fe measures ML feature extractions")
    assert {tool.name for tool in tools} >= {
        "what_is_slow", "why_is_it_slow", "what_changed", "explain_trace", "slo_status", "active_alerts", "what_if_pool_size", "what_if_hit_rate",
    }  # fmt: skip
    for tool in tools:
        assert tool.annotations.read_only_hint
        assert tool.description.endswith(".")
        assert all(one.get("description") for one in tool.input_schema["properties"].values()), tool.name
    names = [one["feature_set"] for one in slow.structured_content["feature_sets"]]
    assert "user_profile" in names
    assert json.loads(slow.content[0].text) == slow.structured_content
    assert wrong.is_error
    assert "32 hexadecimal digits" in wrong.content[0].text
    assert unbounded.is_error


def asked(access, **headers):
    """Return the status that a guarded application answers with; 200 where it was let through."""
    from otel_fe.mcp.http import Guarded  # which imports mcp, for more than a second

    statuses = []

    async def inner(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        statuses.extend([message["status"]] if message["type"] == "http.response.start" else [])

    scope = {
        "type": "http",
        "client": ("127.0.0.1", 1),
        "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
    }
    asyncio.run(Guarded(inner, access)(scope, None, send))
    return statuses


def test_over_http_names_and_tokens_are_checked():
    local = Access(Endpoint("localhost", 8897))
    assert asked(local, host="localhost:8897") == [200]
    assert asked(local, host="evil.example") == [403], "a web page that rebinds its name to this machine"
    wide = Access(Endpoint("0.0.0.0", 8897), "x" * 20, frozenset({"fe.example"}))
    assert asked(wide, host="fe.example") == [401]
    assert asked(wide, host="fe.example", authorization="Bearer wrong") == [401]
    assert asked(wide, host="fe.example", authorization=f"Bearer {'x' * 20}") == [200]


def test_beyond_loopback_a_token_is_demanded(store, capsys, monkeypatch):
    monkeypatch.delenv("OTEL_FE_DASHBOARD_TOKEN", raising=False)
    assert main(["mcp", "--store", str(store), "--http", "0.0.0.0:8897"]) == 1
    assert "set a token (--token-file" in capsys.readouterr().err


def test_without_the_extra_the_pip_line_is_told(store, capsys, monkeypatch):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "mcp.server" or name.startswith("otel_fe.mcp"):
            raise ModuleNotFoundError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["mcp", "--store", str(store)]) == 1
    assert "pip install 'otel-fe[mcp]'" in capsys.readouterr().err
