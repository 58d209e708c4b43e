#!/usr/bin/env bash
# A real Auth0 client, Auth0's own SDK for Node.js, against the local tenant over TLS: token by client credentials,
# connections, create, duplicate, look-ups, ticket, roles, delete, in the shapes that the SDK expects.
# Skipped (77) where node, npm or the package registry is not there.
set -u

skip() {
    echo "skipped: $1"
    exit 77
}

command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are not installed"
node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' || skip "node is older than 20"

work=$(mktemp -d)
tenant=
finish() {
    [ -n "$tenant" ] && kill "$tenant" 2>/dev/null && wait "$tenant"
    rm -rf "$work"
}
trap finish EXIT

(cd "$work" && timeout 120 npm install --silent --no-audit --no-fund --no-save auth0@5.14.1 >npm.log 2>&1) ||
    skip "the SDK cannot be installed: $(tail -n 1 "$work/npm.log")"

"$ONRAMP_BINARY" tenant --tls --ca-out "$work/ca.pem" --write-env "$work/env" --latency 0 --api 1000@1000/s --quiet \
    --users-out "$work/users.ndjson" >"$work/tenant.log" 2>&1 &
tenant=$!
for _ in $(seq 200); do
    [ -f "$work/env" ] && break
    kill -0 "$tenant" 2>/dev/null || { cat "$work/tenant.log"; exit 1; }
    sleep 0.05
done

cat >"$work/client.mjs" <<'JS'
import assert from "node:assert/strict";
import { ManagementClient } from "auth0";

const env = process.env;
const connection = env.AUTH0_DATABASE_NAME;
const tenant = new ManagementClient({
  domain: env.AUTH0_DOMAIN,
  clientId: env.AUTH0_CLIENT_ID,
  clientSecret: env.AUTH0_CLIENT_SECRET,
});
const password = "Xk7!mq2#Wz9$pL";
const status = (promise) => promise.then(() => 0, (error) => error.statusCode);

const found = await tenant.connections.list({ name: connection });
assert.equal(found.data.length, 1);
assert.equal(found.data[0].strategy, "auth0");
const clients = await tenant.connections.clients.get(found.data[0].id);
assert.ok(clients.data.some((client) => client.client_id === env.AUTH0_CLIENT_ID));

const users = [];
for (let i = 0; i < 20; i++)
  users.push(await tenant.users.create({ connection, email: `User${i}@Example.com`, password, verify_email: false }));
assert.equal(users[3].email, "user3@example.com");
assert.match(users[3].user_id, /^auth0\|[0-9a-f]{24}$/);
assert.equal(users[3].identities[0].connection, connection);

assert.equal(await status(tenant.users.create({ connection, email: "user3@example.com", password })), 409);
assert.equal(await status(tenant.users.create({ connection, email: "weak@example.com", password: "x" })), 400);
assert.equal(await status(tenant.users.create({ connection: "Nowhere", email: "a@example.com", password })), 400);
const { rawResponse } = await tenant.users.create({ connection, email: "last@example.com", password }).withRawResponse();
assert.equal(rawResponse.headers.get("x-ratelimit-limit"), "1000");

const same = await tenant.users.listUsersByEmail({ email: "user3@example.com" });
assert.deepEqual(same.map((user) => user.user_id), [users[3].user_id]);
assert.deepEqual(await tenant.users.listUsersByEmail({ email: "nobody@example.com" }), []);
assert.equal((await tenant.users.get(users[5].user_id)).email, "user5@example.com");
assert.equal(await status(tenant.users.get("auth0|nobody")), 404);

const ticket = await tenant.tickets.changePassword({ user_id: users[0].user_id });
assert.match(ticket.ticket, /\/u\/reset-password\?ticket=/);
const job = await tenant.jobs.verificationEmail.create({ user_id: users[0].user_id });
assert.equal(job.type, "verification_email");
await tenant.users.roles.assign(users[0].user_id, { roles: ["rol_local"] });
await tenant.organizations.members.create("org_local", { members: [users[0].user_id] });
await tenant.users.delete(users[1].user_id);
assert.equal(await status(tenant.users.get(users[1].user_id)), 404);

const stranger = new ManagementClient({ domain: env.AUTH0_DOMAIN, clientId: env.AUTH0_CLIENT_ID, clientSecret: "wrong" });
assert.equal(await status(stranger.users.get(users[0].user_id)), 401);
console.log("the SDK and the tenant understand each other");
JS

set -a
. "$work/env"
set +a
# Loopback is reached directly, whatever the machine's proxy settings.
(cd "$work" && env -u HTTPS_PROXY -u https_proxy -u HTTP_PROXY -u http_proxy NODE_EXTRA_CA_CERTS="$work/ca.pem" \
    node client.mjs) || { cat "$work/tenant.log"; exit 1; }

kill "$tenant" && wait "$tenant" || exit 1
tenant=
# 21 created, one deleted: the tenant's own list agrees.
[ "$(wc -l <"$work/users.ndjson")" -eq 20 ] || { echo "expected 20 users"; exit 1; }
