# Sourced by `with` and by tests/deploy/run: starts a local AWS on loopback, for as long as the script
# runs. It logs into $work/ministack.log.
#
# start_ministack PORT COMMAND [ARGUMENT ...]     with $work, a directory that is removed in the end

start_ministack() {
  local port=$1
  shift
  export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_REGION=ap-northeast-1
  export AWS_DEFAULT_REGION=$AWS_REGION AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  export AWS_EC2_METADATA_DISABLED=true NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
  env -i PATH=/usr/bin:/bin HOME="$work" TMPDIR="$work" BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" \
    AWS_ENDPOINT_URL="$AWS_ENDPOINT_URL" AWS_REGION="$AWS_REGION" AWS_DEFAULT_REGION="$AWS_REGION" \
    AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_EC2_METADATA_DISABLED=true \
    IOT_MTLS_ENABLED=0 "$@" >"$work/ministack.log" 2>&1 &
  cloud=$!
  trap 'kill $cloud 2>/dev/null || true; wait $cloud 2>/dev/null || true; rm -rf "$work"' EXIT
  python - <<'PYTHON' || { tail -n 40 "$work/ministack.log" >&2; exit 1; }
import os, sys, time, urllib.request

for attempt in range(240):
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            os.environ["AWS_ENDPOINT_URL"] + "/_ministack/ready", timeout=2)
        break
    except OSError:
        time.sleep(0.25)
else:
    sys.exit("the local AWS did not start")
PYTHON
}
