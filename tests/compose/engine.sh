#!/usr/bin/env bash
# Make a Debian machine that has neither a container engine nor a registry of images build and run
# ours, and say how in variables:
#
#   found=$(tests/compose/engine.sh) && eval "$found" && make images      (as root)
#   tests/compose/engine.sh images         only what builds images: without the client's plug-ins
#   tests/compose/engine.sh stop           ends the engine, if it was started here
#
# What is there already stays as it is: packages, an engine that answers, plug-ins, the base. Needs
# Go for the plug-ins of the client, which come from their modules, by the digests in tools/.
set -euo pipefail
exec 3>&1 1>&2 # what is said on the way is for people; the variables go to the shell

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/iris-engine
release=bookworm
base=iris-base:$release
client=$cache/client
docker=/usr/bin/docker # that of Debian's engine, whichever other is found first

mkdir -p "$client/cli-plugins"
export DOCKER_CONFIG=$client

packages() {
  local missing=()
  [ -x /usr/sbin/dockerd ] || missing+=(docker.io)
  [ -x /usr/sbin/debootstrap ] || missing+=(debootstrap)
  if [ ${#missing[@]} -gt 0 ]; then
    apt-get update --quiet=2
    apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}"
  fi
}

engine() {
  if "$docker" version >/dev/null 2>&1; then return; fi
  setsid /usr/sbin/dockerd --data-root "$cache/data" </dev/null >"$cache/dockerd.log" 2>&1 3>&- &
  echo $! >"$cache/dockerd.pid"
  for _ in $(seq 120); do
    if "$docker" version >/dev/null 2>&1; then return; fi
    sleep 0.5
  done
  echo "dockerd does not answer; its last lines:"
  tail -n 5 "$cache/dockerd.log"
  exit 1
}

plugin() { # NAME PACKAGE VARIABLE: build a plug-in; the variable is where it keeps its version
  local file=$client/cli-plugins/docker-$1 module=${2%/cmd*} version
  version=$(awk -v module="$module" '$1 == "require" && $2 == module { print $3 }' \
    "$here/tools/$1/go.mod")
  if "$file" version 2>/dev/null | grep -qwF "$version"; then return; fi
  echo "building docker-$1 $version"
  (cd "$here/tools/$1" && GOFLAGS=-mod=readonly CGO_ENABLED=0 \
    go build -trimpath -ldflags "-s -w -X $module/$3=$version" -o "$file" "$2")
}

mirror() { # where this machine takes the packages of the release from
  {
    awk '/^URIs:/ { uri = $2 } /^Suites:/ { for (i = 2; i <= NF; i++) if ($i == suite) print uri }' \
      suite=$release /etc/apt/sources.list.d/*.sources
    sed -nE "s/^deb (\[[^]]*\] )?([^ ]+) $release .*/\2/p" \
      /etc/apt/sources.list /etc/apt/sources.list.d/*.list
  } 2>/dev/null | head -n 1
}

base() {
  if "$docker" image inspect "$base" >/dev/null 2>&1; then return; fi
  local tree=$cache/base
  if [ ! -d "$tree" ]; then
    rm -rf "$tree.partial"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
      "$release" "$tree.partial" "$(mirror)" >"$cache/debootstrap.log"
    rm -rf "$tree.partial"/var/cache/apt/* "$tree.partial"/var/lib/apt/lists/* \
      "$tree.partial"/var/log/*
    # The engine mounts files over these two; where they are missing, it leaves a trace of making
    # them in each layer that a command makes.
    : >"$tree.partial/etc/hosts"
    : >"$tree.partial/etc/resolv.conf"
    mv "$tree.partial" "$tree"
  fi
  tar --create --numeric-owner --sort=name --directory "$tree" . | "$docker" import - "$base"
}

options() { # for builds: the machine's network, and its certificates and index where it has them
  printf -- '--network host'
  if [ -f /etc/pip.conf ]; then printf -- ' --secret id=pip_conf,src=/etc/pip.conf'; fi
  local certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
  if [ -f "$certificates" ]; then printf -- ' --secret id=ca,src=%s' "$certificates"; fi
}

stop() {
  local pid
  pid=$(cat "$cache/dockerd.pid" 2>/dev/null) || return 0
  if [ "$(readlink "/proc/$pid/exe")" = /usr/sbin/dockerd ]; then
    kill "$pid"
    while [ -e "/proc/$pid" ]; do sleep 0.2; done
  fi
  rm "$cache/dockerd.pid"
}

if [ "${1-}" = stop ]; then
  stop
  exit
fi
packages
engine
if [ "${1-}" != images ]; then
  plugin compose github.com/docker/compose/v2/cmd internal.Version
  plugin buildx github.com/docker/buildx/cmd/buildx version.Version
fi
base
cat >&3 <<END
export DOCKER='$docker' DOCKER_CONFIG='$client' BASE='$base' DOCKER_OPTIONS='$(options)'
END
