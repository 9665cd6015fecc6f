-- Leases of the deployment, by this server's clock unless the caller's time is given. Granted if free, lapsed or
-- held by the same holder; no row otherwise.
CREATE FUNCTION fanvue_bot.acquire_lease(p_name text, p_holder text, p_ttl bigint, p_now bigint)
RETURNS TABLE (fence bigint, until bigint)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    v_now bigint := coalesce(p_now, fanvue_bot.server_now());
BEGIN
    RETURN QUERY
    INSERT INTO fanvue_bot.leases AS l (name, holder, fence, until)
    VALUES (p_name, p_holder, nextval('fanvue_bot.fences'), v_now + p_ttl)
    ON CONFLICT (name) DO UPDATE SET
        fence = CASE WHEN l.holder = excluded.holder THEN l.fence ELSE excluded.fence END,
        holder = excluded.holder, until = excluded.until
    WHERE l.until <= v_now OR l.holder = excluded.holder
    RETURNING l.fence, l.until;
END
$$;

CREATE FUNCTION fanvue_bot.release_lease(p_name text, p_holder text, p_fence bigint) RETURNS void
LANGUAGE sql
AS $$ DELETE FROM fanvue_bot.leases WHERE name = p_name AND holder = p_holder AND fence = p_fence $$;

-- Secrets arrive sealed and leave sealed. Their revisions come from a sequence, so that one which is deleted and
-- put anew never has a revision that it had before. No creator means the deployment.
CREATE FUNCTION fanvue_bot.reach_secrets(p_creator uuid) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF p_creator IS NULL THEN
        PERFORM set_config('app.crossing', 'deployment', true);
    ELSE
        PERFORM set_config('app.creator', p_creator::text, true);
    END IF;
END
$$;

CREATE FUNCTION fanvue_bot.secret(p_creator uuid, p_kind text)
RETURNS TABLE (revision bigint, sealed bytea)
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM fanvue_bot.reach_secrets(p_creator);
    RETURN QUERY
    SELECT s.revision, s.sealed FROM fanvue_bot.secrets AS s
    WHERE (s.creator_id = p_creator OR (p_creator IS NULL AND s.creator_id IS NULL)) AND s.kind = p_kind;
END
$$;

-- The new revision, or null if the stored one is not `p_expected`, where null means that there must be none.
CREATE FUNCTION fanvue_bot.put_secret(p_creator uuid, p_kind text, p_sealed bytea, p_expected bigint)
RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    v_revision bigint := nextval('fanvue_bot.fences');
BEGIN
    PERFORM fanvue_bot.reach_secrets(p_creator);
    IF p_expected IS NULL THEN
        INSERT INTO fanvue_bot.secrets (creator_id, kind, revision, sealed)
        VALUES (p_creator, p_kind, v_revision, p_sealed)
        ON CONFLICT DO NOTHING;
    ELSE
        UPDATE fanvue_bot.secrets AS s SET revision = v_revision, sealed = p_sealed
        WHERE (s.creator_id = p_creator OR (p_creator IS NULL AND s.creator_id IS NULL))
            AND s.kind = p_kind AND s.revision = p_expected;
    END IF;
    RETURN CASE WHEN FOUND THEN v_revision END;
END
$$;

CREATE FUNCTION fanvue_bot.delete_secret(p_creator uuid, p_kind text, p_expected bigint) RETURNS boolean
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
BEGIN
    PERFORM fanvue_bot.reach_secrets(p_creator);
    DELETE FROM fanvue_bot.secrets AS s
    WHERE (s.creator_id = p_creator OR (p_creator IS NULL AND s.creator_id IS NULL))
        AND s.kind = p_kind AND s.revision = p_expected;
    RETURN FOUND;
END
$$;
