# The only command surface: people, .ci/run and .github/workflows/ci.yaml call the same targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKDIR ?= work
ARGS ?=
DOCKER ?= docker

include versions.env
PYTHON_BASE := $(PYTHON_IMAGE)$(if $(PYTHON_IMAGE_DIGEST),@$(PYTHON_IMAGE_DIGEST))
NEMO_RL_BASE := $(NEMO_RL_IMAGE)$(if $(NEMO_RL_IMAGE_DIGEST),@$(NEMO_RL_IMAGE_DIGEST))
# The commit that an image is built from; `+changes` when tracked files differ from it.
GIT_SHA = $(shell git describe --always --abbrev=40 --exclude='*' --dirty=+changes 2>/dev/null)
BUILD = $(DOCKER) build --file steps/Dockerfile --build-arg PYTHON_IMAGE=$(PYTHON_BASE) --build-arg GIT_SHA=$(GIT_SHA)

help: ## Show the targets
	@grep -hE '^[a-zA-Z0-9_%-]+:.*?## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*?## "} {printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: set PYTHON=/path/to/python3.11"; exit 78; }
	$(PYTHON) -m venv $(VENV)

# A stamp per extra set, so that a changed pin installs again and nothing else does.
$(VENV)/.local: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[local]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.local

install: $(VENV)/.local ## Install what the demo needs into .venv

demo: $(VENV)/.local ## Run the whole loop on this machine: no GPU, cluster, key or network
	$(BIN)/ctp run --yes --workdir $(WORKDIR) $(ARGS)

# Debian's package; where it cannot be installed, the tests of our PromQL skip and say so.
$(VENV)/.prometheus: | $(BIN)/python
	@export DEBIAN_FRONTEND=noninteractive; install="apt-get install -y --no-install-recommends prometheus"; \
	if command -v prometheus promtool >/dev/null; then :; \
	elif ! command -v apt-get >/dev/null; then echo "no apt-get here: install prometheus and promtool by hand to run the tests of PromQL"; exit 0; \
	elif [[ $$(id -u) == 0 ]]; then { apt-get update && $$install; } >/dev/null 2>&1 || true; \
	else { sudo -n apt-get update && sudo -n $$install; } >/dev/null 2>&1 || true; fi; \
	if command -v prometheus promtool >/dev/null; then touch $@; else echo "prometheus could not be installed (apt-get install prometheus): the tests of PromQL will skip"; fi

test: $(VENV)/.dev $(VENV)/.prometheus ## Run every test
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(ARGS)

# Half as much processor time again as `make test`: a nightly job of CI.
coverage: $(VENV)/.dev $(VENV)/.prometheus ## Run every test and hold the floor of coverage
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --cov --cov-report=term:skip-covered $(ARGS)

# One tool a line, the quick ones first. All of them work without network.
lint: $(VENV)/.dev ## Style, floors, types, and the files that GitHub and Renovate read
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yaml
	$(BIN)/check-jsonschema --quiet --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yaml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*.yaml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.renovate renovate.json
	$(BIN)/zizmor --offline --quiet --persona=pedantic --strict-collection .
	$(BIN)/mypy steps workflows

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

render: $(VENV)/.dev ## Write everything generated: workflows, derived values, IAM policies, dashboards
	$(BIN)/python -m workflows.generate

# Under another hash seed than the machine's own: what is committed must not depend on it.
drift: $(VENV)/.dev ## Compare everything generated with what is committed
	PYTHONHASHSEED=1 $(BIN)/python -m workflows.generate --check

check: lint drift ## Everything that must be clean before a commit, but for the tests

bench: $(VENV)/.dev ## Every measurement of bench/; bench-NAME runs one
	$(BIN)/python -m bench.run

bench-%: $(VENV)/.dev
	$(BIN)/python -m bench.run $*

image-digests: ## Ask the registries for the digests of the base images and pin them in versions.env
	@for name in PYTHON_IMAGE NEMO_RL_IMAGE; do \
		image=$$(sed -n "s|^$$name=||p" versions.env); \
		digest=$$($(DOCKER) buildx imagetools inspect "$$image" --format '{{.Manifest.Digest}}'); \
		[[ $$digest =~ ^sha256:[0-9a-f]{64}$$ ]] || { echo "the registry gave no digest of $$image: $$digest"; exit 75; }; \
		sed -i.old "s|^$${name}_DIGEST=.*|$${name}_DIGEST=$$digest|" versions.env && rm versions.env.old; \
		echo "$$image@$$digest"; \
	done

images: ## Build the images: kind (CPU), base, train-trl (CUDA), nemo-rl
	$(if $(PYTHON_IMAGE_DIGEST),,@echo "PYTHON_IMAGE_DIGEST is empty: building on the tag $(PYTHON_IMAGE); run make image-digests to pin it" >&2)
	$(MAKE) image-kind
	$(BUILD) --target base --tag $(IMAGE_REPOSITORY)-base:$(IMAGE_TAG) .
	$(BUILD) --target train-trl --tag $(IMAGE_REPOSITORY)-train-trl:$(IMAGE_TAG) .
	$(MAKE) image-nemo-rl

image-nemo-rl: ## Build only the image of a training on many nodes (tens of GB)
	$(if $(NEMO_RL_IMAGE_DIGEST),,@echo "NEMO_RL_IMAGE_DIGEST is empty: building on the tag $(NEMO_RL_IMAGE); run make image-digests to pin it" >&2)
	$(BUILD) --target nemo-rl --build-arg NEMO_RL_IMAGE=$(NEMO_RL_BASE) --build-arg EFA_INSTALLER_VERSION=$(EFA_INSTALLER_VERSION) \
		--tag $(IMAGE_REPOSITORY)-nemo-rl:$(IMAGE_TAG) .

image-kind: ## Build only the one image of the kind environment
	$(BUILD) --target train-trl --build-arg TORCH_INDEX_URL=$(TORCH_CPU_INDEX_URL) --tag $(IMAGE_REPOSITORY):$(IMAGE_TAG) .

e2e: $(VENV)/.dev ## Drive the cluster of KUBECONFIG with the image CTP_E2E_IMAGE (docs/e2e.md)
	@: $${KUBECONFIG:?name a cluster} $${CTP_E2E_IMAGE:?name the image on its node}
	$(BIN)/python -m pytest -q tests/e2e $(ARGS)

game-day: $(VENV)/.dev ## Release a bad version to the cluster of KUBECONFIG and time its rollback (docs/runbooks/game-day.md)
	@: $${KUBECONFIG:?name a cluster}
	$(BIN)/ctp game-day $(ARGS)

kind-up: $(VENV)/.dev ## Everything on kind: cluster, controllers, the loop up to its first approval (needs Docker)
	@$(BIN)/python -m tools.kind_up up $(ARGS)

kind-approve: $(VENV)/.dev ## Say yes to what waits on kind
	@$(BIN)/python -m tools.kind_up approve

kind-sync: $(VENV)/.dev ## Apply on kind what the pipeline wrote to Git, as Argo CD would
	@$(BIN)/python -m tools.kind_up sync

kind-down: $(VENV)/.dev ## Delete the kind cluster
	@$(BIN)/python -m tools.kind_up down

clean: ## Remove the virtual environment and the work folder
	rm -rf $(VENV) $(WORKDIR)

.PHONY: help install demo test coverage lint format render drift check bench images image-digests image-kind image-nemo-rl e2e game-day kind-up kind-approve kind-sync kind-down clean
