"""Capacity: how much more traffic a service carries, what gives out first, and when, by a queueing model fitted to the store.

`read_measured` reads a service's figures, `fit` makes the model and checks it on windows that it was not shown, `answer` asks it.
"""

from __future__ import annotations
