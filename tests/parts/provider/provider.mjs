// A certified OpenID provider, oidc-provider, for tests: node provider.mjs CONFIGURATION.json
// People and their claims are read from the file "people" of the configuration at every question.
import fs from "node:fs";
import http from "node:http";
import Provider from "oidc-provider";

const given = JSON.parse(fs.readFileSync(process.argv[2]));
const people = () => JSON.parse(fs.readFileSync(given.people));

const provider = new Provider(given.issuer, {
  clients: [given.client],
  jwks: given.jwks,
  pkce: { required: () => true },
  conformIdTokenClaims: true,
  claims: {
    openid: ["sub", "sid"],
    email: ["email", "email_verified"],
    profile: ["given_name", "family_name"],
    groups: ["groups"],
  },
  scopes: ["openid", "email", "profile", "groups"],
  features: {
    devInteractions: { enabled: true },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  cookies: { keys: ["not a secret, for tests"] },
  findAccount: async (_, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, ...people()[id] }),
  }),
  loadExistingGrant: async (ctx) => {
    // Nobody is asked what the client may know: the test's people have said yes.
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope("openid email profile groups");
    await grant.save();
    return grant;
  },
});
provider.on("backchannel.error", (_, error) => console.error("backchannel", error));
provider.on("server_error", (_, error) => console.error("server", error));
const answer = provider.callback();
http.createServer(answer).listen(given.port, "127.0.0.1", () => {
  console.log("listening");
});
