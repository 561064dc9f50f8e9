# The verbs of this repository. `make dev` and `make test` need Rust and nothing else.
#   make deploy PARAMETERS='MailFrom=notices@example.com …'     or PARAMETERS=file://parameters.yaml
# gives the stack's parameters; an update needs only those that change.

REGION = ap-northeast-1
STACK = tegata
TEST_STACK = tegata-staging
override_parameters = $(if $(PARAMETERS),--parameter-overrides $(PARAMETERS))
output = $$(aws cloudformation describe-stacks --region $(REGION) --stack-name $(1) \
	--query "Stacks[0].Outputs[?OutputKey=='$(2)'].OutputValue" --output text)

.PHONY: dev test bench lint build deploy-test deploy-staging deploy

dev:
	cargo run -- dev

test:
	cargo test --workspace --locked

bench:
	cargo bench -p tegata-tests

# With sam, cfn-guard and tests/template/requirements.txt on PATH.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	sam validate --lint
	tests/template/check

# With sam and cargo-lambda on PATH.
build:
	sam build

# Into a local AWS, with nothing but this machine.
deploy-test:
	tests/deploy/run

deploy-staging: build
	sam deploy --config-env test $(override_parameters)
	$(call cdn_logs,$(TEST_STACK))

deploy: build
	sam deploy $(override_parameters)
	$(call cdn_logs,$(STACK))

# The log of the CDN is delivered by a stack in us-east-1.
define cdn_logs
aws cloudformation deploy --region us-east-1 --stack-name $(1)-cdn-logs \
	--template-file template-cdn-logs.yaml --no-fail-on-empty-changeset \
	--parameter-overrides "DistributionId=$(call output,$(1),CdnDistribution)" \
	"LogBucket=$(call output,$(1),CdnLogBucket)"
endef
