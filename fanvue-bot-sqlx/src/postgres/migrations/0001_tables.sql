-- Times are microseconds since 1970 and UTC, JSON is text. In text the character U+0000, which Postgres does
-- not store, is written as U+10FFFF and "0", and U+10FFFF as U+10FFFF and "1".
--
-- Row level security seals the tenants, for the owner of the tables too. A transaction sees the rows of one
-- creator after `set_config('app.creator', id, true)`. What must see several says what for, in `app.crossing`,
-- and gets only the tables that this needs. Both end with the transaction.

-- Fences of claims and leases, and revisions of secrets: numbers that only grow.
CREATE SEQUENCE fanvue_bot.fences;

CREATE TABLE fanvue_bot.creators (
    creator_id uuid PRIMARY KEY,
    account_id uuid,
    revision bigint NOT NULL,
    profile text NOT NULL
);
CREATE UNIQUE INDEX creators_account ON fanvue_bot.creators (account_id);

-- Every commit writes its conversation's row anew; room on the page spares the indexes.
CREATE TABLE fanvue_bot.conversations (
    creator_id uuid NOT NULL,
    fan_id uuid NOT NULL,
    revision bigint NOT NULL,
    wake_at bigint,
    state text NOT NULL,
    PRIMARY KEY (creator_id, fan_id)
) WITH (fillfactor = 80);
CREATE INDEX conversations_wake ON fanvue_bot.conversations (wake_at, creator_id, fan_id)
    WHERE wake_at IS NOT NULL;
CREATE INDEX conversations_wake_of ON fanvue_bot.conversations (creator_id, wake_at, fan_id)
    WHERE wake_at IS NOT NULL;

-- What is known of each conversation's fan.
CREATE TABLE fanvue_bot.fans (
    creator_id uuid NOT NULL,
    fan_id uuid NOT NULL,
    handle text,
    display_name text,
    nickname text,
    PRIMARY KEY (creator_id, fan_id)
);

-- Without a foreign key: messages are written by `commit_conversation` alone, under the conversation's lock.
CREATE TABLE fanvue_bot.messages (
    creator_id uuid NOT NULL,
    fan_id uuid NOT NULL,
    id uuid NOT NULL,
    sent_at bigint NOT NULL,
    stored_at bigint NOT NULL,
    author text NOT NULL,
    kind text NOT NULL,
    text text,
    media text,
    has_media boolean NOT NULL,
    price_cents bigint,
    fetched boolean NOT NULL,
    tokenizer bigint,
    tokens bigint,
    turn bigint,
    outcome text,
    decision text,
    decided_at bigint,
    deleted_at bigint,
    PRIMARY KEY (creator_id, fan_id, id)
);
CREATE INDEX messages_newest ON fanvue_bot.messages (creator_id, fan_id, sent_at DESC, id DESC);

