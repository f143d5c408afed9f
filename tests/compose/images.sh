#!/usr/bin/env bash
# Build what the tests of Docker Compose run beside our own images; see Dockerfile here. DOCKER,
# BASE and DOCKER_OPTIONS are as engine.sh says them. Without a name: all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ $# -gt 0 ] || set -- azurite postgres prometheus
for image in "$@"; do
  # shellcheck disable=SC2086  # options, one word each
  DOCKER_BUILDKIT=1 "${DOCKER:-docker}" build --build-arg BASE="${BASE:-iris-base:bookworm}" \
    ${DOCKER_OPTIONS-} --file tests/compose/Dockerfile --target "$image" \
    --tag "iris-test-$image:local" .
done
