-- What is held of one conversation: erased, and its jobs listed.

CREATE INDEX dead_letters_lane ON fanvue_bot.dead_letters (creator_id, lane, seq);

-- Erases what is known of a conversation's fan, and up to `p_limit` of the messages that were sent at or before
-- `p_through`; answers how many. Under the conversation's lock, as everything of a conversation is written.
CREATE FUNCTION fanvue_bot.erase_messages(p_creator uuid, p_fan uuid, p_through bigint, p_limit bigint)
RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
DECLARE
    v_erased bigint;
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    PERFORM c.revision FROM fanvue_bot.conversations AS c
    WHERE c.creator_id = p_creator AND c.fan_id = p_fan FOR UPDATE;
    DELETE FROM fanvue_bot.fans AS f WHERE f.creator_id = p_creator AND f.fan_id = p_fan;
    DELETE FROM fanvue_bot.messages AS m
    WHERE m.creator_id = p_creator AND m.fan_id = p_fan AND m.id = ANY (ARRAY(
        SELECT e.id FROM fanvue_bot.messages AS e
        WHERE e.creator_id = p_creator AND e.fan_id = p_fan AND e.sent_at <= p_through
        ORDER BY e.sent_at DESC, e.id DESC LIMIT p_limit));
    GET DIAGNOSTICS v_erased = ROW_COUNT;
    RETURN v_erased;
END
$$;

-- The jobs of a lane that come after a place, in the order of enqueueing: those that live, and those that were given
-- up, which alone have `failed_at`.
CREATE FUNCTION fanvue_bot.jobs_after(p_creator uuid, p_lane uuid, p_after bigint, p_limit bigint)
RETURNS TABLE (seq bigint, id uuid, kind text, priority smallint, due_at bigint, attempt integer, cause text,
    failed_at bigint)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    RETURN QUERY
    SELECT j.seq, j.id, j.kind, j.priority, j.due_at, j.attempt, j.last_error, NULL::bigint
    FROM fanvue_bot.jobs AS j
    WHERE j.creator_id = p_creator AND j.lane = p_lane AND j.seq > p_after
    UNION ALL
    SELECT d.seq, d.id, d.kind, d.priority, d.due_at, d.attempt, d.cause, d.failed_at
    FROM fanvue_bot.dead_letters AS d
    WHERE d.creator_id = p_creator AND d.lane = p_lane AND d.seq > p_after
    ORDER BY 1 LIMIT p_limit;
END
$$;

-- Erases what the queue holds of a lane: jobs that nobody has claimed, those that were given up, and the keys of
-- both and of ended jobs, as far as those stand
-- from `p_prefix` on, before `p_prefix_end`. A claimed job loses the note of its last failure.
CREATE FUNCTION fanvue_bot.erase_lane(p_creator uuid, p_lane uuid, p_prefix text, p_prefix_end text)
RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    DELETE FROM fanvue_bot.jobs AS j
    WHERE j.creator_id = p_creator AND j.lane = p_lane AND j.token = 0;
    UPDATE fanvue_bot.jobs AS j SET last_error = NULL
    WHERE j.creator_id = p_creator AND j.lane = p_lane AND j.last_error IS NOT NULL;
    DELETE FROM fanvue_bot.job_keys AS k
    WHERE k.creator_id = p_creator AND k.idempotency_key = ANY (ARRAY(
        SELECT d.idempotency_key FROM fanvue_bot.dead_letters AS d
        WHERE d.creator_id = p_creator AND d.lane = p_lane));
    DELETE FROM fanvue_bot.job_keys AS k
    WHERE k.creator_id = p_creator AND k.idempotency_key >= p_prefix
        AND k.idempotency_key < p_prefix_end;
    DELETE FROM fanvue_bot.dead_letters AS d WHERE d.creator_id = p_creator AND d.lane = p_lane;
END
$$;
