"""The system on a real Kubernetes; `test_manifests.py` needs no more than kubectl."""
