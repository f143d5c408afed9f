//go:build tools

// Package tools names what engine.sh builds, so that go.mod and go.sum hold its modules by digest.
package tools

import _ "github.com/docker/compose/v2/cmd"
