-- Messages to many. `broadcast` is the whole of it as JSON; the other columns are what is looked for.
CREATE TABLE fanvue_bot.broadcasts (
    creator_id uuid NOT NULL,
    id uuid NOT NULL,
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    due_at bigint,
    broadcast text NOT NULL,
    PRIMARY KEY (creator_id, id)
);
CREATE INDEX broadcasts_newest ON fanvue_bot.broadcasts (creator_id, created_at DESC, id DESC);
CREATE INDEX broadcasts_due ON fanvue_bot.broadcasts (due_at, creator_id, id) WHERE due_at IS NOT NULL;

-- Who gets them, and what they go by in the list that they are from. Each row is moved two or three times, and is looked for by where it stands.
CREATE TABLE fanvue_bot.recipients (
    creator_id uuid NOT NULL,
    broadcast_id uuid NOT NULL,
    fan_id uuid NOT NULL,
    standing text NOT NULL,
    name text,
    PRIMARY KEY (creator_id, broadcast_id, fan_id)
);
CREATE INDEX recipients_standing ON fanvue_bot.recipients (creator_id, broadcast_id, standing, fan_id);
CREATE INDEX recipients_fan ON fanvue_bot.recipients (creator_id, fan_id, broadcast_id);

ALTER TABLE fanvue_bot.broadcasts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON fanvue_bot.broadcasts
    USING (creator_id = nullif(current_setting('app.creator', true), '')::uuid);
-- Broadcasts of all tenants are seen to together.
CREATE POLICY crossing_broadcasts ON fanvue_bot.broadcasts FOR SELECT
    USING ((SELECT current_setting('app.crossing', true)) = 'broadcasts');

ALTER TABLE fanvue_bot.recipients ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON fanvue_bot.recipients
    USING (creator_id = nullif(current_setting('app.creator', true), '')::uuid);

-- One broadcast.
CREATE FUNCTION fanvue_bot.broadcast(p_creator uuid, p_id uuid) RETURNS SETOF fanvue_bot.broadcasts
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    RETURN QUERY SELECT b.* FROM fanvue_bot.broadcasts AS b WHERE b.creator_id = p_creator AND b.id = p_id;
END
$$;

-- Broadcasts made before this one, the last made first.
CREATE FUNCTION fanvue_bot.broadcasts_before(p_creator uuid, p_created_at bigint, p_id uuid, p_limit bigint)
RETURNS SETOF fanvue_bot.broadcasts
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    RETURN QUERY SELECT b.* FROM fanvue_bot.broadcasts AS b
    WHERE b.creator_id = p_creator AND (b.created_at, b.id) < (p_created_at, p_id)
    ORDER BY b.created_at DESC, b.id DESC LIMIT p_limit;
END
$$;

-- Broadcasts of all creators that are to be seen to, the earliest first.
CREATE FUNCTION fanvue_bot.due_broadcasts(p_now bigint, p_limit bigint) RETURNS TABLE (creator_id uuid, id uuid)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.crossing', 'broadcasts', true);
    RETURN QUERY SELECT b.creator_id, b.id FROM fanvue_bot.broadcasts AS b
    WHERE b.due_at <= p_now ORDER BY b.due_at, b.creator_id, b.id LIMIT p_limit;
END
$$;

-- Adds a broadcast, or replaces the one of revision `p_expected`. Answers with its new revision; null if the stored
-- one is another.
CREATE FUNCTION fanvue_bot.put_broadcast(p_creator uuid, p_id uuid, p_expected bigint, p_created_at bigint,
    p_due_at bigint, p_broadcast text) RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
    v_revision bigint;
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    IF p_expected IS NULL THEN
        INSERT INTO fanvue_bot.broadcasts AS b (creator_id, id, revision, created_at, due_at, broadcast)
        VALUES (p_creator, p_id, 1, p_created_at, p_due_at, p_broadcast)
        ON CONFLICT DO NOTHING RETURNING b.revision INTO v_revision;
    ELSE
        UPDATE fanvue_bot.broadcasts AS b
        SET revision = b.revision + 1, due_at = p_due_at, broadcast = p_broadcast
        WHERE b.creator_id = p_creator AND b.id = p_id AND b.revision = p_expected
        RETURNING b.revision INTO v_revision;
    END IF;
    RETURN v_revision;
END
$$;

