-- Who is told of a job's end, and how that went. The address is in the job's params.

CREATE TABLE callback_secrets (              -- kept readable: each callback is signed with it
  user_id TEXT PRIMARY KEY REFERENCES users(id),
  secret TEXT NOT NULL,
  created_at BIGINT NOT NULL);

CREATE TABLE callbacks (                     -- written in the transaction that ends the job
  job_id TEXT PRIMARY KEY REFERENCES jobs(id),
  state TEXT NOT NULL CHECK (state IN ('pending','delivered','failed')),
  attempts BIGINT NOT NULL DEFAULT 0,
  next_at BIGINT,
  last_status BIGINT,                        -- HTTP
  last_error TEXT,
  created_at BIGINT NOT NULL,
  CHECK ((state = 'pending') = (next_at IS NOT NULL)));
CREATE INDEX callbacks_due ON callbacks(next_at) WHERE state = 'pending';
