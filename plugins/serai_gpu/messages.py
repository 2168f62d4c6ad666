"""The messages that Nomad and a device plugin exchange, made at import from a table: no generated code is kept.

Names and packages of messages never travel, field numbers do; the table holds those that Nomad 1.10 to 2.0 uses.
Presence is that of proto2, so a 0, an "" or a false that was set is sent: that also stands in for every `oneof`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "serai.gpu"

# message -> "name:type=number", `*` before a repeated type, `map<string,type>` for a map.
_TABLE = {
    "Empty": "",
    # go-plugin's own
    "StdioData": "channel:int32=1 data:bytes=2",
    # base.proto
    "PluginInfoResponse": "type:int32=1 plugin_api_versions:*string=2 plugin_version:string=3 name:string=4",
    "ConfigSchemaResponse": "spec:Spec=1",
    "SetConfigRequest": "msgpack_config:bytes=1 plugin_api_version:string=3",
    # hclspec.proto: what a configuration may hold
    "Spec": "object:SpecObject=1 attr:SpecAttr=3 default:SpecDefault=9 literal:SpecLiteral=10",
    "SpecObject": "attributes:map<string,Spec>=1",
    "SpecAttr": "name:string=1 type:string=2 required:bool=3",
    "SpecDefault": "primary:Spec=1 default:Spec=2",
    "SpecLiteral": "value:string=1",
    # device.proto: what there is
    "FingerprintResponse": "device_group:*DeviceGroup=1",
    "DeviceGroup": "vendor:string=1 device_type:string=2 device_name:string=3 devices:*DetectedDevice=4"
    " attributes:map<string,Attribute>=5",
    "DetectedDevice": "ID:string=1 healthy:bool=2 health_description:string=3 hw_locality:DeviceLocality=4",
    "DeviceLocality": "pci_bus_id:string=1",
    "Attribute": "float_val:double=1 int_val:int64=2 string_val:string=3 bool_val:bool=4 unit:string=5",
    # device.proto: what a task gets
    "ReserveRequest": "device_ids:*string=1",
    "ReserveResponse": "container_res:ContainerReservation=1",
    "ContainerReservation": "envs:map<string,string>=1 mounts:*Mount=2 devices:*DeviceSpec=3",
    "Mount": "task_path:string=1 host_path:string=2 read_only:bool=3",
    "DeviceSpec": "task_path:string=1 host_path:string=2 permissions:string=3",
    # device.proto and structs: statistics
    "StatsRequest": "collection_interval:Duration=1",
    "StatsResponse": "groups:*DeviceGroupStats=1",
    "DeviceGroupStats": "vendor:string=1 type:string=2 name:string=3 instance_stats:map<string,DeviceStats>=4",
    "DeviceStats": "summary:StatValue=1 stats:StatObject=2 timestamp:Timestamp=3",
    "StatObject": "nested:map<string,StatObject>=1 attributes:map<string,StatValue>=2",
    "StatValue": "float_numerator_val:Double=1 float_denominator_val:Double=2 int_numerator_val:Int=3"
    " int_denominator_val:Int=4 string_val:Text=5 bool_val:Bool=6 unit:string=7 desc:string=8",
    # google.protobuf's, which are the same on the wire
    "Duration": "seconds:int64=1 nanos:int32=2",
    "Timestamp": "seconds:int64=1 nanos:int32=2",
    "Double": "value:double=1",
    "Int": "value:int64=1",
    "Text": "value:string=1",
    "Bool": "value:bool=1",
}

_FIELD = re.compile(r"(?P<name>\w+):(?P<repeated>\*?)(?:map<string,(?P<value>\w+)>|(?P<type>\w+))=(?P<number>\d+)")
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "double": _Field.TYPE_DOUBLE,
    "int64": _Field.TYPE_INT64,
    "int32": _Field.TYPE_INT32,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}


def _make_classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="serai_gpu.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _TABLE.items():
        message = file.message_type.add(name=name)
        for match in _FIELD.finditer(fields):
            _add_field(message, match)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _TABLE}


def _add_field(message: descriptor_pb2.DescriptorProto, match: re.Match[str]) -> None:
    field = message.field.add(name=match["name"], number=int(match["number"]))
    field.label = _Field.LABEL_REPEATED if match["repeated"] or match["value"] else _Field.LABEL_OPTIONAL
    if match["value"]:
        _set_type(field, _add_entry(message, match["name"], match["value"]))
    else:
        _set_type(field, match["type"])


def _add_entry(message: descriptor_pb2.DescriptorProto, field: str, value: str) -> str:
    """Add the nested message that a map is on the wire, and return its name."""
    name = "".join(part.capitalize() for part in field.split("_")) + "Entry"
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    for number, (part, type_) in enumerate((("key", "string"), ("value", value)), start=1):
        _set_type(entry.field.add(name=part, number=number, label=_Field.LABEL_OPTIONAL), type_)
    return f"{message.name}.{name}"


def _set_type(field: descriptor_pb2.FieldDescriptorProto, type_: str) -> None:
    if type_ in _SCALARS:
        field.type = _SCALARS[type_]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{type_}"


_CLASSES = _make_classes()


def __getattr__(name: str) -> Any:
    """Give the message class `name`. Their fields are known at run time only, hence Any."""
    if name not in _CLASSES:
        raise AttributeError(f"there is no message {name!r}")
    return _CLASSES[name]


def message_names() -> Iterator[str]:
    """Yield the names of all messages."""
    yield from _TABLE
