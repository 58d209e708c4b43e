# servers.sh - sourced by the scripts that need a tenant, and a terminator in front of it. They begin in a directory of
# their own, nobody is there to answer a question, and whatever they started is ended by its process id.
: "${ONRAMP_BINARY:?}"
for variable in https_proxy HTTPS_PROXY http_proxy HTTP_PROXY $(env | sed -n 's/^\(AUTH0_[A-Z_]*\|BULK_USER_FILE\|ONRAMP_[A-Z_]*\)=.*/\1/p'); do
    case $variable in ONRAMP_BINARY | ONRAMP_TEST_DATA) ;; *) unset "$variable" ;; esac
done
directory=$(mktemp -d)
tenant='' proxy=''
trap 'stop_servers; rm -rf "$directory"' EXIT
cd "$directory" || exit 1
exec </dev/null

fail() {
    echo "$(basename "$0"): $*"
    tail -n 20 -- ./*.log out err 2>/dev/null
    exit 1
}

onramp() { # EXIT ARGUMENT...: with this exit code; standard output goes to out, standard error to err
    local want=$1 code=0
    shift
    timeout 120 "$ONRAMP_BINARY" "$@" >out 2>err || code=$?
    [ "$code" -eq "$want" ] || fail "onramp $* ended with $code, not $want"
}

says() { # FILE TEXT
    grep -qF -- "$2" "$1" || fail "$1 does not say '$2'"
}

await() { # FILE: until it is there
    for _ in $(seq 600); do
        [ -s "$1" ] && return
        sleep 0.1
    done
    fail "waited in vain for $1"
}

start_tenant() { # FLAG...: sets $tenant, writes .env, which the other commands read; tenant.log has a line a request
    rm -f .env
    "$ONRAMP_BINARY" tenant --write-env .env "$@" >tenant.out 2>tenant.log &
    tenant=$!
    await .env
}

make_certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
        -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout key.pem -out cert.pem \
        2>openssl.log || fail "openssl makes no certificate"
}

answers_with_our_certificate() { # PORT: who was quicker may listen there too, and the terminator end only then
    timeout 5 openssl s_client -connect "127.0.0.1:$1" -CAfile cert.pem -verify_return_error \
        </dev/null >/dev/null 2>&1
}

# nghttpx in front of the tenant: TLS and HTTP/2, and .env leads to it. Sets $proxy; access.log has a line a request:
# the client's port, the protocol, the status. nghttpx wants a port by number: another one if somebody was quicker.
start_proxy() {
    local backend port
    backend=$(sed -n 's/^AUTH0_DOMAIN=.*:\([0-9]*\)$/\1/p' .env)
    [ -e cert.pem ] || make_certificate
    for _ in $(seq 20); do
        port=$((10000 + RANDOM % 22000)) # below those that connections take
        rm -f access.log
        nghttpx --conf=/dev/null --frontend="127.0.0.1,$port" --backend="127.0.0.1,$backend" --workers=1 \
            --accesslog-file="$PWD/access.log" --accesslog-format='$remote_port $alpn $status' \
            key.pem cert.pem >proxy.log 2>&1 &
        proxy=$!
        for _ in $(seq 100); do
            kill -0 "$proxy" 2>/dev/null || break
            answers_with_our_certificate "$port" && break 2
            sleep 0.1
        done
        wait "$proxy" || true
        proxy=''
    done
    [ -n "$proxy" ] || fail "nghttpx did not start"
    {
        grep -v -e '^AUTH0_DOMAIN=' -e '^ONRAMP_CACERT=' .env
        echo "AUTH0_DOMAIN=localhost:$port"
        echo "AUTH0_AUDIENCE=https://localhost:$port/api/v2/"
        echo "ONRAMP_CACERT=$PWD/cert.pem"
    } >behind.env
    chmod 600 behind.env
    mv behind.env .env
}

stop_servers() { # what they write when they end is there afterwards
    local pid
    for pid in $proxy $tenant; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    tenant='' proxy=''
}
