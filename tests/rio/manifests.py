"""The manifests of the contract, section 12, for a registry on this machine."""

from __future__ import annotations

from pathlib import Path

from parts.registry import PASSWORD, USER

SECRET = """\
apiVersion: api.rapyuta.io/v2
kind: Secret
metadata:
  name: private-pull
  labels: {{team: robots}}
spec:
  type: Docker
  docker:
    registry: http://{registry}
    username: {user}
    password: "{password}"
    email: robot@example.com
"""
KEYS = """\
apiVersion: api.rapyuta.io/v2
kind: Secret
metadata:
  name: app-keys
spec:
  type: Opaque
  data:
    API_KEY: abc123
    DB_PASSWORD: hunter2
"""
PACKAGE = """\
apiVersion: api.rapyuta.io/v2
kind: Package
metadata:
  name: talker
  version: v1.0.0
  description: private image demo
spec:
  runtime: cloud
  cloud: {{replicas: 1}}
  executables:
    - name: app
      type: docker
      docker:
        image: {registry}/team/talker:1.0
        imagePullPolicy: IfNotPresent
        pullSecret:
          depends: {{kind: secret, nameOrGUID: private-pull}}
      limits: {{cpu: 0.1, memory: 128}}
  environmentVars:
    - {{name: LOG_LEVEL, default: info, description: verbosity}}
    - name: API_KEY
      valueFrom: {{secretKeyRef: {{name: app-keys, key: API_KEY}}}}
  endpoints:
    - {{name: web, type: external-https, port: 443, targetPort: 8080}}
"""
DEPLOYMENT = """\
apiVersion: api.rapyuta.io/v2
kind: Deployment
metadata:
  name: talker-1
  labels: {team: robots}
  depends: {kind: package, nameOrGUID: talker, version: v1.0.0}
spec:
  runtime: cloud
  envArgs:
    - {name: LOG_LEVEL, value: debug}
    - name: DB_PASSWORD
      valueFrom: {secretKeyRef: {name: app-keys, key: DB_PASSWORD}}
"""
FOLLOWER = """\
apiVersion: api.rapyuta.io/v2
kind: Deployment
metadata:
  name: follower
  depends: {kind: package, nameOrGUID: talker, version: v1.0.0}
spec:
  runtime: cloud
  depends:
    - {kind: deployment, nameOrGUID: talker-1, wait: true}
"""
DISK = """\
apiVersion: api.rapyuta.io/v2
kind: Deployment
metadata:
  name: with-disk
  depends: {kind: package, nameOrGUID: talker, version: v1.0.0}
spec:
  runtime: cloud
  volumes:
    - execName: app
      mountPath: /data
      subPath: talker
      depends: {kind: disk, nameOrGUID: kept}
---
apiVersion: api.rapyuta.io/v2
kind: Disk
metadata: {name: kept, labels: {team: robots}}
spec: {runtime: cloud, capacity: 8}
"""
HUB = """\
apiVersion: api.rapyuta.io/v2
kind: Secret
metadata:
  name: hub-pull
spec:
  type: Docker
  docker:
    username: janedoe
    password: hub-token-1
    email: jane@example.com
"""
PROJECT = """\
apiVersion: api.rapyuta.io/v2
kind: Project
metadata: {name: from-manifest}
spec:
  features: {vpn: {enabled: false}}
"""
TEAM = """\
apiVersion: api.rapyuta.io/v2
kind: UserGroup
metadata: {name: operators, labels: {shift: day}}
spec:
  description: on call
  members:
    - subject: {kind: User, name: jane@example.com}
      roleNames: [rio-group_admin]
    - subject: {kind: ServiceAccount, name: robot}
      roleNames: [rio-group_member]
  roles:
    - domain: {kind: Project, name: demo}
      roleName: project_developer
"""
ROBOT = """\
apiVersion: api.rapyuta.io/v2
kind: ServiceAccount
metadata: {name: robot, labels: {team: robots}}
spec:
  description: deploys from CI
  roles:
    - domain: {kind: Project, name: demo}
      roleNames: [project_viewer]
"""
MEMBERS = """\
apiVersion: api.rapyuta.io/v2
kind: Project
metadata: {name: with-members}
spec:
  members:
    - subject: {kind: User, name: jane@example.com}
      roleNames: [project_viewer]
    - subject: {kind: UserGroup, name: operators}
      roleNames: [project_developer]
    - subject: {kind: ServiceAccount, name: robot}
      roleNames: [project_admin]
"""
EDGE = """\
apiVersion: api.rapyuta.io/v2
kind: Package
metadata: {{name: edge, version: "1"}}
spec:
  runtime: device
  device: {{arch: amd64, restart: onfailure}}
  executables:
    - name: app
      docker:
        image: {registry}/team/talker:1.0
        imagePullPolicy: Always
        pullSecret: {{depends: {{kind: secret, nameOrGUID: private-pull}}}}
---
apiVersion: api.rapyuta.io/v2
kind: Deployment
metadata:
  name: edge-1
  depends: {{kind: package, nameOrGUID: edge, version: "1"}}
spec:
  runtime: device
  restart: always
  device: {{depends: {{kind: device, nameOrGUID: rover-7}}}}
"""
NETWORK = """\
apiVersion: api.rapyuta.io/v2
kind: Network
metadata: {name: ros-net}
spec:
  type: native
  rosDistro: noetic
  runtime: cloud
  resourceLimits: {cpu: 0.5, memory: 1024}
"""
GIT_SECRET = """\
apiVersion: api.rapyuta.io/v2
kind: Secret
metadata: {name: of-old}
spec: {type: Git}
"""


def write_manifests(folder: Path, registry: str) -> None:
    """Write every manifest into ``folder``; dependents stand first, as order does not matter to ``rio``."""
    right = SECRET.format(registry=registry, user=USER, password=PASSWORD)
    wrong = SECRET.format(registry=registry, user=USER, password="not-the-password")
    package = PACKAGE.format(registry=registry)
    files = {
        "app.yaml": f"{DEPLOYMENT}---\n{package}---\n{right}---\n{KEYS}",
        "right.yaml": right,
        "wrong.yaml": wrong,
        "follower.yaml": FOLLOWER,
        "disk.yaml": DISK,
        "hub.yaml": HUB,
        "project.yaml": PROJECT,
        "team.yaml": TEAM,
        "robot.yaml": ROBOT,
        "members.yaml": MEMBERS,
        "edge.yaml": EDGE.format(registry=registry),
        "network.yaml": NETWORK,
        "git.yaml": GIT_SECRET,
    }
    for name, text in files.items():
        (folder / name).write_text(text)
