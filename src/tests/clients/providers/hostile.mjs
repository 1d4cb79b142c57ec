// An OpenID provider (oauth2-mock-server) that lies on command: `POST /lie/NAME`, `GET /count/jwks`. Told by the
// environment: CLIENT_SECRET, ISSUER_END (what the issuer ends with). Writes its port as the first line.
import { createHmac, createPublicKey, createSign, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { OAuth2Issuer, OAuth2Service } from 'oauth2-mock-server';

const HOUR = 3600;
let lie = 'none';
let keysRead = 0;
let publicKey = '';
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;

const issuer = new OAuth2Issuer();
await issuer.keys.generate('RS256', { kid: 'first' });
const service = new OAuth2Service(issuer);

const claims = {
  wrong_aud: (token) => { token.aud = 'another'; },
  no_aud: (token) => { delete token.aud; },
  many_aud: (token) => { token.aud = [token.aud, 'another']; },
  wrong_azp: (token) => { token.azp = 'another'; },
  wrong_iss: (token) => { token.iss = 'http://127.0.0.1:1'; },
  iss_slash: (token) => { token.iss = `${token.iss}/`; },
  no_iss: (token) => { delete token.iss; },
  wrong_nonce: (token) => { token.nonce = 'another'; },
  no_nonce: (token) => { delete token.nonce; },
  expired: (token) => { token.iat -= 2 * HOUR; token.exp -= 2 * HOUR; },
  no_exp: (token) => { delete token.exp; },
  from_tomorrow: (token) => { token.iat += 24 * HOUR; token.exp += 24 * HOUR; },
  no_sub: (token) => { delete token.sub; },
  empty_sub: (token) => { token.sub = ''; },
  long_sub: (token) => { token.sub = 'x'.repeat(256); },
  own_azp: (token) => { token.azp = 'app'; },
  verified_email: (token) => { token.email = 'John@Example.test'; token.email_verified = true; },
  unverified_email: (token) => { token.sub = 'second'; token.email = 'second@example.test'; token.email_verified = false; },
  unsaid_email: (token) => { token.sub = 'third'; token.email = 'third@example.test'; },
  taken_email: (token) => { token.sub = 'fourth'; token.email = 'someone@example.org'; token.email_verified = true; },
};
service.on('beforeTokenSigning', ({ payload }) => claims[lie]?.(payload));

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const body = (token) => token.split('.')[1];
const hmac = (token, key) => {
  const text = `${encoded({ typ: 'JWT', alg: 'HS256' })}.${body(token)}`;
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
};
const rsa = (token, kid) => {
  const text = `${encoded({ typ: 'JWT', alg: 'RS256', ...(kid && { kid }) })}.${body(token)}`;
  return `${text}.${createSign('sha256').update(text).sign(stranger, 'base64url')}`;
};
const tokens = {
  alg_none: (token) => `${encoded({ typ: 'JWT', alg: 'none' })}.${body(token)}.`,
  no_signature: (token) => `${token.split('.').slice(0, 2).join('.')}.`,
  hs256_secret: (token) => hmac(token, process.env.CLIENT_SECRET),
  hs256_public_key: (token) => hmac(token, publicKey),
  unknown_kid: (token) => rsa(token, 'nobody'),
  foreign_key: (token) => rsa(token, 'first'),
  foreign_key_without_kid: (token) => rsa(token),
  changed: (token) => {
    const [head, , signature] = token.split('.');
    const payload = JSON.parse(Buffer.from(body(token), 'base64url'));
    return `${head}.${encoded({ ...payload, sub: 'somebody else' })}.${signature}`;
  },
  garbage: () => 'a.b.c',
};
service.on('beforeResponse', (answer) => {
  if (tokens[lie]) answer.body.id_token = tokens[lie](answer.body.id_token);
  if (lie === 'no_id_token') delete answer.body.id_token;
  if (lie === 'huge') answer.body.padding = 'x'.repeat(300 * 1024);
  if (lie === 'token_400') { answer.statusCode = 400; answer.body = { error: 'invalid_grant' }; }
  if (lie === 'token_500') { answer.statusCode = 500; answer.body = { error: 'server_error' }; }
});
service.on('beforeAuthorizeRedirect', ({ url }) => {
  if (lie === 'foreign_sender') url.searchParams.set('iss', 'http://127.0.0.1:1');
  if (lie === 'denied') { url.searchParams.delete('code'); url.searchParams.set('error', 'access_denied'); }
  if (lie === 'no_code') url.searchParams.delete('code');
});

const server = createServer(async (request, response) => {
  const [, verb, name] = request.url.split('/');
  if (verb === 'lie') {
    lie = name;
    if (name === 'rotated') await issuer.keys.generate('RS256', { kid: 'second' });
    if (name === 'rotated_es256') await issuer.keys.generate('ES256', { kid: 'third' });
    return response.end();
  }
  if (verb === 'count') return response.end(String(keysRead));
  if (verb === 'jwks') keysRead += 1;
  if (verb === 'token' && lie === 'token_slow') return undefined; // never answered
  if (verb === 'token' && lie === 'redirect') return response.writeHead(307, { location: '/token_elsewhere' }).end();
  if (verb === 'token_elsewhere') request.url = '/token';
  return service.requestHandler(request, response);
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  issuer.url = `http://127.0.0.1:${port}${process.env.ISSUER_END ?? ''}`;
  const { n, e } = issuer.keys.toJSON()[0];
  publicKey = createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
  console.log(port);
});
