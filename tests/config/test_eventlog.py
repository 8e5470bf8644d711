import json

import pytest
import structlog

from towline import eventlog
from towline.domain.credential import Password


@pytest.fixture(autouse=True)
def _restored():
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "fields",
    [
        {"value": Password("hunter2")},
        {"password": "hunter2"},
        {"headers": {"Authorization": "hunter2"}},
        {"url": "https://jane:hunter2@reg.example/v2/"},
        {"url": "https://reg.example/blob?sig=hunter2"},
        {"text": "sent Basic amFuZTpodW50ZXIy to it"},
        {"items": [Password("hunter2"), {"token": "hunter2"}]},
    ],
)
def test_no_field_of_an_event_shows_a_credential(fields, capsys):
    eventlog.configure("info", form="json")
    structlog.get_logger("test").info("something.happened", **fields)
    line = capsys.readouterr().err
    assert "hunter2" not in line
    assert "amFuZTpodW50ZXIy" not in line
    assert json.loads(line)["event"] == "something.happened"


def test_an_exception_with_a_credential_in_its_text_is_redacted(capsys):
    eventlog.configure("info", form="json")
    try:
        int("https://jane:hunter2@reg.example/?a=b")
    except ValueError:
        structlog.get_logger("test").exception("failed")
    line = capsys.readouterr().err
    assert "https://***@reg.example/?***" in line
    assert "hunter2" not in line


def test_facts_stay_readable(capsys):
    eventlog.configure("info", form="json")
    structlog.get_logger("test").info("image.pulled", image="reg.example/app:1", seconds=1.5)
    line = json.loads(capsys.readouterr().err)
    assert (line["image"], line["seconds"], line["level"]) == ("reg.example/app:1", 1.5, "info")
