"""The oldest and the newest version of each library that works on the Python of the tests, with what has to go along."""

from __future__ import annotations

from typing import Final

_OLD_NUMBERS: Final = ("numpy<1.24", "scipy<1.11", "pandas<2")
_PKG_RESOURCES: Final = "setuptools<81"
"""Needed by libraries that import pkg_resources without requiring it."""

SKLEARN: Final = {
    "1.1.3": ("scikit-learn==1.1.3", *_OLD_NUMBERS),
    "1.9.1": ("scikit-learn==1.9.1", "pandas"),
}
FEAST: Final = {
    "0.44.0": ("feast==0.44.0",),
    "0.67.0": ("feast==0.67.0",),
}
TSFRESH: Final = {
    "0.17.0": ("tsfresh==0.17.0", *_OLD_NUMBERS, _PKG_RESOURCES),
    "0.21.2": ("tsfresh==0.21.2",),
}
FEATURETOOLS: Final = {
    "1.11.1": ("featuretools==1.11.1", *_OLD_NUMBERS, _PKG_RESOURCES),
    "1.31.0": ("featuretools==1.31.0", "pandas<3", _PKG_RESOURCES),
}
HAMILTON: Final = {
    "1.76.0": ("sf-hamilton==1.76.0", *_OLD_NUMBERS),
    "1.90.0": ("apache-hamilton==1.90.0", "pandas"),
}
PANDAS: Final = {
    "1.5.3": ("pandas==1.5.3", "numpy<1.24"),
    "3.1.1": ("pandas==3.1.1",),
}
HOST: Final = ("numba", "celery", "langfuse", "ipython", "cloudpickle", "joblib", "scikit-learn", "redis")
"""Libraries that wrap functions in objects, inspect them, or have their own span processors."""
NVML: Final = {
    "12.535.77": ("nvidia-ml-py==12.535.77",),
}
"""Its newest is where the other tests run."""
NOT_NEEDED: Final = ("triton",)
"""Asked for by PyTorch, of no use without a GPU. (PyTorch's wheels on PyPI for Linux do not load without NVIDIA's libraries.)"""
TRANSFORMERS: Final = {
    "4.26.0": ("transformers==4.26.0", "torch==2.15.0", "numpy<2", "pillow"),
    "5.23.0": ("transformers==5.23.0", "torch==2.15.0", "numpy", "pillow"),
}
SENTENCE_TRANSFORMERS: Final = {
    "2.3.0": ("sentence-transformers==2.3.0", "torch==2.15.0", "transformers<4.37", "numpy<2"),
    "6.2.0": ("sentence-transformers==6.2.0", "torch==2.15.0", "transformers==5.23.0"),
}
