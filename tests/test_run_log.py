"""The log of a run: what a crash leaves of it, and TensorBoard's files read back with a reader of their own."""

import json
import math
import struct

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from jaxcam.training.run_log import RunLog, read_log

# Message -> fields: name, number, type. From TensorFlow's event.proto and summary.proto.
MESSAGES = {
    "SessionLog": [("status", 1, "INT32")],
    "Value": [("tag", 1, "STRING"), ("simple_value", 2, "FLOAT")],
    "Summary": [("value", 1, "Value")],
    "Event": [("step", 2, "INT64"), ("summary", 5, "Summary"), ("session_log", 7, "SessionLog")],
}


def event_type():
    types = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="events.proto", package="events", syntax="proto2")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            label = types.LABEL_REPEATED if kind == "Value" else types.LABEL_OPTIONAL
            if kind in MESSAGES:
                message.field.add(name=field, number=number, label=label, type_name=f".events.{kind}")
            else:
                message.field.add(name=field, number=number, label=label, type=getattr(types, f"TYPE_{kind}"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("events.Event"))


def checksum(data):
    """CRC-32C, bit by bit, masked as TFRecord wants it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_events(path):
    """The events of a file of TFRecords: length, its checksum, the message, its checksum."""
    data, event = path.read_bytes(), event_type()
    while data:
        length, of_length = struct.unpack_from("<QI", data)
        message, (of_message,) = data[12 : 12 + length], struct.unpack_from("<I", data, 12 + length)
        assert (of_length, of_message) == (checksum(data[:8]), checksum(message))
        yield event.FromString(message)
        data = data[16 + length :]


def lines_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def write_steps(folder, steps, *, since=0, loss=1.0):
    with RunLog(folder, since=since) as log:
        for step in steps:
            log.write({"step": step, "loss": loss})


def test_lines_are_there_at_once(tmp_path):
    with RunLog(tmp_path / "run", since=0) as log:
        log.write({"step": 1, "epoch": 0.5, "loss": 2.25, "held_out_accuracy": None, "note": "Größe"})
        assert lines_of(tmp_path / "run") == [
            {"step": 1, "epoch": 0.5, "loss": 2.25, "held_out_accuracy": None, "note": "Größe"}
        ]
        log.write({"step": 2, "loss": math.nan, "gradient_norm": math.inf})
        assert lines_of(tmp_path / "run")[1] == {"step": 2, "loss": None, "gradient_norm": None}


@pytest.mark.parametrize("cut", [1, 4, 12])
def test_resumed_after_a_crash(tmp_path, cut):
    """Killed while it wrote the line of step 50, resumed at 20."""
    write_steps(tmp_path, (10, 20, 30, 40, 50))
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    assert [line["step"] for line in read_log(tmp_path)] == [10, 20, 30, 40]
    write_steps(tmp_path, (30, 40), since=20, loss=0.5)
    assert [(line["step"], line["loss"]) for line in lines_of(tmp_path)] == [(10, 1), (20, 1), (30, 0.5), (40, 0.5)]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_half_a_line_of_a_kept_step_is_dropped(tmp_path):
    write_steps(tmp_path, (10, 20))
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-1])  # whole JSON, but who knows whether "20" was to be "200"
    write_steps(tmp_path, (30,), since=20)
    assert [line["step"] for line in lines_of(tmp_path)] == [10, 30]


def test_fresh_run_begins_anew(tmp_path):
    write_steps(tmp_path, (10, 20))
    write_steps(tmp_path, (5,))
    assert [line["step"] for line in lines_of(tmp_path)] == [5]


def test_mistakes(tmp_path, monkeypatch):
    with RunLog(tmp_path, since=0) as log, pytest.raises(ValueError, match="got step None; give the number"):
        log.write({"loss": 1.0})
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1}\n\0\0\0\n{"step": 3}\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl: line 2 is damaged"), RunLog(tmp_path, since=3):
        pass
    assert (tmp_path / "metrics.jsonl").read_bytes().count(b"\n") == 3, "it stays as it was"
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(ValueError, match=r"pip install 'jaxcam\[tensorboard\]'"):
        RunLog(tmp_path, since=0, tensorboard=True)


def test_tensorboard_files_hold_the_numbers(tmp_path):
    pytest.importorskip("tensorboardX", reason="an extra that the tests' own environment has")
    with RunLog(tmp_path, since=0, tensorboard=True) as log:
        log.write({"step": 10, "epoch": 0.5, "loss": 2.25, "held_out_accuracy": None, "note": "text"})
        log.write({"step": 20, "epoch": 1.0, "loss": 1.5, "held_out_accuracy": 0.75})
    with RunLog(tmp_path, since=10, tensorboard=True) as log:
        log.write({"step": 20, "loss": 1.25})
    first, second = sorted((tmp_path / "tensorboard").iterdir(), key=lambda path: int(path.suffix[1:]))
    values = [(event.step, one.tag, one.simple_value) for event in read_events(first) for one in event.summary.value]
    assert values == [
        (10, "epoch", 0.5),
        (10, "loss", 2.25),
        (20, "epoch", 1.0),
        (20, "loss", 1.5),
        (20, "held_out_accuracy", 0.75),
    ]
    again = list(read_events(second))
    assert [event.step for event in again if event.session_log.status == 1] == [11], "what was after step 10 is purged"
    assert [(event.step, one.tag, one.simple_value) for event in again for one in event.summary.value] == [
        (20, "loss", 1.25)
    ]
