"""The part of Caffe's caffe.proto that holds weights, as messages of Google's own library."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TYPES = descriptor_pb2.FieldDescriptorProto

# Message -> fields: name, number, type, whether it may be there many times.
_MESSAGES = {
    "BlobShape": [("dim", 1, "INT64", True)],
    "BlobProto": [
        *[(name, number, "INT32", False) for number, name in enumerate(("num", "channels", "height", "width"), 1)],
        ("data", 5, "FLOAT", True),
        ("diff", 6, "FLOAT", True),
        ("shape", 7, "BlobShape", False),
        ("double_data", 8, "DOUBLE", True),
    ],
    "V1LayerParameter": [
        ("bottom", 2, "STRING", True),
        ("name", 4, "STRING", False),
        ("type", 5, "INT32", False),
        ("blobs", 6, "BlobProto", True),
    ],
    "LayerParameter": [
        ("name", 1, "STRING", False),
        ("type", 2, "STRING", False),
        ("bottom", 3, "STRING", True),
        ("blobs", 7, "BlobProto", True),
    ],
    "NetParameter": [
        ("name", 1, "STRING", False),
        ("layers", 2, "V1LayerParameter", True),
        ("force_backward", 5, "BOOL", False),
        ("layer", 100, "LayerParameter", True),
    ],
}


def _net_parameter():
    """The class of NetParameter messages."""
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, kind, repeated in fields:
            label = _TYPES.LABEL_REPEATED if repeated else _TYPES.LABEL_OPTIONAL
            added = described.field.add(name=name, number=number, label=label)
            if kind in _MESSAGES:
                added.type, added.type_name = _TYPES.TYPE_MESSAGE, f".caffe.{kind}"
            else:
                added.type = getattr(_TYPES, f"TYPE_{kind}")
                added.options.packed = repeated and kind != "STRING"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))


NetParameter = _net_parameter()
