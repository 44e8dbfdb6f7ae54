"""Hooks around forks: objects are renewed in a child while they live, and are not kept alive for it."""

from __future__ import annotations

import gc
import os
import weakref

from otel_fe.forks import after_fork, around_fork, renew_after_fork


class Counter:
    """Something that begins anew in a child."""

    def __init__(self):
        self.renewed = 0

    def renew(self):
        self.renewed += 1


def test_object_is_renewed_in_the_child_while_it_lives(monkeypatch):
    hooks = []
    monkeypatch.setattr(os, "register_at_fork", lambda **given: hooks.append(given))
    counter = Counter()
    renew_after_fork(counter.renew)
    (hook,) = hooks

    hook["after_in_child"]()
    assert counter.renewed == 1

    gone = weakref.ref(counter)
    del counter
    gc.collect()
    assert gone() is None
    hook["after_in_child"]()  # nothing to renew


def test_hooks_run_in_the_child_and_in_the_parent(monkeypatch):
    hooks = []
    monkeypatch.setattr(os, "register_at_fork", lambda **given: hooks.append(given))
    after_fork(print)
    around_fork(before=gc.collect, after_in_parent=gc.enable)

    assert hooks == [{"after_in_child": print}, {"before": gc.collect, "after_in_parent": gc.enable}]


def test_nothing_is_registered_where_there_are_no_forks(monkeypatch):
    monkeypatch.delattr(os, "register_at_fork", raising=False)

    after_fork(print)
    renew_after_fork(Counter().renew)
