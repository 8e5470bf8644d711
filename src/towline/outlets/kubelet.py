"""``towline-kubelet-provider``: the image credential provider that a kubelet starts.

Protocol: Kubernetes, ``staging/src/k8s.io/kubelet/pkg/apis/credentialprovider/v1/types.go``. The answer
goes to standard output; a failure is one line on standard error, which the kubelet logs, and exit code 1.
"""

from __future__ import annotations

import json
import os
import sys

from towline.outlets.server import Trouble, call, settings, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

API_VERSION = "credentialprovider.kubelet.k8s.io/v1"
MOST_INPUT = 1 << 20


def main() -> int:
    """Answer the kubelet's request; return the exit code."""
    try:
        request = _request(sys.stdin.buffer.read(MOST_INPUT + 1))
        answer = _answer(request)
    except Trouble as trouble:
        sys.stderr.write(f"towline-kubelet-provider: {str(trouble).removeprefix('towline: ')}\n")
        return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _request(content: bytes) -> Mapping[str, object]:
    if len(content) > MOST_INPUT:
        raise Trouble("the request is larger than 1 MiB")
    try:
        request = json.loads(content)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        raise Trouble("standard input is not a CredentialProviderRequest in JSON; the kubelet sends it")
    if request.get("apiVersion") != API_VERSION or request.get("kind") != "CredentialProviderRequest":
        got = f"{str(request.get('kind'))[:60]!a} of {str(request.get('apiVersion'))[:60]!a}"
        raise Trouble(f"got {got}; set apiVersion: {API_VERSION} in the kubelet's configuration")
    if not isinstance(request.get("image"), str) or not request["image"]:
        raise Trouble("the request names no image")
    return request


def _answer(request: Mapping[str, object]) -> Mapping[str, object]:
    """Return the CredentialProviderResponse; one without ``auth`` where no secret is for the image."""
    token = request.get("serviceAccountToken")
    body = {"image": request["image"], **({"serviceAccountToken": token} if token else {})}
    status, found = call(settings(os.environ), "POST", "/v2/credentials/kubelet/", body)
    answer: dict[str, object] = {"apiVersion": API_VERSION, "kind": "CredentialProviderResponse"}
    if token:
        # What is given depends on the service account alone, never on its pod.
        answer["serviceAccountTokenCacheType"] = "ServiceAccount"
    if status == 404 and "docker pull secret" in str(found.get("error")):
        return {**answer, "cacheKeyType": "Image", "cacheDuration": "0s"}
    if status >= 400:
        raise Trouble(f"{request['image']}: {told(found, status)}")
    login = {"username": found.get("username"), "password": found.get("password")}
    return {
        **answer,
        "cacheKeyType": found.get("cacheKeyType"),
        "cacheDuration": f"{found.get('cacheSeconds')}s",
        "auth": {str(found.get("pattern")): login},
    }


if __name__ == "__main__":
    sys.exit(main())
