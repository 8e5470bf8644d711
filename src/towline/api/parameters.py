"""Query parameters and headers that several operations share, as the documentation describes them."""

from __future__ import annotations

from towline.wire.openapi import Parameter

PAGING = (
    Parameter("continue", "the value of metadata.continue of the page before", kind="integer"),
    Parameter("limit", "how many items at most, 1 to 500; 50 by default", kind="integer"),
)
SELECTOR = Parameter("labelSelector", "key=value or key; all must hold", repeated=True)
NAMES = Parameter("names", "only objects with one of these names", repeated=True)
NAME = Parameter("name", "only objects of exactly this name")
GUID = Parameter("guid", "the deployment's guid; it also finds stopped ones")
VERSION = Parameter("version", "the package's version; without it the newest")
REGIONS = Parameter("regions", "only objects in one of these regions: there are none here", repeated=True)
REQUIRE = Parameter(
    "require", "'verified' saves the secret only if the registry accepts it", among=("verified",)
)
ORGANIZATION = Parameter(
    "organizationguid", "the organization; without it the caller's first", place="header"
)
GROUP = Parameter("groupguid", "the group's guid, in place of its name", place="header")
