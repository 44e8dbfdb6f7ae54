"""An estimator of scikit-learn, whose import takes a second: tests import it when they run."""

from __future__ import annotations

from sklearn.base import BaseEstimator


class Estimator(BaseEstimator):
    """Takes anything."""

    def __init__(self, function=None, block=None, monitor=None):
        self.function = function
        self.block = block
        self.monitor = monitor
