# The verbs of this repository. `make dev` and `make test` need Rust and nothing else.
#
# `make deploy` takes the stack's parameters from parameters.yaml, a copy of examples/parameters.yaml,
# or from another file: `make deploy PARAMETERS=other.yaml`. `make deploy-staging` takes them from
# parameters-staging.yaml. Without the file a stack keeps the values that it has.

REGION = ap-northeast-1
STACK = tegata
PARAMETERS = $(wildcard parameters.yaml)
TEST_STACK = tegata-staging
TEST_PARAMETERS = $(wildcard parameters-staging.yaml)

.PHONY: dev test bench load lint build deploy-test deploy-staging deploy

dev:
	cargo run -- dev

test:
	cargo test --workspace --locked

bench:
	cargo bench -p tegata-tests

# A quarter of an hour: the lookup as it is deployed, under load. With cargo-lambda on PATH.
load:
	cargo bench -p tegata-tests --bench load

# With sam, cfn-guard and tests/template/requirements.txt on PATH.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	sam validate --lint
	tests/template/check

# With sam, cargo-lambda and aws on PATH, as all that follows.
build:
	scripts/deploy build $(STACK) $(REGION) '$(PARAMETERS)'

deploy:
	scripts/deploy stack $(STACK) $(REGION) '$(PARAMETERS)'

deploy-staging:
	scripts/deploy stack $(TEST_STACK) $(REGION) '$(TEST_PARAMETERS)'

# Into a local AWS, with nothing but this machine.
deploy-test:
	tests/deploy/run
