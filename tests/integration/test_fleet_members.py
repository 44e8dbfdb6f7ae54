"""Samplers come and go while an agent is at work: by DNS, as in Kubernetes, where agents ask a headless Service."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

import pytest
import yaml

from tests.integration.conftest import missing
from tests.integration.servers import free_port
from tests.real.arrivals import settled, slow, wanted
from tests.real.fleet import files, sampler, send, until
from tests.real.names import Names
from tests.real.sink import OtlpSink
from tests.real.tier import Tier
from tests.unit.collector.running import backend

pytestmark = pytest.mark.timeout(400)
ADDRESSES = ("127.0.0.1", "127.0.0.2")
MEMBERS = "otelcol_loadbalancer_num_backends"


def asking_dns(rendered, port):
    """Return what Kubernetes mounts for an agent, at another port and less patient; and the name that it asks for."""
    documents = yaml.safe_load_all(rendered["kubernetes/agent.yaml"])
    (config,) = [one["data"]["config.yaml"] for one in documents if one["kind"] == "ConfigMap"]
    balancing = yaml.safe_load(config)["exporters"]["load_balancing"]
    for old, new in (('port: "4317"', f'port: "{port}"'), ("timeout: 30s", "timeout: 6s")):
        assert config.count(old) == 1
        config = config.replace(old, new)
    return config, balancing["resolver"]["dns"]["hostname"]


def test_an_agent_follows_the_samplers_that_dns_names(tmp_path):
    """One is added and gets its share; one is killed, and all of its share goes to the other, what was under way to it too."""
    if not Names.obtainable():
        missing("root, for a DNS server of the test's own (run the tests as root)")
    rendered, port = files("3s"), free_port()
    config, name = asking_dns(rendered, port)
    with ExitStack() as stack:
        sinks = [stack.enter_context(backend()) for _ in ADDRESSES]
        metrics = f"{stack.enter_context(OtlpSink()).url}/api/v1/write"
        _, second = (
            stack.enter_context(
                sampler(rendered, tmp_path, f"at-{address}", f"127.0.0.1:{sink.port}", metrics, address, port)
            )
            for address, sink in zip(ADDRESSES, sinks, strict=True)
        )
        names = stack.enter_context(Names(name, tmp_path))
        names.addresses = ADDRESSES[:1]
        # As the image's binary does it, whatever the machine's C library would.
        settings = {"OTEL_FE_REMOTE_WRITE_ENDPOINT": metrics, "GODEBUG": "netdns=go"}
        agent = stack.enter_context(Tier(config, tmp_path / "agent", "agent", settings, within=names.within))
        send(agent.port, 0, 200)
        assert set(map(tuple, settled(sinks, wanted(0, 200)).values())) == {(0, 0)}
        names.addresses = ADDRESSES
        until(lambda: agent.count(MEMBERS) == 2)
        send(agent.port, 200, 600)
        assert set(map(tuple, settled(sinks, wanted(200, 600)).values())) == {(0, 0), (1, 1)}
        second.kill()
        send(agent.port, 600, 1000)
        names.addresses = ADDRESSES[:1]
        until(lambda: agent.count(MEMBERS) == 1)
        send(agent.port, 1000, 1200)
        # A request that was under way goes out once more, whole: what the sampler that lives has had of it, it gets again.
        found = settled(sinks, slow(600, 1000), wanted(1000, 1200))
        assert {tuple(found[one]) for one in slow(600, 1000)} <= {(0, 0), (0, 0, 0), (0, 0, 0, 0)}
        assert {tuple(found[one]) for one in wanted(1000, 1200)} == {(0, 0)}
        copies = Counter(span.trace_id + span.span_id for span in sinks[0].spans())
        assert max(copies.values()) <= 2