-- Dead rows are many: a job lives shortly. `token` is 0 while nobody has claimed it. `leased_until` is by the
-- server's clock, `due_at` and `backoff_until` by that of the callers. What a claim writes is in no index, has room
-- on its page and stands together, so that a claim writes no index and logs little more than what it changes.
CREATE TABLE fanvue_bot.jobs (
    seq bigint PRIMARY KEY,
    creator_id uuid NOT NULL,
    lane uuid NOT NULL,
    id uuid NOT NULL,
    due_at bigint NOT NULL,
    backoff_until bigint,
    token bigint NOT NULL DEFAULT 0,
    leased_until bigint NOT NULL DEFAULT 0,
    attempt integer NOT NULL DEFAULT 0,
    worker text,
    priority smallint NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    last_error text
) WITH (
    fillfactor = 45,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
CREATE SEQUENCE fanvue_bot.jobs_seq AS bigint OWNED BY fanvue_bot.jobs.seq;
CREATE UNIQUE INDEX jobs_key ON fanvue_bot.jobs (creator_id, idempotency_key);
CREATE INDEX jobs_lane ON fanvue_bot.jobs (creator_id, lane, due_at, seq);
CREATE INDEX jobs_turn ON fanvue_bot.jobs (creator_id, priority, due_at, seq);
-- For what is due at all, and nothing else: the condition, which always holds, keeps it from statements that do not
-- name it. Without statistics the planner would take it for any that has a time in it.
CREATE INDEX jobs_due ON fanvue_bot.jobs (due_at) WHERE kind <> '';

-- Keys of jobs that have ended, taken until `expires_at`. The key of a job that lives is in its row.
CREATE TABLE fanvue_bot.job_keys (
    creator_id uuid NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (creator_id, idempotency_key)
);
-- As for `jobs_due`. A key may be taken for ever.
CREATE INDEX job_keys_expiry ON fanvue_bot.job_keys (expires_at) WHERE expires_at <> 9223372036854775807;

CREATE TABLE fanvue_bot.dead_letters (
    seq bigint PRIMARY KEY,
    creator_id uuid NOT NULL,
    lane uuid NOT NULL,
    id uuid NOT NULL,
    due_at bigint NOT NULL,
    failed_at bigint NOT NULL,
    attempt integer NOT NULL,
    priority smallint NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    cause text NOT NULL
);
CREATE INDEX dead_letters_newest ON fanvue_bot.dead_letters (creator_id, failed_at DESC, seq DESC);

-- Leases belong to the deployment; their names carry whatever they protect.
CREATE TABLE fanvue_bot.leases (
    name text COLLATE "C" PRIMARY KEY,
    holder text NOT NULL,
    fence bigint NOT NULL,
    until bigint NOT NULL
);

-- A secret without a creator is the deployment's.
CREATE TABLE fanvue_bot.secrets (
    creator_id uuid,
    kind text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    sealed bytea NOT NULL
);
CREATE UNIQUE INDEX secrets_of_creator ON fanvue_bot.secrets (creator_id, kind) WHERE creator_id IS NOT NULL;
CREATE UNIQUE INDEX secrets_of_deployment ON fanvue_bot.secrets (kind) WHERE creator_id IS NULL;

ALTER TABLE fanvue_bot.creators ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE fanvue_bot.conversations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE fanvue_bot.fans ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE fanvue_bot.messages ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE fanvue_bot.jobs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE fanvue_bot.job_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE fanvue_bot.dead_letters ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE fanvue_bot.secrets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- A used connection reads '' for a setting that has ended, and '' is no uuid.
CREATE POLICY tenant ON fanvue_bot.creators
    USING (creator_id = nullif(current_setting('app.creator', true), '')::uuid);
CREATE POLICY tenant ON fanvue_bot.conversations
    USING (creator_id = nullif(current_setting('app.creator', true), '')::uuid);
CREATE POLICY tenant ON fanvue_bot.fans
    USING (creator_id = nullif(current_setting('app.creator', true), '')::uuid);
CREATE POLICY tenant ON fanvue_bot.messages
    USING (creator_id = nullif(current_setting('app.creator', true), '')::uuid);
CREATE POLICY tenant ON fanvue_bot.jobs
    USING (creator_id = nullif(current_setting('app.creator', true), '')::uuid);
CREATE POLICY tenant ON fanvue_bot.job_keys
    USING (creator_id = nullif(current_setting('app.creator', true), '')::uuid);
CREATE POLICY tenant ON fanvue_bot.dead_letters
    USING (creator_id = nullif(current_setting('app.creator', true), '')::uuid);
CREATE POLICY tenant ON fanvue_bot.secrets
    USING (creator_id = nullif(current_setting('app.creator', true), '')::uuid);

-- The queue serves all tenants. Read once for a statement, not for each row; named so that it is checked first.
CREATE POLICY crossing_queue ON fanvue_bot.jobs
    USING ((SELECT current_setting('app.crossing', true)) = 'queue');
CREATE POLICY crossing_queue ON fanvue_bot.job_keys
    USING ((SELECT current_setting('app.crossing', true)) = 'queue');
CREATE POLICY crossing_queue ON fanvue_bot.dead_letters
    USING ((SELECT current_setting('app.crossing', true)) = 'queue');
-- The deployment's own secrets, and the change of the master key, which seals everything anew.
CREATE POLICY crossing_deployment ON fanvue_bot.secrets
    USING (creator_id IS NULL AND current_setting('app.crossing', true) = 'deployment');
CREATE POLICY crossing_rotation ON fanvue_bot.secrets FOR SELECT
    USING (current_setting('app.crossing', true) = 'rotation');
-- Whose account it is: the one row of the account that is named.
CREATE POLICY crossing_account ON fanvue_bot.creators FOR SELECT
    USING (account_id = nullif(current_setting('app.account', true), '')::uuid);
-- The sweep over what is due.
CREATE POLICY crossing_due ON fanvue_bot.conversations FOR SELECT
    USING ((SELECT current_setting('app.crossing', true)) = 'due');
