-- Decisions, listed and counted by why they were made.

-- Why a message is where it is, from its decision: so it is always that of the decision, also of those before.
ALTER TABLE fanvue_bot.messages ADD COLUMN reason text COLLATE "C" GENERATED ALWAYS AS (
    CASE outcome
        WHEN 'waiting' THEN 'waiting_' || substring(decision FROM '"cause":"([a-z_]+)"')
        WHEN 'blocked' THEN 'blocked_' || substring(decision FROM '"rule":"([a-z_]+)"')
        ELSE outcome
    END) STORED;

-- Decisions by fan, by creator and by reason, the newest first.
CREATE INDEX messages_decided_of_fan ON fanvue_bot.messages (creator_id, fan_id, decided_at DESC, id DESC)
    WHERE decided_at IS NOT NULL;
CREATE INDEX messages_decided ON fanvue_bot.messages (creator_id, decided_at DESC, fan_id DESC, id DESC)
    WHERE decided_at IS NOT NULL;
CREATE INDEX messages_decided_by_reason
    ON fanvue_bot.messages (creator_id, reason, decided_at DESC, fan_id DESC, id DESC)
    WHERE decided_at IS NOT NULL;

-- The decisions that come after a place, the latest first: of one fan, of one reason, or of one creator.
CREATE FUNCTION fanvue_bot.decisions_after(p_creator uuid, p_fan_of uuid, p_reason text, p_limit bigint,
    p_decided_at bigint, p_fan uuid, p_id uuid)
RETURNS TABLE (fan_id uuid, id uuid, sent_at bigint, outcome text, decision text, decided_at bigint)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    IF p_fan_of IS NOT NULL THEN
        RETURN QUERY
        SELECT m.fan_id, m.id, m.sent_at, m.outcome, m.decision, m.decided_at FROM fanvue_bot.messages AS m
        WHERE m.creator_id = p_creator AND m.fan_id = p_fan_of AND m.decided_at IS NOT NULL
            AND (m.decided_at, m.id) < (p_decided_at, p_id)
        ORDER BY m.decided_at DESC, m.id DESC LIMIT p_limit;
    ELSIF p_reason IS NOT NULL THEN
        RETURN QUERY
        SELECT m.fan_id, m.id, m.sent_at, m.outcome, m.decision, m.decided_at FROM fanvue_bot.messages AS m
        WHERE m.creator_id = p_creator AND m.reason = p_reason AND m.decided_at IS NOT NULL
            AND (m.decided_at, m.fan_id, m.id) < (p_decided_at, p_fan, p_id)
        ORDER BY m.decided_at DESC, m.fan_id DESC, m.id DESC LIMIT p_limit;
    ELSE
        RETURN QUERY
        SELECT m.fan_id, m.id, m.sent_at, m.outcome, m.decision, m.decided_at FROM fanvue_bot.messages AS m
        WHERE m.creator_id = p_creator AND m.decided_at IS NOT NULL
            AND (m.decided_at, m.fan_id, m.id) < (p_decided_at, p_fan, p_id)
        ORDER BY m.decided_at DESC, m.fan_id DESC, m.id DESC LIMIT p_limit;
    END IF;
END
$$;

-- How many decisions between two times have which of these reasons.
CREATE FUNCTION fanvue_bot.decision_counts(p_creator uuid, p_reasons text[], p_from bigint, p_to bigint)
RETURNS TABLE (reason text, decisions bigint)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    RETURN QUERY
    SELECT r.reason, c.decisions FROM unnest(p_reasons) AS r (reason)
    CROSS JOIN LATERAL (
        SELECT count(*) AS decisions FROM fanvue_bot.messages AS m
        WHERE m.creator_id = p_creator AND m.reason = r.reason AND m.decided_at IS NOT NULL
            AND m.decided_at >= p_from AND m.decided_at < p_to
    ) AS c
    WHERE c.decisions > 0;
END
$$;
