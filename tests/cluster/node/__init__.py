"""One real Kubernetes node, from upstream programs, in namespaces of its own: docs/cluster.md."""
