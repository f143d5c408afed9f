module iris-ml-api/tests/cluster/node/go/pause

go 1.24.0
