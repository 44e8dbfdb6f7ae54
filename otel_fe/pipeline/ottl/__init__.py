"""OTTL conditions as functions: what `config/ottl` has read, evaluated as the Collector v0.160 evaluates it."""

from otel_fe.pipeline.ottl.compiler import compile_condition
from otel_fe.pipeline.ottl.values import OttlEvaluationError

__all__ = ["OttlEvaluationError", "compile_condition"]
