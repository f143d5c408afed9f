// The modules whose definitions of custom resources the manifests use: test_server_side.py.
module iris-ml-api/tests/cluster/definitions

go 1.24.6

require (
	github.com/external-secrets/external-secrets v0.19.2
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.3.0
)
