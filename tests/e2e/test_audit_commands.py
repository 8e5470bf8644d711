"""`towline admin audit` beside a server that runs."""

import json

from parts.forks import towline
from parts.server import running_server
from towline.keeping import KEYRING


def audit(data, *words, code=0):
    return admin(data, "audit", *words, code=code)


def admin(data, *words, code=0):
    ran = towline("admin", *words, "--data", data)
    assert ran.returncode == code, ran.stderr
    return ran.stdout


def test_a_trail_is_signed_verified_exported_and_verified_elsewhere(tmp_path):
    anchor, export = tmp_path / "anchor", tmp_path / "audit.jsonl"
    with running_server(tmp_path, "--engine", "embedded", "--audit-anchor", str(anchor)) as server:
        body = {"metadata": {"name": "mine"}, "spec": {"type": "Opaque", "data": {"VALUE": "x"}}}
        server.call("POST", "/v2/secrets/", body)
        audit(server.data, "sign")
        found = json.loads(audit(server.data, "verify", "--anchor", str(anchor), "-o", "json"))
        assert (found["ok"], found["unsigned"]) == (True, 0)
        key = audit(server.data, "key").strip()
        export.write_text(audit(server.data, "export"))
    elsewhere = tmp_path / "elsewhere"
    audit(elsewhere, "verify", "--export", str(export), "--public-key", key)
    assert not elsewhere.exists()
    lines = export.read_bytes().splitlines(keepends=True)
    assert any(json.loads(line).get("action") == "secret.created" for line in lines)
    export.write_bytes(b"".join(lines[:2] + lines[3:]))
    told = audit(elsewhere, "verify", "--export", str(export), "--public-key", key, code=1)
    assert told.startswith("NOT GENUINE: row 2 is missing")
    audit(elsewhere, "verify", "--export", str(export), code=2)
    lose_the_keyring_and_go_on(server.data, key)


def lose_the_keyring_and_go_on(data, key):
    (data / KEYRING).unlink()
    admin(data, "keys", "add", "--yes")
    assert key in audit(data, "verify", code=1)
    assert "audit" in admin(data, "keys", "check", code=1)
    audit(data, "close", code=2)  # nobody is here to ask
    assert "are closed as they stand" in audit(data, "close", "--yes")
    assert "cannot be told any more" in audit(data, "verify")
    left = admin(data, "keys", "check", code=1)
    assert "audit" not in left
    assert "mine" in left
