# devnet.sh: gives a client test a gateway. Sourced, not run, from the top of the checkout.
#
#   . tests/support/devnet.sh
#   devnet_use          # $CAIRN_DEVNET (a devnet.json) if set, else a devnet of its own
#
# Afterwards: S3_HTTP, S3_HTTPS, S3_CA, AWS_* and WORK, a folder that goes at exit. A devnet that was
# started here is stopped at exit by its pid. KEEP_DEVNET=1 keeps the folder.

CAIRN=${CAIRN:-build/release/bin/cairn}
DEVNET_PID=""

devnet_stop() {
    if [ -n "$DEVNET_PID" ] && kill -0 "$DEVNET_PID" 2>/dev/null; then
        kill -TERM "$DEVNET_PID"
        for _ in $(seq 600); do
            kill -0 "$DEVNET_PID" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$DEVNET_PID" 2>/dev/null
    fi
    DEVNET_PID=""
    [ -n "${KEEP_DEVNET:-}" ] || rm -rf "$WORK"
}

# devnet_ports: a base with the first ports free; the rest lies on addresses of the stores' own.
devnet_ports() {
    python3 - <<'PYTHON'
import random, socket
for _ in range(200):
    base = random.randrange(10000, 28000, 200)
    try:
        for offset in (0, 1, 2, 3, 4, 10, 11, 30, 31):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", base + offset))
        print(base)
        break
    except OSError:
        continue
PYTHON
}

devnet_start() {
    local base
    base=$(devnet_ports)
    "$CAIRN" devnet --data "$WORK/net" --ports "$base" >"$WORK/devnet.out" 2>&1 &
    DEVNET_PID=$!
    CAIRN_DEVNET=$WORK/net/devnet.json
    for _ in $(seq 1800); do
        [ -f "$CAIRN_DEVNET" ] && return 0
        kill -0 "$DEVNET_PID" 2>/dev/null || break
        sleep 0.1
    done
    echo "the devnet did not start:" >&2
    tail -n 40 "$WORK/devnet.out" >&2
    return 1
}

# devnet_get KEY: a value of the s3 section.
devnet_get() { jq -er ".s3.$1" "$CAIRN_DEVNET"; }

devnet_use() {
    WORK=$(mktemp -d /tmp/cairn-clients-XXXXXX)
    trap devnet_stop EXIT
    trap 'exit 1' INT TERM
    if [ -z "${CAIRN_DEVNET:-}" ]; then
        devnet_start || exit 1
    fi
    S3_HTTP=$(devnet_get http) || exit 1
    S3_HTTPS=$(devnet_get https) || exit 1
    AWS_ACCESS_KEY_ID=$(devnet_get access_key)
    AWS_SECRET_ACCESS_KEY=$(devnet_get secret_key)
    AWS_DEFAULT_REGION=$(devnet_get region)
    S3_CA=$(devnet_get ca_file)
    # Nobody's own settings: what the client does by default is what is tested.
    AWS_CONFIG_FILE=$WORK/aws-config
    AWS_SHARED_CREDENTIALS_FILE=$WORK/aws-credentials
    AWS_EC2_METADATA_DISABLED=true
    HOME=$WORK
    export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_DEFAULT_REGION \
        AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE AWS_EC2_METADATA_DISABLED HOME
    unset AWS_CA_BUNDLE AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL
}
