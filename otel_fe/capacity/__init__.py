"""Capacity: how much more traffic a service carries, what gives out first, and when, by a fitted queueing model.

`read_measured` reads a service's figures, `fit` makes the model and checks it on held-back windows, `answer` evaluates
it.
"""

from __future__ import annotations
