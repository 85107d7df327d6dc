"""A provider of nodes for Ray's autoscaler whose nodes can be reclaimed, as a cloud's can.

Ray's own provider for tests goes on listing a node that has died, and its first autoscaler then waits for that node for
ever: it replaces lost nodes only of providers that set nodes up by ssh. A cloud lists a reclaimed node no longer.
"""

from __future__ import annotations

from typing import Any

from ray.autoscaler._private.fake_multi_node.node_provider import FakeMultiNodeProvider


class Cloud(FakeMultiNodeProvider):
    """Real nodes on this machine; a node whose daemon has died is gone."""

    def non_terminated_nodes(self, tag_filters: Any) -> Any:
        with self.lock:
            for name, entry in list(self._nodes.items()):
                node: Any = entry.get("node")
                if node and any(kind == "raylet" for kind, _ in node.dead_processes()):
                    self._terminate_node(self._nodes.pop(name))
        return super().non_terminated_nodes(tag_filters)
