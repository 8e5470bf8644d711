from pathlib import Path

import pytest

from towline import config
from towline.domain.errors import InvalidInput


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path):
    (tmp_path / "towline.toml").write_text('port = 1\nhost = "127.0.0.2"\nlog_level = "debug"\n')
    environment = {"TOWLINE_DATA": str(tmp_path), "TOWLINE_PORT": "2", "TOWLINE_HOST": "127.0.0.3"}
    loaded = config.load({"port": "3", "host": None}, environment)
    assert (loaded.port, loaded.host, loaded.log_level) == (3, "127.0.0.3", "debug")
    assert loaded.log_format == "json"
    assert loaded.folder == tmp_path


@pytest.mark.parametrize(
    ("flags", "field"),
    [
        ({"port": "x"}, "port"),
        ({"port": 70000}, "port"),
        ({"engine": "nomad"}, "engine"),
        ({"tls_cert": "/nowhere.pem"}, "tls_cert"),
        ({"host": "0.0.0.0"}, "host"),
        ({"host": "192.0.2.1"}, "host"),
        ({"config": "/nowhere.toml"}, "config"),
    ],
)
def test_a_bad_setting_is_named_with_what_would_be_right(flags, field):
    with pytest.raises(InvalidInput) as caught:
        config.load(flags, {"HOME": "/nonexistent"})
    assert caught.value.field == field
    assert caught.value.rule


def test_an_unknown_setting_in_the_file_is_refused(tmp_path: Path):
    (tmp_path / "towline.toml").write_text("prot = 1\n")
    with pytest.raises(InvalidInput, match="prot: is not a setting"):
        config.load({"data": str(tmp_path)}, {})


def test_a_broken_file_is_told_with_its_place(tmp_path: Path):
    (tmp_path / "towline.toml").write_text("port = = 1\n")
    with pytest.raises(InvalidInput, match=r"towline\.toml"):
        config.load({"data": str(tmp_path)}, {})


@pytest.mark.parametrize("how", [{"allow_plain_http": True}, {"trusted_proxies": ("10.0.0.1",)}])
def test_an_open_address_needs_tls_or_somebodys_word(how):
    assert config.load({"host": "0.0.0.0", **how}, {}).host == "0.0.0.0"


def test_loopback_registries_follow_the_servers_own_address():
    assert config.load({}, {"HOME": "/x"}).allows_loopback_registries
    opened = config.load({"host": "0.0.0.0", "allow_plain_http": True}, {})
    assert not opened.allows_loopback_registries
    told = config.load({"host": "0.0.0.0", "allow_plain_http": True, "loopback_registries": "allow"}, {})
    assert told.allows_loopback_registries


def test_the_keyring_of_the_environment_never_shows(tmp_path: Path):
    loaded = config.load({"data": str(tmp_path)}, {"TOWLINE_KEYRING": "do-not-show"})
    assert loaded.keyring is not None
    assert "do-not-show" not in repr(loaded)


def test_every_setting_has_words():
    for name, variable, _, text in config.settings():
        assert variable == f"TOWLINE_{name.upper()}"
        assert text
