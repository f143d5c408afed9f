# Every task of this repository; people, hooks and CI call the same ones. Set-up is part of each:
# it needs Python >= 3.11, touches nothing outside of this folder, and costs nothing when done.

PYTHON ?= python3
ONCE   ?=
COVERAGE ?=
PYTEST ?=
KILLS  ?= 20
RACES  ?= 2
COMPOSE ?= docker compose
IMAGES ?= download-model gateway inference load mlflow promoter supervisor
IMAGES_FILE ?=
PUSHED := dist/images.txt
REGISTRY ?=
TAG    ?= local
BASE   ?= python:3.11-slim
COSIGN ?= cosign
DOCKER ?= docker
DOCKER_OPTIONS ?=
GRYPE  ?= grype
KUBECTL ?= kubectl
OVERLAY ?=
PLANNED ?=
TERRAFORM ?= terraform
YES    ?=

VENV      := .venv
INSTALLED := $(VENV)/installed
NODE      := $(if $(shell which npm 2>/dev/null),node_modules/.package-lock.json)
LOCKED    := download gateway inference load mlflow registry training
UV        := $(VENV)/bin/uv pip
INTO      := --quiet --python $(VENV)/bin/python
COMPILE   := $(UV) compile --quiet --universal --python-version 3.11 --generate-hashes --no-header

# Where the shell has set this, each of the tests' processes would compile MLflow anew: 3 s each.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up down cluster-up cluster-down cluster-test test test-azure test-clients \
  test-compose test-faults test-load ci audit load load-ui bench dashboard rules images sbom scan \
  push registry-login sign released kubeconfig deploy-dev deploy-prod undo-deploy-dev \
  undo-deploy-prod smoke-dev smoke-prod promote-dev promote-prod rollback-dev rollback-prod \
  recover-dev recover-prod train-dev train-prod mlflow plan-shared plan-dev plan-prod apply-shared \
  apply-dev apply-prod lint format lock clean

help: ## List what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-16s %s\n", $$1, $$2}'

setup: $(INSTALLED) ## Make the virtual environment in .venv; PYTHON=python3.12 names another Python

demo: $(INSTALLED) ## Train, promote, serve and predict; stay up until Ctrl-C, or with ONCE=1 end
	@$(VENV)/bin/iris demo $(if $(ONCE),--once)

up: .env images ## Start everything in containers, and let a first version serve: docs/compose.md
	$(COMPOSE) up --detach
	$(COMPOSE) run --rm promoter bootstrap
	$(COMPOSE) exec -T api-gateway curl --fail --silent --show-error --output /dev/null \
	  --retry 30 --retry-delay 1 --retry-all-errors http://127.0.0.1:8080/health/ready
	@echo "gateway: http://$$($(COMPOSE) port api-gateway 8080)"

down: ## Stop the containers; their volumes keep everything
	COMPOSE_PROFILES=load,observe,promoter,trainer,worker $(COMPOSE) down

# Made once: who has these has the store, the database and the supervisor.
SECRETS = for name in AZURITE_KEY GRAFANA_PASSWORD IRIS_SUPERVISOR_TOKEN POSTGRES_PASSWORD; do \
  secret=$$($(PYTHON) -c 'import secrets; print(secrets.token_hex(32))') || exit 1; \
  echo "$$name=$$secret"; done
.env:
	@(umask 077; { $(SECRETS); } > $@.part && mv $@.part $@)

# Three workers keep two cores busy, since tests wait for processes. The long modules come first,
# so that no worker ends up waiting for another. With a thread each they do not spin for each other:
# an eighth of the time.
test test-faults: export OMP_NUM_THREADS = 1
test: $(INSTALLED) $(NODE) ## Run the tests; COVERAGE=1 tells what they reach, PYTEST="-k ledger" passes options on
	$(VENV)/bin/pytest -n 3 --dist loadscope --no-loadscope-reorder \
	  $(if $(COVERAGE),--cov --cov-report=term:skip-covered) $(PYTEST)

test-faults: $(INSTALLED) ## Kill, stop and race promoters, for minutes; KILLS=200 RACES=20 is the whole
	KILLS=$(KILLS) RACES=$(RACES) $(VENV)/bin/pytest tests/faults $(PYTEST)

