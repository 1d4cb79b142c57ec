-- Logins with rotating refresh tokens, tickets, one-time links, logins on their way through a provider, the audit log.
-- Loads unchanged into PostgreSQL.

ALTER TABLE users ADD COLUMN status_at BIGINT NOT NULL DEFAULT 0;   -- when the status changed last
CREATE INDEX users_ended ON users(status_at) WHERE status <> 'active';
CREATE INDEX api_keys_revoked ON api_keys(revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE sessions (                      -- one login = one family of refresh tokens
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users(id),
  created_at BIGINT NOT NULL,
  auth_time BIGINT NOT NULL,                 -- when a password was typed or a provider vouched
  idle_expires_at BIGINT NOT NULL,
  absolute_expires_at BIGINT NOT NULL,
  revoked_at BIGINT,
  revoke_reason TEXT CHECK (revoke_reason IN ('logout','reuse','admin','password_changed','account_deleted')),
  CHECK ((revoked_at IS NULL) = (revoke_reason IS NULL)));
CREATE INDEX sessions_user ON sessions(user_id);
CREATE INDEX sessions_revoked ON sessions(revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX sessions_expiry ON sessions(absolute_expires_at);

CREATE TABLE refresh_tokens (
  id TEXT PRIMARY KEY,
  session_id TEXT NOT NULL REFERENCES sessions(id),
  token_hash TEXT NOT NULL UNIQUE,
  generation BIGINT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('active','rotated','revoked')),
  parent_id TEXT REFERENCES refresh_tokens(id),
  issued_at BIGINT NOT NULL,
  rotated_at BIGINT);
CREATE UNIQUE INDEX refresh_one_active ON refresh_tokens(session_id) WHERE state = 'active';
CREATE INDEX refresh_session ON refresh_tokens(session_id, generation);
CREATE INDEX refresh_parent ON refresh_tokens(parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE ws_tickets (
  ticket_hash TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users(id),
  api_key_id TEXT REFERENCES api_keys(id),   -- what it was made with: one of the two
  session_id TEXT REFERENCES sessions(id),
  purpose TEXT NOT NULL CHECK (purpose IN ('status','stream')),
  job_id TEXT,
  origin TEXT,                               -- null: any that is allowed
  expires_at BIGINT NOT NULL,
  used_at BIGINT,
  CHECK ((api_key_id IS NULL) <> (session_id IS NULL)));
CREATE INDEX ws_tickets_expiry ON ws_tickets(expires_at);
CREATE INDEX ws_tickets_session ON ws_tickets(session_id) WHERE session_id IS NOT NULL;

CREATE TABLE account_links (                 -- one-time links: set a password, confirm an address, register
  link_hash TEXT PRIMARY KEY,
  purpose TEXT NOT NULL CHECK (purpose IN ('password','verify','invitation')),
  user_id TEXT REFERENCES users(id),
  email TEXT,
  expires_at BIGINT NOT NULL,
  used_at BIGINT,
  CHECK ((purpose = 'invitation') = (user_id IS NULL)));
CREATE INDEX account_links_expiry ON account_links(expires_at);
CREATE INDEX account_links_user ON account_links(user_id) WHERE user_id IS NOT NULL;

CREATE TABLE login_states (                  -- on their way through an identity provider
  state_hash TEXT PRIMARY KEY,
  browser_hash TEXT NOT NULL,
  nonce TEXT NOT NULL,
  pkce_verifier TEXT NOT NULL,
  return_to TEXT NOT NULL,
  expires_at BIGINT NOT NULL);
CREATE INDEX login_states_expiry ON login_states(expires_at);

CREATE TABLE audit_log (                     -- security events; no secret, no content
  id TEXT PRIMARY KEY,
  at BIGINT NOT NULL,
  user_id TEXT,
  event TEXT NOT NULL,
  address TEXT,
  request_id TEXT,
  detail TEXT NOT NULL DEFAULT '');
CREATE INDEX audit_log_at ON audit_log(at, id);
CREATE INDEX audit_log_user ON audit_log(user_id, at) WHERE user_id IS NOT NULL;
