# How `sam build` builds a function: statically, so that no library is loaded when it starts
# (docs/PERFORMANCE.md). SAM's own way to call cargo-lambda passes no target.
#
# SAM runs make here in arm64/ or x86_64/ (WorkingDirectory in template.yaml), with the Makefile in the
# function's folder. Cargo runs in that folder, which is a package: so it builds this package and its
# dependencies alone, with their own features.
include target.mk

build-%:
	if command -v rustup >/dev/null; then rustup target add $(target); fi
	cd "$(dir $(firstword $(MAKEFILE_LIST)))" && RUSTFLAGS="-C relocation-model=static" \
	  cargo lambda build --release --locked --target $(target) --bin $(binary) \
	    --lambda-dir "$(ARTIFACTS_DIR)" --flatten $(binary)
