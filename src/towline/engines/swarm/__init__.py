"""Services on a Docker Swarm, asked of an Engine that is a manager of it. Spec: moby ``api/swagger.yaml``.

The swarm chooses nodes, and a node pulls with what the swarm keeps for the service: so a changed
credential is handed to the swarm at once, for every task that is placed later. See decision 33.
"""
