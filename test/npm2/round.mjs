// One whole round of a public OpenID client library. It writes the address that the customer must visit, reads the address
// that the browser came back with, and ends with what it learned, as JSON.
import { createInterface } from 'node:readline/promises'
import * as client from 'openid-client'

const [issuer, clientId, clientSecret, redirectUri] = process.argv.slice(2)
const authentication = clientSecret ? client.ClientSecretBasic(clientSecret) : client.None()
const config = await client.discovery(new URL(issuer), clientId, undefined, authentication, {
  execute: [client.allowInsecureRequests], // the store under test runs with --dev
})

const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
const visit = client.buildAuthorizationUrl(config, {
  redirect_uri: redirectUri,
  scope: 'openid profile email offline_access',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
})
console.log(visit.href)

const lines = createInterface({ input: process.stdin })
const { value: back } = await lines[Symbol.asyncIterator]().next()
lines.close()

const tokens = await client.authorizationCodeGrant(config, new URL(back), {
  pkceCodeVerifier: verifier,
  expectedState: state,
  expectedNonce: nonce,
  idTokenExpected: true,
})
const claims = tokens.claims()
const user = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
const before = clientSecret ? await client.tokenIntrospection(config, refreshed.access_token) : undefined
await client.tokenRevocation(config, refreshed.refresh_token)
const after = clientSecret ? await client.tokenIntrospection(config, refreshed.access_token) : undefined
let refused
try {
  await client.refreshTokenGrant(config, refreshed.refresh_token)
} catch (error) {
  refused = error.error
}
console.log(JSON.stringify({
  claims, user, rotated: refreshed.refresh_token !== tokens.refresh_token, before, after, refused,
  end: client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token }).href,
}))
