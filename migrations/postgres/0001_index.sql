-- Accounts, keys, jobs and what they leave. The statements are those of SQLite.

CREATE TABLE users (
  id TEXT PRIMARY KEY,
  oidc_issuer TEXT,                          -- both or neither
  oidc_subject TEXT,
  email TEXT UNIQUE,                         -- lower case
  password_hash TEXT,
  email_verified INTEGER NOT NULL DEFAULT 0 CHECK (email_verified IN (0,1)),
  status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active','suspended','deleted')),
  token_epoch BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL,
  UNIQUE (oidc_issuer, oidc_subject),
  CHECK ((oidc_issuer IS NULL) = (oidc_subject IS NULL)));

CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users(id),
  name TEXT NOT NULL,
  prefix TEXT NOT NULL,
  secret_hash TEXT NOT NULL UNIQUE,
  scopes TEXT NOT NULL DEFAULT 'listen jobs:read jobs:write usage:read',
  created_at BIGINT NOT NULL,
  last_used_at BIGINT,
  expires_at BIGINT,
  revoked_at BIGINT);
CREATE INDEX api_keys_user ON api_keys(user_id);

CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users(id),
  type TEXT NOT NULL CHECK (type IN ('transcription','translation','stream')),
  status TEXT NOT NULL CHECK (status IN ('queued','processing','done','failed')),
  input_ref TEXT,                            -- the upload, or a stream's segment log, until the job has ended
  file_name TEXT,                            -- for show only
  duration_ms BIGINT CHECK (duration_ms >= 0),
  created_at BIGINT NOT NULL,
  completed_at BIGINT,
  params TEXT NOT NULL DEFAULT '{}',
  priority BIGINT NOT NULL DEFAULT 0,        -- among the owner's own jobs
  attempt BIGINT NOT NULL DEFAULT 0,
  max_attempts BIGINT NOT NULL DEFAULT 3,
  run_at BIGINT NOT NULL,
  lease_owner TEXT,
  lease_epoch BIGINT NOT NULL DEFAULT 0,
  lease_until BIGINT,
  cancel_requested_at BIGINT,
  deleted_at BIGINT,
  error_code TEXT,
  status_seq BIGINT NOT NULL DEFAULT 1,
  progress BIGINT NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1000),
  CHECK ((status IN ('done','failed')) = (completed_at IS NOT NULL)),
  CHECK ((status = 'processing') = (lease_until IS NOT NULL)),
  CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
  CHECK ((status = 'failed') = (error_code IS NOT NULL)),
  CHECK (completed_at IS NULL OR input_ref IS NULL));
CREATE INDEX jobs_claim ON jobs(run_at, id) WHERE status = 'queued';
CREATE INDEX jobs_claim_of_user ON jobs(user_id, priority DESC, run_at, id) WHERE status = 'queued';
CREATE INDEX jobs_lease ON jobs(lease_until) WHERE status = 'processing';
CREATE INDEX jobs_list ON jobs(user_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX jobs_input ON jobs(input_ref) WHERE input_ref IS NOT NULL;

CREATE TABLE artifacts (
  id TEXT PRIMARY KEY,
  job_id TEXT NOT NULL REFERENCES jobs(id),
  kind TEXT NOT NULL CHECK (kind IN ('transcript','translation','srt','vtt','json')),
  lang TEXT NOT NULL DEFAULT '',
  storage_ref TEXT NOT NULL UNIQUE,
  size_bytes BIGINT NOT NULL CHECK (size_bytes >= 0),
  sha256 TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  UNIQUE (job_id, kind, lang));

CREATE TABLE storage_gc (                    -- objects to delete; written in the transaction that drops the reference
  storage_ref TEXT PRIMARY KEY,
  reason TEXT NOT NULL CHECK (reason IN ('input','artifact','lost')),
  due_at BIGINT NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0);
CREATE INDEX storage_gc_due ON storage_gc(due_at, storage_ref);

CREATE TABLE idempotency_keys (              -- the hash covers method, path, params and file
  user_id TEXT NOT NULL REFERENCES users(id),
  key TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  job_id TEXT REFERENCES jobs(id),
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, key));
CREATE INDEX idempotency_keys_expiry ON idempotency_keys(expires_at);

CREATE TABLE job_events (                    -- outbox and catch-up log: status and counts only
  job_id TEXT NOT NULL REFERENCES jobs(id),
  seq BIGINT NOT NULL,
  user_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  payload TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  published_at BIGINT,
  PRIMARY KEY (job_id, seq));
CREATE INDEX job_events_outbox ON job_events(created_at) WHERE published_at IS NULL;
