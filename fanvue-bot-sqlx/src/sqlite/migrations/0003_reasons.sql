-- Why a message is where it is, from its decision: so it is always that of the decision, also of those before.
ALTER TABLE messages ADD COLUMN reason TEXT GENERATED ALWAYS AS (
    CASE
        WHEN outcome = 'waiting' AND json_valid(decision)
            THEN 'waiting_' || json_extract(decision, '$.cause')
        WHEN outcome = 'blocked' AND json_valid(decision)
            THEN 'blocked_' || json_extract(decision, '$.rule')
        ELSE outcome
    END) VIRTUAL;

-- Decisions by fan, by creator and by reason, the newest first.
CREATE INDEX messages_decided_of_fan ON messages (creator_id, fan_id, decided_at DESC, id DESC)
    WHERE decided_at IS NOT NULL;
CREATE INDEX messages_decided ON messages (creator_id, decided_at DESC, fan_id DESC, id DESC)
    WHERE decided_at IS NOT NULL;
CREATE INDEX messages_decided_by_reason ON messages (creator_id, reason, decided_at DESC, fan_id DESC, id DESC)
    WHERE decided_at IS NOT NULL;
