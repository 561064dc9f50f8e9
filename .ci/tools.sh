# Sourced by .ci/run and tests/deploy/run: the tools they install, and the build they test.

cache=${TEGATA_CI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tegata-ci}

# python_tools NAME PACKAGE...: puts a virtual environment with these first on PATH; it is made once.
python_tools() {
  local name=$1
  shift
  local venv
  venv="$cache/$name-$(printf '%s\n' "$@" | sha256sum | cut -c1-12)"
  if [ ! -x "$venv/ready" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
    ln -s bin/python "$venv/ready"
  fi
  PATH="$venv/bin:$PATH"
}

# What the checks of the templates need.
template_tools() {
  local packages guard="$cache/cfn-guard-3.2.1-O1"
  mapfile -t packages <tests/template/requirements.txt
  python_tools template "${packages[@]}"
  if [ ! -x "$guard/bin/cfn-guard" ]; then
    # Optimised a little: two hundred runs of it take half the time, and building it a minute more.
    CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_TARGET_DIR="$guard/target" cargo install --quiet --debug --locked --root "$guard" cfn-guard@3.2.1
    rm -rf "$guard/target"
  fi
  PATH="$guard/bin:$PATH"
}

# The functions as SAM builds them, but quickly instead of small: what is tested with them needs
# their behaviour.
sam_build() {
  CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=0 \
    SAM_CLI_TELEMETRY=0 sam build --parameter-overrides Architecture=x86_64
  scripts/check-architecture x86_64 .aws-sam/build
}
