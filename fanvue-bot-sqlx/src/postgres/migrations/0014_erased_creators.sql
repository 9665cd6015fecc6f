-- Creators who were erased: neither they nor their conversations are added again.
CREATE TABLE fanvue_bot.erased_creators (
    creator_id uuid PRIMARY KEY
);
ALTER TABLE fanvue_bot.erased_creators ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON fanvue_bot.erased_creators
    USING (creator_id = nullif(current_setting('app.creator', true), '')::uuid);

-- Leaves a row out whose creator was erased: to whoever inserts it, that is a conflict.
CREATE FUNCTION fanvue_bot.keep_erased_out() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM e.creator_id FROM fanvue_bot.erased_creators AS e WHERE e.creator_id = NEW.creator_id;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER keep_erased_out BEFORE INSERT ON fanvue_bot.creators
    FOR EACH ROW EXECUTE FUNCTION fanvue_bot.keep_erased_out();
CREATE TRIGGER keep_erased_out BEFORE INSERT ON fanvue_bot.conversations
    FOR EACH ROW EXECUTE FUNCTION fanvue_bot.keep_erased_out();

-- Erases a creator but for the conversations.
CREATE FUNCTION fanvue_bot.mark_erased(p_creator uuid) RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    INSERT INTO fanvue_bot.erased_creators (creator_id) VALUES (p_creator) ON CONFLICT (creator_id) DO NOTHING;
    DELETE FROM fanvue_bot.creators AS c WHERE c.creator_id = p_creator;
END
$$;

-- Erases up to `p_limit` rows of each table of a creator who was erased; answers the most that it was of one, and null
-- for a creator who was not. A conversation goes when nothing is left in it. A change that is made meanwhile to one of
-- those rows waits, and finds its conversation gone.
CREATE FUNCTION fanvue_bot.erase_creator(p_creator uuid, p_limit bigint) RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
DECLARE
    v_most bigint := 0;
    v_erased bigint;
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    PERFORM e.creator_id FROM fanvue_bot.erased_creators AS e WHERE e.creator_id = p_creator;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    DELETE FROM fanvue_bot.messages AS m USING (
        SELECT e.fan_id, e.id FROM fanvue_bot.messages AS e WHERE e.creator_id = p_creator
        ORDER BY e.creator_id, e.fan_id, e.id LIMIT p_limit) AS n
    WHERE m.creator_id = p_creator AND m.fan_id = n.fan_id AND m.id = n.id;
    GET DIAGNOSTICS v_most = ROW_COUNT;
    DELETE FROM fanvue_bot.transactions AS t USING (
        SELECT e.fan_id, e.id FROM fanvue_bot.transactions AS e WHERE e.creator_id = p_creator
        ORDER BY e.creator_id, e.fan_id, e.id LIMIT p_limit) AS n
    WHERE t.creator_id = p_creator AND t.fan_id = n.fan_id AND t.id = n.id;
    GET DIAGNOSTICS v_erased = ROW_COUNT;
    v_most := greatest(v_most, v_erased);
    DELETE FROM fanvue_bot.fans AS f WHERE f.creator_id = p_creator AND f.fan_id = ANY (ARRAY(
        SELECT e.fan_id FROM fanvue_bot.fans AS e WHERE e.creator_id = p_creator
        ORDER BY e.creator_id, e.fan_id LIMIT p_limit));
    GET DIAGNOSTICS v_erased = ROW_COUNT;
    v_most := greatest(v_most, v_erased);
    IF v_most < p_limit THEN
        DELETE FROM fanvue_bot.conversations AS c WHERE c.creator_id = p_creator AND c.fan_id = ANY (ARRAY(
            SELECT e.fan_id FROM fanvue_bot.conversations AS e WHERE e.creator_id = p_creator
            ORDER BY e.creator_id, e.fan_id LIMIT p_limit));
        GET DIAGNOSTICS v_erased = ROW_COUNT;
        v_most := greatest(v_most, v_erased);
    END IF;
    RETURN v_most;
END
$$;

-- Erases what the queue holds of a creator, up to `p_limit` rows of each kind; answers the most that it was of one.
-- A claimed job loses the note of its last failure and ends with its claim.
CREATE FUNCTION fanvue_bot.erase_jobs_of(p_creator uuid, p_limit bigint) RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
DECLARE
    v_most bigint;
    v_erased bigint;
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    UPDATE fanvue_bot.jobs AS j SET last_error = NULL
    WHERE j.creator_id = p_creator AND j.token <> 0 AND j.last_error IS NOT NULL;
    DELETE FROM fanvue_bot.jobs AS j
    WHERE j.creator_id = p_creator AND j.token = 0 AND j.seq = ANY (ARRAY(
        SELECT e.seq FROM fanvue_bot.jobs AS e WHERE e.creator_id = p_creator AND e.token = 0
        ORDER BY e.creator_id, e.lane, e.due_at, e.seq LIMIT p_limit));
    GET DIAGNOSTICS v_most = ROW_COUNT;
    DELETE FROM fanvue_bot.dead_letters AS d WHERE d.creator_id = p_creator AND d.seq = ANY (ARRAY(
        SELECT e.seq FROM fanvue_bot.dead_letters AS e WHERE e.creator_id = p_creator
        ORDER BY e.creator_id, e.lane, e.seq LIMIT p_limit));
    GET DIAGNOSTICS v_erased = ROW_COUNT;
    v_most := greatest(v_most, v_erased);
    DELETE FROM fanvue_bot.job_keys AS k WHERE k.creator_id = p_creator AND k.idempotency_key = ANY (ARRAY(
        SELECT e.idempotency_key FROM fanvue_bot.job_keys AS e WHERE e.creator_id = p_creator
        ORDER BY e.creator_id, e.idempotency_key LIMIT p_limit));
    GET DIAGNOSTICS v_erased = ROW_COUNT;
    RETURN greatest(v_most, v_erased);
END
$$;

-- Erases up to `p_limit` recipients of a creator's broadcasts and, when there are no more, broadcasts; answers how many.
CREATE FUNCTION fanvue_bot.erase_broadcasts_of(p_creator uuid, p_limit bigint) RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
DECLARE
    v_recipients bigint;
    v_erased bigint := 0;
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    DELETE FROM fanvue_bot.recipients AS r USING (
        SELECT e.broadcast_id, e.fan_id FROM fanvue_bot.recipients AS e WHERE e.creator_id = p_creator
        ORDER BY e.creator_id, e.broadcast_id, e.fan_id LIMIT p_limit) AS n
    WHERE r.creator_id = p_creator AND r.broadcast_id = n.broadcast_id AND r.fan_id = n.fan_id;
    GET DIAGNOSTICS v_recipients = ROW_COUNT;
    IF v_recipients < p_limit THEN
        DELETE FROM fanvue_bot.broadcasts AS b WHERE b.creator_id = p_creator AND b.id = ANY (ARRAY(
            SELECT e.id FROM fanvue_bot.broadcasts AS e WHERE e.creator_id = p_creator
            ORDER BY e.creator_id, e.id LIMIT p_limit));
        GET DIAGNOSTICS v_erased = ROW_COUNT;
    END IF;
    RETURN greatest(v_recipients, v_erased);
END
$$;
