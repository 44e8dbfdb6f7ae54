"""The supported converters with their parameters and results; `pipeline/ottl/converters.py` has their functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias
from typing import Literal as OneOf

Kind: TypeAlias = OneOf[
    "any",
    "string",
    "int",
    "float",
    "bool",
    "map",
    "slice",
    "time",
    "duration",
    "string_like",
    "int_like",
    "float_like",
    "bool_like",
    "bytes_like",
    "string_literal",
    "bool_literal",
    "string_like_list",
    "any_list",
]
"""The type of a parameter. `…_like` converts where possible, and accepts nil; the others are an error for
any other type. `…_literal` must be a literal in the text, as must the brackets of a `…_list`."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a converter."""

    name: str
    """By which it can be given: `IsMatch(target=name, pattern="x")`."""
    kind: Kind
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Converter:
    """A function of values."""

    parameters: tuple[Parameter, ...]
    sentence: str
    """The result, as a sentence for the documentation."""


def _of(kind: Kind, sentence: str, name: str = "target") -> Converter:
    return Converter((Parameter(name, kind),), sentence)


def _with(second: Parameter, sentence: str, kind: Kind = "string") -> Converter:
    return Converter((Parameter("target", kind), second), sentence)


_SUBSTRING: Final = (
    Parameter("target", "string"),
    Parameter("start", "int"),
    Parameter("length", "int"),
    Parameter("utf8_safe", "bool_literal", optional=True),
)

CONVERTERS: Final[dict[str, Converter]] = {
    "Bool": _of("bool_like", "A bool of a bool, a number (not 0) or a string that Go reads as one; nil of nil."),
    "Coalesce": _of("any_list", "The first of a list that is not nil.", "values"),
    "Concat": Converter(
        (Parameter("vals", "string_like_list"), Parameter("delimiter", "string")),
        "The values of a list as strings, joined; nil is written `<nil>`.",
    ),
    "ContainsValue": _with(Parameter("item", "any"), "Whether a list has a value that is equal to the item.", "slice"),
    "ConvertCase": _with(Parameter("to_case", "string_literal"), 'The string in the case "lower" or "upper".'),
    "Double": _of("float_like", "A float of a number, a bool or a string that Go reads as one; nil of nil."),
    "Duration": _of("string", "A duration of a string such as `1m30s`.", "duration"),
    "HasPrefix": _with(Parameter("prefix", "string"), "Whether a string starts with another."),
    "HasSuffix": _with(Parameter("suffix", "string"), "Whether a string ends with another."),
    "Hex": _of("bytes_like", "The hexadecimal digits of bytes, of a string's bytes or of a number's 8."),
    "Hours": _of("duration", "A duration's hours, as a float.", "duration"),
    "Index": _with(
        Parameter("value", "any"), "Where in a string (in bytes) or a list a value is first; -1 if nowhere.", "any"
    ),
    "Int": _of("int_like", "An int of a number (towards zero), a bool or a string of decimal digits; nil of nil."),
    "IsBool": _of("bool", "Whether a value is a bool."),
    "IsDouble": _of("float", "Whether a value is a float."),
    "IsEmpty": _of("any", "Whether a value is nil, false, 0, or of length 0."),
    "IsInt": _of("int", "Whether a value is an int."),
    "IsList": _of("any", "Whether a value is a list."),
    "IsMap": _of("map", "Whether a value is a map."),
    "IsMatch": _with(
        Parameter("pattern", "string"),
        "Whether a regular expression (RE2) matches somewhere in a value as a string; false of nil.",
        "string_like",
    ),
    "IsRootSpan": Converter((), "Whether the span has no parent; only for spans."),
    "IsString": _of("string", "Whether a value is a string."),
    "Len": _of("any", "The length of a string (in bytes), a list, a map, bytes or the events."),
    "Microseconds": _of("duration", "A duration's microseconds, as an int.", "duration"),
    "Milliseconds": _of("duration", "A duration's milliseconds, as an int.", "duration"),
    "Minutes": _of("duration", "A duration's minutes, as a float.", "duration"),
    "Nanoseconds": _of("duration", "A duration's nanoseconds, as an int.", "duration"),
    "Seconds": _of("duration", "A duration's seconds, as a float.", "duration"),
    "SpanID": _of("bytes_like", "A span's id of 8 bytes, or of 16 hexadecimal digits."),
    "Split": _with(Parameter("delimiter", "string"), "The parts of a string between delimiters, as a list."),
    "String": _of("string_like", "A string of a value: bytes in hexadecimal digits, the rest as JSON; nil of nil."),
    "Substring": Converter(_SUBSTRING, "Part of a string, by bytes; an error where the string is too short."),
    "ToLowerCase": _of("string", "The string in lower case."),
    "ToUpperCase": _of("string", "The string in upper case."),
    "TraceID": _of("bytes_like", "A trace's id of 16 bytes, or of 32 hexadecimal digits."),
    "Trim": _with(
        Parameter("replacement", "string_literal", optional=True),
        "The string without certain characters at its ends; without spaces where none are given.",
    ),
    "TrimPrefix": _with(Parameter("prefix", "string"), "The string without another that it starts with."),
    "TrimSuffix": _with(Parameter("suffix", "string"), "The string without another that it ends with."),
    "UnixMicro": _of("time", "A time's microseconds since 1970, as an int.", "time"),
    "UnixMilli": _of("time", "A time's milliseconds since 1970, as an int.", "time"),
    "UnixNano": _of("time", "A time's nanoseconds since 1970, as an int.", "time"),
    "UnixSeconds": _of("time", "A time's seconds since 1970, as an int.", "time"),
}
"""The supported converters, by name."""

# fmt: off
ELSEWHERE: Final = frozenset((
    "All", "Any", "Append", "Base64Decode", "Base64Encode", "CommunityID", "ConvertAttributesToElementsXML",
    "ConvertTextToElementsXML", "Day", "Decode", "DeleteIndex", "ExtractGrokPatterns", "ExtractPatterns", "Filter",
    "Find", "FNV", "Format", "FormatTime", "GetXML", "Hour", "InsertXML", "IsInCIDR", "IsValidLuhn", "Keys", "Log",
    "MapEach", "MapKeys", "MD5", "Minute", "Month", "Murmur3Hash", "Murmur3Hash128", "Nanosecond", "Now", "ParseCSV",
    "ParseInt", "ParseJSON", "ParseKeyValue", "ParseSeverity", "ParseSimplifiedXML", "ParseXML", "ProfileID",
    "Reduce", "RemoveXML", "Second", "SHA1", "SHA256", "SHA512", "SliceToMap", "Sort", "Time", "ToCamelCase",
    "ToKeyValueString", "ToSnakeCase", "TruncateTime", "Unix", "URL", "UserAgent", "UUID", "UUIDv7", "Values",
    "Weekday", "When", "XXH128", "XXH3", "Year",
))
# fmt: on
"""Converters of OTTL that are not supported here."""