test-compose: $(INSTALLED) ## Run docker-compose.yml in containers, with the images that make images made: docs/images.md
	$(VENV)/bin/pytest tests/compose $(PYTEST)

cluster-up: $(INSTALLED) ## Start one real Kubernetes node here, or check that of KUBECONFIG: docs/cluster.md
	@$(VENV)/bin/python -m tests.cluster.node up

cluster-down: $(INSTALLED) ## End that node, and remove all that it had
	@$(VENV)/bin/python -m tests.cluster.node down

cluster-test: $(INSTALLED) ## Build the images, start a node, deploy, test, end all of it; PYTEST='-m ""' takes an hour more
	@tests/cluster/run $(PYTEST)

bench: $(INSTALLED) ## Measure beside peers; PEERS=mosec,echo CONNECTIONS=32,128 ROUNDS=3 narrows it
	@$(VENV)/bin/python -m load_tests.benchmark

test-azure: $(INSTALLED) $(NODE) ## Check what Azure and GitHub run, with neither: Terraform, queries, workflows
	$(VENV)/bin/pytest tests/azure $(PYTEST)

ci: ## All that CI runs on a change, but what has a target of its own
	.ci/run

# Strict, since what is not found would be taken for sound.
audit: $(INSTALLED) ## Look the locks up among what is known to be vulnerable; needs the network
	@for lock in requirements/*.txt; do echo "── $$lock"; $(VENV)/bin/pip-audit --strict --disable-pip \
	  --require-hashes --requirement $$lock || exit 1; done

test-load: $(INSTALLED) ## Run the load suite against systems with and without faults, for three minutes
	$(VENV)/bin/pytest tests/load $(PYTEST)

test-clients: $(INSTALLED) $(NODE) ## Generate TypeScript and Java clients from /openapi.json, and call with them
	$(VENV)/bin/pytest tests/clients $(PYTEST)

load: $(INSTALLED) ## Put load on a service, and judge it: PROFILE=steady RATE=800 FOR=10m HOST=http://…
	@$(VENV)/bin/python -m load_tests.suite

load-ui: $(INSTALLED) ## The same users and the same schedule in Locust's own web page, on port 8089
	@$(VENV)/bin/python -m load_tests.suite --ui

dashboard: $(INSTALLED) ## Write Grafana's dashboard, observability/dashboard.json, from its panels
	@$(VENV)/bin/python -m observability.dashboard > observability/dashboard.json

rules: ## Write the PrometheusRule of k8s/, from the rule files of observability/
	@k8s/components/monitoring/rules > k8s/components/monitoring/prometheusrule.yaml

deploy-dev: ## As deploy-prod, in dev; OVERLAY=k8s/overlays/dev-standalone is one without Azure
deploy-prod: ## Bring the manifests into the cluster of prod; what serves stays. IMAGES_FILE= pins images
undo-deploy-dev: ## As undo-deploy-prod, in dev
undo-deploy-prod: ## Bring back the manifests and images of the deploy before; what serves stays
deploy-dev deploy-prod:
	@IMAGES_FILE="$(IMAGES_FILE)" KUBECTL="$(KUBECTL)" k8s/deploy $(@:deploy-%=%) $(OVERLAY)
undo-deploy-dev undo-deploy-prod:
	@KUBECTL="$(KUBECTL)" k8s/deploy $(@:undo-deploy-%=%) --undo

promote-dev: ## As promote-prod, in dev
promote-prod: ## Let a version serve, by a Job in the cluster of prod: VERSION=7 REASON="…" YES=--yes
# As they were typed, though a dollar be in them.
OPERATIONS = promote-dev promote-prod rollback-dev rollback-prod recover-dev recover-prod
$(OPERATIONS): override export VERSION := $(value VERSION)
$(OPERATIONS): override export REASON := $(value REASON)
$(OPERATIONS): override export ACCEPT_INCONCLUSIVE := $(value ACCEPT_INCONCLUSIVE)
$(OPERATIONS): override export TAKEOVER := $(value TAKEOVER)
promote-dev promote-prod:
	$(if $(value VERSION),,$(error which version is to serve? VERSION=7))
	@KUBECTL="$(KUBECTL)" k8s/iris $(@:promote-%=%) promote "$$VERSION" --reason "$$REASON" \
	  $(if $(value ACCEPT_INCONCLUSIVE),--accept-inconclusive "$$ACCEPT_INCONCLUSIVE") $(YES)

rollback-dev: ## As rollback-prod, in dev
rollback-prod: ## Let the release before serve again in prod, or VERSION=6: REASON="…" YES=--yes
rollback-dev rollback-prod:
	@KUBECTL="$(KUBECTL)" k8s/iris $(@:rollback-%=%) rollback --reason "$$REASON" \
	  $(if $(value VERSION),--to "$$VERSION") $(YES)

recover-dev: ## As recover-prod, in dev
recover-prod: ## End what was left half-done in prod: TAKEOVER="why, if its promoter may live" YES=--yes
recover-dev recover-prod:
	@KUBECTL="$(KUBECTL)" k8s/iris $(@:recover-%=%) recover \
	  $(if $(value TAKEOVER),--takeover "$$TAKEOVER") $(YES)

train-dev: ## As train-prod, in dev
train-prod: ## Train in the cluster of prod, and ask the gates about what was registered
train-dev train-prod:
	@KUBECTL="$(KUBECTL)" k8s/train $(@:train-%=%)

smoke-dev: $(INSTALLED) ## As smoke-prod, in dev
smoke-prod: $(INSTALLED) ## Put a small load on what serves in the cluster of prod, and judge it
smoke-dev smoke-prod:
	@KUBECTL="$(KUBECTL)" k8s/smoke $(@:smoke-%=%)

kubeconfig: ## Let kubectl talk to a cluster on Azure: AZURE_RESOURCE_GROUP=… AKS_NAME=…
	@command -v kubelogin >/dev/null || az aks install-cli --client-version 1.34.4 \
	  --install-location ~/.local/bin/kubectl \
	  --kubelogin-version v0.2.22 --kubelogin-install-location ~/.local/bin/kubelogin
	az aks get-credentials --overwrite-existing --resource-group "$(AZURE_RESOURCE_GROUP)" \
	  --name "$(AKS_NAME)"
	kubelogin convert-kubeconfig --login azurecli

mlflow: ## Reach the cluster's MLflow, on port 5050, until Ctrl-C; the password is as it says
	@echo "user iris, password: $(KUBECTL) -n iris-ml get secret iris-ml-secrets" \
	  "-o jsonpath='{.data.mlflow-password}' | base64 -d"
	$(KUBECTL) --namespace iris-ml port-forward service/mlflow 5050:5000

plan-shared: ## As plan-prod, of what the environments share
plan-dev: ## As plan-prod, of dev
plan-prod: ## Show what Terraform would change in prod, and change nothing; TERRAFORM=tofu
apply-shared: ## As apply-prod, of what the environments share
apply-dev: ## As apply-prod, of dev
apply-prod: ## Change it, if it is still what was planned: PLANNED=$(cat dist/plan-prod)
plan-shared plan-dev plan-prod:
	@TERRAFORM=$(TERRAFORM) terraform/change plan $(@:plan-%=%)
apply-shared apply-dev apply-prod:
	@TERRAFORM=$(TERRAFORM) terraform/change apply $(@:apply-%=%) \
	  $(or $(PLANNED),$(error which plan? PLANNED=… is what plan-$(@:apply-%=%) printed last))

lint: $(INSTALLED) ## Check style, types, import rules and locks; change nothing
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/pytest -q tests/unit/project/test_locks.py

format: $(INSTALLED) ## Format the code, and mend what can be mended
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

# The version that is in the images, and the commit with its time; none of the machine's clock.
LABELS = --build-arg VERSION=$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' serving/__init__.py) \
  --build-arg REVISION=$$(git rev-parse HEAD) \
  --build-arg SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct)

images: ## Build the images, and weigh them: IMAGES="gateway load" TAG=1.2 BASE=…; see docs/images.md
	for image in $(IMAGES); do DOCKER_BUILDKIT=1 $(DOCKER) build --build-arg BASE=$(BASE) $(LABELS) \
	  $(DOCKER_OPTIONS) --target $$image --tag iris-$$image:$(TAG) . || exit 1; done
	@DOCKER=$(DOCKER) docker/weigh $(BASE) $(TAG) $(IMAGES)

SBOMS := dist/sbom
sbom: ## Say what images are made of, as CycloneDX, in dist/sbom: IMAGES="gateway load" TAG=1.2
	@mkdir -p $(SBOMS)
	@for image in $(IMAGES); do DOCKER=$(DOCKER) docker/sbom iris-$$image:$(TAG) \
	  > $(SBOMS)/$$image.cdx.json || exit 1; echo $(SBOMS)/$$image.cdx.json; done

scan: ## Look what those name up among what is known to be vulnerable, by GRYPE=grype
	@for image in $(IMAGES); do echo "── $$image"; $(GRYPE) --fail-on high --only-fixed \
	  sbom:$(SBOMS)/$$image.cdx.json || exit 1; done

# To a file beside, so that one that is there is whole.
push: ## Push images, and keep their digests in dist/images.txt: REGISTRY=host/path TAG=1.2
	@mkdir -p $(dir $(PUSHED))
	@DOCKER=$(DOCKER) docker/push $(or $(REGISTRY),$(error where to? REGISTRY=host/path)) \
	  $(TAG) $(IMAGES) > $(PUSHED).part
	@mv $(PUSHED).part $(PUSHED)
	@cat $(PUSHED)
	@echo "next: make deploy-dev IMAGES_FILE=$(PUSHED)"

registry-login: ## Sign in to an image registry on Azure: REGISTRY=name.azurecr.io
	az acr login --name "$(firstword $(subst ., ,$(REGISTRY)))"

sign: ## Sign what was pushed, by COSIGN=cosign, with its SBOM: only CI's signature counts
	@COSIGN=$(COSIGN) docker/signed sign $(PUSHED) $(SBOMS)

released: ## Find the signed images of a commit of main, as push keeps them: VERSION=… REGISTRY=…
released: override export VERSION := $(value VERSION)
released:
	@mkdir -p $(dir $(PUSHED))
	@COSIGN=$(COSIGN) DOCKER=$(DOCKER) docker/released \
	  "$${VERSION:?which commit of main, or tag of one?}" \
	  $(or $(REGISTRY),$(error where from? REGISTRY=host/path)) $(IMAGES) > $(PUSHED).part
	@mv $(PUSHED).part $(PUSHED)
	@cat $(PUSHED)

lock: $(INSTALLED) ## Resolve pyproject.toml again; UPGRADE=--upgrade takes newer releases
	$(COMPILE) $(UPGRADE) --extra all --group dev -o requirements/dev.txt pyproject.toml
	for extra in $(LOCKED); do $(COMPILE) --extra $$extra -c requirements/dev.txt \
	  -o requirements/$$extra.txt pyproject.toml || exit 1; done
	echo uv | $(COMPILE) -c requirements/dev.txt -o requirements/bootstrap.txt -

clean: ## Remove what the tasks made, but not .iris, where the demo keeps its models
	rm -rf $(VENV) .bench .clients .load node_modules dist .coverage .hypothesis \
	  .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@if [ -e .cluster/pid ]; then echo ".cluster is a node that is up; end it with make cluster-down"; \
	  else rm -rf .cluster; fi

# A Python that won't do is named before anything is made.
PROBE = import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
CHECK = $(if $(shell $(PYTHON) -c '$(PROBE)' 2>/dev/null && echo good),,$(error \
  $(PYTHON) won't do ($(shell $(PYTHON) -V 2>&1 || true)): Python >= 3.11 with its module venv \
  is needed; name another with PYTHON=))

$(VENV)/bin/uv: requirements/bootstrap.txt
	$(CHECK)$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  --requirement requirements/bootstrap.txt
	@touch $@

$(INSTALLED): $(VENV)/bin/uv requirements/dev.txt pyproject.toml serving/__init__.py
	$(UV) sync $(INTO) --require-hashes requirements/dev.txt
	$(UV) install $(INTO) --no-deps --no-build-isolation --editable .
	@touch $@

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --ignore-scripts
	@touch $@
