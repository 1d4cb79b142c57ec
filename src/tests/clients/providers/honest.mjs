// An honest OpenID provider (oidc-provider) whose login form takes any name. Told by the environment: REDIRECT_URI,
// CLIENT_SECRET. Writes its port as the first line. Accounts named `unverified…` have an address that nobody checked.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [{
      client_id: 'app',
      client_secret: process.env.CLIENT_SECRET,
      grant_types: ['authorization_code'],
      response_types: ['code'],
      redirect_uris: [process.env.REDIRECT_URI],
    }],
    findAccount: async (_context, id) => ({
      accountId: id,
      claims: async () => ({
        sub: id,
        email: `${id}@example.test`,
        email_verified: !id.startsWith('unverified'),
      }),
    }),
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: true } },
    cookies: { keys: ['a key of this test'] },
  });
  server.on('request', provider.callback());
  console.log(port);
});
