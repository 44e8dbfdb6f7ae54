"""OTTL conditions, as `tail_sampling`'s `ottl_condition` has them in the Collector v0.160: from text to a frozen tree.

A named part of OTTL: `PATHS`, `ENUMS` and `CONVERTERS` list what is supported, with a sentence each; the README is made from
them. What OTTL has and these tables have not is refused, by name. `pipeline/ottl` makes functions of the trees.
"""

from otel_fe.config.ottl.converters import CONVERTERS
from otel_fe.config.ottl.names import ENUMS, PATHS
from otel_fe.config.ottl.parser import parse_condition
from otel_fe.config.ottl.refusal import OttlSyntaxError
from otel_fe.config.ottl.tree import Condition

__all__ = ["CONVERTERS", "ENUMS", "PATHS", "Condition", "OttlSyntaxError", "parse_condition"]
