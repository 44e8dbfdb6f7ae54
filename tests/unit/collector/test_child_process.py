"""A process of the crew: started, asked, started again, ended; whatever it does itself."""

from __future__ import annotations

import textwrap
import threading
import time

import psutil
import pytest

from otel_fe.collector.workers import child_process
from otel_fe.collector.workers.child_process import ChildProcess, WorkerError
from tests.unit.collector.running import until

MODULE = """
    import json, os, sys, time
    def main():
        told = json.loads(sys.stdin.readline())
        if "refuse" in told:
            print(json.dumps({"error": told["refuse"]}), flush=True)
            return 1
        if "die" in told:
            return told["die"]
        print(json.dumps({"id": os.getpid(), "told": told}), flush=True)
        for line in sys.stdin:
            if line == "hang\\n":
                time.sleep(600)
            if line == "die\\n":
                return 7
            print(json.dumps({"heard": line.strip()}), flush=True)
        if "linger" in told:
            time.sleep(600)
        return 0
"""


@pytest.fixture
def man(tmp_path, monkeypatch):
    """Return a function that makes one with options."""
    (tmp_path / "a_man_of_the_crew.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def make(**options):
        made.append(ChildProcess("man", "a_man_of_the_crew", options))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_it_is_told_its_options_where_nobody_sees_them(man):
    one = man(secret="a-token")
    answer = one.start()
    assert answer["told"] == {"secret": "a-token"}
    assert "a-token" not in " ".join(psutil.Process(one.process_id).cmdline())
    assert one.ask("hello") == {"heard": "hello"}


def test_one_that_cannot_start_says_why(man):
    for options, said in (({"refuse": "not today"}, "not today"), ({"die": 3}, "man has exited")):
        one = man(**options)
        with pytest.raises(WorkerError, match=said):
            one.start()
        assert one.asked("hello") == {}


@pytest.mark.thorough
def test_it_is_started_again_with_the_options_of_then(man, monkeypatch):
    """Sooner the first time than after several quick deaths, also where it cannot be started at all for a while."""
    monkeypatch.setattr(child_process, "_AGAIN_S", 0.02)
    one = man(round=1)
    first = one.start()
    stopping = threading.Event()
    ended = []
    thread = threading.Thread(target=one.keep_up, args=(stopping, ended.append))
    thread.start()
    try:
        one.options["round"] = 2
        one.options["refuse"] = "not now"
        assert one.asked("die") == {}
        until(lambda: ended == [7])
        time.sleep(0.3)
        del one.options["refuse"]
        until(lambda: one.asked("hello"))
        assert one.process_id != first["id"]
        psutil.Process(one.process_id).kill()
        until(lambda: ended == [7, -9])
        until(lambda: one.asked("hello"))
    finally:
        stopping.set()
        one.end(5)
        thread.join(10)
    assert not thread.is_alive()
    assert ended == [7, -9], "its end was wanted"


def test_it_ends_when_its_stdin_does(man):
    one = man()
    one.start()
    one.end(10)
    assert one.wait() == 0


def test_one_that_hangs_is_killed(man, caplog):
    """A hanging child is killed, whether it owes an answer or ignores the end of its stdin."""
    one = man()
    one.start()
    asking = threading.Thread(target=one.asked, args=("hang",))
    asking.start()
    time.sleep(0.2)
    one.end(0.2)
    asking.join(10)
    assert one.wait() == -9
    other = man(linger=True)
    other.start()
    other.end(0.2)
    assert other.wait() == -9
    assert caplog.text.count("does not exit; killing it") == 2


def test_an_answer_that_does_not_come_ends_it(man, monkeypatch):
    monkeypatch.setattr(child_process, "_ANSWER_S", 0.3)
    one = man()
    one.start()
    with pytest.raises(WorkerError, match="man has exited"):
        one.ask("hang")
    assert one.wait() == -9
