-- Times are microseconds since 1970, ids are the 16 bytes of a UUID, JSON is text.

PRAGMA application_id = 1182155380;

-- Numbers that only grow: the order of jobs, the fences of claims and leases, the revisions of secrets.
CREATE TABLE sequence (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    value INTEGER NOT NULL
) STRICT;
INSERT INTO sequence (id, value) VALUES (1, 0);

CREATE TABLE creators (
    creator_id BLOB NOT NULL PRIMARY KEY CHECK (length(creator_id) = 16),
    account_id BLOB UNIQUE CHECK (length(account_id) = 16),
    revision INTEGER NOT NULL,
    profile TEXT NOT NULL
) STRICT;

CREATE TABLE conversations (
    creator_id BLOB NOT NULL CHECK (length(creator_id) = 16),
    fan_id BLOB NOT NULL CHECK (length(fan_id) = 16),
    revision INTEGER NOT NULL,
    wake_at INTEGER,
    state TEXT NOT NULL,
    PRIMARY KEY (creator_id, fan_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX conversations_wake ON conversations (wake_at, creator_id, fan_id)
    WHERE wake_at IS NOT NULL;
CREATE INDEX conversations_wake_of ON conversations (creator_id, wake_at, fan_id)
    WHERE wake_at IS NOT NULL;

-- What is known of each conversation's fan.
CREATE TABLE fans (
    creator_id BLOB NOT NULL,
    fan_id BLOB NOT NULL,
    handle TEXT,
    display_name TEXT,
    nickname TEXT,
    PRIMARY KEY (creator_id, fan_id),
    FOREIGN KEY (creator_id, fan_id) REFERENCES conversations (creator_id, fan_id)
        DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

-- Without a rowid, so that a conversation's messages lie side by side.
CREATE TABLE messages (
    creator_id BLOB NOT NULL,
    fan_id BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    sent_at INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    author TEXT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT,
    media TEXT,
    has_media INTEGER NOT NULL,
    price_cents INTEGER,
    fetched INTEGER NOT NULL,
    tokenizer INTEGER,
    tokens INTEGER,
    turn INTEGER,
    outcome TEXT,
    decision TEXT,
    decided_at INTEGER,
    deleted_at INTEGER,
    PRIMARY KEY (creator_id, fan_id, id),
    FOREIGN KEY (creator_id, fan_id) REFERENCES conversations (creator_id, fan_id)
        DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;
CREATE INDEX messages_newest ON messages (creator_id, fan_id, sent_at DESC, id DESC);

-- `token` is 0 while nobody holds the job. `blocked_until` is until when the job keeps its lane from
-- being claimed: the end of its lease while it is held, its due time after it was rescheduled.
-- The indexes lead with the lane's number, which grows with time: what is claimed and ended together
-- lies together, so that a transaction changes few pages.
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL CHECK (length(id) = 16),
    lane_id INTEGER NOT NULL,
    creator_id BLOB NOT NULL CHECK (length(creator_id) = 16),
    lane BLOB NOT NULL CHECK (length(lane) = 16),
    idempotency_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    priority INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    token INTEGER NOT NULL DEFAULT 0,
    worker TEXT,
    blocked_until INTEGER,
    last_error TEXT
) STRICT;
CREATE INDEX jobs_lane ON jobs (lane_id, due_at, seq);
CREATE INDEX jobs_blocking ON jobs (lane_id, blocked_until) WHERE blocked_until IS NOT NULL;

-- One row for each lane that has jobs: its first job, and when it can be claimed, which is
-- max(head_due, blocked_until). A claim reads this table only, however many jobs there are.
CREATE TABLE lanes (
    lane_id INTEGER PRIMARY KEY,
    creator_id BLOB NOT NULL CHECK (length(creator_id) = 16),
    lane BLOB NOT NULL CHECK (length(lane) = 16),
    head_due INTEGER NOT NULL,
    head_priority INTEGER NOT NULL,
    blocked_until INTEGER NOT NULL,
    ready_at INTEGER NOT NULL,
    UNIQUE (creator_id, lane)
) STRICT;
CREATE INDEX lanes_ready ON lanes (ready_at);
CREATE INDEX lanes_turn ON lanes (creator_id, head_priority, ready_at);

-- A key without an end belongs to a job that lives; `seq` is the job's.
CREATE TABLE job_keys (
    seq INTEGER PRIMARY KEY,
    creator_id BLOB NOT NULL CHECK (length(creator_id) = 16),
    idempotency_key TEXT NOT NULL,
    expires_at INTEGER,
    UNIQUE (creator_id, idempotency_key)
) STRICT;
CREATE INDEX job_keys_expiry ON job_keys (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE dead_letters (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL CHECK (length(id) = 16),
    creator_id BLOB NOT NULL CHECK (length(creator_id) = 16),
    lane BLOB NOT NULL,
    idempotency_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    priority INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    cause TEXT NOT NULL,
    failed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letters_newest ON dead_letters (creator_id, failed_at DESC, seq DESC);

-- Leases belong to the deployment; their names carry whatever they protect.
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    fence INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- An empty creator_id is the deployment's.
CREATE TABLE secrets (
    creator_id BLOB NOT NULL CHECK (length(creator_id) IN (0, 16)),
    kind TEXT NOT NULL,
    revision INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (creator_id, kind)
) STRICT, WITHOUT ROWID;
