"""rapyuta.io's texts, exactly (mission S9)."""

ERROR_TEXTS = {
    "DEP_E153": (
        "Could not pull either the docker image or the built package artifact for the component on the cloud"
    ),
    "DEP_E154": "An executable exited too early",
    "DEP_E155": "An executable failed",
    "DEP_E156": "A deployment it depends on is in error",
    "DEP_E201": "The engine cannot run the component now",
    "DEP_E210": "A disk is not running",
}
