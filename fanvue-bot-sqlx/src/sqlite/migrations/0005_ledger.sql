-- What fans pay: each telling of money once.
CREATE TABLE transactions (
    creator_id BLOB NOT NULL,
    fan_id BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    kind TEXT NOT NULL,
    telling TEXT NOT NULL,
    amount_cents INTEGER,
    net_cents INTEGER,
    currency TEXT,
    at INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    message_id BLOB,
    post_id BLOB,
    reference TEXT,
    reverses BLOB,
    same_as BLOB,
    PRIMARY KEY (creator_id, fan_id, id),
    FOREIGN KEY (creator_id, fan_id) REFERENCES conversations (creator_id, fan_id)
        DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;
CREATE INDEX transactions_newest ON transactions (creator_id, fan_id, at DESC, id DESC);
