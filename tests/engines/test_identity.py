"""An image's USER, and the files that it is looked up in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from towline.domain.errors import EngineFailed
from towline.engines.embedded.layerview import read_text
from towline.engines.identity import Identity, identify

if TYPE_CHECKING:
    from pathlib import Path

PASSWD = "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/srv/app:/bin/sh\nbroken line\n#old:x:5:5::/:/bin/sh\n"
GROUP = "root:x:0:\napp:x:1001:\nextra:x:50:other,app\nstaff:x:20:app\n"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", Identity(0, 0, home="/root")),
        ("app", Identity(1000, 1001, groups=(20, 50), home="/srv/app")),
        ("1000", Identity(1000, 1001, groups=(20, 50), home="/srv/app")),
        ("app:staff", Identity(1000, 20, home="/srv/app")),
        ("app:99", Identity(1000, 99, home="/srv/app")),
        ("4711", Identity(4711, 0)),
        ("4711:4712", Identity(4711, 4712)),
    ],
)
def test_a_user_is_found_by_name_or_number(user: str, expected: Identity) -> None:
    assert identify(user, passwd=PASSWD, group=GROUP) == expected


def test_the_packages_numbers_stand_above_the_images_user() -> None:
    assert identify("app:staff", passwd=PASSWD, group=GROUP, uid=7) == Identity(7, 0)
    assert identify("app", passwd=PASSWD, group=GROUP, gid=8) == Identity(1000, 8, home="/srv/app")


@pytest.mark.parametrize("user", ["nosuch", "app:nosuch", "-1", "99999999999", "1²"])
def test_an_unknown_user_or_group_is_a_finding_that_names_it(user: str) -> None:
    with pytest.raises(EngineFailed, match=r"the image has no (user|group)"):
        identify(user, passwd=PASSWD, group=GROUP)


@pytest.fixture
def layers(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("lower", "upper"):
        (tmp_path / name / "etc").mkdir(parents=True)
    return tmp_path / "lower", tmp_path / "upper"


def test_the_topmost_layer_speaks(layers: tuple[Path, Path]) -> None:
    (layers[0] / "etc" / "passwd").write_text("old")
    assert read_text(layers, "etc/passwd") == "old"
    (layers[1] / "etc" / "passwd").write_text("new")
    assert read_text(layers, "etc/passwd") == "new"


def test_no_link_leads_out_of_the_image(layers: tuple[Path, Path], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the host")
    for target in (str(secret), "../../secret", "/../../../../" + str(secret)):
        (layers[1] / "etc" / "passwd").symlink_to(target)
        assert read_text(layers, "etc/passwd") == ""
        (layers[1] / "etc" / "passwd").unlink()


def test_a_linked_folder_stays_inside_the_image(layers: tuple[Path, Path]) -> None:
    (layers[0] / "store").mkdir()
    (layers[0] / "store" / "passwd").write_text("inside")
    (layers[1] / "etc").rmdir()
    (layers[1] / "etc").symlink_to("/store")
    assert read_text(layers, "etc/passwd") == "inside"


def test_relative_links_are_followed_across_layers(layers: tuple[Path, Path]) -> None:
    (layers[0] / "usr").mkdir()
    (layers[0] / "usr" / "passwd").write_text("there")
    (layers[1] / "etc" / "passwd").symlink_to("../usr/passwd")
    assert read_text(layers, "etc/passwd") == "there"


def test_a_link_to_itself_ends(layers: tuple[Path, Path]) -> None:
    (layers[1] / "etc" / "passwd").symlink_to("passwd")
    assert read_text(layers, "etc/passwd") == ""


def test_a_file_instead_of_a_folder_is_no_file(layers: tuple[Path, Path]) -> None:
    (layers[1] / "etc").rmdir()
    (layers[1] / "etc").write_text("not a folder")
    assert read_text(layers, "etc/passwd") == ""


def test_an_opaque_folder_hides_what_lies_below(layers: tuple[Path, Path]) -> None:
    (layers[0] / "etc" / "passwd").write_text("below")
    os.setxattr(layers[1] / "etc", "user.overlay.opaque", b"y")
    assert read_text(layers, "etc/passwd") == ""


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(layers: tuple[Path, Path]) -> None:
    os.mkfifo(layers[1] / "etc" / "passwd")
    assert read_text(layers, "etc/passwd") == ""
