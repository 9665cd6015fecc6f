-- Messages to many. `broadcast` is the whole of it as JSON; the other columns are what is looked for.
CREATE TABLE broadcasts (
    creator_id BLOB NOT NULL CHECK (length(creator_id) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER,
    broadcast TEXT NOT NULL,
    PRIMARY KEY (creator_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX broadcasts_newest ON broadcasts (creator_id, created_at, id);
CREATE INDEX broadcasts_due ON broadcasts (due_at, creator_id, id) WHERE due_at IS NOT NULL;

-- Who gets them, and what they go by in the list that they are from. Each row is moved two or three times, and is looked for by where it stands.
CREATE TABLE recipients (
    creator_id BLOB NOT NULL,
    broadcast_id BLOB NOT NULL,
    fan_id BLOB NOT NULL CHECK (length(fan_id) = 16),
    standing TEXT NOT NULL,
    name TEXT,
    PRIMARY KEY (creator_id, broadcast_id, fan_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX recipients_standing ON recipients (creator_id, broadcast_id, standing, fan_id);
CREATE INDEX recipients_fan ON recipients (creator_id, fan_id, broadcast_id);
