"""`towline admin audit` beside a server that runs."""

import json
import subprocess
import sys

from parts.server import running_server


def audit(data, *words, code=0):
    command = [sys.executable, "-m", "towline", "admin", "audit", *words, "--data", str(data)]
    ran = subprocess.run(command, capture_output=True, check=False)
    assert ran.returncode == code, ran.stderr.decode()
    return ran.stdout


def test_a_trail_is_signed_verified_exported_and_verified_elsewhere(tmp_path):
    anchor, export = tmp_path / "anchor", tmp_path / "audit.jsonl"
    with running_server(tmp_path, "--engine", "embedded", "--audit-anchor", str(anchor)) as server:
        body = {"metadata": {"name": "mine"}, "spec": {"type": "Opaque", "data": {"VALUE": "x"}}}
        server.call("POST", "/v2/secrets/", body)
        audit(server.data, "sign")
        found = json.loads(audit(server.data, "verify", "--anchor", str(anchor), "-o", "json"))
        assert (found["ok"], found["unsigned"]) == (True, 0)
        key = audit(server.data, "key").decode().strip()
        export.write_bytes(audit(server.data, "export"))
    elsewhere = tmp_path / "elsewhere"
    audit(elsewhere, "verify", "--export", str(export), "--public-key", key)
    assert not elsewhere.exists()
    lines = export.read_bytes().splitlines(keepends=True)
    assert any(json.loads(line).get("action") == "secret.created" for line in lines)
    export.write_bytes(b"".join(lines[:2] + lines[3:]))
    told = audit(elsewhere, "verify", "--export", str(export), "--public-key", key, code=1)
    assert told.startswith(b"NOT GENUINE: row 2 is missing")
    audit(elsewhere, "verify", "--export", str(export), code=2)
