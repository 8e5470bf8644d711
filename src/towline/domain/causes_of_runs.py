"""The causes that keep a container from running once its image is there."""

from __future__ import annotations

from towline.domain.cause import Cause, FindingCode, by_clock, by_person

RUNS: dict[FindingCode, Cause] = {
    FindingCode.ENGINE_UNREACHABLE: by_clock(
        "The engine that should run the container does not answer",
        "Towline cannot reach the engine.",
        "Start the engine; the deployment goes on by itself.",
        code="DEP_E201",
    ),
    FindingCode.ENGINE_ERROR: by_clock(
        "The engine could not start the container",
        "The engine refused or failed for a reason of its own.",
        "See the detail; Towline tries again by itself.",
        code="DEP_E155",
    ),
    FindingCode.ENGINE_LOGS_SECRETS: by_clock(
        "The engine would write passwords into its log",
        "The daemon of the swarm's manager is at debug level: it logs every task that it is given, "
        "with the registry's login and the environment. Nothing was handed to it.",
        'Set "debug": false in the daemon.json of every node and reload the daemons '
        "(systemctl reload docker); the deployment goes on by itself.",
        code="DEP_E201",
    ),
    FindingCode.COMMAND_NOT_FOUND: by_person(
        "The command to run is not in the image",
        "The engine did not find the executable's command, or it may not be executed.",
        "Correct command or entrypoint in the package.",
        code="DEP_E155",
    ),
    FindingCode.EXITED: by_clock(
        "The container's process ended",
        "The process exited by itself or was killed; its exit code and last log lines say more.",
        "Read the log; correct the command, the environment or the image.",
        code="DEP_E155",
    ),
    FindingCode.OUT_OF_MEMORY: by_clock(
        "The container used more memory than it may",
        "The kernel killed the process at the memory limit.",
        "Raise limits.memory in the package, or let the program use less.",
        code="DEP_E155",
    ),
    FindingCode.UNSCHEDULABLE: by_clock(
        "No node has room for this container",
        "The cluster found no node that fulfils what the package asks for.",
        "Lower the limits or add nodes.",
        code="DEP_E201",
    ),
    FindingCode.QUOTA_EXCEEDED: by_clock(
        "A quota is used up",
        "The engine refused because a resource quota is reached.",
        "Raise the quota or remove other deployments.",
        code="DEP_E201",
    ),
    FindingCode.POLICY_REFUSED: by_person(
        "A policy of the engine forbids this container",
        "The engine's admission rules refused it.",
        "Change the package to what the policy allows, or have the policy changed.",
        code="DEP_E201",
    ),
    FindingCode.PROBE_FAILED: by_clock(
        "The container runs, but its liveness probe fails",
        "The probe that the package asks for is not answered as it should be.",
        "Correct the probe's path and port, or give it a longer initial delay.",
        code="DEP_E155",
    ),
    FindingCode.ENV_SECRET_MISSING: by_person(
        "An environment variable's secret or key does not exist",
        "A secretKeyRef names a secret or key that is not in this project.",
        "Create the secret with this key; the deployment goes on by itself.",
        code="DEP_E155",
    ),
    FindingCode.PORT_TAKEN: by_clock(
        "A port that the package asks for is taken",
        "Containers of this engine share the host's network, and something listens on the port already.",
        "Stop the other program or choose another target port.",
        code="DEP_E155",
    ),
    FindingCode.WRONG_ARCHITECTURE: by_person(
        "The image was built for another processor",
        "The process could not be started: exec format error.",
        "Build and push the image for the engine's platform.",
        code="DEP_E155",
    ),
    FindingCode.DEPENDENCY_FAILED: by_clock(
        "A deployment that this one depends on is missing or in error",
        "This deployment starts when those it depends on are running.",
        "See to the other deployment; this one goes on by itself.",
        code="DEP_E156",
    ),
    FindingCode.DISK_NOT_READY: by_clock(
        "A disk that the deployment mounts is not ready",
        "The disk is still in use by a deployment that is ending, or its engine cannot give it.",
        "See the detail; the deployment goes on by itself once the disk is ready.",
        code="DEP_E210",
    ),
    FindingCode.UPDATE_ROLLED_BACK: by_person(
        "The update was taken back: what ran before it runs again",
        "The new containers wanted the ports of the old ones, which were ended for them. The new ones ended"
        " before they were stable, so the old ones were started again.",
        "Mend what the finding beside this one names, then update the deployment; this update is not tried"
        " again by the clock, as every try interrupts what runs.",
        code="DEP_E155",
    ),
}
