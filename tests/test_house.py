"""Every rule of the house that a machine can check."""

import ast
import functools
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from towline import config
from towline.domain.causes import CAUSES

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))

MAY_REVEAL = {
    "towline/cli/credential_answers.py",  # --reveal, on the user's own machine
    "towline/cli/import_choice.py",  # logins of the user's machine on their way to the server
    "towline/console/minted_form.py",
    "towline/console/secret_form.py",
    "towline/domain/credential.py",
    "towline/domain/credential_shape.py",
    "towline/domain/engine.py",  # the keys of an engine, on their way into the vault
    "towline/engines/docker/address.py",  # and from there to OpenSSL
    "towline/engines/docker/document.py",
    "towline/engines/docker/pulls.py",
    "towline/domain/readers/auth_value.py",
    "towline/domain/readers/explaining.py",
    "towline/engines/embedded/bundle.py",
    "towline/engines/kubernetes/installation/keyring.py",
    "towline/engines/kubernetes/access.py",
    "towline/engines/kubernetes/secret_documents.py",
    "towline/engines/swarm/document.py",
    "towline/keychain/service_accounts.py",
    "towline/notices/audit_sinks.py",
    "towline/notices/letters.py",
    "towline/notices/mail.py",
    "towline/oidc/provider.py",
    "towline/registry/auth.py",
    "towline/registry/minting/mint.py",  # parent credentials, on their way into a signature
    "towline/store/keyring.py",
    "towline/store/passwords.py",
    "towline/store/signing.py",  # what statements about the audit trail are signed by
    "towline/store/transit_client.py",  # what one signs in to Vault with
    "towline/store/vault.py",
    "towline/wire/credentials.py",
    "towline/wire/events.py",
    "towline/store/postgres/connection.py",  # to libpq
}
MAY_READ_ENVIRONMENT = {"towline/config.py"}
"""The server's settings; ``cli`` and ``outlets`` are programs of their own with their own variables."""
LONGEST_MODULE = 400
LONGEST_FUNCTION = 40


@functools.cache
def trees() -> dict[Path, ast.Module]:
    """Return the syntax of every module, read at the first rule and not by each process that collects."""
    return {path: ast.parse(path.read_text()) for path in SOURCES}


@functools.cache
def imports() -> dict[Path, set[str]]:
    """Return the packages that each module imports from, anywhere in it."""
    found: dict[Path, set[str]] = {path: set() for path in trees()}
    for path, tree in trees().items():
        for node in ast.walk(tree):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found[path] |= {name.partition(".")[0] for name in names}
    return found


def named(path: Path) -> str:
    return path.relative_to(ROOT / "src").as_posix()


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def test_a_module_is_short_and_says_why_it_exists():
    wrong = []
    for path, tree in trees().items():
        text = path.read_text()
        if (length := len(text.splitlines())) > LONGEST_MODULE:
            wrong.append(f"{named(path)}: {length} lines")
        if text.strip() and not ast.get_docstring(tree):
            wrong.append(f"{named(path)}: no docstring")
    assert wrong == []


def test_no_function_is_longer_than_forty_lines():
    long = [
        f"{named(path)}:{node.lineno} {node.name} {node.end_lineno - node.lineno + 1}"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []


def test_names_say_something():
    empty = {"utils", "helpers", "common", "base", "manager", "handler", "misc"}
    assert [named(path) for path in SOURCES if path.stem in empty] == []
    classes = [
        node.name for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    ]
    assert [name for name in classes if re.search(r"(Utils|Helper|Manager|Handler|Base)$", name)] == []


def test_a_password_is_revealed_only_where_it_must_be():
    assert {named(path) for path in SOURCES if ".reveal()" in path.read_text()} <= MAY_REVEAL


def test_the_environment_is_read_in_few_places():
    readers = {
        named(path)
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv")
        and ast.unparse(node).startswith("os.")
    }
    own = ("towline/cli/", "towline/outlets/", "towline/engines/", "towline/store/keyring_command")
    assert {name for name in readers if not name.startswith(own)} <= MAY_READ_ENVIRONMENT


def test_nothing_is_left_for_later():
    marks = re.compile(
        "|".join(
            ["TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error", r"mark\.x" + "fail", r"mark\.sk" + "ip"]
        )
    )
    code = [*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "demo").rglob("*.py")]
    assert [str(path.relative_to(ROOT)) for path in code if marks.search(path.read_text())] == []


def test_the_server_neither_prints_nor_asserts_nor_uses_a_shell():
    for path, tree in trees().items():
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Assert), f"{named(path)}:{node.lineno}"
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called != "print" or named(path).startswith("towline/cli/"), (
                    f"{named(path)}:{node.lineno}"
                )
                shells = [word for word in node.keywords if word.arg == "shell"]
                assert not any(ast.unparse(word.value) == "True" for word in shells), (
                    f"{named(path)}:{node.lineno}"
                )


def test_no_wait_loses_a_cancellation():
    """Python 3.11's `asyncio.wait_for` returns if its work ends as it is cancelled; `timeout` does not."""
    waits = [
        f"{named(path)}:{node.lineno}"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "wait_for"
    ]
    assert waits == []


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("sqlite3", ("store",)),
        ("psycopg", ("store",)),
        ("starlette", ("api", "console")),
        ("aiohttp", ("registry", "notices", "dialing", "engines", "oidc", "store")),
        ("cryptography", ("store", "outlets")),
        ("joserfc", ("keychain", "oidc", "registry")),
        ("argon2", ("store",)),
        ("lightkube", ("engines", "cli")),
        ("httpx2", ("engines", "cli")),
        ("requests", ()),
        ("httpx", ()),
    ],
)
def test_a_library_lives_in_its_room(library, rooms):
    for path, names in imports().items():
        if library in names:
            room = named(path).split("/")[1].removesuffix(".py")
            assert room in rooms or room in ("app", "webserver"), f"{named(path)} imports {library}"


def test_the_domain_and_the_ports_import_the_standard_library_only():
    for path, names in imports().items():
        if named(path).startswith(("towline/domain/", "towline/ports/")):
            assert names <= {*sys.stdlib_module_names, "towline"}, named(path)


def test_the_generated_pages_are_those_of_the_code():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for name, text in generate.pages().items():
        assert (ROOT / "docs" / "reference" / name).read_text() == text, f"run make docs: {name}"


def test_every_finding_and_setting_is_documented():
    findings = (ROOT / "docs/reference/findings.md").read_text()
    assert [code for code in CAUSES if f"## {code.value}\n" not in findings] == []
    settings = (ROOT / "docs/reference/configuration.md").read_text()
    assert [name for name, variable, *_ in config.settings() if f"`{variable}`" not in settings] == []


def test_test_files_have_names_of_their_own():
    """pytest imports a file by its bare name: of two with the same one it collects the first."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_decisions_are_numbered_and_say_context_choice_and_price():
    decisions = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    for path in decisions:
        headings = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
        assert headings == ["Context", "Choice", "Price"], path.name


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"


def test_no_tracked_file_names_a_machine_or_a_package_index():
    paths = re.compile("(^|[^A-Za-z0-9_.-])/(" + "|".join(["wo" + "rk", "ro" + "ot"]) + ")/")
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".txt", ".in", ""} and path.name != "LICENSE":
            text = path.read_text()
            assert not paths.search(text), path
            assert path.parent.name != "requirements" or "://" not in text, path
