"""Protobuf messages that are declared in Python and built when their module is imported.

Code that `protoc` generates runs with the runtimes of its own and the next major version, and refuses older ones, whereas
`opentelemetry-proto` may come with protobuf 5, 6 or 7. Descriptors that are built at run time are API in all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_Proto: Final = descriptor_pb2.FieldDescriptorProto


class MessageField(NamedTuple):
    """A field of a message."""

    number: int
    name: str
    kind: Any
    """A type of protobuf's, or the name of a message."""
    repeated: bool = False
    one_of: bool = False
    """Whether it belongs to the message's oneof."""
    optional: bool = False
    """Whether an empty value differs from an absent one."""


def build_messages(package: str, declared: Mapping[str, Sequence[MessageField]]) -> dict[str, Any]:
    """Return the classes of messages, by name.

    Args:
        package: Of protobuf; messages in different ones do not know of each other.
        declared: The fields of each message, by its name.
    """
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in declared.items():
        message = file.message_type.add(name=name)
        if any(field.one_of for field in fields):
            message.oneof_decl.add(name="value")
        for field in fields:
            _declare(message, field, package)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in declared}


def _declare(message: Any, field: MessageField, package: str) -> None:
    label = _Proto.LABEL_REPEATED if field.repeated else _Proto.LABEL_OPTIONAL
    made = message.field.add(name=field.name, number=field.number, label=label)
    if isinstance(field.kind, str):
        made.type, made.type_name = _Proto.TYPE_MESSAGE, f".{package}.{field.kind}"
    else:
        made.type = field.kind
    if field.one_of:
        made.oneof_index = 0
    if field.optional:  # as protoc writes it: an alternative with nothing else in it
        made.proto3_optional, made.oneof_index = True, len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field.name}")