-- Adds recipients who wait; those who are there stay. Answers whether there is such a broadcast.
CREATE FUNCTION fanvue_bot.add_recipients(p_creator uuid, p_id uuid, p_fans uuid[], p_names text[]) RETURNS boolean
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    IF NOT EXISTS (SELECT FROM fanvue_bot.broadcasts AS b WHERE b.creator_id = p_creator AND b.id = p_id) THEN
        RETURN false;
    END IF;
    INSERT INTO fanvue_bot.recipients (creator_id, broadcast_id, fan_id, standing, name)
    SELECT p_creator, p_id, f.fan_id, 'waiting', f.name FROM unnest(p_fans, p_names) AS f (fan_id, name)
    ORDER BY f.fan_id
    ON CONFLICT DO NOTHING;
    RETURN true;
END
$$;

-- The names of those of the fans who are recipients and have one.
CREATE FUNCTION fanvue_bot.recipient_names(p_creator uuid, p_id uuid, p_fans uuid[])
RETURNS TABLE (fan_id uuid, name text)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    RETURN QUERY SELECT r.fan_id, r.name FROM unnest(p_fans) AS f (id)
    JOIN fanvue_bot.recipients AS r
        ON r.creator_id = p_creator AND r.broadcast_id = p_id AND r.fan_id = f.id
    WHERE r.name IS NOT NULL;
END
$$;

-- Moves those of the fans who stand at `p_from`.
CREATE FUNCTION fanvue_bot.move_recipients(p_creator uuid, p_id uuid, p_fans uuid[], p_from text, p_to text)
RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    UPDATE fanvue_bot.recipients AS r SET standing = p_to FROM unnest(p_fans) AS f (fan_id)
    WHERE r.creator_id = p_creator AND r.broadcast_id = p_id AND r.fan_id = f.fan_id AND r.standing = p_from;
END
$$;

-- Recipients who stand so, after this one or from the first on.
CREATE FUNCTION fanvue_bot.recipients_after(p_creator uuid, p_id uuid, p_standing text, p_after uuid, p_limit bigint)
RETURNS SETOF uuid
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    IF p_after IS NULL THEN
        RETURN QUERY SELECT r.fan_id FROM fanvue_bot.recipients AS r
        WHERE r.creator_id = p_creator AND r.broadcast_id = p_id AND r.standing = p_standing
        ORDER BY r.creator_id, r.broadcast_id, r.standing, r.fan_id LIMIT p_limit;
    ELSE
        RETURN QUERY SELECT r.fan_id FROM fanvue_bot.recipients AS r
        WHERE r.creator_id = p_creator AND r.broadcast_id = p_id AND r.standing = p_standing AND r.fan_id > p_after
        ORDER BY r.creator_id, r.broadcast_id, r.standing, r.fan_id LIMIT p_limit;
    END IF;
END
$$;

-- How many recipients stand how.
CREATE FUNCTION fanvue_bot.recipient_counts(p_creator uuid, p_id uuid) RETURNS TABLE (standing text, recipients bigint)
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    RETURN QUERY SELECT r.standing, count(*) FROM fanvue_bot.recipients AS r
    WHERE r.creator_id = p_creator AND r.broadcast_id = p_id GROUP BY r.standing;
END
$$;

-- Removes those whose turn has not come, and those who were left out.
CREATE FUNCTION fanvue_bot.clear_gathered(p_creator uuid, p_id uuid) RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    DELETE FROM fanvue_bot.recipients AS r
    WHERE r.creator_id = p_creator AND r.broadcast_id = p_id AND r.standing IN ('waiting', 'not_in_segment');
END
$$;

-- The broadcasts of which a fan is a recipient, after this one.
CREATE FUNCTION fanvue_bot.broadcasts_to(p_creator uuid, p_fan uuid, p_after uuid, p_limit bigint)
RETURNS TABLE (broadcast_id uuid, standing text, name text)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    IF p_after IS NULL THEN
        RETURN QUERY SELECT r.broadcast_id, r.standing, r.name FROM fanvue_bot.recipients AS r
        WHERE r.creator_id = p_creator AND r.fan_id = p_fan
        ORDER BY r.creator_id, r.fan_id, r.broadcast_id LIMIT p_limit;
    ELSE
        RETURN QUERY SELECT r.broadcast_id, r.standing, r.name FROM fanvue_bot.recipients AS r
        WHERE r.creator_id = p_creator AND r.fan_id = p_fan AND r.broadcast_id > p_after
        ORDER BY r.creator_id, r.fan_id, r.broadcast_id LIMIT p_limit;
    END IF;
END
$$;

-- Forgets that a fan was a recipient.
CREATE FUNCTION fanvue_bot.forget_recipient(p_creator uuid, p_fan uuid) RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    DELETE FROM fanvue_bot.recipients AS r WHERE r.creator_id = p_creator AND r.fan_id = p_fan;
END
$$;
